//! `pdr disclosure`: what went to whom, and when.

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;

use super::{
    arguments::{Once, optional_instant},
    client::{Connection, Way},
    decision::{self, exit_code},
    output::{Grid, Output, print, print_json, printable, refusal, time},
    person::Person,
};
use crate::proto::v1::{
    Disclosure, ListDisclosuresRequest, RecordDisclosureRequest, RecordDisclosureResponse,
    disclosure_service_client::DisclosureServiceClient,
};

/// Entries of one page.
const PAGE_SIZE: i32 = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Before the card goes to Stripe: is it lawful? If it is, keep that it went there.
    pdr disclosure record --identifier shop_user=4711 --data payment_details \\
      --purpose order_processing --processor stripe --external-reference ch_123
  To whom has this person's data gone? (Art. 15 asks for the actual recipients.)
    pdr disclosure list --identifier shop_user=4711")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check and record in one step, before the data is passed on. Exit code 3: not lawful, do not.
    Record {
        #[command(flatten)]
        person: Person,
        /// A data category: all its items that are allowed; may be repeated.
        #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
        data: Vec<String>,
        /// A single item; may be repeated.
        #[arg(long = "item", value_name = "ID", value_delimiter = ',')]
        items: Vec<String>,
        /// The purpose.
        #[arg(long)]
        purpose: String,
        /// To whom.
        #[arg(long)]
        processor: String,
        /// The recipient's own name for it: a transfer or list number. Not for personal data.
        #[arg(long, default_value = "", hide_default_value = true)]
        external_reference: String,
        /// When it happens. Default: now.
        #[arg(long = "at", value_name = "INSTANT")]
        occurred_at: Option<Timestamp>,
        #[command(flatten)]
        once: Once,
    },
    /// A person's disclosures, latest recorded first.
    List {
        #[command(flatten)]
        person: Person,
        /// Only to this processor.
        #[arg(long, default_value = "", hide_default_value = true)]
        processor: String,
    },
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (way, output) = (args.connection.connect().await?, args.connection.output);
    match args.command {
        Command::Record {
            person,
            data,
            items,
            purpose,
            processor,
            external_reference,
            occurred_at,
            once,
        } => {
            let request = RecordDisclosureRequest {
                subject: Some(person.reference()?),
                data_categories: data,
                item_ids: items,
                purpose,
                processor,
                external_reference,
                occurred_at: optional_instant(occurred_at),
                request_id: once.request_id(),
            };
            record(way, output, request).await
        }
        Command::List { person, processor } => {
            let request = ListDisclosuresRequest {
                subject: Some(person.reference()?),
                processor,
                page_size: PAGE_SIZE,
                page_token: String::new(),
            };
            list(way, output, request).await
        }
    }
}

async fn record(way: Way, output: Output, request: RecordDisclosureRequest) -> Result<ExitCode> {
    let mut client = DisclosureServiceClient::new(way);
    let answer = match client.record_disclosure(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let denied = decision::in_refusal(&status).ok_or_else(|| refusal(&status))?;
            output.show("Decision", &denied, |denied| {
                format!(
                    "{}nothing was recorded: do not pass it on\n",
                    decision::render(denied)
                )
            })?;
            return Ok(exit_code(&denied));
        }
    };
    output.show("RecordDisclosureResponse", &answer, render)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(way: Way, output: Output, mut request: ListDisclosuresRequest) -> Result<ExitCode> {
    let mut client = DisclosureServiceClient::new(way);
    loop {
        let page = client.list_disclosures(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        match output {
            Output::Json => page
                .disclosures
                .iter()
                .try_for_each(|disclosure| print_json("Disclosure", disclosure))?,
            Output::Table => print(&table(&page.disclosures))?,
        }
        if page.next_page_token.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        request.page_token = page.next_page_token;
    }
}

fn render(answer: &RecordDisclosureResponse) -> String {
    let decision = answer.decision.as_ref().map(decision::render);
    let recorded = answer.disclosure.as_slice();
    format!(
        "{}{}recorded, revision {}\n",
        decision.unwrap_or_default(),
        table(recorded),
        printable(&answer.revision)
    )
}

fn table(disclosures: &[Disclosure]) -> String {
    let columns = [
        "at",
        "processor",
        "purpose",
        "data",
        "items",
        "reference",
        "decision",
        "by",
    ];
    let mut grid = Grid::new(&columns);
    for disclosure in disclosures {
        grid.row([
            time(disclosure.occurred_at.as_ref()),
            disclosure.processor.clone(),
            disclosure.purpose.clone(),
            disclosure.data_categories.join(", "),
            disclosure.item_ids.len().to_string(),
            disclosure.external_reference.clone(),
            disclosure.decision_id.clone(),
            disclosure.recorded_by.clone(),
        ]);
    }
    grid.to_string()
}
