//! `pdr audit`: who did what, why a decision was as it was, and that the log is as it was signed.

mod access;
mod export;
mod proof;
mod verify;

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::{
    arguments::optional_instant,
    client::{Connection, Way},
    decision,
    output::{Grid, Output, print, print_json, printable, refusal, time},
    person::parse_person,
};
use crate::proto::v1::{
    AuditEntry, GetDecisionRequest, GetDecisionResponse, ListAuditEntriesRequest,
    audit_service_client::AuditServiceClient, subject_ref::Ref,
};

/// Most entries of one page.
const PAGE_SIZE_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  The latest of everything:
    pdr audit list
  Who fetched data of this person since June?
    pdr audit list --of email=ada@example.com --action FetchRecords --from 2026-06-01T00:00:00Z
  Why was that disclosure lawful?
    pdr audit decision DECISION_ID
  Who has seen whose payment details that night? (docs/breach.md)
    pdr audit access --from 2026-06-01T00:00:00Z --to 2026-06-02T00:00:00Z --data payment_details
  Keep the log and a checkpoint elsewhere, and verify them there, without the registry:
    pdr audit export --out audit.jsonl
    pdr audit checkpoint --out checkpoint.json
    pdr audit verify audit.jsonl --keys public.keys --since checkpoint.json
  A certificate of an erasure, a consent receipt, the proof of a single entry:
    pdr audit verify certificate.json receipt.json proof.json --keys public.keys

`verify` ends with 0 when everything is as it was signed, and with 1 when something is not or a file
cannot be read.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Entries, latest first.
    List(Filter),
    /// A decision that was kept, with its question.
    Decision {
        /// Its id.
        decision_id: String,
    },
    /// Who has seen which data of how many people, between two instants.
    Access(access::Access),
    /// The sealed log to a file; run again, it goes on where it ended.
    Export(export::Export),
    /// A signed checkpoint of the sealed log, to be kept elsewhere.
    Checkpoint(proof::Checkpoint),
    /// The proof that an entry stands in the sealed log.
    Proof(proof::Proof),
    /// The proof that the log begins with what it was at an earlier checkpoint.
    Consistency(proof::Consistency),
    /// Verify exported logs, checkpoints, proofs, certificates and receipts. Needs no server.
    Verify(verify::Verify),
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only of this person: TYPE=VALUE, or the subject's id.
    #[arg(long, value_name = "PERSON")]
    of: Option<String>,
    /// Only of this service.
    #[arg(long, default_value = "", hide_default_value = true)]
    caller: String,
    /// Only of this action: the name of a call, such as `RegisterCollection`.
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// Only those that touch this data category; may be repeated.
    #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
    data: Vec<String>,
    /// From this instant on.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Until just before this instant.
    #[arg(long, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// Only what gave out people's values: items, identifiers, consents, packages.
    #[arg(long)]
    content_reads: bool,
    /// Most entries to show.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let output = args.connection.output;
    if let Command::Verify(asked) = &args.command {
        return verify::verify(output, asked);
    }
    let way = args.connection.connect().await?;
    match args.command {
        Command::Verify(_) => {}
        Command::List(filter) => list(way, output, filter).await?,
        Command::Access(asked) => access::access(way, output, asked).await?,
        Command::Export(asked) => export::export(way, output, &asked).await?,
        Command::Checkpoint(asked) => proof::checkpoint(way, output, asked).await?,
        Command::Proof(asked) => proof::proof(way, output, asked).await?,
        Command::Consistency(asked) => proof::consistency(way, output, asked).await?,
        Command::Decision { decision_id } => {
            let request = GetDecisionRequest { decision_id };
            let answer = AuditServiceClient::new(way).get_decision(request).await;
            let answer = answer.map_err(|status| refusal(&status))?.into_inner();
            output.show("GetDecisionResponse", &answer, render_decision)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(way: Way, output: Output, filter: Filter) -> Result<()> {
    let mut client = AuditServiceClient::new(way);
    let mut left = filter.limit;
    let mut request = ListAuditEntriesRequest {
        subject: filter.of.as_deref().map(parse_person).transpose()?,
        caller: filter.caller,
        action: filter.action,
        data_categories: filter.data,
        content_reads: filter.content_reads,
        from: optional_instant(filter.from),
        to: optional_instant(filter.to),
        ..ListAuditEntriesRequest::default()
    };
    while left > 0 {
        request.page_size = i32::try_from(left.min(PAGE_SIZE_MAX)).context("--limit")?;
        let page = client.list_audit_entries(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        left = left.saturating_sub(page.entries.len());
        match output {
            Output::Json => page
                .entries
                .iter()
                .try_for_each(|entry| print_json("AuditEntry", entry))?,
            Output::Table => print(&table(&page.entries))?,
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(())
}

fn table(entries: &[AuditEntry]) -> String {
    let columns = [
        "at",
        "caller",
        "action",
        "outcome",
        "data",
        "purposes",
        "processors",
        "subject",
    ];
    let mut grid = Grid::new(&columns);
    for entry in entries {
        grid.row([
            time(entry.at.as_ref()),
            entry.caller.clone(),
            entry.action.clone(),
            entry.outcome.clone(),
            entry.data_categories.join(", "),
            entry.purposes.join(", "),
            entry.processors.join(", "),
            entry.subject_pseudonym.clone(),
        ]);
    }
    grid.to_string()
}

fn render_decision(answer: &GetDecisionResponse) -> String {
    let subject = answer
        .subject
        .as_ref()
        .and_then(|subject| subject.r#ref.as_ref());
    let subject = match subject {
        Some(Ref::SubjectId(id)) => id.as_str(),
        Some(Ref::Identifier(_)) | None => "not known",
    };
    let processor = match answer.processor.as_str() {
        "" => "the company itself",
        processor => processor,
    };
    format!(
        "asked by {} at {}: {} of subject {}, by {}\n{}",
        printable(&answer.caller),
        time(answer.decided_at.as_ref()),
        printable(&answer.purpose),
        printable(subject),
        printable(processor),
        answer
            .decision
            .as_ref()
            .map(decision::render)
            .unwrap_or_default()
    )
}
