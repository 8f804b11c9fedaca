//! `pdr records`: the collected values themselves.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::{
    arguments::{Once, optional_instant},
    client::{Connection, Way},
    decision::{exit_code, render},
    output::{Grid, Output, print, print_json, printable, refusal, time},
    person::Person,
};
use crate::proto::v1::{
    CorrectRecordRequest, CorrectRecordResponse, Decision, DeleteRecordsRequest,
    DeleteRecordsResponse, FetchRecordsRequest, Item, correct_record_request,
    fetch_records_response, item, record_service_client::RecordServiceClient,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Support looks up how to reach a client; only what is lawful for that is handed out:
    pdr records fetch --identifier shop_user=4711 --purpose contact_and_support \\
      --data email_address,skype_contact
  The address was misspelt:
    pdr records correct --identifier shop_user=4711 --item ITEM_ID --text ada@example.com
  What would go, and then: go:
    pdr records delete --identifier shop_user=4711 --data payment_details --validate-only
    pdr records delete --identifier shop_user=4711 --data payment_details")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Fetch what is lawful for a purpose. Audited. Exit code 3: nothing is.
    Fetch {
        #[command(flatten)]
        person: Person,
        /// The purpose.
        #[arg(long)]
        purpose: String,
        /// To whom it is to be passed; without it the company itself.
        #[arg(long, default_value = "", hide_default_value = true)]
        processor: String,
        /// A data category; may be repeated.
        #[arg(
            long = "data",
            value_name = "CATEGORY",
            value_delimiter = ',',
            required = true
        )]
        data: Vec<String>,
    },
    /// Replace the content of an item. The older content is destroyed.
    Correct {
        #[command(flatten)]
        person: Person,
        /// The item.
        #[arg(long, value_name = "ID")]
        item: String,
        #[command(flatten)]
        content: Content,
        /// When the person said so. Default: now.
        #[arg(long = "at", value_name = "INSTANT")]
        corrected_at: Option<Timestamp>,
        #[command(flatten)]
        once: Once,
    },
    /// Destroy the content of items. A tombstone stays as proof.
    Delete {
        #[command(flatten)]
        person: Person,
        /// An item; may be repeated.
        #[arg(long = "item", value_name = "ID", value_delimiter = ',')]
        items: Vec<String>,
        /// Every item of a data category; may be repeated.
        #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
        data: Vec<String>,
        /// Only say what would be deleted.
        #[arg(long)]
        validate_only: bool,
        #[command(flatten)]
        once: Once,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Content {
    /// The right value, as text.
    #[arg(long)]
    text: Option<String>,
    /// A file that holds the right value as text, which keeps it out of the list of processes.
    #[arg(long, value_name = "FILE")]
    text_file: Option<PathBuf>,
    /// Where the value is held, when it is not held here.
    #[arg(long)]
    locator: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (way, output) = (args.connection.connect().await?, args.connection.output);
    match args.command {
        Command::Fetch {
            person,
            purpose,
            processor,
            data,
        } => {
            let request = FetchRecordsRequest {
                subject: Some(person.reference()?),
                purpose,
                processor,
                data_categories: data,
                at_least_as_fresh: String::new(),
            };
            let decision = fetch(way, output, request).await?;
            Ok(exit_code(&decision))
        }
        Command::Correct {
            person,
            item,
            content,
            corrected_at,
            once,
        } => {
            let request = CorrectRecordRequest {
                subject: Some(person.reference()?),
                item_id: item,
                content: content.read()?,
                corrected_at: optional_instant(corrected_at),
                request_id: once.request_id(),
            };
            correct(way, output, request).await
        }
        Command::Delete {
            person,
            items,
            data,
            validate_only,
            once,
        } => {
            let request = DeleteRecordsRequest {
                subject: Some(person.reference()?),
                item_ids: items,
                data_categories: data,
                validate_only,
                request_id: once.request_id(),
            };
            delete(way, output, request).await
        }
    }
}

impl Content {
    fn read(self) -> Result<Option<correct_record_request::Content>> {
        Ok(match (self.text, self.text_file, self.locator) {
            (Some(text), _, _) => Some(correct_record_request::Content::Text(text)),
            (None, Some(file), _) => {
                let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                Some(correct_record_request::Content::Text(text))
            }
            (None, None, locator) => locator.map(correct_record_request::Content::Locator),
        })
    }
}

/// Items are shown when the decision that ends the stream is in: a stream that breaks hands out
/// nothing that looks whole.
async fn fetch(way: Way, output: Output, request: FetchRecordsRequest) -> Result<Decision> {
    let mut client = RecordServiceClient::new(way);
    let answers = client.fetch_records(request).await;
    let mut answers = answers.map_err(|status| refusal(&status))?.into_inner();
    let (mut items, mut decision) = (Vec::new(), None);
    while let Some(answer) = answers.message().await.map_err(|status| refusal(&status))? {
        match answer.result {
            Some(fetch_records_response::Result::Item(item)) => items.push(item),
            Some(fetch_records_response::Result::Decision(last)) => decision = Some(last),
            None => {}
        }
    }
    let decision = decision.context("the stream broke off before its decision; fetch again")?;
    match output {
        Output::Json => {
            for item in &items {
                print_json("Item", item)?;
            }
            print_json("Decision", &decision)?;
        }
        Output::Table => print(&format!("{}{}", table(&items), render(&decision)))?,
    }
    Ok(decision)
}

async fn correct(way: Way, output: Output, request: CorrectRecordRequest) -> Result<ExitCode> {
    let answer = RecordServiceClient::new(way).correct_record(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show(
        "CorrectRecordResponse",
        &answer,
        |answer: &CorrectRecordResponse| {
            let item = answer.item.clone().unwrap_or_default();
            format!(
                "corrected {} of {}, revision {}\n",
                printable(&item.item_id),
                printable(&item.data_category),
                printable(&answer.revision)
            )
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(way: Way, output: Output, request: DeleteRecordsRequest) -> Result<ExitCode> {
    let answer = RecordServiceClient::new(way).delete_records(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show(
        "DeleteRecordsResponse",
        &answer,
        |answer: &DeleteRecordsResponse| {
            let mut grid = Grid::new(&["item"]);
            for id in &answer.deleted_item_ids {
                grid.row([id]);
            }
            let count = answer.deleted_item_ids.len();
            match answer.revision.as_str() {
                "" => format!("{grid}{count} item(s) would be deleted; nothing was changed\n"),
                revision => format!(
                    "{grid}deleted {count} item(s), revision {}\n",
                    printable(revision)
                ),
            }
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

fn table(items: &[Item]) -> String {
    let mut grid = Grid::new(&[
        "data",
        "key",
        "content",
        "role",
        "source",
        "collected at",
        "item",
    ]);
    for item in items {
        grid.row([
            item.data_category.clone(),
            item.item_key.clone(),
            content(item),
            item.subject_category.clone(),
            item.source.clone(),
            time(item.collected_at.as_ref()),
            item.item_id.clone(),
        ]);
    }
    if grid.is_empty() {
        String::new()
    } else {
        grid.to_string()
    }
}

/// The value as people read it.
pub(super) fn content(item: &Item) -> String {
    match &item.content {
        Some(item::Content::Text(text)) => text.clone(),
        Some(item::Content::Json(json)) => super::output::json_of_struct(json).to_string(),
        Some(item::Content::Blob(blob)) => format!("{} bytes", blob.len()),
        Some(item::Content::Locator(locator)) => format!("held at {locator}"),
        None => "not held".to_owned(),
    }
}
