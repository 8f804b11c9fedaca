//! Ids: UUIDs that say what they name. They are made by `runtime::Ids`, never here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )*};
}

ids! {
    /// One natural person, pseudonymously (UUIDv7).
    SubjectId;
    /// One link of an identifier to a subject.
    IdentifierId;
    /// One collected value.
    ItemId;
    /// One consent fact.
    ConsentId;
    /// One objection (Art. 21).
    ObjectionId;
    /// One restriction (Art. 18).
    RestrictionId;
    /// One disclosure to a processor.
    DisclosureId;
    /// One decision that was kept.
    DecisionId;
    /// One event.
    EventId;
    /// One audit entry.
    AuditId;
    /// One withdrawal token (one-click unsubscribe).
    WithdrawalTokenId;
    /// One import.
    ImportId;
    /// One request of a data subject.
    SubjectRequestId;
    /// One task of a processor or internal holder.
    TaskId;
    /// One notice of what a recipient is told later.
    NoticeId;
    /// One lease of a task.
    LeaseId;
    /// One package of an access or portability request.
    ExportId;
    /// One legal hold.
    LegalHoldId;
    /// One entry of the journal.
    JournalEntryId;
}
