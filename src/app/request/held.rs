//! A request and its person, both held until the end of the transaction: the person first, so that no two
//! steps wait for each other, and the request next.

use crate::{
    app::error::{Error, Missing},
    domain::{id::SubjectRequestId, request::life::AnyRequest},
    store::Tx,
};

/// A request and its person.
pub(super) struct Held {
    /// The request.
    pub request: AnyRequest,
    /// Whether there is anything of the person left to act on.
    pub is_living: bool,
}

/// Holds a request. After a merge it is the survivor's; after an erasure there is nobody left.
pub(super) async fn hold(tx: &mut Tx, id: SubjectRequestId) -> Result<Held, Error> {
    let missing = || Error::NotFound(Missing::SubjectRequest);
    let named = tx.find_request(id).await?.ok_or_else(missing)?;
    let subject = tx.lock_subject(named.record().subject_id).await?;
    // Another step, or a merge, may have been before this one.
    let request = tx.lock_request(id).await?.ok_or_else(missing)?;
    Ok(Held {
        request,
        is_living: subject.is_some_and(|subject| subject.erased_at.is_none()),
    })
}
