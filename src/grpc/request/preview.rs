//! What an erasure would do.

use tonic::{Request, Response, Status};

use crate::{
    app::{
        Registry,
        erasure::{ErasurePreview, PreviewedRecipient},
    },
    domain::{
        audit::Action,
        erasure::{ErasureScope, Obstacle, PlannedItem},
        subject_ref::SubjectRef,
    },
    grpc::{
        caller::caller,
        parse::{Parse, Parsed},
        render::{instant, texts},
    },
    proto::v1,
};

/// Previews it.
pub(super) async fn preview(
    registry: &Registry,
    request: Request<v1::PreviewErasureRequest>,
) -> Result<Response<v1::PreviewErasureResponse>, Status> {
    let caller = caller(&request)?;
    let mut parse = Parse::new();
    let asked = read(&mut parse, request.into_inner());
    let (subject, scope) = parse
        .finish_judged(registry, (&caller, Action::PreviewErasure), || asked)
        .await?;
    let preview = registry.preview_erasure(&caller, &subject, &scope).await?;
    Ok(Response::new(rendered(preview)))
}

fn read(
    parse: &mut Parse,
    message: v1::PreviewErasureRequest,
) -> Parsed<(SubjectRef, ErasureScope)> {
    let subject = parse.known_subject("subject", message.subject);
    let scope = message.scope.unwrap_or_default();
    for (field, is_set) in [
        ("scope.purposes", !scope.purposes.is_empty()),
        ("scope.all_purposes", scope.all_purposes),
        ("scope.corrections", !scope.corrections.is_empty()),
    ] {
        if is_set {
            parse.refuse(field, "does not go with an erasure");
        }
    }
    let about = super::read::scope(parse, scope);
    let (scope, _) = about?;
    Ok((
        subject?,
        ErasureScope {
            data_categories: scope.data_categories,
            item_ids: scope.item_ids,
        },
    ))
}

fn rendered(preview: ErasurePreview) -> v1::PreviewErasureResponse {
    let ErasurePreview {
        items,
        items_total,
        items_erased,
        recipients,
        whole_subject,
    } = preview;
    v1::PreviewErasureResponse {
        items: items.into_iter().map(item).collect(),
        items_total: count(items_total),
        items_erased: count(items_erased),
        recipients: recipients.into_iter().map(recipient).collect(),
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
        legal_hold_id: legal_hold_id.map(|id| id.to_string()).unwrap_or_default(),
        until: until.map(instant),
        ground,
        article,
        purposes: texts(&purposes),
    }
}

fn recipient(told: PreviewedRecipient) -> v1::ErasureRecipient {
    let PreviewedRecipient {
        recipient,
        data_categories,
        items,
    } = told;
    let name = |name: Option<String>| name.unwrap_or_default();
    v1::ErasureRecipient {
        processor: name(recipient.processor().map(ToString::to_string)),
        holder: name(recipient.holder().map(ToString::to_string)),
        data_categories: texts(&data_categories),
        items: count(items),
    }
}

fn count(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}
