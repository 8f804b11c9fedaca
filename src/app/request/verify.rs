//! Whoever asked is the person: the request is set going.

use super::{RequestView, calendar, carry_out::carry_out, held::hold, keep};
use crate::{
    app::{
        error::Error,
        registry::{Call, Change, Registry, Written},
    },
    domain::{
        deadline::PublicHolidays, id::SubjectRequestId, name::Source,
        policy::history::PolicyHistory, request::IdentityMethod,
    },
    store::Tx,
};

impl Registry {
    /// Records that whoever asked is the person. What takes a permission away, and waits for nothing, is
    /// done when this returns, for a replay as well: no check that starts afterwards rests on it.
    pub async fn verify_identity(
        &self,
        call: Call,
        id: SubjectRequestId,
        method: IdentityMethod,
    ) -> Result<Written<RequestView>, Error> {
        let (asked, holidays) = (call.clone(), self.holidays.clone());
        let by = call.caller.service.clone();
        let written = self
            .change(call, move |tx, policies| {
                let (by, holidays) = (by.clone(), holidays.clone());
                Box::pin(async move { verify(tx, policies, &holidays, &by, (id, method)).await })
            })
            .await?;
        // Of a replay too: the first answer may have been lost before the keys were gone.
        self.complete_erasures().await?;
        self.show_request(&asked, written).await
    }
}

async fn verify(
    tx: &mut Tx,
    policies: &PolicyHistory,
    holidays: &PublicHolidays,
    by: &Source,
    (id, method): (SubjectRequestId, IdentityMethod),
) -> Result<Change<SubjectRequestId>, Error> {
    let held = hold(tx, id).await?;
    let now = tx.now();
    let calendar = calendar(policies, holidays, now)?;
    let verified = held.request.verify(method, now, calendar);
    let begun = verified.map_err(Error::IllegalTransition)?.begin();
    let (request, effect) = carry_out(tx, policies, by, held.is_living, begun).await?;
    keep(tx, &request, effect).await
}
