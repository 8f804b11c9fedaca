//! What was registered, as messages.

use crate::{
    app::collection::{Registered, RegisteredItem, UnlinkedIdentifier, UnlinkedReason},
    domain::revision::Revision,
    grpc::render::{instant, text, texts},
    proto::v1,
};

/// What was registered; a preview has no revision.
pub(super) fn registered(
    registered: Registered,
    revision: Option<Revision>,
) -> v1::RegisterCollectionResponse {
    let Registered {
        subject_id,
        subject_created,
        items,
        consent_ids,
        unlinked,
    } = registered;
    v1::RegisterCollectionResponse {
        subject_id: text(subject_id.as_ref()),
        items: items.iter().map(item).collect(),
        consent_ids: texts(&consent_ids),
        revision: text(revision.as_ref()),
        unlinked_identifiers: unlinked.into_iter().map(left_out).collect(),
        subject_created,
    }
}

fn item(item: &RegisteredItem) -> v1::Item {
    v1::Item {
        item_id: text(item.item_id.as_ref()),
        subject_category: item.subject_category.to_string(),
        data_category: item.data_category.to_string(),
        source: item.source.to_string(),
        collected_at: Some(instant(item.collected_at)),
        policy_version: item.policy_version.to_string(),
        purposes: texts(&item.purposes),
        ..v1::Item::default()
    }
}

fn left_out(one: UnlinkedIdentifier) -> v1::UnlinkedIdentifier {
    let reason = match one.reason {
        UnlinkedReason::DeviceOfAnother => v1::UnlinkedReason::DeviceOfAnother,
        UnlinkedReason::Suppressed => v1::UnlinkedReason::Suppressed,
    };
    v1::UnlinkedIdentifier {
        r#type: one.identifier_type.to_string(),
        field: one.field,
        reason: reason.into(),
    }
}
