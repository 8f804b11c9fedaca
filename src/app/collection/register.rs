//! Registering: every check first, then whose data it is, then what is new, then all of it written.
//! A registration that is refused has written nothing, so many of them can share a transaction.

use std::collections::BTreeSet;

use super::{
    Registered, RegisteredItem, Registration, UnlinkedIdentifier,
    check::{Checked, CheckedItem, check},
    known::{Known, Matched, keys},
    writes::Writes,
};
use crate::{
    app::{
        consent::{CheckedStatement, stop_recipients},
        error::Error,
        merge::{check_size, merge_subject},
        registry::{Change, in_force},
    },
    domain::{
        audit::AuditDetail,
        caller::Caller,
        consent::ConsentRecord,
        event::{Event, EventKind},
        id::{ItemId, ObjectionId, SubjectId},
        item::{Item, ItemState, LastWord},
        journal::JournalKind,
        matching::{Match, Profile},
        membership::{self, MembershipFact},
        policy::{compile::CompiledPolicy, history::PolicyHistory, model::IdentifierKind},
        subject::Objection,
    },
    store::{
        Tx,
        identifier::NewIdentifier,
        item::{ItemChange, ItemIdentity, KnownItem},
    },
};

/// What became of one registration.
pub(super) type Outcome = Result<Change<Registered>, Error>;

/// Registers in order, each as a whole or not at all: all by callers of one service, each held against what
/// its own may. The outer error is the transaction's; the inner ones are refusals, which leave the others as
/// they are.
pub(super) async fn all(
    tx: &mut Tx,
    policies: &PolicyHistory,
    registrations: &[(&Caller, &Registration)],
) -> Result<Vec<Outcome>, Error> {
    let Some((caller, _)) = registrations.first() else {
        return Ok(Vec::new());
    };
    let now = tx.now();
    let checked: Vec<_> = registrations
        .iter()
        .map(|(caller, registration)| check(policies, now, caller, registration))
        .collect();
    let good: Vec<_> = checked.iter().flatten().collect();
    let mut registered = Vec::with_capacity(good.len());
    if !good.is_empty() {
        let policy = in_force(policies, now)?;
        tx.lock_identifiers(&keys(&good)).await?;
        let mut work = Work {
            tx,
            policies,
            policy,
            caller,
        };
        work.off(&good, &mut registered).await?;
    }
    let mut registered = registered.into_iter();
    let outcomes = checked.into_iter().map(|checked| match checked {
        Ok(_) => registered
            .next()
            .unwrap_or_else(|| Err(Error::Internal("a registration was left out".into()))),
        Err(error) => Err(error),
    });
    Ok(outcomes.collect())
}

struct Work<'a> {
    tx: &'a mut Tx,
    policies: &'a PolicyHistory,
    policy: &'a CompiledPolicy,
    caller: &'a Caller,
}

/// A registration whose subject is certain.
struct Placed<'c> {
    checked: &'c Checked,
    subject: SubjectId,
    unlinked: Vec<UnlinkedIdentifier>,
    created: bool,
    linked: bool,
    joined: bool,
}

impl Work<'_> {
    /// Works off `good` in runs: a merge changes what is known of everyone, so it ends a run.
    async fn off(&mut self, good: &[&Checked], outcomes: &mut Vec<Outcome>) -> Result<(), Error> {
        let mut merged = Vec::new();
        while let Some(rest) = good.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            let mut known = Known::hold(self.tx, self.policy, rest).await?;
            let mut writes = Writes::default();
            let mut placed = Vec::with_capacity(rest.len());
            let mut to_merge = None;
            for checked in rest {
                match known.matched(checked) {
                    Err(error) => placed.push(Err(error)),
                    Ok(matched) if matched.who.merge.is_empty() => {
                        let one = self
                            .place(&mut known, &mut writes, checked, matched)
                            .await?;
                        placed.push(Ok(one));
                    }
                    Ok(matched) => {
                        to_merge = Some(matched.who);
                        break;
                    }
                }
            }
            if let (Some(matched), true) = (to_merge, placed.is_empty()) {
                match self.check_sizes(&matched).await {
                    Ok(()) => self.merge(&matched, &mut merged).await?,
                    Err(error @ Error::TooLarge(_)) => outcomes.push(Err(error)),
                    Err(error) => return Err(error),
                }
                continue;
            }
            let first = outcomes.len();
            let denying = denying(&placed);
            self.fill(&mut known, &mut writes, placed, outcomes).await?;
            let waited = writes.flush(self.tx, self.caller).await?;
            if let Some(change) = outcomes[first..].iter_mut().flatten().next() {
                change.join(waited);
            }
            for (place, subject, checked) in denying {
                let outcome = outcomes.get_mut(first + place);
                self.stop(subject, checked, outcome).await?;
            }
            if !merged.is_empty() {
                let Some(Ok(change)) = outcomes.get_mut(first) else {
                    return Err(Error::Internal("a device was merged for nothing".into()));
                };
                change.events.splice(..0, merged.drain(..));
            }
        }
        Ok(())
    }

    /// Tells those who use data on a consent that a registration takes back to stop.
    async fn stop(
        &mut self,
        subject: SubjectId,
        checked: &Checked,
        outcome: Option<&mut Outcome>,
    ) -> Result<(), Error> {
        let Some(Ok(change)) = outcome else {
            return Err(Error::Internal("a refusal was not recorded".into()));
        };
        for statement in &checked.consents {
            let stopped = stop_recipients(self.tx, self.policies, subject, statement).await?;
            change.audit.task_ids.extend(stopped.task_ids);
            change.events.extend(stopped.events);
        }
        Ok(())
    }

    async fn check_sizes(&self, matched: &Match) -> Result<(), Error> {
        for from in &matched.merge {
            check_size(self.tx, *from).await?;
        }
        Ok(())
    }

    /// Merges the pseudonyms behind a registration's devices into its subject.
    async fn merge(&mut self, matched: &Match, events: &mut Vec<Event>) -> Result<(), Error> {
        let Some(into) = matched.subject else {
            return Err(Error::Internal("a device has nobody to go up in".into()));
        };
        if !events.is_empty() {
            return Err(Error::Internal(
                "a device was merged and is still apart".into(),
            ));
        }
        for from in &matched.merge {
            events.push(merge_subject(self.tx, self.policies, self.caller, *from, into).await?);
        }
        Ok(())
    }

    /// Makes the subject if it is new, links the identifiers, begins the membership.
    async fn place<'c>(
        &mut self,
        known: &mut Known,
        writes: &mut Writes,
        checked: &'c Checked,
        matched: Matched,
    ) -> Result<Placed<'c>, Error> {
        let Matched { who, unlinked } = matched;
        let subject = match who.subject {
            Some(subject) => subject,
            None => self.create(known, writes).await?,
        };
        let mut linked = false;
        let links = who.link.iter();
        for one in links.filter_map(|place| checked.identifiers.get(*place)) {
            if let Some(leads_elsewhere) = known.link(subject, one) {
                linked = true;
                writes.wait_no_more(subject, known.waiting_for(one));
                writes.links.push(NewIdentifier {
                    subject_id: subject,
                    identifier_type: one.identifier.identifier_type.clone(),
                    value: one.identifier.value.clone(),
                    normalised: one.normalised.clone(),
                    shared: one.kind == IdentifierKind::Contact,
                    leads_elsewhere,
                });
            }
        }
        self.welcome_back(known, writes, subject, checked);
        Ok(Placed {
            checked,
            subject,
            unlinked,
            created: who.subject.is_none(),
            linked,
            joined: self.join(known, writes, subject, checked),
        })
    }

    /// Lifts the suppression of a returning person's identifiers; what was said against direct
    /// marketing holds on, with its old date (Art. 21(3)).
    fn welcome_back(
        &self,
        known: &mut Known,
        writes: &mut Writes,
        subject: SubjectId,
        checked: &Checked,
    ) {
        let (lifted, objected) = known.lift(checked);
        writes.lifted.extend(lifted);
        let objections = objected
            .into_iter()
            .map(|(purpose, occurred_at)| Objection {
                objection_id: ObjectionId(self.tx.new_id()),
                purpose,
                occurred_at,
                rejected_at: None,
            });
        writes
            .objections
            .extend(objections.map(|objection| (subject, objection)));
    }

    async fn create(&mut self, known: &mut Known, writes: &mut Writes) -> Result<SubjectId, Error> {
        let subject = self.tx.reserve_subject().await?;
        writes.subjects.push(subject);
        let profile = Profile {
            created_at: self.tx.now(),
            accounts: BTreeSet::new(),
            is_pseudonym: true,
        };
        known.profiles.insert(subject, profile);
        Ok(subject)
    }

    fn join(
        &self,
        known: &mut Known,
        writes: &mut Writes,
        subject: SubjectId,
        checked: &Checked,
    ) -> bool {
        let facts = known.memberships.entry(subject).or_default();
        let category = &checked.subject_category;
        // A clock that is a little ahead must not keep the person out until then.
        let at = checked.collected_at.min(self.tx.now());
        if membership::is_member(&*facts, category, at) {
            return false;
        }
        let fact = MembershipFact {
            category: category.clone(),
            began: true,
            occurred_at: at,
            recorded_at: self.tx.now(),
        };
        facts.push(fact.clone());
        writes.memberships.push((subject, fact));
        true
    }

    /// Items and consents of everyone who was placed.
    async fn fill(
        &mut self,
        known: &mut Known,
        writes: &mut Writes,
        placed: Vec<Result<Placed<'_>, Error>>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Error> {
        let good: Vec<_> = placed.iter().flatten().collect();
        let mut identities = self.recall(known, writes, &good).await?.into_iter();
        for placed in placed {
            let outcome = match placed {
                Ok(placed) => {
                    let identities = identities.next().unwrap_or_default();
                    Ok(self.register(known, writes, placed, identities))
                }
                Err(error) => Err(error),
            };
            outcomes.push(outcome);
        }
        Ok(())
    }

    /// Looks up what is known of the items and, where something is denied, of the consents. Returns
    /// the identities of each registration's items.
    async fn recall(
        &mut self,
        known: &mut Known,
        writes: &Writes,
        placed: &[&Placed<'_>],
    ) -> Result<Vec<Vec<ItemIdentity>>, Error> {
        let is_old = |one: &&&Placed<'_>| !writes.subjects.contains(&one.subject);
        let old: Vec<_> = placed
            .iter()
            .filter(is_old)
            .map(|one| one.subject)
            .collect();
        let denying: Vec<_> = placed
            .iter()
            .filter(|one| one.checked.consents.iter().any(CheckedStatement::is_denial))
            .map(|one| one.subject)
            .collect();
        self.tx.prepare_keys(&old).await?;
        let mut identities = Vec::with_capacity(placed.len());
        for one in placed {
            identities.push(self.identities(one).await?);
        }
        let recalled: Vec<_> = identities
            .iter()
            .flatten()
            .filter(|identity| old.contains(&identity.subject_id))
            .cloned()
            .collect();
        known.items = self.tx.list_known_items(&recalled).await?;
        if !denying.is_empty() {
            known.consents = self.tx.list_consent_facts(&denying).await?;
        }
        Ok(identities)
    }

    async fn identities(&self, placed: &Placed<'_>) -> Result<Vec<ItemIdentity>, Error> {
        let mut identities = Vec::with_capacity(placed.checked.items.len());
        for item in &placed.checked.items {
            let state = item.state(ItemId(self.tx.next_id()), &placed.checked.subject_category);
            let identity = self.tx.item_identity(placed.subject, &state, &item.key);
            identities.push(identity.await?);
        }
        Ok(identities)
    }

    fn register(
        &self,
        known: &mut Known,
        writes: &mut Writes,
        placed: Placed<'_>,
        identities: Vec<ItemIdentity>,
    ) -> Change<Registered> {
        let items = placed.checked.items.iter().zip(identities);
        let items: Vec<_> = items
            .map(|(item, identity)| self.keep(known, writes, item, identity))
            .collect();
        let consents = self.consent(known, writes, &placed);
        change(placed, &items, &consents)
    }

    /// Keeps an item, unless something newer is known. Returns its state, and whether it is live.
    fn keep(
        &self,
        known: &mut Known,
        writes: &mut Writes,
        item: &CheckedItem,
        identity: ItemIdentity,
    ) -> (ItemState, bool) {
        let subject = identity.subject_id;
        let before = known.items.get(&identity).copied();
        let item_id = before.map_or_else(|| ItemId(self.tx.next_id()), |before| before.item_id);
        let state = item.state(item_id, &identity.subject_category);
        if before.is_some_and(|before| !before.last_word.yields_to(item.collected_at)) {
            let change = (subject, state.clone(), ItemChange::Outdated);
            writes.history.push(change);
            return (state, false);
        }
        let last_word = LastWord {
            collected_at: item.collected_at,
            deleted_at: None,
        };
        known
            .items
            .insert(identity, KnownItem { item_id, last_word });
        let change = (subject, state.clone(), ItemChange::Registered);
        writes.history.push(change);
        let kept = Item {
            state: state.clone(),
            key: item.key.clone(),
            content: item.content.clone(),
        };
        writes.items.insert((subject, item_id), kept);
        (state, true)
    }

    /// The consent facts, statement by statement.
    fn consent(
        &self,
        known: &mut Known,
        writes: &mut Writes,
        placed: &Placed<'_>,
    ) -> Vec<Vec<ConsentRecord>> {
        let facts = known.consents.entry(placed.subject).or_default();
        let statements = placed.checked.consents.iter();
        let records: Vec<_> = statements
            .map(|statement| {
                let records = statement.records(self.tx, placed.subject, facts);
                facts.extend(records.iter().map(ConsentRecord::fact));
                records
            })
            .collect();
        writes.consents.extend(records.iter().flatten().cloned());
        records
    }
}

/// Whose registrations deny something, by their places.
fn denying<'c>(placed: &[Result<Placed<'c>, Error>]) -> Vec<(usize, SubjectId, &'c Checked)> {
    let good = placed.iter().enumerate();
    let good = good.filter_map(|(place, placed)| Some((place, placed.as_ref().ok()?)));
    good.filter(|(_, placed)| {
        let mut consents = placed.checked.consents.iter();
        consents.any(CheckedStatement::is_denial)
    })
    .map(|(place, placed)| (place, placed.subject, placed.checked))
    .collect()
}

fn change(
    placed: Placed<'_>,
    items: &[(ItemState, bool)],
    consents: &[Vec<ConsentRecord>],
) -> Change<Registered> {
    let subject = placed.subject;
    let facts = || consents.iter().flatten();
    let audit = AuditDetail {
        data_categories: distinct(items.iter().map(|(state, _)| state.data_category.clone())),
        item_ids: distinct(items.iter().map(|(state, _)| state.item_id)),
        purposes: distinct(facts().map(|fact| fact.purpose.clone())),
        processors: distinct(facts().flat_map(|fact| fact.processors.clone())),
        consent_ids: facts().map(|fact| fact.consent_id).collect(),
        policy_version: items.first().map(|(state, _)| state.policy_version.clone()),
        ..AuditDetail::of(subject)
    };
    let events = events(&placed, items, consents);
    let registered = Registered {
        subject_id: Some(subject),
        subject_created: placed.created,
        items: items
            .iter()
            .map(|(state, _)| RegisteredItem::from(state))
            .collect(),
        consent_ids: facts().map(|fact| fact.consent_id).collect(),
        unlinked: placed.unlinked,
    };
    let mut change = Change::new(registered, audit);
    change.events = events;
    change.journal = JournalKind::denials(consents.iter().flatten());
    change
}

fn events(
    placed: &Placed<'_>,
    items: &[(ItemState, bool)],
    consents: &[Vec<ConsentRecord>],
) -> Vec<Event> {
    let of = |kind| Event::new(kind, Some(placed.subject));
    let mut events = Vec::new();
    if placed.created {
        events.push(of(EventKind::SubjectCreated));
    }
    if placed.linked {
        events.push(of(EventKind::IdentifierLinked));
    }
    if placed.joined {
        events.push(Event {
            subject_category: Some(placed.checked.subject_category.clone()),
            ..of(EventKind::CategoryAdded)
        });
    }
    let live = || {
        items
            .iter()
            .filter(|(_, live)| *live)
            .map(|(state, _)| state)
    };
    if let Some(first) = live().next() {
        events.push(Event {
            data_categories: distinct(live().map(|state| state.data_category.clone())),
            item_ids: distinct(live().map(|state| state.item_id)),
            policy_version: Some(first.policy_version.clone()),
            ..of(EventKind::ItemsRegistered)
        });
    }
    let statements = consents
        .iter()
        .filter_map(|facts| Some((facts, facts.first()?)));
    events.extend(statements.map(|(facts, first)| Event {
        purposes: facts.iter().map(|fact| fact.purpose.clone()).collect(),
        processors: first.processors.clone(),
        consent_ids: facts.iter().map(|fact| fact.consent_id).collect(),
        policy_version: Some(first.evidence.policy_version.clone()),
        ..of(EventKind::ConsentRecorded)
    }));
    events
}

/// Each once, in order.
fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let distinct: BTreeSet<_> = values.collect();
    distinct.into_iter().collect()
}

impl From<&ItemState> for RegisteredItem {
    fn from(state: &ItemState) -> Self {
        Self {
            item_id: Some(state.item_id),
            subject_category: state.subject_category.clone(),
            data_category: state.data_category.clone(),
            source: state.source.clone(),
            collected_at: state.collected_at,
            policy_version: state.policy_version.clone(),
            purposes: state.purposes.clone(),
        }
    }
}
