//! Requests back into messages.

use jiff::Timestamp;

use crate::{
    app::request::RequestView,
    domain::{
        export::{ExportKind, record::ExportRecord},
        request::{
            RequestKind, Scope,
            part::{ObjectionDecision, ObjectionMade, Part},
        },
    },
    grpc::{
        choice::{Choice, optional_number},
        render::{instant, text, texts},
    },
    proto::v1,
};

/// A request, without the right values of a rectification.
pub(super) fn request(view: RequestView) -> v1::SubjectRequest {
    let RequestView {
        state,
        record,
        exports,
        open_tasks,
        unconfirmed_tasks,
        waiting_items,
        now,
    } = view;
    let parts = record.parts.iter().map(|it| part(it, &exports, now));
    v1::SubjectRequest {
        subject_request_id: record.subject_request_id.to_string(),
        subject_id: record.subject_id.to_string(),
        parts: parts.collect(),
        state: state.number(),
        channel: record.channel.to_string(),
        received_at: Some(instant(record.received_at)),
        due_at: record.clock.running_due_at().map(instant),
        answered_at: record.answered_at.map(instant),
        completed_at: record.completed_at.map(instant),
        identity_verified_at: record.identity.map(|it| instant(it.verified_at)),
        identity_method: optional_number(record.identity.map(|it| it.method)),
        paused_since: record.clock.paused_since.map(instant),
        extension_reason: record.clock.extension_reason.unwrap_or_default(),
        rejection_reason: record.rejection_reason.unwrap_or_default(),
        scope: Some(scope(&record.scope)),
        open_tasks: count(open_tasks),
        unconfirmed_tasks: count(unconfirmed_tasks),
        waiting_items: count(waiting_items),
    }
}

fn scope(scope: &Scope) -> v1::RequestScope {
    let corrected = scope.corrected_items.iter();
    v1::RequestScope {
        data_categories: texts(&scope.data_categories),
        item_ids: texts(&scope.item_ids),
        purposes: texts(&scope.purposes),
        all_purposes: scope.all_purposes,
        corrections: corrected
            .map(|item_id| v1::Correction {
                item_id: item_id.to_string(),
                content: None,
            })
            .collect(),
        erasure_ground: optional_number(scope.erasure_ground),
    }
}

fn part(part: &Part, exports: &[ExportRecord], now: Timestamp) -> v1::RequestPart {
    let restriction = part.restriction.as_ref();
    v1::RequestPart {
        kind: part.kind.number(),
        state: part.state.number(),
        carried_out_at: part.carried_out_at.map(instant),
        done_at: part.done_at.map(instant),
        export: latest(part.kind, exports).map(|it| export(it, now)),
        objections: part.objections.iter().map(objection).collect(),
        restriction_id: text(restriction.map(|it| it.restriction_id).as_ref()),
        restriction_lifted_at: restriction.and_then(|it| it.lifted_at).map(instant),
    }
}

fn objection(made: &ObjectionMade) -> v1::ObjectionStatus {
    let decided = made.decided.as_ref();
    v1::ObjectionStatus {
        objection_id: made.objection_id.to_string(),
        purpose: made.purpose.to_string(),
        upheld_at: decided.and_then(ObjectionDecision::upheld_at).map(instant),
        rejected_at: decided
            .and_then(ObjectionDecision::rejected_at)
            .map(instant),
        grounds: decided.map(|it| it.grounds.clone()).unwrap_or_default(),
    }
}

/// The package of a part: of several the latest.
fn latest(kind: RequestKind, exports: &[ExportRecord]) -> Option<&ExportRecord> {
    let wanted = match kind {
        RequestKind::Access => ExportKind::Access,
        RequestKind::Portability => ExportKind::Portability,
        _ => return None,
    };
    let of_kind = exports.iter().filter(|it| it.kind == wanted);
    of_kind.max_by_key(|it| (it.created_at, it.export_id))
}

fn export(record: &ExportRecord, now: Timestamp) -> v1::Export {
    let (json, html) = (record.json.as_ref(), record.html.as_ref());
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    v1::Export {
        export_id: record.export_id.to_string(),
        ready: record.is_available(now),
        ready_at: record.ready_at.map(instant),
        expires_at: record.expires_at.map(instant),
        json_bytes: json.map_or(0, |it| bytes(it.bytes)),
        html_bytes: html.map_or(0, |it| bytes(it.bytes)),
        items: bytes(record.items),
        json_sha256: json.map(|it| it.sha256.clone()).unwrap_or_default(),
        html_sha256: html.map(|it| it.sha256.clone()).unwrap_or_default(),
    }
}

fn count(of: u64) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}
