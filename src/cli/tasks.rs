//! `pdr tasks`: what processors and internal holders of data must do, and how far they are.

mod show;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::{
    arguments::{Once, optional_instant, parse_choice},
    client::{Connection, Way},
    output::{Output, print, print_json, refusal},
};
use crate::proto::v1::{
    CompleteTaskRequest, FailTaskRequest, GetTaskRequest, LeaseTasksRequest, ListTasksRequest,
    ResolveTaskRequest, RetryTaskRequest, Task, TaskKind, TaskOutcome, TaskState,
    task_service_client::TaskServiceClient,
};

/// Entries of one page.
const PAGE_SIZE: i32 = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  What waits for a person?
    pdr tasks list --state dead-letter
  Stripe's credentials are right again: take its task up once more.
    pdr tasks retry TASK_ID
  It was settled with the recipient by letter.
    pdr tasks resolve TASK_ID --outcome done --evidence 'letter of 3 June'
  A processor without a connector, by hand: what is to be done, and that it was.
    pdr tasks lease --processor crm --lease 1h
    pdr tasks complete TASK_ID LEASE_ID --outcome done --evidence 'ticket 7'")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tasks, oldest first, without what names the person.
    List {
        /// Only of this processor.
        #[arg(long, default_value = "", hide_default_value = true)]
        processor: String,
        /// Only of this internal holder of data.
        #[arg(long, default_value = "", hide_default_value = true)]
        holder: String,
        /// Only in this state: pending, leased, suppressed, completed, dead-letter, unconfirmed,
        /// cancelled.
        #[arg(long, value_parser = parse_state)]
        state: Option<TaskState>,
        /// Only of this request.
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        request: String,
    },
    /// One task with all that is known of it.
    Show {
        /// The task's id.
        #[arg(value_name = "TASK_ID")]
        task: String,
    },
    /// Take a dead letter up again.
    Retry {
        /// The task's id.
        #[arg(value_name = "TASK_ID")]
        task: String,
        #[command(flatten)]
        once: Once,
    },
    /// End a task by hand: it was settled with the recipient elsewhere.
    Resolve {
        /// The task's id.
        #[arg(value_name = "TASK_ID")]
        task: String,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        once: Once,
    },
    /// Lease due tasks. Shows what names the person.
    Lease {
        /// The processor whose tasks are wanted.
        #[arg(long, default_value = "", hide_default_value = true)]
        processor: String,
        /// The internal holder whose tasks are wanted.
        #[arg(long, default_value = "", hide_default_value = true)]
        holder: String,
        /// At most so many.
        #[arg(long, default_value_t = 1)]
        max: i32,
        /// For how long: 1s to 1h.
        #[arg(long = "lease", value_name = "DURATION", default_value = "15m")]
        length: jiff::SignedDuration,
        /// Only this kind: erase, rectify, restrict, lift-restriction, stop, provide-copy; may be
        /// repeated.
        #[arg(long = "kind", value_parser = parse_kind)]
        kinds: Vec<TaskKind>,
    },
    /// Say that a leased task is done.
    Complete {
        #[command(flatten)]
        leased: Leased,
        #[command(flatten)]
        end: End,
        /// When the purge is expected; with the outcome suppressed.
        #[arg(long, value_name = "INSTANT")]
        expected: Option<Timestamp>,
    },
    /// Say that a leased task could not be done.
    Fail {
        #[command(flatten)]
        leased: Leased,
        /// Why. Not for personal data.
        #[arg(long)]
        reason: String,
        /// A repeat may help; without it the task goes to the dead letters.
        #[arg(long)]
        retryable: bool,
        /// Not again before, when the recipient said so.
        #[arg(long, value_name = "INSTANT")]
        not_before: Option<Timestamp>,
    },
}

#[derive(Debug, clap::Args)]
struct Leased {
    /// The task's id.
    #[arg(value_name = "TASK_ID")]
    task: String,
    /// The lease's id.
    #[arg(value_name = "LEASE_ID")]
    lease: String,
}

#[derive(Debug, clap::Args)]
struct End {
    /// How it ended: done, partial, already-gone, directed-to-recipient; of a leased one also suppressed.
    #[arg(long, value_parser = parse_outcome)]
    outcome: TaskOutcome,
    /// Proof of what was done. Not for personal data.
    #[arg(long, default_value = "", hide_default_value = true)]
    evidence: String,
    /// The recipient's ground for what it keeps; with partial and directed-to-recipient.
    #[arg(long, default_value = "", hide_default_value = true)]
    ground: String,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (way, output) = (args.connection.connect().await?, args.connection.output);
    match args.command {
        Command::List {
            processor,
            holder,
            state,
            request,
        } => {
            let request = ListTasksRequest {
                processor,
                holder,
                state: state.unwrap_or_default().into(),
                subject_request_id: request,
                page_size: PAGE_SIZE,
                page_token: String::new(),
            };
            list(way, output, request).await
        }
        Command::Show { task } => show_one(way, output, task).await,
        Command::Lease {
            processor,
            holder,
            max,
            length,
            kinds,
        } => {
            let request = LeaseTasksRequest {
                processor,
                holder,
                max_tasks: max,
                lease_duration: Some(prost_types::Duration {
                    seconds: length.as_secs(),
                    nanos: length.subsec_nanos(),
                }),
                kinds: kinds.into_iter().map(Into::into).collect(),
            };
            lease(way, output, request).await
        }
        by_hand => {
            let task = settle(TaskServiceClient::new(way), by_hand).await?;
            output.show("Task", &task, show::one)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What changes one task, and gives it back as it is then.
async fn settle(mut client: TaskServiceClient<Way>, command: Command) -> Result<Task> {
    let task = match command {
        Command::Retry { task, once } => {
            let request = RetryTaskRequest {
                task_id: task,
                request_id: once.request_id(),
            };
            let answer = client.retry_task(request).await;
            answer.map(|answer| answer.into_inner().task)
        }
        Command::Resolve { task, end, once } => {
            let request = ResolveTaskRequest {
                task_id: task,
                outcome: end.outcome.into(),
                evidence: end.evidence,
                ground: end.ground,
                request_id: once.request_id(),
            };
            let answer = client.resolve_task(request).await;
            answer.map(|answer| answer.into_inner().task)
        }
        Command::Complete {
            leased,
            end,
            expected,
        } => {
            let request = CompleteTaskRequest {
                task_id: leased.task,
                lease_id: leased.lease,
                outcome: end.outcome.into(),
                evidence: end.evidence,
                expected_completion: optional_instant(expected),
                ground: end.ground,
                provided: Vec::new(),
            };
            let answer = client.complete_task(request).await;
            answer.map(|answer| answer.into_inner().task)
        }
        Command::Fail {
            leased,
            reason,
            retryable,
            not_before,
        } => {
            let request = FailTaskRequest {
                task_id: leased.task,
                lease_id: leased.lease,
                retryable,
                reason,
                not_before: optional_instant(not_before),
            };
            let answer = client.fail_task(request).await;
            answer.map(|answer| answer.into_inner().task)
        }
        Command::List { .. } | Command::Show { .. } | Command::Lease { .. } => {
            bail!("this command changes no task")
        }
    };
    let task = task.map_err(|status| refusal(&status))?;
    task.context("an answer has a task")
}

async fn list(way: Way, output: Output, mut request: ListTasksRequest) -> Result<ExitCode> {
    let mut client = TaskServiceClient::new(way);
    loop {
        let page = client.list_tasks(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        match output {
            Output::Json => page
                .tasks
                .iter()
                .try_for_each(|task| print_json("Task", task))?,
            Output::Table => print(&show::table(&page.tasks))?,
        }
        if page.next_page_token.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        request.page_token = page.next_page_token;
    }
}

async fn show_one(way: Way, output: Output, task_id: String) -> Result<ExitCode> {
    let answer = TaskServiceClient::new(way)
        .get_task(GetTaskRequest { task_id })
        .await;
    let task = answer.map_err(|status| refusal(&status))?.into_inner().task;
    output.show("Task", &task.context("an answer has a task")?, show::one)?;
    Ok(ExitCode::SUCCESS)
}

async fn lease(way: Way, output: Output, request: LeaseTasksRequest) -> Result<ExitCode> {
    let answer = TaskServiceClient::new(way).lease_tasks(request).await;
    let leased = answer
        .map_err(|status| refusal(&status))?
        .into_inner()
        .tasks;
    match output {
        Output::Json => leased
            .iter()
            .try_for_each(|leased| print_json("LeasedTask", leased))?,
        Output::Table if leased.is_empty() => print("no task is due\n")?,
        Output::Table => leased
            .iter()
            .try_for_each(|leased| print(&show::leased(leased)))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_state(text: &str) -> Result<TaskState, String> {
    parse_choice(text, "TASK_STATE_", TaskState::from_str_name)
        .filter(|state| *state != TaskState::Unspecified)
        .ok_or_else(|| {
            "is no state; it is one of pending, leased, suppressed, completed, dead-letter, \
             unconfirmed, cancelled"
                .to_owned()
        })
}

fn parse_kind(text: &str) -> Result<TaskKind, String> {
    parse_choice(text, "TASK_KIND_", TaskKind::from_str_name)
        .filter(|kind| *kind != TaskKind::Unspecified)
        .ok_or_else(|| {
            "is no kind; it is one of erase, rectify, restrict, lift-restriction, stop, provide-copy"
                .to_owned()
        })
}

fn parse_outcome(text: &str) -> Result<TaskOutcome, String> {
    parse_choice(text, "TASK_OUTCOME_", TaskOutcome::from_str_name)
        .filter(|outcome| *outcome != TaskOutcome::Unspecified)
        .ok_or_else(|| {
            "is no outcome; it is one of done, suppressed, partial, already-gone, \
             directed-to-recipient"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_people_write_them() {
        assert_eq!(parse_state("dead-letter"), Ok(TaskState::DeadLetter));
        assert_eq!(
            parse_kind("LIFT_RESTRICTION"),
            Ok(TaskKind::LiftRestriction)
        );
        assert_eq!(parse_outcome("already-gone"), Ok(TaskOutcome::AlreadyGone));
        assert!(parse_state("unspecified").is_err() && parse_state("dead").is_err());
        assert!(parse_kind("").is_err() && parse_outcome("unspecified").is_err());
    }
}
