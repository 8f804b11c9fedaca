//! Requests of data subjects (Chapter III GDPR): what is asked for, and how far it has come.
//!
//! [`life`] has the states as types; [`advance`] says what a request may do next, given what others
//! have done; [`check`] holds what is asked for against the rules.

pub mod advance;
pub mod check;
pub mod life;
pub mod part;
pub mod record;
pub mod waiting;

use serde::{Deserialize, Serialize};

use super::{
    id::ItemId,
    item::Content,
    name::{DataCategory, Purpose},
    task::TaskKind,
};

/// Longest reason that the person was told, in bytes.
pub const REASON_BYTES_MAX: usize = 1_024;
/// Most data categories, items, purposes or corrections of one request.
pub const SCOPE_ENTRIES_MAX: usize = 100;

/// What a person may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestKind {
    /// A copy of everything (Art. 15).
    Access,
    /// What the person provided, machine-readable (Art. 20).
    Portability,
    /// Erasure (Art. 17).
    Erasure,
    /// Rectification (Art. 16).
    Rectification,
    /// Restriction of processing (Art. 18).
    Restriction,
    /// Objection (Art. 21).
    Objection,
    /// Withdrawal of consent (Art. 7(3)).
    Withdrawal,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Access,
        Self::Portability,
        Self::Erasure,
        Self::Rectification,
        Self::Restriction,
        Self::Objection,
        Self::Withdrawal,
    ];

    /// The kinds of the tasks that it makes for others. Two kinds of requests may make the same: such a
    /// task is counted for both, and both wait for it.
    pub fn task_kinds(self) -> &'static [TaskKind] {
        match self {
            Self::Access | Self::Portability => &[TaskKind::ProvideCopy],
            Self::Erasure => &[TaskKind::Erase],
            Self::Rectification => &[TaskKind::Rectify],
            Self::Restriction => &[TaskKind::Restrict, TaskKind::LiftRestriction],
            Self::Objection | Self::Withdrawal => &[TaskKind::Stop],
        }
    }

    /// Whether a package is made for it.
    pub fn is_copy(self) -> bool {
        matches!(self, Self::Access | Self::Portability)
    }
}

/// How far a request has come, as it is kept; in the domain each is a type of its own ([`life`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestState {
    /// Received; who asks is not verified yet.
    Received,
    /// Whoever asks is the person; nothing of it was begun yet.
    IdentityVerified,
    /// It is being carried out.
    InProgress,
    /// Processors or internal holders have not all answered yet.
    WaitingOnProcessors,
    /// A legal hold keeps some items.
    OnHold,
    /// Every part and every task has come to its end.
    Completed,
    /// Refused, with a reason.
    Rejected,
    /// Taken back by the person.
    Cancelled,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::IdentityVerified,
        Self::InProgress,
        Self::WaitingOnProcessors,
        Self::OnHold,
        Self::Completed,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::IdentityVerified => "IDENTITY_VERIFIED",
            Self::InProgress => "IN_PROGRESS",
            Self::WaitingOnProcessors => "WAITING_ON_PROCESSORS",
            Self::OnHold => "ON_HOLD",
            Self::Completed => "COMPLETED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// How a person's identity was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IdentityMethod {
    /// Signed in to an account of theirs.
    Login,
    /// Followed a link sent to an address that is recorded.
    ContactConfirmed,
    /// Showed a document.
    Document,
    /// Known to staff, or answered questions that only the person can.
    Knowledge,
    /// An electronic identification scheme.
    Eid,
}

/// The grounds of an erasure (Art. 17(1)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErasureGround {
    /// (a): no longer necessary.
    #[default]
    NoLongerNecessary,
    /// (b): consent withdrawn.
    ConsentWithdrawn,
    /// (c): objected.
    Objected,
    /// (d): processed unlawfully.
    Unlawful,
    /// (e): a legal obligation to erase.
    LegalObligation,
    /// (f): collected from a child for an information society service.
    Child,
}

/// What becomes of an objection (Art. 21(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectionRuling {
    /// It stands for good.
    Upheld,
    /// Compelling legitimate grounds override it.
    Rejected,
}

/// What a request is about. Everything empty: everything of the person. The right values of a
/// rectification are kept apart, sealed; here stand their items only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Only these data categories. For copies, erasure and restriction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<DataCategory>,
    /// Only these items. For erasure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item_ids: Vec<ItemId>,
    /// The purposes objected to, or whose consent is withdrawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<Purpose>,
    /// Withdraws consent for every purpose.
    #[serde(default)]
    pub all_purposes: bool,
    /// The items whose content is corrected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected_items: Vec<ItemId>,
    /// Why the person may have it erased, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure_ground: Option<ErasureGround>,
}

/// The right value of one item. Its content is personal data and does not print.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The item.
    pub item_id: ItemId,
    /// What it holds from now on.
    pub content: Content,
}
