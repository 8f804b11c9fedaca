//! What can go wrong, free of transport. Everything but the texts of [`Error::Internal`] and
//! [`Error::StoreUnavailable`] is written for the caller and holds no personal data.

use super::decision::Answer;
use crate::domain::{id::SubjectId, name::PolicyVersion, violation::Violations};

/// The thing that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No such subject, or no subject with this identifier.
    #[error("there is no such subject")]
    Subject,
    /// No such item, or not this subject's.
    #[error("the subject has no such item")]
    Item,
    /// No such policy version, or none in force.
    #[error("there is no such policy version, or none was in force at that time")]
    Policy,
    /// No such consent, or not this subject's.
    #[error("the subject has no such consent")]
    Consent,
    /// No such decision was kept.
    #[error("no such decision was kept")]
    Decision,
    /// The subject is not in this category.
    #[error("the subject is not in this subject category")]
    SubjectCategory,
    /// The subject does not have this identifier.
    #[error("the subject does not have this identifier")]
    Identifier,
    /// No such withdrawal token, or it has run out.
    #[error("the withdrawal token is unknown or has run out")]
    WithdrawalToken,
    /// No such request of a data subject.
    #[error("there is no such request of a data subject")]
    SubjectRequest,
    /// No such task, or not the caller's.
    #[error("there is no such task")]
    Task,
    /// No such legal hold.
    #[error("there is no such legal hold")]
    LegalHold,
    /// No such audit entry.
    #[error("there is no such audit entry")]
    AuditEntry,
    /// No checkpoint over exactly so many entries.
    #[error("there is no checkpoint over exactly so many entries")]
    Checkpoint,
    /// The request has no package, or it is destroyed.
    #[error("the request has no package, or it has expired and is destroyed")]
    Export,
}

/// Why a use case did not come about. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields break rules.
    #[error("{} fields are not valid", .0.len())]
    Invalid(Violations),
    /// A policy has errors and can never be published.
    #[error("the policy has {} errors", .0.len())]
    PolicyInvalid(Violations),
    /// `at_least_as_fresh` names no state of this registry.
    #[error("the revision was not issued by this registry")]
    RevisionUnknown,
    /// A cursor or page token was not issued by this registry for this list.
    #[error("the cursor or page token was not issued for this list")]
    CursorInvalid,
    /// The token ran out while the call went on.
    #[error("the token has expired; go on with another one")]
    TokenExpired,
    /// The token lacks the scope.
    #[error("the token lacks the scope {0}")]
    ScopeMissing(&'static str),
    /// The token's claim does not permit the value.
    #[error("the token's claim `{claim}` does not permit this value of `{field}`")]
    ClaimMissing {
        /// `sources`, `purposes` or `processors`.
        claim: &'static str,
        /// Path of the field that asks for more.
        field: String,
    },
    /// Something is not there.
    #[error("{0}")]
    NotFound(Missing),
    /// Accounts of two subjects in one registration or link.
    #[error("the account identifiers belong to different subjects")]
    IdentifierConflict {
        /// The subjects, in the order of the identifiers.
        subjects: Vec<SubjectId>,
    },
    /// The version is published already.
    #[error("policy version {0} is published and never changes")]
    PolicyVersionExists(PolicyVersion),
    /// The `request_id` was used for another request.
    #[error("the request_id was used for another request")]
    RequestIdReused,
    /// Fields that the policy does not declare as collected.
    #[error("{} fields are not declared by the policy", .0.len())]
    CollectionUndeclared(Violations),
    /// It is not lawful; the decision says why.
    #[error("it is not lawful: {}", .0.decision.reason)]
    NotLawful(Box<Answer>),
    /// A shared contact identifier leads to several subjects where one is needed.
    #[error("the identifier leads to {0} subjects")]
    SubjectAmbiguous(usize),
    /// The policy has defects and the caller did not accept them.
    #[error("the policy has findings that were not accepted")]
    PolicyFindingsNotAccepted(Violations),
    /// The state does not permit the step; the text says why.
    #[error("{0}")]
    IllegalTransition(&'static str),
    /// Items that a legal hold or a law keeps. The fields, and the holds or rules, are named.
    #[error("{} items are kept by a legal hold or by law", .0.len())]
    Kept(Violations),
    /// Identifiers of a person who was erased. The fields are named, not the values.
    #[error("{} identifiers belong to a person who was erased", .0.len())]
    IdentifierSuppressed(Violations),
    /// The audit entry, or the log up to that size, has no sealed place yet.
    #[error("it is not sealed yet; sealing takes about a second, then ask again")]
    NotSealedYet,
    /// The lease ran out and passed to somebody else, or the task has ended.
    #[error("the lease is lost: it ran out, or the task has ended; lease again")]
    LeaseLost,
    /// Others changed the same things again and again; try again.
    #[error("the change met others; try again")]
    Conflict,
    /// The cursor is older than what is kept.
    #[error(
        "the cursor is older than the events that are kept: read the state anew, then watch without a cursor"
    )]
    CursorExpired,
    /// The reader of a stream took nothing for too long while something waited for it.
    #[error("the reader took nothing for too long; go on from the cursor in the metadata `cursor`")]
    ReaderTooSlow {
        /// The cursor behind what the reader was given.
        cursor: String,
    },
    /// A named limit was passed; the text names it.
    #[error("{0}")]
    TooLarge(&'static str),
    /// Too much at once; try again.
    #[error("too much at once; try again")]
    Overloaded,
    /// The database does not answer; the text is for the log.
    #[error("the store does not answer")]
    StoreUnavailable(String),
    /// The server is going down.
    #[error("the server is stopping")]
    Stopping,
    /// Something is wrong with us; the text is for the log.
    #[error("internal error")]
    Internal(String),
}

impl Error {
    /// One field that breaks a rule.
    pub fn invalid(field: impl Into<String>, description: impl std::fmt::Display) -> Self {
        Self::Invalid(Violations::one(field, description))
    }

    /// What an operator is told, in a terminal or in the log: callers are told less.
    pub fn for_operators(&self) -> String {
        match self {
            Self::StoreUnavailable(text) | Self::Internal(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}
