//! Taking consent back (Art. 7(3)): by the person, by all who share a contact, or by one click on a
//! link that holds a token.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    answer::{self, ShortFact, Told},
    check::Check,
    statement::{CheckedStatement, append_records},
    stop::stop_recipients_for,
};
use crate::{
    app::{
        effect::Effect,
        error::{Error, Missing},
        registry::{Call, Change, Registry, Written, in_force},
        resolve::resolve_all_locked,
    },
    domain::{
        audit::AuditDetail,
        caller::Caller,
        consent::{
            ConsentChoice, ConsentRecord,
            statement::{ConsentStatement, StatedEvidence},
            withdrawal::everything,
        },
        event::EventKind,
        id::{SubjectId, SubjectRequestId, WithdrawalTokenId},
        journal::JournalKind,
        name::{Processor, Purpose},
        policy::history::PolicyHistory,
        subject_ref::SubjectRef,
        violation::Violations,
    },
    store::{Tx, withdrawal_token::WithdrawalTokenRecord},
};

/// That consent is taken back.
#[derive(Clone, Debug)]
pub struct WithdrawConsent {
    /// By whom, and for which purposes.
    pub by: Withdrawer,
    /// The processors it is limited to; empty: the controller and every processor.
    pub processors: Vec<Processor>,
    /// The proof, if there is one.
    pub evidence: StatedEvidence,
    /// When it was said; `None`: now.
    pub occurred_at: Option<Timestamp>,
}

/// Who takes consent back, and for what.
#[derive(Clone, Debug)]
pub enum Withdrawer {
    /// The person, or everyone who shares a contact identifier.
    Subject {
        /// Who.
        subject: SubjectRef,
        /// For which purposes.
        taken: Taken,
    },
    /// Whoever holds a token.
    Holder {
        /// The token.
        token: WithdrawalToken,
        /// For which of its purposes; empty: for all of them.
        purposes: Vec<Purpose>,
    },
}

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Consent to these purposes.
    Purposes(Vec<Purpose>),
    /// All consent, as [`everything`] has it.
    Everything,
}

/// A withdrawal token as a person holds it. It is a secret and does not print.
#[derive(Clone)]
pub struct WithdrawalToken(pub String);

impl std::fmt::Debug for WithdrawalToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WithdrawalToken(…)")
    }
}

/// What was withdrawn.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// The facts, one for each subject and purpose.
    pub facts: Vec<ConsentRecord>,
    /// Everyone whom the withdrawal reached.
    pub subject_ids: Vec<SubjectId>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    facts: Vec<ShortFact>,
    subject_ids: Vec<SubjectId>,
}

impl Registry {
    /// Takes consent back. When this has returned, no check that starts afterwards rests on it.
    ///
    /// A subject's withdrawal is bounded by the caller's claims, a token's by the token alone: its
    /// purposes were within the claims of whoever had it issued.
    pub async fn withdraw_consent(
        &self,
        call: Call,
        command: WithdrawConsent,
    ) -> Result<Written<Withdrawn>, Error> {
        call.authorise()?;
        let statement = command.statement();
        let told = Told::by(&call.caller, &statement);
        let reach = self.reach(command.by)?;
        let caller = call.caller.clone();
        let written = self
            .change(call, move |tx, policies| {
                let (caller, statement, reach) = (caller.clone(), statement.clone(), reach.clone());
                Box::pin(async move { withdraw(tx, policies, &caller, &statement, &reach).await })
            })
            .await?;
        Ok(Written {
            value: Withdrawn {
                facts: told.in_full(written.value.facts),
                subject_ids: written.value.subject_ids,
            },
            revision: written.revision,
            replayed: written.replayed,
        })
    }

    fn reach(&self, by: Withdrawer) -> Result<Reach, Error> {
        Ok(match by {
            Withdrawer::Subject { subject, taken } => Reach::Subject { subject, taken },
            Withdrawer::Holder { token, purposes } => Reach::Token {
                token_id: self
                    .store
                    .key_ring()
                    .secrets()
                    .open_withdrawal_token(&token.0)
                    .map_err(|_| Error::NotFound(Missing::WithdrawalToken))?,
                purposes,
            },
        })
    }
}

impl WithdrawConsent {
    /// The same as a statement; for which purposes is found out subject by subject.
    fn statement(&self) -> ConsentStatement {
        ConsentStatement {
            purposes: Vec::new(),
            processors: self.processors.clone(),
            choice: ConsentChoice::Withdrawn,
            evidence: self.evidence.clone(),
            occurred_at: self.occurred_at,
            expires_at: None,
        }
    }
}

/// As [`Withdrawer`], the token found genuine.
#[derive(Clone)]
enum Reach {
    Subject {
        subject: SubjectRef,
        taken: Taken,
    },
    Token {
        token_id: WithdrawalTokenId,
        purposes: Vec<Purpose>,
    },
}

async fn withdraw(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    statement: &ConsentStatement,
    reach: &Reach,
) -> Result<Change<Kept>, Error> {
    let checked = check(policies, caller, statement, reach, tx.now())?;
    let reached = match reach {
        Reach::Subject { subject, taken } => {
            reach_subjects(tx, policies, caller, subject, taken).await?
        }
        Reach::Token { token_id, purposes } => reach_by_token(tx, *token_id, purposes).await?,
    };
    let mut kept = Kept {
        facts: Vec::new(),
        subject_ids: Vec::new(),
    };
    let mut events = Vec::with_capacity(reached.len());
    let mut audits = Vec::with_capacity(reached.len());
    let mut denials = Vec::with_capacity(reached.len());
    for (subject, purposes) in reached {
        let statement = CheckedStatement {
            purposes,
            ..checked.clone()
        };
        let (facts, taken) = take_back(tx, policies, subject, &statement, None).await?;
        audits.extend(taken.audit);
        events.extend(taken.events);
        denials.extend(taken.journal);
        kept.subject_ids.push(subject);
        kept.facts.extend(facts);
    }
    let mut change = Change::of_many(kept, audits);
    change.events = events;
    change.journal = denials;
    Ok(change)
}

/// Takes one person's consent back, and tells whoever uses data on it. The subject is held.
pub(super) async fn take_back(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
    statement: &CheckedStatement,
    request: Option<SubjectRequestId>,
) -> Result<(Vec<ShortFact>, Effect), Error> {
    let stopped = stop_recipients_for(tx, policies, subject, statement, request).await?;
    let records = append_records(tx, subject, statement).await?;
    let facts = answer::short(&records);
    let event = answer::event(EventKind::ConsentWithdrawn, subject, statement, &facts);
    let mut effect = Effect {
        journal: JournalKind::denials(&records),
        audit: vec![AuditDetail {
            task_ids: stopped.task_ids.clone(),
            ..answer::audit(&event)
        }],
        events: vec![event],
        task_ids: stopped.task_ids,
        ..Effect::default()
    };
    effect.events.extend(stopped.events);
    Ok((facts, effect))
}

/// Checks what does not depend on whom it reaches.
fn check(
    policies: &PolicyHistory,
    caller: &Caller,
    statement: &ConsentStatement,
    reach: &Reach,
    now: Timestamp,
) -> Result<CheckedStatement, Error> {
    let mut check = Check::new(policies, caller, now, "");
    if let Reach::Subject { taken, .. } = reach {
        check.claims(taken.purposes(), &statement.processors)?;
        check.purposes_ever_known(taken.purposes());
    }
    check.processors_ever_known(&statement.processors);
    let occurred_at = check.instant(statement.occurred_at);
    let policy = check.version_spoken_of(&statement.evidence, occurred_at)?;
    let policy = check.finish(policy)?;
    Ok(CheckedStatement {
        purposes: Vec::new(),
        processors: statement.processors.clone(),
        choice: statement.choice,
        evidence: statement
            .evidence
            .resolved(policy.version(), &caller.service),
        occurred_at,
        expires_at: None,
        recorded_by: caller.service.clone(),
    })
}

/// Everyone whom the reference leads to, locked, each with what is taken back.
async fn reach_subjects(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    subject: &SubjectRef,
    taken: &Taken,
) -> Result<Vec<(SubjectId, Vec<Purpose>)>, Error> {
    let policy = in_force(policies, tx.now())?;
    let subjects = resolve_all_locked(tx, policy, subject, "subject").await?;
    if subjects.is_empty() {
        return Err(Error::NotFound(Missing::Subject));
    }
    let ids: Vec<_> = subjects.iter().map(|subject| subject.subject_id).collect();
    if let Taken::Purposes(purposes) = taken {
        return Ok(ids.into_iter().map(|id| (id, purposes.clone())).collect());
    }
    let mut facts = tx.list_consent_facts(&ids).await?;
    let mut reached = Vec::with_capacity(ids.len());
    for id in ids {
        let purposes = everything(policies, &facts.remove(&id).unwrap_or_default());
        // A part of everything would look like everything to whoever asked.
        if !purposes.iter().all(|one| caller.may_use_purpose(one)) {
            return Err(Error::ClaimMissing {
                claim: "purposes",
                field: "all_purposes".into(),
            });
        }
        reached.push((id, purposes.into_iter().collect()));
    }
    Ok(reached)
}

/// The person whom the token is for, locked, with what is taken back.
async fn reach_by_token(
    tx: &mut Tx,
    token_id: WithdrawalTokenId,
    purposes: &[Purpose],
) -> Result<Vec<(SubjectId, Vec<Purpose>)>, Error> {
    let now = tx.now();
    let token = tx.find_withdrawal_token(token_id).await?;
    let token = token
        .filter(|token| now < token.expires_at)
        .ok_or(Error::NotFound(Missing::WithdrawalToken))?;
    let purposes = within_token(&token, purposes)?;
    let subject = tx.lock_subject(token.subject_id).await?;
    let subject = subject
        .filter(|subject| subject.erased_at.is_none())
        .ok_or(Error::NotFound(Missing::WithdrawalToken))?;
    Ok(vec![(subject.subject_id, purposes)])
}

fn within_token(
    token: &WithdrawalTokenRecord,
    purposes: &[Purpose],
) -> Result<Vec<Purpose>, Error> {
    if purposes.is_empty() {
        return Ok(token.purposes.clone());
    }
    let mut violations = Violations::default();
    for (index, purpose) in purposes.iter().enumerate() {
        if !token.purposes.contains(purpose) {
            violations.add(
                format!("purposes[{index}]"),
                "is not among the purposes of the token",
            );
        }
    }
    Ok(violations.or(purposes.to_vec())?)
}

impl Taken {
    fn purposes(&self) -> &[Purpose] {
        match self {
            Self::Purposes(purposes) => purposes,
            Self::Everything => &[],
        }
    }
}
