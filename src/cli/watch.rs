//! `pdr watch`: what happens, one line each, until one has seen enough.

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::signal::ctrl_c;

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

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Everything from the beginning, and then as it happens:
    pdr watch
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
    let request = WatchEventsRequest {
        cursor: args.cursor,
        kinds: kinds.collect::<Result<_>>()?,
        processors: args.processors,
    };
    let output = args.connection.output;
    let mut client = EventServiceClient::new(args.connection.connect().await?);
    let events = client.watch_events(request).await;
    let mut events = events.map_err(|status| refusal(&status))?.into_inner();
    let mut cursor = String::new();
    let stopped = loop {
        let next = tokio::select! {
            next = events.message() => next,
            pressed = ctrl_c() => break pressed.context("listening for ctrl-c"),
        };
        match next {
            Ok(Some(answer)) => {
                let is_caught_up = show(output, &answer, &mut cursor)?;
                if is_caught_up && args.until_now {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(status) => break Err(refusal(&status)),
        }
    };
    if !cursor.is_empty() {
        eprintln!("go on with --cursor {}", printable(&cursor));
    }
    stopped?;
    Ok(ExitCode::SUCCESS)
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
            Ok(true)
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
