//! Requests as people read them.

use crate::{
    cli::output::{Grid, printable, time},
    proto::v1::{
        ObjectionStatus, RequestKind, RequestPart, RequestPartState, RequestState, SubjectRequest,
    },
};

/// What a write answers.
pub(super) fn done(what: &str, request: Option<&SubjectRequest>, revision: &str) -> String {
    let shown = request.map(details).unwrap_or_default();
    format!("{shown}{what}, revision {}\n", printable(revision))
}

/// Requests, one on a line.
pub(super) fn table(requests: &[SubjectRequest]) -> String {
    let columns = [
        "request",
        "subject",
        "asked for",
        "state",
        "received",
        "due",
        "answered",
        "open tasks",
        "waiting items",
    ];
    let mut grid = Grid::new(&columns);
    for request in requests {
        let kinds = request.parts.iter().map(|part| kind(part.kind()));
        grid.row([
            request.subject_request_id.clone(),
            request.subject_id.clone(),
            kinds.collect::<Vec<_>>().join(", "),
            state(request.state()),
            time(request.received_at.as_ref()),
            due(request),
            time(request.answered_at.as_ref()),
            request.open_tasks.to_string(),
            request.waiting_items.to_string(),
        ]);
    }
    grid.to_string()
}

/// One request with its parts.
pub(super) fn details(request: &SubjectRequest) -> String {
    let mut parts = Grid::new(&["part", "state", "carried out", "done", "what it made"]);
    for part in &request.parts {
        parts.row([
            kind(part.kind()),
            part_state(part.state()),
            time(part.carried_out_at.as_ref()),
            time(part.done_at.as_ref()),
            made(part),
        ]);
    }
    let mut told = String::new();
    for (name, text) in [
        ("extended", &request.extension_reason),
        ("rejected", &request.rejection_reason),
    ] {
        if !text.is_empty() {
            told.push_str(&format!("{name}: {}\n", printable(text)));
        }
    }
    let tasks = match (request.open_tasks, request.unconfirmed_tasks) {
        (_, 0) => String::new(),
        (_, count) => format!("tasks that ended without the recipient's word: {count}\n"),
    };
    let table = table(std::slice::from_ref(request));
    format!("{table}{parts}{told}{tasks}")
}

fn due(request: &SubjectRequest) -> String {
    match &request.paused_since {
        Some(since) => format!("stopped since {}", time(Some(since))),
        None => time(request.due_at.as_ref()),
    }
}

fn made(part: &RequestPart) -> String {
    let mut made: Vec<_> = part.objections.iter().map(objection).collect();
    if !part.restriction_id.is_empty() {
        let lifted = part.restriction_lifted_at.as_ref();
        made.push(match lifted {
            Some(at) => format!("restriction, lifted {}", time(Some(at))),
            None => "restriction, standing".to_owned(),
        });
    }
    if let Some(package) = &part.export {
        made.push(if package.ready {
            let until = time(package.expires_at.as_ref());
            format!("package of {} items, until {until}", package.items)
        } else {
            "package, not to be had".to_owned()
        });
    }
    made.join("; ")
}

fn objection(objection: &ObjectionStatus) -> String {
    let purpose = &objection.purpose;
    if let Some(at) = &objection.rejected_at {
        let grounds = &objection.grounds;
        return format!("{purpose}: rejected {} ({grounds})", time(Some(at)));
    }
    match &objection.upheld_at {
        Some(at) => format!("{purpose}: upheld {}", time(Some(at))),
        None => format!("{purpose}: undecided"),
    }
}

fn kind(kind: RequestKind) -> String {
    word(kind.as_str_name(), "REQUEST_KIND_")
}

fn state(state: RequestState) -> String {
    word(state.as_str_name(), "REQUEST_STATE_")
}

fn part_state(state: RequestPartState) -> String {
    word(state.as_str_name(), "REQUEST_PART_STATE_")
}

fn word(name: &str, prefix: &str) -> String {
    let name = name.strip_prefix(prefix).unwrap_or(name);
    name.to_lowercase().replace('_', " ")
}
