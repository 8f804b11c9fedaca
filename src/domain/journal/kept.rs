//! What is under way for people: requests, and what recipients are told. A restored backup takes it up
//! where the journal left it.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::domain::{
    id::{ItemId, NoticeId, SubjectRequestId},
    request::{RequestState, record::Record},
    task::{Recipient, Task},
};

/// A request as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRequest {
    /// How far it has come.
    pub state: RequestState,
    /// What is recorded of it.
    pub record: Box<Record>,
    /// The right values of a rectification, under the subject's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Sealed>,
}

/// A task as it was made, or as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTask {
    /// The task.
    pub task: Box<Task>,
    /// What names the person, under the task's own key; `None`: it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sealed>,
}

/// What a recipient is to be told later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNotice {
    /// Its id; its key of its own has the same.
    pub notice_id: NoticeId,
    /// The request that it belongs to.
    pub subject_request_id: SubjectRequestId,
    /// Who will be told.
    pub recipient: Recipient,
    /// Of what.
    pub item_ids: Vec<ItemId>,
    /// What names the person, under the notice's own key; `None`: there is nothing left to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sealed>,
}

/// Bytes that were sealed; written in base 64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sealed(pub Vec<u8>);

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        STANDARD.encode(sealed.0)
    }
}

impl TryFrom<String> for Sealed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self).map_err(|_| "is no base 64")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}
