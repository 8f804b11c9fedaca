//! Messages on tasks into values.

use jiff::{SignedDuration, Timestamp};

use crate::{
    app::task::{Failed, LeaseTasks, ListTasks, OnLease},
    domain::{
        id::ItemId,
        item::Content,
        task::{
            FAILED_WAIT_MAX, LEASE_DEFAULT, LEASE_MAX, LEASE_MIN, Outcome, PROGRESS_BYTES_MAX,
            Progress, REPORT_BYTES_MAX, Recipient, Report, Settled, StateName, TaskKind, WAIT_MAX,
        },
    },
    grpc::parse::{Parse, Parsed},
    proto::v1::{self, item, provided_item},
};

/// Tasks of one lease when the caller does not say.
const TASKS_DEFAULT: u64 = 10;
/// Most tasks of one lease.
const TASKS_MAX: i32 = 100;
/// Most kinds that a lease names; a kind may stand twice.
const KINDS_MAX: usize = 100;
/// Most items that one completion hands over.
const PROVIDED_MAX: usize = 100;

pub(super) fn lease(parse: &mut Parse, message: v1::LeaseTasksRequest) -> Parsed<LeaseTasks> {
    let recipient = recipient(parse, &message.processor, &message.holder);
    let recipient = match recipient {
        Ok(None) => Err(parse.refuse(
            "processor",
            "exactly one of processor and holder is required",
        )),
        Ok(Some(recipient)) => Ok(recipient),
        Err(reported) => Err(reported),
    };
    let max = match u64::try_from(message.max_tasks) {
        Ok(0) => Ok(TASKS_DEFAULT),
        Ok(max) if message.max_tasks <= TASKS_MAX => Ok(max),
        _ => Err(parse.refuse("max_tasks", "must be from 0 to 100")),
    };
    let length = length(parse, message.lease_duration);
    let kinds = parse.each("kinds", message.kinds, KINDS_MAX, |parse, number| {
        parse.choice("", number, kind)
    });
    Ok(LeaseTasks {
        recipient: recipient?,
        kinds: kinds?,
        max: max?,
        length: length?,
    })
}

pub(super) fn on_lease(parse: &mut Parse, task_id: &str, lease_id: &str) -> Parsed<OnLease> {
    let task_id = parse.id("task_id", task_id);
    let lease_id = parse.id("lease_id", lease_id);
    Ok(OnLease {
        task_id: task_id?,
        lease_id: lease_id?,
    })
}

pub(super) fn length(
    parse: &mut Parse,
    length: Option<prost_types::Duration>,
) -> Parsed<SignedDuration> {
    let length = parse.duration("lease_duration", length)?;
    let length = length.unwrap_or(LEASE_DEFAULT);
    if (LEASE_MIN..=LEASE_MAX).contains(&length) {
        return Ok(length);
    }
    Err(parse.refuse("lease_duration", "must be from 1 second to 1 hour"))
}

pub(super) fn report(
    parse: &mut Parse,
    message: &v1::CompleteTaskRequest,
    now: Timestamp,
) -> Parsed<Report> {
    let evidence = parse.text("evidence", message.evidence.clone(), REPORT_BYTES_MAX);
    let expected = parse.instant("expected_completion", message.expected_completion);
    if message.outcome() == v1::TaskOutcome::Suppressed {
        let ground = ground(parse, &message.ground, false);
        let expected = match expected? {
            Some(at) if at > now && at.duration_since(now) <= WAIT_MAX => Ok(at),
            Some(_) => {
                Err(parse.refuse("expected_completion", "must lie ahead, at most two years"))
            }
            None => Err(parse.refuse("expected_completion", "is required for SUPPRESSED")),
        };
        ground?;
        return Ok(Report::Suppressed {
            expected: expected?,
            evidence: evidence?,
        });
    }
    if matches!(expected, Ok(Some(_))) {
        parse.refuse("expected_completion", "goes with SUPPRESSED only");
    }
    let outcome = outcome(parse, message.outcome, &message.ground);
    expected?;
    Ok(Report::Ended(Settled {
        outcome: outcome?,
        evidence: evidence?,
    }))
}

pub(super) fn settled(parse: &mut Parse, message: v1::ResolveTaskRequest) -> Parsed<Settled> {
    let outcome = outcome(parse, message.outcome, &message.ground);
    let evidence = required_text(parse, "evidence", message.evidence);
    Ok(Settled {
        outcome: outcome?,
        evidence: evidence?,
    })
}

pub(super) fn failed(
    parse: &mut Parse,
    message: v1::FailTaskRequest,
    now: Timestamp,
) -> Parsed<Failed> {
    let reason = required_text(parse, "reason", message.reason);
    let not_before = parse.instant("not_before", message.not_before);
    let not_before = match not_before {
        Ok(Some(at)) if at.duration_since(now) > FAILED_WAIT_MAX => {
            Err(parse.refuse("not_before", "must be at most 90 days ahead"))
        }
        read => read,
    };
    Ok(Failed {
        is_retryable: message.retryable,
        reason: reason?,
        not_before: not_before?,
    })
}

pub(super) fn parked_until(
    parse: &mut Parse,
    at: Option<prost_types::Timestamp>,
    now: Timestamp,
) -> Parsed<Timestamp> {
    match parse.instant("not_before", at)? {
        Some(at) if at.duration_since(now) <= WAIT_MAX => Ok(at),
        Some(_) => Err(parse.refuse("not_before", "must be at most two years ahead")),
        None => Err(parse.refuse("not_before", "is required")),
    }
}

pub(super) fn progress(
    parse: &mut Parse,
    progress: Option<prost_types::Struct>,
) -> Parsed<Option<Progress>> {
    let Some(object) = progress else {
        return Ok(None);
    };
    let read = parse.within("progress", |parse| {
        parse.content(item::Content::Json(object))
    })?;
    let Content::Json(value) = read else {
        return Err(parse.refuse("progress", "must be a JSON object"));
    };
    if value.to_string().len() > PROGRESS_BYTES_MAX {
        let rule = format!("must have at most {PROGRESS_BYTES_MAX} bytes as JSON");
        return Err(parse.refuse("progress", rule));
    }
    Ok(Some(Progress(value)))
}

pub(super) fn provided(
    parse: &mut Parse,
    provided: Vec<v1::ProvidedItem>,
) -> Parsed<Vec<(ItemId, Content)>> {
    parse.each("provided", provided, PROVIDED_MAX, |parse, one| {
        use provided_item::Content as Provided;
        let item_id = parse.id("item_id", &one.item_id);
        let content = match one.content {
            Some(Provided::Text(text)) => parse.content(item::Content::Text(text)),
            Some(Provided::Json(object)) => parse.content(item::Content::Json(object)),
            Some(Provided::Blob(bytes)) => parse.content(item::Content::Blob(bytes)),
            None => Err(parse.refuse("content", "is required")),
        };
        Ok((item_id?, content?))
    })
}

pub(super) fn list(parse: &mut Parse, message: v1::ListTasksRequest) -> Parsed<ListTasks> {
    let recipient = recipient(parse, &message.processor, &message.holder);
    let state = match message.state {
        0 => Ok(None),
        number => parse.choice("state", number, state).map(Some),
    };
    let request = match message.subject_request_id.as_str() {
        "" => Ok(None),
        id => parse.id("subject_request_id", id).map(Some),
    };
    let page = parse.page(message.page_size, message.page_token);
    let page = page?;
    Ok(ListTasks {
        recipient: recipient?,
        state: state?,
        subject_request_id: request?,
        page_size: page.size,
        page_token: page.token,
    })
}

fn recipient(parse: &mut Parse, processor: &str, holder: &str) -> Parsed<Option<Recipient>> {
    let processor = parse.optional_name("processor", processor);
    let holder = parse.optional_name("holder", holder);
    match (processor?, holder?) {
        (None, None) => Ok(None),
        (Some(name), None) => Ok(Some(Recipient::Processor(name))),
        (None, Some(name)) => Ok(Some(Recipient::Holder(name))),
        (Some(_), Some(_)) => Err(parse.refuse("holder", "does not go with processor: name one")),
    }
}

fn outcome(parse: &mut Parse, number: i32, text: &str) -> Parsed<Outcome> {
    let named = parse.choice(
        "outcome",
        number,
        |outcome: v1::TaskOutcome| match outcome {
            v1::TaskOutcome::Unspecified | v1::TaskOutcome::Suppressed => None,
            known => Some(known),
        },
    );
    // Whether there has to be a ground depends on the outcome; how long it may be does not.
    let text = parse.text("ground", text.to_owned(), REPORT_BYTES_MAX);
    let (named, text) = (named?, text?);
    let keeps = matches!(
        named,
        v1::TaskOutcome::Partial | v1::TaskOutcome::DirectedToRecipient
    );
    let ground = ground(parse, &text, keeps)?;
    Ok(match named {
        v1::TaskOutcome::Partial => Outcome::Partial(ground),
        v1::TaskOutcome::DirectedToRecipient => Outcome::DirectedToRecipient(ground),
        v1::TaskOutcome::AlreadyGone => Outcome::AlreadyGone,
        _ => Outcome::Done,
    })
}

/// The ground for what is kept: there is one exactly when something is.
fn ground(parse: &mut Parse, ground: &str, keeps: bool) -> Parsed<String> {
    let ground = parse.text("ground", ground.to_owned(), REPORT_BYTES_MAX)?;
    match (keeps, ground.is_empty()) {
        (true, true) => Err(parse.refuse(
            "ground",
            "is required for PARTIAL and DIRECTED_TO_RECIPIENT",
        )),
        (false, false) => {
            Err(parse.refuse("ground", "goes with PARTIAL and DIRECTED_TO_RECIPIENT only"))
        }
        _ => Ok(ground),
    }
}

fn required_text(parse: &mut Parse, field: &str, text: String) -> Parsed<String> {
    if text.is_empty() {
        return Err(parse.refuse(field, "is required"));
    }
    parse.text(field, text, REPORT_BYTES_MAX)
}

fn kind(kind: v1::TaskKind) -> Option<TaskKind> {
    match kind {
        v1::TaskKind::Unspecified => None,
        v1::TaskKind::Erase => Some(TaskKind::Erase),
        v1::TaskKind::Rectify => Some(TaskKind::Rectify),
        v1::TaskKind::Restrict => Some(TaskKind::Restrict),
        v1::TaskKind::LiftRestriction => Some(TaskKind::LiftRestriction),
        v1::TaskKind::Stop => Some(TaskKind::Stop),
        v1::TaskKind::ProvideCopy => Some(TaskKind::ProvideCopy),
    }
}

fn state(state: v1::TaskState) -> Option<StateName> {
    match state {
        v1::TaskState::Unspecified => None,
        v1::TaskState::Pending => Some(StateName::Pending),
        v1::TaskState::Leased => Some(StateName::Leased),
        v1::TaskState::Suppressed => Some(StateName::Suppressed),
        v1::TaskState::Completed => Some(StateName::Completed),
        v1::TaskState::DeadLetter => Some(StateName::DeadLetter),
        v1::TaskState::Unconfirmed => Some(StateName::Unconfirmed),
        v1::TaskState::Cancelled => Some(StateName::Cancelled),
    }
}
