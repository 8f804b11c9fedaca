//! `pdr request`: what people ask for, and what becomes of it.

mod certificate;
mod create;
mod download;
mod list;
mod preview;
mod show;
mod step;

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;

use super::{arguments::Once, client::Connection};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  A letter came on Monday: a copy, then delete me.
    pdr request create --identifier email=ada@example.com --kind access,erasure \\
      --channel letter --received-at 2026-06-01T09:00:00Z
  It is she; the request goes on by itself from here.
    pdr request verify REQUEST_ID --method document
  What is due within the week, and what is overdue?
    pdr request list --due-before 2026-06-08T00:00:00Z
  She was answered.
    pdr request answer REQUEST_ID
  What would an erasure do? And the proof of one that was done:
    pdr request preview --identifier email=ada@example.com
    pdr request certificate REQUEST_ID --out certificate.json
  The copy, as a page to be handed over:
    pdr request download REQUEST_ID --format html --out copy.html
  An objection is weighed and overridden:
    pdr request decide REQUEST_ID --ruling rejected --grounds 'fraud prevention, file 7'")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Record that a person has asked for something.
    Create(create::Args),
    /// Record that whoever asked is the person, and set the request going.
    Verify {
        #[command(flatten)]
        of: Of,
        /// How: login, contact-confirmed, document, knowledge, eid.
        #[arg(long)]
        method: String,
    },
    /// Stop the clock while there are reasonable doubts about who asks.
    Doubt {
        #[command(flatten)]
        of: Of,
    },
    /// Requests, those due first.
    List(list::Args),
    /// One request with all of its parts.
    Show {
        /// The request.
        #[arg(value_name = "REQUEST_ID")]
        request: String,
    },
    /// What an erasure would do, item by item; changes nothing.
    Preview(preview::Args),
    /// The signed certificate of an erasure.
    Certificate(certificate::Args),
    /// The package of an access or portability request, into a file.
    Download(download::Args),
    /// Extend the deadline by two further months, once.
    Extend {
        #[command(flatten)]
        of: Of,
        /// The reason that the person was told. Not for personal data.
        #[arg(long)]
        reason: String,
    },
    /// Refuse what has not been carried out yet.
    Reject {
        #[command(flatten)]
        of: Of,
        /// The reason that the person was told. Not for personal data.
        #[arg(long)]
        reason: String,
    },
    /// The person takes the request back. What has been carried out stays so.
    Cancel {
        #[command(flatten)]
        of: Of,
    },
    /// Record that the person was answered.
    Answer {
        #[command(flatten)]
        of: Of,
        /// When. Default: now.
        #[arg(long = "at", value_name = "INSTANT")]
        answered_at: Option<Timestamp>,
    },
    /// Decide on an objection.
    Decide {
        #[command(flatten)]
        of: Of,
        /// What becomes of it: upheld, rejected.
        #[arg(long)]
        ruling: String,
        /// The purpose objected to. Default: every one that the request objects to.
        #[arg(long, default_value = "", hide_default_value = true)]
        purpose: String,
        /// The compelling legitimate grounds, as the person was told. Not for personal data.
        #[arg(long, default_value = "", hide_default_value = true)]
        grounds: String,
    },
    /// Lift a restriction, once the person has been told.
    Lift {
        #[command(flatten)]
        of: Of,
        /// When the person was told.
        #[arg(long, value_name = "INSTANT")]
        informed_at: Timestamp,
    },
}

/// Which request a step is of.
#[derive(Debug, clap::Args)]
struct Of {
    /// The request.
    #[arg(value_name = "REQUEST_ID")]
    request: String,
    #[command(flatten)]
    once: Once,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (way, output) = (args.connection.connect().await?, args.connection.output);
    match args.command {
        Command::Create(create) => create::run(way, output, create).await,
        Command::List(list) => list::run(way, output, list).await,
        Command::Show { request } => list::show(way, output, request).await,
        Command::Preview(preview) => preview::run(way, output, preview).await,
        Command::Certificate(certificate) => certificate::run(way, output, certificate).await,
        Command::Download(download) => download::run(way, output, download).await,
        Command::Verify { of, method } => step::verify(way, output, of, &method).await,
        Command::Doubt { of } => step::doubt(way, output, of).await,
        Command::Extend { of, reason } => step::extend(way, output, of, reason).await,
        Command::Reject { of, reason } => step::reject(way, output, of, reason).await,
        Command::Cancel { of } => step::cancel(way, output, of).await,
        Command::Answer { of, answered_at } => step::answer(way, output, of, answered_at).await,
        Command::Decide {
            of,
            ruling,
            purpose,
            grounds,
        } => {
            let decision = step::Decision {
                ruling,
                purpose,
                grounds,
            };
            step::decide(way, output, of, decision).await
        }
        Command::Lift { of, informed_at } => step::lift(way, output, of, informed_at).await,
    }
}
