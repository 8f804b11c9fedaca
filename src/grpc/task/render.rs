//! Tasks back into messages.

use crate::{
    app::task::OpenedTask,
    domain::{
        item::Content,
        task::{Outcome, Progress, StateName, Task, TaskCause, TaskItem, TaskKind},
    },
    grpc::render::{instant, json_struct, text, texts},
    proto::v1::{self, task_item},
};

/// A task on lease.
pub(super) fn leased(opened: OpenedTask) -> v1::LeasedTask {
    let lease = opened.task.lease();
    let identifiers = opened.payload.identifiers.iter();
    v1::LeasedTask {
        task: Some(task(&opened.task)),
        lease_id: text(lease.map(|lease| lease.lease_id).as_ref()),
        lease_expires_at: lease.map(|lease| instant(lease.until)),
        identifiers: identifiers
            .map(|one| v1::Identifier {
                r#type: one.identifier_type.to_string(),
                value: one.value.expose().to_owned(),
            })
            .collect(),
        items: opened.payload.items.into_iter().map(item).collect(),
        progress: opened.progress.map(|Progress(value)| json_struct(value)),
    }
}

/// A task, without what names the person.
pub(super) fn task(task: &Task) -> v1::Task {
    let suppression = task.suppression.as_ref();
    v1::Task {
        task_id: task.task_id.to_string(),
        kind: kind(task.kind).into(),
        state: state(task.state_name()).into(),
        processor: text(task.recipient.processor()),
        holder: text(task.recipient.holder()),
        subject_id: task.subject_id.to_string(),
        subject_request_id: text(task.subject_request_id.as_ref()),
        cause: cause(task.cause).into(),
        data_categories: texts(&task.data_categories),
        item_ids: texts(&task.item_ids),
        purposes: texts(&task.purposes),
        attempts: i32::try_from(task.attempts).unwrap_or(i32::MAX),
        not_before: task.not_before().map(instant),
        created_at: Some(instant(task.created_at)),
        completed_at: task.ended_at().map(instant),
        outcome: outcome(task).into(),
        ground: text(task.outcome().and_then(Outcome::ground).as_ref()),
        expected_completion: suppression.map(|one| instant(one.expected)),
        failure: task.failure.clone(),
        suppressed_at: suppression.map(|one| instant(one.at)),
        evidence: task.evidence().to_owned(),
    }
}

fn item(item: TaskItem) -> v1::TaskItem {
    let references = item.external_references.iter();
    v1::TaskItem {
        item_id: item.item_id.to_string(),
        data_category: item.data_category.to_string(),
        item_key: item.key.expose().to_owned(),
        locator: item
            .locator
            .as_ref()
            .map(|locator| locator.expose().to_owned())
            .unwrap_or_default(),
        external_references: references.map(|one| one.expose().to_owned()).collect(),
        content: match item.right_value {
            Some(Content::Text(text)) => Some(task_item::Content::Text(text)),
            Some(Content::Json(value)) => Some(task_item::Content::Json(json_struct(value))),
            Some(Content::Blob(bytes)) => Some(task_item::Content::Blob(bytes)),
            Some(Content::Locator(_)) | None => None,
        },
    }
}

fn outcome(task: &Task) -> v1::TaskOutcome {
    match task.outcome() {
        Some(Outcome::Done) => v1::TaskOutcome::Done,
        Some(Outcome::Partial(_)) => v1::TaskOutcome::Partial,
        Some(Outcome::AlreadyGone) => v1::TaskOutcome::AlreadyGone,
        Some(Outcome::DirectedToRecipient(_)) => v1::TaskOutcome::DirectedToRecipient,
        None if task.suppression.is_some() => v1::TaskOutcome::Suppressed,
        None => v1::TaskOutcome::Unspecified,
    }
}

fn kind(kind: TaskKind) -> v1::TaskKind {
    match kind {
        TaskKind::Erase => v1::TaskKind::Erase,
        TaskKind::Rectify => v1::TaskKind::Rectify,
        TaskKind::Restrict => v1::TaskKind::Restrict,
        TaskKind::LiftRestriction => v1::TaskKind::LiftRestriction,
        TaskKind::Stop => v1::TaskKind::Stop,
        TaskKind::ProvideCopy => v1::TaskKind::ProvideCopy,
    }
}

fn cause(cause: TaskCause) -> v1::TaskCause {
    match cause {
        TaskCause::Request => v1::TaskCause::Request,
        TaskCause::Retention => v1::TaskCause::Retention,
        TaskCause::Correction => v1::TaskCause::Correction,
        TaskCause::Deletion => v1::TaskCause::Deletion,
        TaskCause::Withdrawal => v1::TaskCause::Withdrawal,
    }
}

fn state(state: StateName) -> v1::TaskState {
    match state {
        StateName::Pending => v1::TaskState::Pending,
        StateName::Leased => v1::TaskState::Leased,
        StateName::Suppressed => v1::TaskState::Suppressed,
        StateName::Completed => v1::TaskState::Completed,
        StateName::DeadLetter => v1::TaskState::DeadLetter,
        StateName::Unconfirmed => v1::TaskState::Unconfirmed,
        StateName::Cancelled => v1::TaskState::Cancelled,
    }
}
