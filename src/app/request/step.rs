//! Steps in which nothing is carried out: the identity is doubted, the deadline extended, the person
//! answered, the request refused or taken back.

use std::sync::Arc;

use jiff::Timestamp;

use super::{RequestView, calendar, held::hold, keep};
use crate::{
    app::{
        effect::Effect,
        error::Error,
        export::drop_unfinished,
        registry::{AHEAD_MAX, Call, Registry, Written},
        task::cancel_copies,
    },
    domain::{
        deadline::Calendar,
        id::SubjectRequestId,
        request::life::{AnyRequest, Refusal},
    },
    store::Tx,
};

/// One transition, to be taken as often as the transaction is tried.
type Step =
    Arc<dyn Fn(AnyRequest, Timestamp, Calendar<'_>) -> Result<AnyRequest, Error> + Send + Sync>;

/// What a step leaves of packages that are being written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packages {
    Stay,
    Go,
}

impl Registry {
    /// Stops the clock: there are reasonable doubts about who asks.
    pub async fn doubt_identity(
        &self,
        call: Call,
        id: SubjectRequestId,
    ) -> Result<Written<RequestView>, Error> {
        let step = illegal(|request, now, _| request.doubt(now));
        self.step_request(call, id, step, Packages::Stay).await
    }

    /// Extends the deadline by two further months, once.
    pub async fn extend_request(
        &self,
        call: Call,
        id: SubjectRequestId,
        reason: String,
    ) -> Result<Written<RequestView>, Error> {
        let step =
            illegal(move |request, now, calendar| request.extend(reason.clone(), now, calendar));
        self.step_request(call, id, step, Packages::Stay).await
    }

    /// Refuses what has not been carried out.
    pub async fn reject_request(
        &self,
        call: Call,
        id: SubjectRequestId,
        reason: String,
    ) -> Result<Written<RequestView>, Error> {
        let step = illegal(move |request, now, _| request.reject(reason.clone(), now));
        self.step_request(call, id, step, Packages::Go).await
    }

    /// The person takes back what has not been carried out.
    pub async fn cancel_request(
        &self,
        call: Call,
        id: SubjectRequestId,
    ) -> Result<Written<RequestView>, Error> {
        let step = illegal(|request, now, _| request.cancel(now));
        self.step_request(call, id, step, Packages::Go).await
    }

    /// The person was answered, at `answered_at`; `None`: now.
    pub async fn answer_request(
        &self,
        call: Call,
        id: SubjectRequestId,
        answered_at: Option<Timestamp>,
    ) -> Result<Written<RequestView>, Error> {
        let step: Step = Arc::new(move |request: AnyRequest, now, _| {
            let at = past("answered_at", answered_at.unwrap_or(now), now)?;
            if at < request.record().received_at {
                let rule = "must not be earlier than the request was received";
                return Err(Error::invalid("answered_at", rule));
            }
            request.answer(at).map_err(Error::IllegalTransition)
        });
        self.step_request(call, id, step, Packages::Stay).await
    }

    async fn step_request(
        &self,
        call: Call,
        id: SubjectRequestId,
        step: Step,
        packages: Packages,
    ) -> Result<Written<RequestView>, Error> {
        let (asked, holidays) = (call.clone(), self.holidays.clone());
        let written = self
            .change(call, move |tx, policies| {
                let (step, holidays) = (step.clone(), holidays.clone());
                Box::pin(async move {
                    let held = hold(tx, id).await?;
                    let now = tx.now();
                    let request = step(held.request, now, calendar(policies, &holidays, now)?)?;
                    let effect = match packages {
                        Packages::Stay => Effect::default(),
                        Packages::Go => give_up_copies(tx, id).await?,
                    };
                    keep(tx, &request, effect).await
                })
            })
            .await?;
        if packages == Packages::Go {
            self.tasks_ended().await;
        }
        self.show_request(&asked, written).await
    }
}

/// What is being written for nobody goes, and nobody is asked for it any more.
async fn give_up_copies(tx: &mut Tx, id: SubjectRequestId) -> Result<Effect, Error> {
    let cancelled = cancel_copies(tx, id).await?;
    drop_unfinished(tx, id).await?;
    Ok(Effect {
        events: cancelled.events,
        task_ids: cancelled.task_ids,
        ..Effect::default()
    })
}

fn illegal(
    step: impl Fn(AnyRequest, Timestamp, Calendar<'_>) -> Result<AnyRequest, Refusal>
    + Send
    + Sync
    + 'static,
) -> Step {
    Arc::new(move |request, now, calendar| {
        step(request, now, calendar).map_err(Error::IllegalTransition)
    })
}

/// An instant that has been. A caller's clock that is a little ahead means now.
pub(super) fn past(field: &'static str, at: Timestamp, now: Timestamp) -> Result<Timestamp, Error> {
    if at.duration_since(now) > AHEAD_MAX {
        return Err(Error::invalid(
            field,
            "must not be more than five minutes ahead of the registry's clock",
        ));
    }
    Ok(at.min(now))
}
