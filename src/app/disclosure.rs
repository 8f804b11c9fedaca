//! Disclosures: checked and recorded in one step, under the subject's lock, so that nothing takes a
//! permission away between the answer and the record of it.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    decision::{Answer, Evidence, Judged, permit},
    error::{Error, Missing},
    page::Page,
    registry::{AHEAD_MAX, Call, Change, Registry, Written, authorise, in_force},
    resolve::{resolve, resolve_each},
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::{Bound, Caller},
        decision::Query,
        disclosure::{Disclosure, ExternalReference},
        event::{Event, EventKind},
        id::{DecisionId, DisclosureId, ItemId, SubjectId},
        name::{DataCategory, Processor, Purpose},
        policy::history::PolicyHistory,
        subject_ref::SubjectRef,
        violation::Violations,
    },
    store::{Tx, decision::KeptDecision, subject::SubjectRecord},
};

/// A disclosure about to be made.
#[derive(Clone, Debug)]
pub struct Disclose {
    /// Whose data.
    pub subject: SubjectRef,
    /// What kinds of data: all items of them that are allowed.
    pub data_categories: Vec<DataCategory>,
    /// Single items.
    pub item_ids: Vec<ItemId>,
    /// What for.
    pub purpose: Purpose,
    /// To whom.
    pub processor: Processor,
    /// What the recipient calls it.
    pub external_reference: Option<ExternalReference>,
    /// When it happens; `None`: now.
    pub occurred_at: Option<Timestamp>,
}

/// A disclosure that was recorded, and the decision that permitted it.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// The disclosure.
    pub disclosure: Disclosure,
    /// The decision.
    pub answer: Answer,
}

/// What a repeat of the request is answered from: the request has the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Receipt {
    disclosure_id: DisclosureId,
    decision_id: DecisionId,
    subject_id: SubjectId,
    items: Vec<(ItemId, DataCategory)>,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    answer: Answer,
}

/// What became of one disclosure.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Outcome {
    Recorded(Box<Receipt>),
    NotLawful(Box<Answer>),
    SubjectUnknown,
    SubjectAmbiguous(usize),
    /// Fields and what is wrong with each, without values.
    Invalid(Vec<(String, String)>),
}

impl Registry {
    /// Checks and records a disclosure, all or nothing. One that is not lawful leaves its decision
    /// and an audit entry, and nothing else.
    pub async fn record_disclosure(
        &self,
        call: Call,
        disclose: Disclose,
    ) -> Result<Written<Disclosed>, Error> {
        call.authorise()?;
        disclose.permit(&call.caller)?;
        let service = call.caller.service.as_str().to_owned();
        let entries: Arc<[Disclose]> = Arc::new([disclose]);
        let body = Recording::new(&call, entries.clone());
        let written = self
            .change(call, move |tx, policies| {
                let recording = body.clone();
                Box::pin(async move { recording.record_one(tx, policies).await })
            })
            .await?;
        self.count_outcomes(std::slice::from_ref(&written.value));
        let recorded = written.value.into_disclosed(&entries[0], &service)?;
        Ok(Written {
            value: recorded,
            revision: written.revision,
            replayed: written.replayed,
        })
    }

    /// Checks and records disclosures in one transaction, each for itself, answered in their order.
    pub async fn record_disclosures(
        &self,
        call: Call,
        entries: Vec<Disclose>,
    ) -> Result<Written<Vec<Result<Disclosed, Error>>>, Error> {
        call.authorise()?;
        let permits: Vec<_> = entries.iter().map(|it| it.permit(&call.caller)).collect();
        let entries = entries.into_iter().zip(&permits);
        let entries: Arc<[_]> = entries
            .filter(|(_, permit)| permit.is_ok())
            .map(|(disclose, _)| disclose)
            .collect();
        let service = call.caller.service.as_str().to_owned();
        let body = Recording::new(&call, entries.clone());
        let written = self
            .change(call, move |tx, policies| {
                let recording = body.clone();
                Box::pin(async move { recording.record_each(tx, policies).await })
            })
            .await?;
        self.count_outcomes(&written.value);
        let outcomes = written.value.into_iter().zip(entries.iter());
        let mut outcomes = outcomes.map(|(one, disclose)| one.into_disclosed(disclose, &service));
        let results = permits.into_iter().map(|permit| {
            permit?;
            outcomes.next().unwrap_or_else(|| Err(unanswered()))
        });
        Ok(Written {
            value: results.collect(),
            revision: written.revision,
            replayed: written.replayed,
        })
    }

    fn count_outcomes(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Recorded(_) => self.metrics().decided("ALLOW", "LAWFUL", 1),
                Outcome::NotLawful(answer) => self.count_decisions([&**answer]),
                Outcome::SubjectUnknown | Outcome::SubjectAmbiguous(_) | Outcome::Invalid(_) => {}
            }
        }
    }

    /// A page of a subject's disclosures, latest recorded first: those to recipients that the
    /// caller's claims cover.
    pub async fn list_disclosures(
        &self,
        caller: &Caller,
        subject: &SubjectRef,
        processor: Option<&Processor>,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<Disclosure>, Error> {
        authorise(caller, Action::ListDisclosures)?;
        let processors = visible_processors(caller, processor)?;
        let asked = (
            self.clone(),
            subject.clone(),
            processors,
            token.map(str::to_owned),
        );
        let asked = Arc::new(asked);
        let action = Action::ListDisclosures;
        let read = self.read_audited(caller, action, None, move |tx, policies| {
            let asked = asked.clone();
            Box::pin(async move {
                let (registry, subject, processors, token) = &*asked;
                let policy = in_force(policies, tx.now())?;
                let id = resolve(tx, policy, subject, "subject").await?.subject_id;
                let list = format!("disclosures {id} {processors:?}");
                let before = match token {
                    Some(token) => Some(position(&registry.open_token(&list, token)?)?),
                    None => None,
                };
                let entries = tx
                    .list_disclosures(id, processors.as_deref(), before, size as u64 + 1)
                    .await?;
                let page = registry.page(&list, size, entries, |it| {
                    format!("{} {}", it.recorded_at.as_microsecond(), it.disclosure_id)
                });
                let audit = shown(id, &page.entries);
                Ok((page, audit))
            })
        });
        let (page, _) = read.await?;
        Ok(page)
    }
}

/// What the log says of disclosures that were read: what recipients call a person is personal data.
fn shown(subject: SubjectId, disclosures: &[Disclosure]) -> AuditDetail {
    let of = |it: &Disclosure| (it.processor.clone(), it.purpose.clone());
    let (processors, purposes): (BTreeSet<_>, BTreeSet<_>) = disclosures.iter().map(of).unzip();
    AuditDetail {
        processors: processors.into_iter().collect(),
        purposes: purposes.into_iter().collect(),
        ..AuditDetail::of(subject)
    }
}

impl Disclose {
    fn permit(&self, caller: &Caller) -> Result<(), Error> {
        permit(caller, &self.purpose, Some(&self.processor))
    }

    /// The disclosure as it stands, of this request and what was made of it.
    fn recorded(&self, receipt: &Receipt, service: &str) -> Disclosure {
        Disclosure {
            disclosure_id: receipt.disclosure_id,
            subject_id: receipt.subject_id,
            items: receipt.items.clone(),
            purpose: self.purpose.clone(),
            processor: self.processor.clone(),
            external_reference: self.external_reference.clone(),
            occurred_at: receipt.occurred_at,
            recorded_at: receipt.recorded_at,
            decision_id: receipt.decision_id,
            recorded_by: service.to_owned(),
        }
    }

    fn query(&self) -> Query {
        Query {
            data_categories: self.data_categories.clone(),
            item_ids: self.item_ids.clone(),
            purpose: self.purpose.clone(),
            processor: Some(self.processor.clone()),
        }
    }
}

/// What the transaction's body needs, whenever it runs.
#[derive(Clone)]
struct Recording {
    service: Arc<str>,
    entries: Arc<[Disclose]>,
}

impl Recording {
    fn new(call: &Call, entries: Arc<[Disclose]>) -> Self {
        Self {
            service: call.caller.service.as_str().into(),
            entries,
        }
    }

    async fn record_one(
        &self,
        tx: &mut Tx,
        policies: &PolicyHistory,
    ) -> Result<Change<Outcome>, Error> {
        let mut work = self.record(tx, policies).await?;
        let outcome = work.outcomes.pop().ok_or_else(unanswered)?;
        let is_lawful = matches!(outcome, Outcome::Recorded(_));
        if !is_lawful && !matches!(outcome, Outcome::NotLawful(_)) {
            return Err(outcome.into_error());
        }
        let mut change = Change::of_many(outcome, work.audit);
        change.events = work.events;
        Ok(if is_lawful { change } else { change.refused() })
    }

    async fn record_each(
        &self,
        tx: &mut Tx,
        policies: &PolicyHistory,
    ) -> Result<Change<Vec<Outcome>>, Error> {
        let work = self.record(tx, policies).await?;
        let mut change = Change::of_many(work.outcomes, work.audit);
        change.events = work.events;
        Ok(change)
    }

    /// Finds and locks everybody, judges, and writes what is lawful.
    async fn record(&self, tx: &mut Tx, policies: &PolicyHistory) -> Result<Work, Error> {
        let subjects = self.lock_subjects(tx, policies).await?;
        let ids: Vec<_> = subjects.iter().flatten().copied().collect();
        let evidence = Evidence::load(tx, policies, &ids, &[]).await?;
        let mut work = Work::default();
        for (disclose, subject) in self.entries.iter().zip(subjects) {
            let occurred_at = disclose.occurred_at.unwrap_or(tx.now());
            match subject.and_then(|id| not_ahead(occurred_at, tx.now()).map(|()| id)) {
                Ok(id) => {
                    let judged = evidence.judge(vec![id], disclose.query(), false);
                    work.add(tx, self, disclose, id, occurred_at, judged);
                }
                Err(error) => work.outcomes.push(Outcome::of(error)?),
            }
        }
        tx.insert_decisions(&work.decisions).await?;
        tx.insert_disclosures(&work.disclosures).await?;
        Ok(work)
    }

    /// The subject of each entry, locked: in the order of their ids, so that two batches never
    /// wait for each other in a circle.
    async fn lock_subjects(
        &self,
        tx: &mut Tx,
        policies: &PolicyHistory,
    ) -> Result<Vec<Result<SubjectId, Error>>, Error> {
        let references: Vec<_> = self.entries.iter().map(|entry| &entry.subject).collect();
        let policy = in_force(policies, tx.now())?;
        let found = resolve_each(tx, policy, &references, |_| "subject".to_owned()).await?;
        let mut subjects: Vec<_> = found.into_iter().map(|people| one(&people?)).collect();
        let wanted: BTreeSet<_> = subjects.iter().flatten().copied().collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        // What went where changes no decision.
        let locked = tx.hold_subjects(&wanted).await?;
        for subject in &mut subjects {
            if let Ok(id) = subject {
                let survivor = locked.get(id).map(|record| record.subject_id);
                *subject = survivor.ok_or(Error::NotFound(Missing::Subject));
            }
        }
        Ok(subjects)
    }
}

/// What a transaction is going to write.
#[derive(Default)]
struct Work {
    outcomes: Vec<Outcome>,
    decisions: Vec<KeptDecision>,
    disclosures: Vec<Disclosure>,
    audit: Vec<AuditDetail>,
    events: Vec<Event>,
}

impl Work {
    fn add(
        &mut self,
        tx: &Tx,
        recording: &Recording,
        disclose: &Disclose,
        subject_id: SubjectId,
        occurred_at: Timestamp,
        judged: Judged,
    ) {
        let kept = judged.kept(tx, &recording.service);
        let decision_id = kept.decision_id;
        let mut audit = judged.audit_details(decision_id);
        let answer = Answer {
            decision_id: Some(decision_id),
            ..judged.answer
        };
        self.decisions.push(kept);
        if !answer.is_lawful() {
            self.audit.append(&mut audit);
            self.outcomes.push(Outcome::NotLawful(Box::new(answer)));
            return;
        }
        let receipt = Receipt {
            disclosure_id: DisclosureId(tx.new_id()),
            decision_id,
            subject_id,
            items: items(&answer),
            occurred_at,
            recorded_at: tx.now(),
            answer,
        };
        for detail in &mut audit {
            detail.disclosure_id = Some(receipt.disclosure_id);
        }
        self.audit.append(&mut audit);
        self.events.push(event(disclose, &receipt));
        self.disclosures
            .push(disclose.recorded(&receipt, &recording.service));
        self.outcomes.push(Outcome::Recorded(Box::new(receipt)));
    }
}

impl Outcome {
    /// What one entry of a batch can meet by itself; anything else befalls the whole.
    fn of(error: Error) -> Result<Self, Error> {
        match error {
            Error::NotFound(Missing::Subject) => Ok(Self::SubjectUnknown),
            Error::SubjectAmbiguous(count) => Ok(Self::SubjectAmbiguous(count)),
            Error::Invalid(violations) => Ok(Self::Invalid(
                violations
                    .iter()
                    .map(|one| (one.field.clone(), one.description.clone()))
                    .collect(),
            )),
            error => Err(error),
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Recorded(_) => unanswered(),
            Self::NotLawful(answer) => Error::NotLawful(answer),
            Self::SubjectUnknown => Error::NotFound(Missing::Subject),
            Self::SubjectAmbiguous(count) => Error::SubjectAmbiguous(count),
            Self::Invalid(violations) => {
                let mut all = Violations::default();
                for (field, description) in violations {
                    all.add(field, description);
                }
                Error::Invalid(all)
            }
        }
    }

    fn into_disclosed(self, disclose: &Disclose, service: &str) -> Result<Disclosed, Error> {
        match self {
            Self::Recorded(receipt) => Ok(Disclosed {
                disclosure: disclose.recorded(&receipt, service),
                answer: receipt.answer,
            }),
            refused => Err(refused.into_error()),
        }
    }
}

fn one(people: &[SubjectRecord]) -> Result<SubjectId, Error> {
    match people {
        [] => Err(Error::NotFound(Missing::Subject)),
        [one] => Ok(one.subject_id),
        several => Err(Error::SubjectAmbiguous(several.len())),
    }
}

fn unanswered() -> Error {
    Error::Internal("a disclosure has no outcome".into())
}

fn not_ahead(occurred_at: Timestamp, now: Timestamp) -> Result<(), Error> {
    if occurred_at.duration_since(now) > AHEAD_MAX {
        return Err(Error::invalid(
            "occurred_at",
            "must not be more than five minutes ahead",
        ));
    }
    Ok(())
}

fn items(answer: &Answer) -> Vec<(ItemId, DataCategory)> {
    let categories = answer.decision.per_category.iter();
    categories
        .flat_map(|category| {
            let items = category.item_ids.iter();
            items.map(|id| (*id, category.data_category.clone()))
        })
        .collect()
}

fn event(disclose: &Disclose, receipt: &Receipt) -> Event {
    let decision = &receipt.answer.decision;
    Event {
        data_categories: decision
            .per_category
            .iter()
            .map(|category| category.data_category.clone())
            .collect(),
        item_ids: receipt.items.iter().map(|(id, _)| *id).collect(),
        purposes: vec![disclose.purpose.clone()],
        processors: vec![disclose.processor.clone()],
        disclosure_id: Some(receipt.disclosure_id),
        policy_version: decision.policy_version.clone(),
        ..Event::new(EventKind::DisclosureRecorded, Some(receipt.subject_id))
    }
}

/// The recipients whose disclosures the caller may see; `None`: every one.
fn visible_processors(
    caller: &Caller,
    wanted: Option<&Processor>,
) -> Result<Option<Vec<Processor>>, Error> {
    if let Some(processor) = wanted {
        return if caller.may_name_processor(Some(processor)) {
            Ok(Some(vec![processor.clone()]))
        } else {
            Err(Error::ClaimMissing {
                claim: "processors",
                field: "processor".to_owned(),
            })
        };
    }
    Ok(match &caller.processors {
        Bound::Nothing => Some(Vec::new()),
        Bound::Named(named) => Some(named.iter().flatten().cloned().collect()),
        Bound::Everything => None,
    })
}

fn position(text: &str) -> Result<(Timestamp, DisclosureId), Error> {
    let (recorded_at, id) = text.split_once(' ').ok_or(Error::CursorInvalid)?;
    let recorded_at = recorded_at.parse().map_err(|_| Error::CursorInvalid)?;
    Ok((
        Timestamp::from_microsecond(recorded_at).map_err(|_| Error::CursorInvalid)?,
        id.parse().map_err(|_| Error::CursorInvalid)?,
    ))
}

#[cfg(test)]
mod tests;
