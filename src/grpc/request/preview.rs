//! What an erasure would do.

use tonic::{Request, Response, Status};

use super::read;
use crate::{
    app::{
        Error, Registry,
        erasure::{ErasurePreview, PreviewedRecipient},
    },
    domain::erasure::{Obstacle, PlannedItem},
    grpc::{
        caller::caller,
        parse::Parse,
        render::{instant, text, texts},
    },
    proto::v1,
};

/// Says it; nothing is changed.
pub(super) async fn preview(
    registry: &Registry,
    request: Request<v1::PreviewErasureRequest>,
) -> Result<Response<v1::PreviewErasureResponse>, Status> {
    let caller = caller(&request)?;
    let message = request.into_inner();
    let mut parse = Parse::new();
    let subject = parse.subject("subject", message.subject);
    let about = read::scope(&mut parse, message.scope.unwrap_or_default());
    let (subject, (scope, _)) = parse
        .finish(|| Ok((subject?, about?)))
        .map_err(Error::from)?;
    let previewed = registry.preview_erasure(&caller, &subject, &scope).await?;
    Ok(Response::new(rendered(previewed)))
}

fn rendered(previewed: ErasurePreview) -> v1::PreviewErasureResponse {
    let ErasurePreview {
        items,
        items_total,
        items_erased,
        recipients,
        whole_subject,
    } = previewed;
    v1::PreviewErasureResponse {
        items: items.into_iter().map(item).collect(),
        items_total: count(items_total),
        items_erased: count(items_erased),
        recipients: recipients.iter().map(recipient).collect(),
        whole_subject,
    }
}

fn item(planned: PlannedItem) -> v1::ErasureOfItem {
    let PlannedItem { item, obstacles } = planned;
    v1::ErasureOfItem {
        item_id: item.item_id.to_string(),
        data_category: item.data_category.to_string(),
        subject_category: item.subject_category.to_string(),
        obstacles: obstacles.into_iter().map(obstacle).collect(),
    }
}

fn obstacle(obstacle: Obstacle) -> v1::ErasureObstacle {
    let Obstacle {
        legal_hold_id,
        until,
        ground,
        article,
        purposes,
    } = obstacle;
    v1::ErasureObstacle {
        legal_hold_id: text(legal_hold_id.as_ref()),
        until: until.map(instant),
        ground,
        article,
        purposes: texts(&purposes),
    }
}

fn recipient(told: &PreviewedRecipient) -> v1::ErasureRecipient {
    v1::ErasureRecipient {
        processor: text(told.recipient.processor()),
        holder: text(told.recipient.holder()),
        data_categories: texts(&told.data_categories),
        items: count(told.items),
    }
}

fn count(items: u64) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}
