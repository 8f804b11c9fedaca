//! Tasks as people see them.

use crate::{
    cli::output::{Grid, json_of_struct, printable, short, time},
    proto::v1::{LeasedTask, Task, TaskItem, task_item::Content},
};

/// One line each.
pub(super) fn table(tasks: &[Task]) -> String {
    let columns = [
        "task",
        "kind",
        "state",
        "recipient",
        "data",
        "attempts",
        "not before",
        "outcome",
        "why it failed",
    ];
    let mut grid = Grid::new(&columns);
    for task in tasks {
        grid.row([
            task.task_id.clone(),
            short(task.kind().as_str_name(), "TASK_KIND_").to_owned(),
            short(task.state().as_str_name(), "TASK_STATE_").to_owned(),
            recipient(task),
            task.data_categories.join(", "),
            task.attempts.to_string(),
            time(task.not_before.as_ref()),
            outcome(task),
            task.failure.clone(),
        ]);
    }
    grid.to_string()
}

/// All that is known of one; what is empty is left out.
pub(super) fn one(task: &Task) -> String {
    let mut grid = Grid::new(&["", ""]);
    let rows = [
        ("task", task.task_id.clone()),
        (
            "kind",
            short(task.kind().as_str_name(), "TASK_KIND_").to_owned(),
        ),
        (
            "state",
            short(task.state().as_str_name(), "TASK_STATE_").to_owned(),
        ),
        ("recipient", recipient(task)),
        ("subject", task.subject_id.clone()),
        ("request", task.subject_request_id.clone()),
        (
            "cause",
            short(task.cause().as_str_name(), "TASK_CAUSE_").to_owned(),
        ),
        ("data", task.data_categories.join(", ")),
        ("items", task.item_ids.join(", ")),
        ("purposes", task.purposes.join(", ")),
        ("made", time(task.created_at.as_ref())),
        ("attempts", task.attempts.to_string()),
        ("why it failed", task.failure.clone()),
        ("not before", time(task.not_before.as_ref())),
        ("suppressed", time(task.suppressed_at.as_ref())),
        ("purge expected", time(task.expected_completion.as_ref())),
        ("ended", time(task.completed_at.as_ref())),
        ("outcome", outcome(task)),
        ("ground", task.ground.clone()),
        ("evidence", task.evidence.clone()),
    ];
    for (name, value) in rows {
        if !value.is_empty() {
            grid.row([name, value.as_str()]);
        }
    }
    grid.to_string()
}

/// What is to be done, and for whom. Personal data.
pub(super) fn leased(leased: &LeasedTask) -> String {
    let mut text = leased.task.as_ref().map(one).unwrap_or_default();
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {name}: {}\n", printable(value)));
    };
    line("lease", &leased.lease_id);
    line("until", &time(leased.lease_expires_at.as_ref()));
    for identifier in &leased.identifiers {
        line(&identifier.r#type, &identifier.value);
    }
    for item in &leased.items {
        line(&item.data_category, &known_as(item));
    }
    text
}

/// How the recipient may know an item, and its right value if there is one.
fn known_as(item: &TaskItem) -> String {
    let mut parts = vec![format!("item {}", item.item_id)];
    if !item.item_key.is_empty() {
        parts.push(format!("key {}", item.item_key));
    }
    if !item.locator.is_empty() {
        parts.push(format!("at {}", item.locator));
    }
    for reference in &item.external_references {
        parts.push(format!("as {reference}"));
    }
    match &item.content {
        None => {}
        Some(Content::Text(text)) => parts.push(format!("right value {text}")),
        Some(Content::Json(json)) => parts.push(format!("right value {}", json_of_struct(json))),
        Some(Content::Blob(bytes)) => parts.push(format!("right value of {} bytes", bytes.len())),
    }
    parts.join(", ")
}

fn recipient(task: &Task) -> String {
    if task.processor.is_empty() {
        format!("holder {}", task.holder)
    } else {
        task.processor.clone()
    }
}

fn outcome(task: &Task) -> String {
    match short(task.outcome().as_str_name(), "TASK_OUTCOME_") {
        "UNSPECIFIED" => String::new(),
        outcome => outcome.to_owned(),
    }
}
