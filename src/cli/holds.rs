//! `pdr holds`: what must stay although it would be erased or purged.

use std::process::ExitCode;

use anyhow::Result;

use super::{
    arguments::Once,
    client::{Connection, Way},
    output::{Grid, Output, print, print_json, printable, refusal, time},
    person::{Person, parse_person},
};
use crate::proto::v1::{
    LegalHold, ListLegalHoldsRequest, PlaceLegalHoldRequest, ReleaseLegalHoldRequest,
    hold_service_client::HoldServiceClient,
};

/// Entries of one page.
const PAGE_SIZE: i32 = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  A chargeback is disputed: the orders and payments must stay until it is settled.
    pdr holds place --identifier shop_user=4711 --data order_contents,payment_details \\
      --matter 'chargeback 2026-118'
  What is held, and why?
    pdr holds list
  It is settled; what waited for the hold goes by itself.
    pdr holds release HOLD_ID")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Hold items back from erasure, retention and deletion.
    Place {
        #[command(flatten)]
        person: Person,
        /// An item; may be repeated.
        #[arg(long = "item", value_name = "ID", value_delimiter = ',')]
        items: Vec<String>,
        /// Every item of a data category, later ones included; may be repeated.
        #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
        data: Vec<String>,
        /// What a held item stays answerable for after an erasure; may be repeated.
        #[arg(long = "purpose", value_name = "PURPOSE", value_delimiter = ',')]
        purposes: Vec<String>,
        /// A case number, an authority's order. Not for personal data.
        #[arg(long)]
        matter: String,
        /// The article that it rests on. Default: GDPR Art. 17(3)(e), legal claims.
        #[arg(long, default_value = "", hide_default_value = true)]
        article: String,
        #[command(flatten)]
        once: Once,
    },
    /// Release a hold. What waited for it alone goes by itself.
    Release {
        /// The hold's id.
        #[arg(value_name = "HOLD_ID")]
        hold: String,
        #[command(flatten)]
        once: Once,
    },
    /// Holds, latest placed first.
    List {
        /// Only of this person: type=value, or a subject's id.
        #[arg(value_name = "PERSON")]
        person: Option<String>,
        /// Released ones too.
        #[arg(long)]
        released: bool,
    },
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (way, output) = (args.connection.connect().await?, args.connection.output);
    match args.command {
        Command::Place {
            person,
            items,
            data,
            purposes,
            matter,
            article,
            once,
        } => {
            let request = PlaceLegalHoldRequest {
                subject: Some(person.reference()?),
                item_ids: items,
                data_categories: data,
                purposes,
                matter,
                article,
                request_id: once.request_id(),
            };
            place(way, output, request).await
        }
        Command::Release { hold, once } => {
            let request = ReleaseLegalHoldRequest {
                legal_hold_id: hold,
                request_id: once.request_id(),
            };
            release(way, output, request).await
        }
        Command::List { person, released } => {
            let request = ListLegalHoldsRequest {
                subject: person.as_deref().map(parse_person).transpose()?,
                include_released: released,
                page_size: PAGE_SIZE,
                page_token: String::new(),
            };
            list(way, output, request).await
        }
    }
}

async fn place(way: Way, output: Output, request: PlaceLegalHoldRequest) -> Result<ExitCode> {
    let answer = HoldServiceClient::new(way).place_legal_hold(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show("PlaceLegalHoldResponse", &answer, |answer| {
        done("placed", answer.legal_hold.as_slice(), &answer.revision)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn release(way: Way, output: Output, request: ReleaseLegalHoldRequest) -> Result<ExitCode> {
    let answer = HoldServiceClient::new(way)
        .release_legal_hold(request)
        .await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show("ReleaseLegalHoldResponse", &answer, |answer| {
        done("released", answer.legal_hold.as_slice(), &answer.revision)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(way: Way, output: Output, mut request: ListLegalHoldsRequest) -> Result<ExitCode> {
    let mut client = HoldServiceClient::new(way);
    loop {
        let page = client.list_legal_holds(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        match output {
            Output::Json => page
                .legal_holds
                .iter()
                .try_for_each(|hold| print_json("LegalHold", hold))?,
            Output::Table => print(&table(&page.legal_holds))?,
        }
        if page.next_page_token.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        request.page_token = page.next_page_token;
    }
}

fn done(what: &str, holds: &[LegalHold], revision: &str) -> String {
    format!("{}{what}, revision {}\n", table(holds), printable(revision))
}

fn table(holds: &[LegalHold]) -> String {
    let columns = [
        "hold", "subject", "data", "items", "for", "matter", "article", "placed", "by", "released",
    ];
    let mut grid = Grid::new(&columns);
    for hold in holds {
        grid.row([
            hold.legal_hold_id.clone(),
            hold.subject_id.clone(),
            hold.data_categories.join(", "),
            hold.item_ids.len().to_string(),
            hold.purposes.join(", "),
            hold.matter.clone(),
            hold.article.clone(),
            time(hold.placed_at.as_ref()),
            hold.placed_by.clone(),
            time(hold.released_at.as_ref()),
        ]);
    }
    grid.to_string()
}
