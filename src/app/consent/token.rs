//! Withdrawal tokens: one-click unsubscribe.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::check::Check;
use crate::{
    app::{
        error::Error,
        registry::{Call, Change, Registry, Written, in_force},
        resolve::resolve_locked,
    },
    domain::{
        audit::AuditDetail,
        caller::Caller,
        event::{Event, EventKind},
        id::WithdrawalTokenId,
        name::Purpose,
        policy::history::PolicyHistory,
        subject_ref::SubjectRef,
    },
    store::{Tx, withdrawal_token::WithdrawalTokenRecord},
};

/// Shortest life of a token.
pub const TOKEN_LIFETIME_MIN: SignedDuration = SignedDuration::from_mins(1);
/// Longest life of a token: a link in a mailbox is found again after a year.
pub const TOKEN_LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Life of a token that says nothing of it.
pub const TOKEN_LIFETIME_DEFAULT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Asks for a token.
#[derive(Clone, Debug)]
pub struct IssueWithdrawalToken {
    /// Whose consent it withdraws.
    pub subject: SubjectRef,
    /// For which purposes.
    pub purposes: Vec<Purpose>,
    /// How long it is good for.
    pub lifetime: Option<SignedDuration>,
}

/// A token as it is given out.
#[derive(Clone)]
pub struct IssuedToken {
    /// The token: whoever holds it can withdraw. It is not kept, and does not print.
    pub token: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IssuedToken(…, until {})", self.expires_at)
    }
}

/// What is remembered of a token: the token itself is made from its id again.
#[derive(Serialize, Deserialize)]
struct Kept {
    token_id: WithdrawalTokenId,
    expires_at: Timestamp,
}

impl Registry {
    /// Makes a token that withdraws these consents and nothing else.
    pub async fn issue_withdrawal_token(
        &self,
        call: Call,
        command: IssueWithdrawalToken,
    ) -> Result<Written<IssuedToken>, Error> {
        let caller = call.caller.clone();
        let written = self
            .change(call, move |tx, policies| {
                let (caller, command) = (caller.clone(), command.clone());
                Box::pin(async move { issue(tx, policies, &caller, &command).await })
            })
            .await?;
        let Kept {
            token_id,
            expires_at,
        } = written.value;
        let secrets = self.store.key_ring().secrets();
        Ok(Written {
            value: IssuedToken {
                token: secrets.issue_withdrawal_token(token_id),
                expires_at,
            },
            revision: written.revision,
            replayed: written.replayed,
        })
    }
}

async fn issue(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    command: &IssueWithdrawalToken,
) -> Result<Change<Kept>, Error> {
    let mut check = Check::new(policies, caller, tx.now(), "");
    check.claims(&command.purposes, &[])?;
    check.purposes_ever_known(&command.purposes);
    let lifetime = command.lifetime.unwrap_or(TOKEN_LIFETIME_DEFAULT);
    if !(TOKEN_LIFETIME_MIN..=TOKEN_LIFETIME_MAX).contains(&lifetime) {
        check.refuse("lifetime", "must be from 1 minute to 400 days");
    }
    check.finish(Some(()))?;
    let policy = in_force(policies, tx.now())?;
    let subject = resolve_locked(tx, policy, &command.subject, "subject").await?;
    let subject = subject.subject_id;
    let token = WithdrawalTokenRecord {
        token_id: WithdrawalTokenId(tx.new_id()),
        subject_id: subject,
        purposes: command.purposes.clone(),
        expires_at: tx.now() + lifetime,
    };
    tx.insert_withdrawal_token(&token).await?;
    let kept = Kept {
        token_id: token.token_id,
        expires_at: token.expires_at,
    };
    let audit = AuditDetail {
        purposes: token.purposes.clone(),
        ..AuditDetail::of(subject)
    };
    let event = Event {
        purposes: token.purposes,
        ..Event::new(EventKind::WithdrawalTokenIssued, Some(subject))
    };
    Ok(Change::new(kept, audit).event(event))
}
