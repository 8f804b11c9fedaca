//! `RetentionService`.

use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    parse::{Parse, Parsed},
    render::{instant, text},
};
use crate::{
    app::{
        Error, Registry,
        retention::{PreviewPurge, PurgeCount, PurgePreview, SAMPLE_DEFAULT, SAMPLE_MAX},
    },
    domain::{
        id::SubjectId,
        retention::purge::{Purge, PurgeReason},
    },
    proto::v1::{
        self,
        retention_service_server::{RetentionService, RetentionServiceServer},
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> RetentionServiceServer<Purges> {
    RetentionServiceServer::new(Purges { registry })
}

/// What goes because its time has run out.
#[derive(Clone)]
pub struct Purges {
    registry: Registry,
}

#[tonic::async_trait]
impl RetentionService for Purges {
    async fn preview_purge(
        &self,
        request: Request<v1::PreviewPurgeRequest>,
    ) -> Result<Response<v1::PreviewPurgeResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let as_of = parse.instant("as_of", message.as_of);
        let sample_size = sample_size(&mut parse, message.sample_size);
        let preview = parse
            .finish(|| {
                Ok(PreviewPurge {
                    as_of: as_of?,
                    sample_size: sample_size?,
                })
            })
            .map_err(Error::from)?;
        let preview = self.registry.preview_purge(&caller, preview).await?;
        Ok(Response::new(response(preview)))
    }
}

fn sample_size(parse: &mut Parse, size: i32) -> Parsed<usize> {
    match usize::try_from(size) {
        Ok(0) => Ok(SAMPLE_DEFAULT),
        Ok(size) if size <= SAMPLE_MAX => Ok(size),
        Ok(_) | Err(_) => {
            let rule = format!("must be a number from 0 to {SAMPLE_MAX}");
            Err(parse.refuse("sample_size", rule))
        }
    }
}

fn response(preview: PurgePreview) -> v1::PreviewPurgeResponse {
    let PurgePreview {
        counts,
        sample,
        subjects,
        items,
        held_items,
        as_of,
        policy_version,
    } = preview;
    v1::PreviewPurgeResponse {
        counts: counts.into_iter().map(count).collect(),
        sample: sample.into_iter().map(example).collect(),
        subjects: number(subjects),
        items: number(items),
        held_items: number(held_items),
        as_of: Some(instant(as_of)),
        policy_version: policy_version.to_string(),
    }
}

fn count((what, items): (PurgeCount, u64)) -> v1::PurgeCount {
    v1::PurgeCount {
        data_category: what.data_category.to_string(),
        subject_category: what.subject_category.to_string(),
        reason: reason(what.reason).into(),
        rule: what.rule,
        processor: text(what.processor.as_ref()),
        items: number(items),
    }
}

fn example((subject_id, purge): (SubjectId, Purge)) -> v1::PurgeSample {
    v1::PurgeSample {
        subject_id: subject_id.to_string(),
        item_id: purge.item.item_id.to_string(),
        data_category: purge.item.data_category.to_string(),
        reason: reason(purge.reason).into(),
        rule: purge.rule,
        due_at: Some(instant(purge.due_at)),
        processor: text(purge.processor.as_ref()),
    }
}

fn reason(reason: PurgeReason) -> v1::PurgeReason {
    match reason {
        PurgeReason::RetentionExpired => v1::PurgeReason::RetentionExpired,
        PurgeReason::ProcessorRetentionExpired => v1::PurgeReason::ProcessorRetentionExpired,
        PurgeReason::ErasureDue => v1::PurgeReason::ErasureDue,
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
