//! From what a caller reports to facts: checked against the policy that was shown, dated, appended.

use std::collections::HashMap;

use jiff::Timestamp;

use super::check::Check;
use crate::{
    app::{error::Error, registry::AHEAD_MAX},
    domain::{
        caller::Caller,
        consent::{
            ConsentChoice, ConsentFact, ConsentRecord, Evidence, EvidenceMethod,
            statement::{ConsentStatement, denied_at},
        },
        id::{ConsentId, SubjectId},
        name::{Processor, Purpose, Source},
        policy::{compile::CompiledPolicy, history::PolicyHistory},
    },
    store::Tx,
};

/// A statement that keeps to every rule, with its version and its time.
#[derive(Clone, Debug)]
pub(in crate::app) struct CheckedStatement {
    pub(super) purposes: Vec<Purpose>,
    pub(super) processors: Vec<Processor>,
    pub(super) choice: ConsentChoice,
    pub(super) evidence: Evidence,
    pub(super) occurred_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) recorded_by: Source,
}

/// Checks a statement: first what the caller may speak for, then every rule; all that is broken is
/// in one [`Error::Invalid`]. [`Error::NotFound`]: no version is named and none was in force.
pub(in crate::app) fn check_statement(
    policies: &PolicyHistory,
    statement: &ConsentStatement,
    caller: &Caller,
    now: Timestamp,
    field_prefix: &str,
) -> Result<CheckedStatement, Error> {
    let mut check = Check::new(policies, caller, now, field_prefix);
    check.claims(&statement.purposes, &statement.processors)?;
    let occurred_at = check.instant(statement.occurred_at);
    let policy = check.version_shown(&statement.evidence, occurred_at)?;
    if let Some(policy) = policy {
        check_names(&mut check, statement, policy);
    }
    check_end(&mut check, statement, occurred_at);
    check_method(&mut check, statement);
    let policy = check.finish(policy)?;
    Ok(CheckedStatement {
        purposes: statement.purposes.clone(),
        processors: statement.processors.clone(),
        choice: statement.choice,
        evidence: statement
            .evidence
            .resolved(policy.version(), &caller.service),
        occurred_at,
        expires_at: statement.expires_at,
        recorded_by: caller.service.clone(),
    })
}

/// Appends the facts of a checked statement, one for each purpose, in their order. Lock the subject
/// first.
pub(super) async fn append_records(
    tx: &mut Tx,
    subject_id: SubjectId,
    statement: &CheckedStatement,
) -> Result<Vec<ConsentRecord>, Error> {
    let mut known = if statement.is_denial() {
        tx.list_consent_facts(&[subject_id]).await?
    } else {
        HashMap::new()
    };
    let known = known.remove(&subject_id).unwrap_or_default();
    let records = statement.records(tx, subject_id, &known);
    tx.append_consents(&records).await?;
    Ok(records)
}

impl CheckedStatement {
    /// Whether its facts take a permission away: then [`Self::records`] needs to know the facts that
    /// are there.
    pub(in crate::app) fn is_denial(&self) -> bool {
        self.choice.is_denial()
    }

    /// Its facts about a subject, one for each purpose, in their order, to be appended by
    /// [`Tx::append_consents`]. `known`: the subject's facts, which only a denial asks for.
    pub(in crate::app) fn records(
        &self,
        tx: &Tx,
        subject_id: SubjectId,
        known: &[ConsentFact],
    ) -> Vec<ConsentRecord> {
        let mut ids: Vec<_> = self.purposes.iter().map(|_| tx.next_id()).collect();
        // In the order of the purposes, as the history will show them.
        ids.sort_unstable();
        let facts = self.purposes.iter().zip(ids);
        facts
            .map(|(purpose, id)| ConsentRecord {
                subject_id,
                consent_id: ConsentId(id),
                purpose: purpose.clone(),
                processors: self.processors.clone(),
                choice: self.choice,
                evidence: self.evidence.clone(),
                occurred_at: self.takes_effect_at(purpose, known, tx.now()),
                recorded_at: tx.now(),
                recorded_by: self.recorded_by.clone(),
                expires_at: self.expires_at,
            })
            .collect()
    }

    fn takes_effect_at(
        &self,
        purpose: &Purpose,
        known: &[ConsentFact],
        now: Timestamp,
    ) -> Timestamp {
        if self.is_denial() {
            denied_at(self.occurred_at, purpose, known, now, AHEAD_MAX)
        } else {
            self.occurred_at
        }
    }
}

fn check_names(check: &mut Check<'_>, statement: &ConsentStatement, policy: &CompiledPolicy) {
    let version = policy.version();
    for (index, purpose) in statement.purposes.iter().enumerate() {
        if policy.purpose(purpose).is_none() {
            check.refuse(
                &format!("purposes[{index}]"),
                format!(
                    "is no purpose of policy version {version}, the one that was shown; \
                     if another was shown, name it in evidence.policy_version"
                ),
            );
        }
    }
    for (index, processor) in statement.processors.iter().enumerate() {
        if policy.processor(processor).is_none() {
            check.refuse(
                &format!("processors[{index}]"),
                format!(
                    "is no processor of policy version {version}, the one that was shown; \
                     if another was shown, name it in evidence.policy_version"
                ),
            );
        }
    }
}

fn check_end(check: &mut Check<'_>, statement: &ConsentStatement, occurred_at: Timestamp) {
    if statement.expires_at.is_some_and(|end| end <= occurred_at) {
        check.refuse("expires_at", "must be later than occurred_at");
    }
}

fn check_method(check: &mut Check<'_>, statement: &ConsentStatement) {
    if statement.choice == ConsentChoice::Given
        && statement.evidence.method == EvidenceMethod::NotStated
    {
        check.refuse(
            "evidence.method",
            "is required: consent needs proof of how it was given (Art. 7(1))",
        );
    }
}
