//! What becomes of objections and restrictions that a request made.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    RequestView,
    held::{Held, hold},
    keep,
    step::past,
};
use crate::{
    app::{
        effect::Effect,
        error::Error,
        registry::{Call, Change, Registry, Written},
        task::{Inform, Informed, inform_again},
    },
    domain::{
        audit::AuditDetail,
        event::{Event, EventKind},
        id::{SubjectId, SubjectRequestId},
        journal::JournalKind,
        name::Purpose,
        policy::history::PolicyHistory,
        request::{
            ObjectionRuling,
            part::{ObjectionDecision, ObjectionMade},
        },
        task::{TaskCause, TaskKind},
    },
    store::Tx,
};

/// An objection is to be decided.
#[derive(Clone, Debug)]
pub struct DecideObjection {
    /// The request that made it.
    pub subject_request_id: SubjectRequestId,
    /// The purpose objected to; `None`: every one that is undecided.
    pub purpose: Option<Purpose>,
    /// What becomes of it.
    pub ruling: ObjectionRuling,
    /// The compelling legitimate grounds, as the person was told.
    pub grounds: String,
}

impl Registry {
    /// Decides on objections. One that is upheld stands for good; one that is rejected stands no longer.
    pub async fn decide_objection(
        &self,
        call: Call,
        decide: DecideObjection,
    ) -> Result<Written<RequestView>, Error> {
        let (asked, decide) = (call.clone(), Arc::new(decide));
        let written = self
            .change(call, move |tx, policies| {
                let decide = decide.clone();
                Box::pin(async move { rule(tx, policies, &decide).await })
            })
            .await?;
        self.show_request(&asked, written).await
    }

    /// Lifts the restriction that a request made. The person was told at `informed_at`.
    pub async fn lift_restriction(
        &self,
        call: Call,
        id: SubjectRequestId,
        informed_at: Timestamp,
    ) -> Result<Written<RequestView>, Error> {
        let asked = call.clone();
        let written = self
            .change(call, move |tx, _| {
                Box::pin(async move { lift(tx, id, informed_at).await })
            })
            .await?;
        self.show_request(&asked, written).await
    }
}

async fn rule(
    tx: &mut Tx,
    policies: &PolicyHistory,
    decide: &DecideObjection,
) -> Result<Change<SubjectRequestId>, Error> {
    let request = hold(tx, decide.subject_request_id).await?.request;
    let now = tx.now();
    let meant = request.meant(decide.purpose.as_ref());
    let is_marketing = |it: &&ObjectionMade| is_direct_marketing(policies, &it.purpose, now);
    if decide.ruling == ObjectionRuling::Rejected && meant.iter().any(is_marketing) {
        return Err(Error::IllegalTransition(
            "an objection to direct marketing cannot be rejected (GDPR Art. 21(3))",
        ));
    }
    let decision = ObjectionDecision {
        ruling: decide.ruling,
        decided_at: now,
        grounds: decide.grounds.clone(),
    };
    let decided = request.decide(decide.purpose.as_ref(), &decision);
    let (request, decided) = decided.map_err(Error::IllegalTransition)?;
    let subject = request.record().subject_id;
    for objection in &decided {
        tx.decide_objection(subject, objection.objection_id, &decision)
            .await?;
    }
    let effect = decided_effect(subject, &decided, &decision);
    keep(tx, &request, effect).await
}

fn decided_effect(
    subject: SubjectId,
    decided: &[ObjectionMade],
    decision: &ObjectionDecision,
) -> Effect {
    let purposes: Vec<_> = decided.iter().map(|it| it.purpose.clone()).collect();
    let outcome = match decision.ruling {
        ObjectionRuling::Upheld => "UPHELD",
        ObjectionRuling::Rejected => "REJECTED",
    };
    let rejected = decision.rejected_at().into_iter().flat_map(|rejected_at| {
        decided.iter().map(move |it| JournalKind::ObjectionDecided {
            objection_id: it.objection_id,
            rejected_at,
        })
    });
    Effect {
        events: vec![Event {
            purposes: purposes.clone(),
            ..Event::new(EventKind::ObjectionDecided, Some(subject))
        }],
        audit: vec![AuditDetail {
            purposes,
            outcome: outcome.to_owned(),
            ..AuditDetail::of(subject)
        }],
        journal: rejected.map(|what| (subject, what)).collect(),
        ..Effect::default()
    }
}

/// Whether a purpose is direct marketing: by the policy in force, or, when that no longer knows it, by any
/// version that did.
fn is_direct_marketing(policies: &PolicyHistory, purpose: &Purpose, at: Timestamp) -> bool {
    let in_force = policies.in_force(at);
    let known = in_force.and_then(|policy| policy.purpose(purpose));
    known.map_or_else(
        || {
            let entries = policies.versions().iter();
            let mut entries = entries.filter_map(|version| version.purpose(purpose));
            entries.any(|entry| entry.direct_marketing)
        },
        |entry| entry.direct_marketing,
    )
}

async fn lift(
    tx: &mut Tx,
    id: SubjectRequestId,
    informed_at: Timestamp,
) -> Result<Change<SubjectRequestId>, Error> {
    let informed_at = past("informed_at", informed_at, tx.now())?;
    let Held { request, is_living } = hold(tx, id).await?;
    let lifted = request.lift(tx.now());
    let (request, restriction_id) = lifted.map_err(Error::IllegalTransition)?;
    let subject = request.record().subject_id;
    tx.lift_restriction(subject, restriction_id, informed_at)
        .await?;
    let informed = if is_living {
        tell_lifted(tx, subject, id).await?
    } else {
        Informed::default()
    };
    let data = request.record().scope.data_categories.clone();
    let lifted_at = tx.now();
    let mut effect = Effect {
        events: vec![Event {
            data_categories: data.clone(),
            ..Event::new(EventKind::RestrictionLifted, Some(subject))
        }],
        audit: vec![AuditDetail {
            data_categories: data,
            outcome: EventKind::RestrictionLifted.as_str().to_owned(),
            ..AuditDetail::of(subject)
        }],
        journal: vec![(
            subject,
            JournalKind::RestrictionLifted {
                restriction_id,
                lifted_at,
            },
        )],
        task_ids: informed.task_ids,
        ..Effect::default()
    };
    effect.events.extend(informed.events);
    keep(tx, &request, effect).await
}

/// Those who were told of the restriction are told that it is lifted.
async fn tell_lifted(
    tx: &mut Tx,
    subject: SubjectId,
    id: SubjectRequestId,
) -> Result<Informed, Error> {
    let mut told = tx.list_request_tasks(id).await?;
    told.retain(|task| task.kind == TaskKind::Restrict);
    let items = tx.list_item_states(&[subject], &[]).await?;
    let inform = Inform {
        subject_request_id: Some(id),
        ..Inform::new(
            subject,
            TaskKind::LiftRestriction,
            TaskCause::Request,
            items.into_values().flatten().collect(),
        )
    };
    inform_again(tx, &told, inform).await
}
