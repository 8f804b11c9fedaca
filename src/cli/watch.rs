//! `pdr watch`: what happens, one line each, until one has seen enough.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use tokio::signal::ctrl_c;
use tonic::Status;
use tonic_types::StatusExt;

use super::{
    arguments::parse_choice,
    client::Connection,
    output::{Output, print, print_json, printable, refusal, short, time},
    paint::Paint,
};
use crate::proto::v1::{
    Event, EventKind, WatchEventsRequest, WatchEventsResponse,
    event_service_client::EventServiceClient, watch_events_response,
};

/// Connections that fail in a row before it gives up.
const FAILURES_MAX: u32 = 20;
/// The pause before the first; each further one is as much longer.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Everything from the beginning, and then as it happens, past restarts of the server:
    pdr watch --from-beginning
  Only what ends by itself:
    pdr watch --kind consent-expired,retention-ended
  Only what AWeber's connector must follow, from where it left off:
    pdr watch --kind consent-withdrawn,items-deleted --processor aweber --cursor CURSOR
  For a script: what there is now, as JSON, and done:
    pdr watch --until-now --output json")]
pub(super) struct Args {
    /// Go on behind this cursor. Default: from the earliest event that is kept.
    // A cursor may begin with a hyphen.
    #[arg(
        long,
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    cursor: String,
    /// From the earliest event that is kept, which is the default without --cursor.
    #[arg(long, conflicts_with = "cursor")]
    from_beginning: bool,
    /// Only this kind: consent-withdrawn, items-registered …; may be repeated.
    #[arg(long = "kind", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Only events that touch this processor, or that name none; may be repeated.
    #[arg(long = "processor", value_delimiter = ',')]
    processors: Vec<String>,
    /// Stop when everything that has its place by now has been shown; an event gets its place within
    /// a second of its commit.
    #[arg(long)]
    until_now: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let kinds = args
        .kinds
        .iter()
        .map(|kind| parse_kind(kind).map(i32::from));
    let mut request = WatchEventsRequest {
        cursor: args.cursor,
        kinds: kinds.collect::<Result<_>>()?,
        processors: args.processors,
    };
    let mut watch = Watch {
        output: args.connection.output,
        until_now: args.until_now,
        cursor: String::new(),
        is_answered: false,
    };
    let mut failures = 0;
    let stopped = loop {
        let ended = tokio::select! {
            ended = watch.follow(&args.connection, &request) => ended,
            pressed = ctrl_c() => break pressed.context("listening for ctrl-c"),
        };
        let Err(lost) = ended else { break Ok(()) };
        failures = if watch.is_answered { 1 } else { failures + 1 };
        let was_following = !watch.cursor.is_empty();
        match lost {
            Lost::Behind(cursor) => watch.cursor = cursor,
            Lost::Connection(_) if was_following && failures < FAILURES_MAX => {}
            Lost::Connection(error) | Lost::ForGood(error) => break Err(error),
        }
        request.cursor.clone_from(&watch.cursor);
        eprintln!("the stream ended; going on behind the last event");
        tokio::select! {
            () = tokio::time::sleep(PAUSE * failures) => {}
            pressed = ctrl_c() => break pressed.context("listening for ctrl-c"),
        }
    };
    if !watch.cursor.is_empty() {
        eprintln!("go on with --cursor {}", printable(&watch.cursor));
    }
    stopped?;
    Ok(ExitCode::SUCCESS)
}

/// Why a stream ended before one had seen enough.
#[derive(Debug)]
enum Lost {
    /// The server let a slow reader go: go on from here.
    Behind(String),
    /// The server stops, or the connection broke: go on with what one has.
    Connection(anyhow::Error),
    /// It would end in the same way again.
    ForGood(anyhow::Error),
}

impl From<Status> for Lost {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        match info.map(|info| (info.reason.as_str(), info.metadata.get("cursor"))) {
            Some(("READER_TOO_SLOW", Some(cursor))) => Self::Behind(cursor.clone()),
            Some(("STOPPING" | "STORE_UNAVAILABLE" | "OVERLOADED", _)) => {
                Self::Connection(refusal(&status))
            }
            Some(_) => Self::ForGood(refusal(&status)),
            // Every status of the registry has one: this is the transport's own.
            None => Self::Connection(refusal(&status)),
        }
    }
}

/// What is shown, and how far it has come.
struct Watch {
    output: Output,
    until_now: bool,
    cursor: String,
    /// Whether the stream that is open, or was last, gave anything.
    is_answered: bool,
}

impl Watch {
    /// Shows what comes until one has seen enough.
    async fn follow(
        &mut self,
        connection: &Connection,
        request: &WatchEventsRequest,
    ) -> Result<(), Lost> {
        self.is_answered = false;
        let way = connection.connect().await.map_err(Lost::Connection)?;
        let mut client = EventServiceClient::new(way);
        let events = client.watch_events(request.clone()).await?;
        let mut events = events.into_inner();
        while let Some(answer) = events.message().await? {
            self.is_answered = true;
            let shown = show(self.output, &answer, &mut self.cursor);
            let has_caught_up = shown.map_err(Lost::ForGood)?;
            if has_caught_up && self.until_now {
                break;
            }
        }
        Ok(())
    }
}

/// Shows an event and keeps its cursor; says whether there is nothing more for now.
fn show(output: Output, answer: &WatchEventsResponse, cursor: &mut String) -> Result<bool> {
    if output == Output::Json {
        print_json("WatchEventsResponse", answer)?;
    }
    match &answer.result {
        Some(watch_events_response::Result::Event(envelope)) => {
            cursor.clone_from(&envelope.cursor);
            if let (Some(event), Output::Table) = (&envelope.event, output) {
                print(&line(event))?;
            }
            Ok(false)
        }
        Some(watch_events_response::Result::Checkpoint(checkpoint)) => {
            cursor.clone_from(&checkpoint.cursor);
            Ok(checkpoint.caught_up)
        }
        None => Ok(false),
    }
}

/// An event on one line.
pub(super) fn line(event: &Event) -> String {
    let paint = Paint::for_stdout();
    let kind = short(event.kind().as_str_name(), "EVENT_KIND_");
    let facts = [
        ("role", event.subject_category.clone()),
        ("data", event.data_categories.join(",")),
        ("purposes", event.purposes.join(",")),
        ("processors", event.processors.join(",")),
        ("merged", event.merged_subject_id.clone()),
        ("policy", event.policy_version.clone()),
    ];
    let facts = facts.iter().filter(|(_, value)| !value.is_empty());
    let facts: Vec<_> = facts
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "{}  {}  {}  {}\n",
        paint.dim(&time(event.recorded_at.as_ref())),
        paint.name(&format!("{kind:<24}")),
        printable(&event.subject_id),
        printable(&facts.join(" "))
    )
}

fn parse_kind(text: &str) -> Result<EventKind> {
    parse_choice(text, "EVENT_KIND_", EventKind::from_str_name)
        .filter(|kind| *kind != EventKind::Unspecified)
        .with_context(|| {
            format!("{text} is no kind of event; kinds are those of EventKind: consent-withdrawn …")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::Error, grpc::status::Failure, proto::v1::ErrorReason};

    #[test]
    fn a_slow_reader_goes_on_from_the_cursor_of_the_error() {
        let cursor = "here".to_owned();
        let lost = Lost::from(Status::from(Error::ReaderTooSlow { cursor }));
        assert!(matches!(lost, Lost::Behind(cursor) if cursor == "here"));
    }

    #[test]
    fn a_stopping_server_and_a_broken_connection_are_come_back_to_and_a_refusal_is_not() {
        for status in [Status::from(Error::Stopping), Status::unknown("h2 error")] {
            assert!(matches!(Lost::from(status), Lost::Connection(_)));
        }
        for reason in [ErrorReason::CursorExpired, ErrorReason::TokenExpired] {
            let status = Failure::new(reason, "no").into_status();
            assert!(matches!(Lost::from(status), Lost::ForGood(_)));
        }
    }
}
