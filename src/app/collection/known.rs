//! What the registry knows of everyone whom some registrations may concern, kept up to date while
//! they are worked off one after the other.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    Registered, RegisteredItem, UnlinkedIdentifier, UnlinkedReason,
    check::{Checked, CheckedIdentifier},
};
use crate::{
    app::{
        error::{Error, Missing},
        resolve::survivors,
    },
    domain::{
        consent::ConsentFact,
        id::SubjectId,
        journal::JournalEntry,
        matching::{self, Conflict, Match, Presented, Profile, Profiles},
        membership::MembershipFact,
        name::Purpose,
        policy::{compile::CompiledPolicy, model::IdentifierKind},
        suppression::Suppression,
        violation::Violations,
    },
    store::{
        Session, Tx,
        identifier::{IdentifierKey, LinkedIdentifier},
        item::{ItemIdentity, KnownItem},
        subject::SubjectRecord,
    },
};

/// What is said of an identifier whose owner was erased.
pub(in crate::app) const SUPPRESSED: &str = "belongs to a person who was erased; if the person has come \
    back of their own accord, register with `returning_subject` under the scope `collect.returning`";

/// What is known.
#[derive(Default)]
pub(super) struct Known {
    identified: HashMap<IdentifierKey, Vec<SubjectId>>,
    /// The living subject that each named id leads to.
    living: HashMap<SubjectId, SubjectId>,
    pub(super) profiles: Profiles,
    pub(super) memberships: HashMap<SubjectId, Vec<MembershipFact>>,
    pub(super) items: HashMap<ItemIdentity, KnownItem>,
    /// Of subjects that deny something.
    pub(super) consents: HashMap<SubjectId, Vec<ConsentFact>>,
    suppressed: HashMap<IdentifierKey, Suppression>,
    /// What the owners of identifiers took back before a restored backup forgot them.
    waiting: HashMap<IdentifierKey, Vec<JournalEntry>>,
}

/// Whose data a registration is, and what it leaves out.
pub(super) struct Matched {
    pub(super) who: Match,
    pub(super) unlinked: Vec<UnlinkedIdentifier>,
}

impl Known {
    /// As it is committed now.
    pub(super) async fn view(
        session: &Session,
        policy: &CompiledPolicy,
        checked: &[&Checked],
    ) -> Result<Self, Error> {
        let identified = session.list_identified(&keys(checked)).await?;
        let living = survivors(session, &led_to(checked, &identified)).await?;
        let mut known = Self::of(session, policy, identified, living).await?;
        known.suppressed = session.list_suppressed(&keys(checked)).await?;
        Ok(known)
    }

    /// As it is, and stays until the end of the transaction. The identifiers are locked.
    pub(super) async fn hold(
        tx: &mut Tx,
        policy: &CompiledPolicy,
        checked: &[&Checked],
    ) -> Result<Self, Error> {
        let keys = keys(checked);
        let mut identified = tx.list_identified(&keys).await?;
        let living = tx.lock_subjects(&led_to(checked, &identified)).await?;
        let gone = |(id, record): (&SubjectId, &SubjectRecord)| {
            *id != record.subject_id || record.erased_at.is_some()
        };
        if living.iter().any(gone) {
            // A merge or an erasure was in the way and has moved or taken identifiers meanwhile.
            identified = tx.list_identified(&keys).await?;
        }
        let mut known = Self::of(tx, policy, identified, living).await?;
        known.suppressed = tx.list_suppressed(&keys).await?;
        known.waiting = tx.list_waiting(&keys).await?;
        Ok(known)
    }

    async fn of(
        session: &Session,
        policy: &CompiledPolicy,
        identified: HashMap<IdentifierKey, Vec<SubjectId>>,
        mut living: HashMap<SubjectId, SubjectRecord>,
    ) -> Result<Self, Error> {
        living.retain(|_, record| record.erased_at.is_none());
        let mut ids: Vec<_> = living.values().map(|record| record.subject_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut links = session.list_identifiers(&ids).await?;
        let profiles = living.values().map(|record| {
            let links = links.remove(&record.subject_id).unwrap_or_default();
            (record.subject_id, profile(record, &links, policy))
        });
        Ok(Self {
            profiles: profiles.collect(),
            memberships: session.list_membership_facts(&ids).await?,
            living: living
                .iter()
                .map(|(id, record)| (*id, record.subject_id))
                .collect(),
            identified,
            ..Self::default()
        })
    }

    /// Whose data a registration is, as far as is known by now, if nobody's erasure stands against it.
    pub(super) fn matched(&self, checked: &Checked) -> Result<Matched, Error> {
        let mut who = self.choose(checked)?;
        let suppressed = if checked.returning {
            Vec::new()
        } else {
            self.suppressed(checked)
        };
        let is_refused = |place: &usize| {
            let one = checked.identifiers.get(*place);
            one.is_some_and(|one| one.kind == IdentifierKind::Account || one.is_subject())
        };
        let is_new = who.subject.is_none() && !suppressed.is_empty();
        if is_new || suppressed.iter().any(is_refused) {
            return Err(Error::IdentifierSuppressed(refusal(checked, &suppressed)));
        }
        who.link.retain(|place| !suppressed.contains(place));
        let devices = left_out(checked, &who.left, UnlinkedReason::DeviceOfAnother);
        let suppressed = left_out(checked, &suppressed, UnlinkedReason::Suppressed);
        let unlinked = devices.chain(suppressed).collect();
        Ok(Matched { who, unlinked })
    }

    /// Places of the identifiers whose owner was erased, and which nobody else has.
    fn suppressed(&self, checked: &Checked) -> Vec<usize> {
        let identifiers = checked.identifiers.iter().enumerate();
        let suppressed = identifiers.filter(|(_, one)| {
            let key = one.key();
            let held = self.identified.get(&key).is_some_and(|it| !it.is_empty());
            self.suppressed.contains_key(&key) && !held
        });
        suppressed.map(|(place, _)| place).collect()
    }

    /// Lifts the suppression of a returning person's identifiers. Returns which they are, and the
    /// latest no to each kind of marketing that was kept with them.
    pub(super) fn lift(
        &mut self,
        checked: &Checked,
    ) -> (Vec<IdentifierKey>, Vec<(Purpose, Timestamp)>) {
        let mut lifted = Vec::new();
        let mut joined = Suppression::default();
        if checked.returning {
            for key in checked.identifiers.iter().map(CheckedIdentifier::key) {
                if let Some(suppression) = self.suppressed.remove(&key) {
                    joined.join(suppression);
                    lifted.push(key);
                }
            }
        }
        (lifted, joined.latest())
    }

    fn choose(&self, checked: &Checked) -> Result<Match, Error> {
        let named = match checked.named {
            Some(id) => {
                let living = self.living.get(&id).copied();
                Some(living.ok_or(Error::NotFound(Missing::Subject))?)
            }
            None => None,
        };
        let presented: Vec<_> = checked
            .identifiers
            .iter()
            .map(|one| self.presented(one))
            .collect();
        matching::choose(named, &presented, &self.profiles)
            .map_err(|Conflict { subjects }| Error::IdentifierConflict { subjects })
    }

    fn presented(&self, one: &CheckedIdentifier) -> Presented {
        let leads_to = self.identified.get(&one.key()).cloned();
        Presented {
            identifier_type: one.identifier.identifier_type.clone(),
            kind: one.kind,
            leads_to: leads_to.unwrap_or_default(),
        }
    }

    /// What waits for whoever an identifier leads to.
    pub(super) fn waiting_for(&self, one: &CheckedIdentifier) -> &[JournalEntry] {
        let waiting = self.waiting.get(&one.key());
        waiting.map_or(&[][..], Vec::as_slice)
    }

    /// Notes that an identifier leads to `subject`. If it did not yet: whether it leads to others.
    pub(super) fn link(&mut self, subject: SubjectId, one: &CheckedIdentifier) -> Option<bool> {
        let leads_to = self.identified.entry(one.key()).or_default();
        if leads_to.contains(&subject) {
            return None;
        }
        let leads_elsewhere = !leads_to.is_empty();
        leads_to.push(subject);
        if let Some(profile) = self.profiles.get_mut(&subject) {
            if one.kind == IdentifierKind::Account {
                let identifier_type = &one.identifier.identifier_type;
                profile.accounts.insert(identifier_type.clone());
            }
            profile.is_pseudonym &= one.kind == IdentifierKind::Device;
        }
        Some(leads_elsewhere)
    }

    /// What registering would answer, without ids that only registering makes.
    pub(super) fn preview(&self, checked: &Checked) -> Result<Registered, Error> {
        let Matched { who, unlinked } = self.matched(checked)?;
        let category = &checked.subject_category;
        let items = checked.items.iter().map(|item| RegisteredItem {
            item_id: None,
            subject_category: category.clone(),
            data_category: item.data_category.clone(),
            source: item.source.clone(),
            collected_at: item.collected_at,
            policy_version: item.policy_version.clone(),
            purposes: item.purposes.clone(),
        });
        Ok(Registered {
            subject_id: who.subject,
            subject_created: false,
            items: items.collect(),
            consent_ids: Vec::new(),
            unlinked,
        })
    }
}

/// The identifiers at these places, which are left out.
fn left_out<'a>(
    checked: &'a Checked,
    places: &'a [usize],
    reason: UnlinkedReason,
) -> impl Iterator<Item = UnlinkedIdentifier> + 'a {
    places.iter().filter_map(move |place| {
        let one = checked.identifiers.get(*place)?;
        Some(UnlinkedIdentifier {
            identifier_type: one.identifier.identifier_type.clone(),
            field: one.field.clone(),
            reason,
        })
    })
}

/// What is said of identifiers whose owner was erased.
fn refusal(checked: &Checked, places: &[usize]) -> Violations {
    let mut violations = Violations::default();
    let refused = places.iter().filter_map(|it| checked.identifiers.get(*it));
    for one in refused {
        violations.add(one.field.clone(), SUPPRESSED);
    }
    violations
}

/// The identifiers of all registrations, each once.
pub(super) fn keys(checked: &[&Checked]) -> Vec<IdentifierKey> {
    let identifiers = checked.iter().flat_map(|checked| &checked.identifiers);
    let mut keys: Vec<_> = identifiers.map(CheckedIdentifier::key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Every subject that is named or led to, each once, in the order of their ids.
fn led_to(
    checked: &[&Checked],
    identified: &HashMap<IdentifierKey, Vec<SubjectId>>,
) -> Vec<SubjectId> {
    let named = checked.iter().filter_map(|checked| checked.named);
    let mut ids: Vec<_> = named
        .chain(identified.values().flatten().copied())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A type that the policy no longer has counts as a contact: it is neither an account to be taken
/// over, nor a pseudonym to be merged away.
pub(in crate::app) fn profile(
    record: &SubjectRecord,
    links: &[LinkedIdentifier],
    policy: &CompiledPolicy,
) -> Profile {
    let kind = |link: &LinkedIdentifier| {
        let entry = policy.identifier_type(&link.identifier_type);
        entry.map_or(IdentifierKind::Contact, |entry| entry.kind)
    };
    let accounts = links
        .iter()
        .filter(|link| kind(link) == IdentifierKind::Account);
    Profile {
        created_at: record.created_at,
        accounts: accounts.map(|link| link.identifier_type.clone()).collect(),
        is_pseudonym: !links.is_empty()
            && links
                .iter()
                .all(|link| kind(link) == IdentifierKind::Device),
    }
}
