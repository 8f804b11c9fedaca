//! The parts of a request, carried out one after another as far as nothing is to be waited for.

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{
    leaves::{export_kind, leaves_of},
    objection::object,
    rectification::rectify,
    restriction::restrict,
};
use crate::{
    app::{
        consent::{AskedBack, withdraw_by_request},
        effect::Effect,
        erasure::{Erase, erase},
        error::Error,
        export::begin_export,
    },
    domain::{
        erasure::ErasureScope,
        name::Source,
        policy::history::PolicyHistory,
        request::{
            RequestKind,
            advance::startable,
            life::{AnyRequest, InProgress, Request, Settled},
            part::{ObjectionMade, RestrictionMade},
            record::Record,
        },
    },
    store::Tx,
};

/// What carrying out one part did.
#[derive(Default)]
pub(super) struct Done {
    /// What it leaves.
    pub effect: Effect,
    /// The objections that it made.
    pub objections: Vec<ObjectionMade>,
    /// The restriction that it made.
    pub restriction: Option<RestrictionMade>,
}

impl From<Effect> for Done {
    fn from(effect: Effect) -> Self {
        Self {
            effect,
            ..Self::default()
        }
    }
}

/// Moves the request to where its leaves put it and starts every part that may start. The request and its
/// person are held; `is_living`: there is something of the person left to act on.
pub(super) fn carry_out<'t>(
    tx: &'t mut Tx,
    policies: &'t PolicyHistory,
    by: &'t Source,
    is_living: bool,
    request: Request<InProgress>,
) -> BoxFuture<'t, Result<(AnyRequest, Effect), Error>> {
    Box::pin(start_all(tx, policies, by, is_living, request))
}

async fn start_all(
    tx: &mut Tx,
    policies: &PolicyHistory,
    by: &Source,
    is_living: bool,
    mut request: Request<InProgress>,
) -> Result<(AnyRequest, Effect), Error> {
    let mut effect = Effect::default();
    // Each round starts a part, and there are seven at most.
    loop {
        let leaves = leaves_of(tx, policies, request.record()).await?;
        request = match request.settle(&leaves, tx.now()) {
            Settled::InProgress(request) => request,
            settled => return Ok((settled.into(), effect)),
        };
        let Some(index) = startable(&request.record().parts) else {
            return Ok((request.into(), effect));
        };
        if is_living {
            effect.join(start(tx, policies, by, &mut request, index).await?);
        } else {
            // Of a person who is erased nothing is left to copy, to correct or to stop.
            request.parts_mut()[index].end(tx.now());
        }
    }
}

async fn start(
    tx: &mut Tx,
    policies: &PolicyHistory,
    by: &Source,
    request: &mut Request<InProgress>,
    index: usize,
) -> Result<Effect, Error> {
    let record = request.record().clone();
    let kind = record.parts[index].kind;
    if let Some(package) = export_kind(kind) {
        let effect = begin_export(tx, policies, &record, package).await?;
        request.parts_mut()[index].begin();
        return Ok(effect);
    }
    let done = take_effect(tx, policies, by, &record, kind).await?;
    let part = &mut request.parts_mut()[index];
    part.objections = done.objections;
    part.restriction = done.restriction;
    part.carry_out(tx.now());
    Ok(done.effect)
}

async fn take_effect(
    tx: &mut Tx,
    policies: &PolicyHistory,
    by: &Source,
    record: &Record,
    kind: RequestKind,
) -> Result<Done, Error> {
    match kind {
        RequestKind::Withdrawal => {
            let asked = AskedBack {
                subject_id: record.subject_id,
                purposes: &record.scope.purposes,
                all_purposes: record.scope.all_purposes,
                said_at: said_at(record, tx.now()),
                by,
                subject_request_id: record.subject_request_id,
            };
            Ok(withdraw_by_request(tx, policies, &asked).await?.into())
        }
        RequestKind::Objection => object(tx, policies, record).await,
        RequestKind::Restriction => restrict(tx, policies, record).await,
        RequestKind::Rectification => Ok(rectify(tx, policies, record).await?.into()),
        RequestKind::Erasure => {
            let erasure = Erase {
                subject_id: record.subject_id,
                subject_request_id: record.subject_request_id,
                scope: ErasureScope {
                    data_categories: record.scope.data_categories.clone(),
                    item_ids: record.scope.item_ids.clone(),
                },
                ground: record.scope.erasure_ground.unwrap_or_default(),
            };
            Ok(erase(tx, policies, &erasure).await?.into())
        }
        // Packages are begun by [`start`].
        RequestKind::Access | RequestKind::Portability => Ok(Done::default()),
    }
}

/// When the person said what a request says.
pub(super) fn said_at(record: &Record, now: Timestamp) -> Timestamp {
    record.received_at.min(now)
}
