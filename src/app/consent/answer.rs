//! The answer to a call that made facts. It is remembered without the texts of the proof: those are in
//! the request, and a repeat brings the same ones again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::statement::CheckedStatement;
use crate::domain::{
    audit::AuditDetail,
    caller::Caller,
    consent::{
        ConsentChoice, ConsentRecord,
        statement::{ConsentStatement, StatedEvidence},
    },
    event::{Event, EventKind},
    id::{ConsentId, SubjectId},
    name::{PolicyVersion, Processor, Purpose, Source},
};

/// What is remembered of a fact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ShortFact {
    subject_id: SubjectId,
    consent_id: ConsentId,
    purpose: Purpose,
    policy_version: PolicyVersion,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
}

/// What a request told of all its facts.
#[derive(Clone, Debug)]
pub(super) struct Told {
    processors: Vec<Processor>,
    choice: ConsentChoice,
    evidence: StatedEvidence,
    expires_at: Option<Timestamp>,
    recorded_by: Source,
}

impl Told {
    pub(super) fn by(caller: &Caller, statement: &ConsentStatement) -> Self {
        Self {
            processors: statement.processors.clone(),
            choice: statement.choice,
            evidence: statement.evidence.clone(),
            expires_at: statement.expires_at,
            recorded_by: caller.service.clone(),
        }
    }

    /// The facts with their proof.
    pub(super) fn in_full(&self, facts: Vec<ShortFact>) -> Vec<ConsentRecord> {
        facts.into_iter().map(|fact| self.record(fact)).collect()
    }

    fn record(&self, fact: ShortFact) -> ConsentRecord {
        ConsentRecord {
            subject_id: fact.subject_id,
            consent_id: fact.consent_id,
            purpose: fact.purpose,
            processors: self.processors.clone(),
            choice: self.choice,
            evidence: self
                .evidence
                .resolved(&fact.policy_version, &self.recorded_by),
            occurred_at: fact.occurred_at,
            recorded_at: fact.recorded_at,
            recorded_by: self.recorded_by.clone(),
            expires_at: self.expires_at,
        }
    }
}

pub(super) fn short(records: &[ConsentRecord]) -> Vec<ShortFact> {
    let facts = records.iter().map(|record| ShortFact {
        subject_id: record.subject_id,
        consent_id: record.consent_id,
        purpose: record.purpose.clone(),
        policy_version: record.evidence.policy_version.clone(),
        occurred_at: record.occurred_at,
        recorded_at: record.recorded_at,
    });
    facts.collect()
}

/// What others hear of facts about one subject.
pub(super) fn event(
    kind: EventKind,
    subject: SubjectId,
    statement: &CheckedStatement,
    facts: &[ShortFact],
) -> Event {
    Event {
        purposes: statement.purposes.clone(),
        processors: statement.processors.clone(),
        consent_ids: facts.iter().map(|fact| fact.consent_id).collect(),
        policy_version: Some(statement.evidence.policy_version.clone()),
        ..Event::new(kind, Some(subject))
    }
}

/// What the log says of the same.
pub(super) fn audit(event: &Event) -> AuditDetail {
    AuditDetail {
        subject_id: event.subject_id,
        purposes: event.purposes.clone(),
        processors: event.processors.clone(),
        consent_ids: event.consent_ids.clone(),
        policy_version: event.policy_version.clone(),
        ..AuditDetail::default()
    }
}
