//! Those who use data on a consent that is taken back are told to stop (Art. 7(3); CJEU C-129/21).

use super::statement::CheckedStatement;
use crate::{
    app::{
        error::Error,
        task::{Inform, Informed, inform_recipients},
    },
    domain::{
        consent::ConsentChoice,
        id::{SubjectId, SubjectRequestId},
        name::Purpose,
        policy::history::PolicyHistory,
        task::{TaskCause, TaskKind},
    },
    store::Tx,
};

/// Makes a task for everybody who has the person's data for a purpose of `statement`, or to whom the
/// policy gives it for that: for a withdrawal always, for a refusal if there had been a yes. Nobody is
/// told of somebody without items. The subject is held.
pub(in crate::app) async fn stop_recipients(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
    statement: &CheckedStatement,
) -> Result<Informed, Error> {
    stop_recipients_for(tx, policies, subject, statement, None).await
}

/// As [`stop_recipients`], for a request: its tasks are leaves of it.
pub(super) async fn stop_recipients_for(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
    statement: &CheckedStatement,
    request: Option<SubjectRequestId>,
) -> Result<Informed, Error> {
    let purposes = match statement.choice {
        ConsentChoice::Withdrawn => statement.purposes.clone(),
        ConsentChoice::Refused => given(tx, subject, &statement.purposes).await?,
        ConsentChoice::Given | ConsentChoice::Pending => Vec::new(),
    };
    if purposes.is_empty() {
        return Ok(Informed::default());
    }
    let items = tx.list_item_states(&[subject], &[]).await?;
    let items = items.into_values().flatten().collect();
    let inform = Inform {
        purposes,
        only: statement.processors.clone(),
        subject_request_id: request,
        ..Inform::new(subject, TaskKind::Stop, TaskCause::Withdrawal, items)
    };
    inform_recipients(tx, policies, inform).await
}

/// Those of `purposes` that were said yes to once.
async fn given(tx: &Tx, subject: SubjectId, purposes: &[Purpose]) -> Result<Vec<Purpose>, Error> {
    let facts = tx.list_consent_facts(&[subject]).await?;
    let is_given = |purpose: &Purpose| {
        let mut facts = facts.values().flatten();
        facts.any(|fact| fact.choice == ConsentChoice::Given && fact.purpose == *purpose)
    };
    let mut purposes = purposes.to_vec();
    purposes.retain(is_given);
    Ok(purposes)
}
