//! `pdr check`: may I process this of this person for this purpose, and pass it on?

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::{
    arguments::optional_instant,
    client::Connection,
    decision::{exit_code, render},
    output::refusal,
    person::Person,
};
use crate::proto::v1::{CheckPurposeRequest, purpose_service_client::PurposeServiceClient};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  May the mailing service send Ada the newsletter through AWeber?
    pdr check --identifier email=ada@example.com --data email_address \\
      --purpose newsletter --processor aweber
  The same, with every rule that was considered:
    pdr check … --explain
  Was it allowed on the evening of the campaign, with what is known by now?
    pdr check … --as-of 2026-01-31T18:00:00Z --known-at 2026-02-15T00:00:00Z
  In a script:
    pdr check … --output json >/dev/null && send_the_letter")]
pub(super) struct Args {
    #[command(flatten)]
    person: Person,
    /// A data category; may be repeated.
    #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
    data: Vec<String>,
    /// A single item by its id; may be repeated.
    #[arg(long = "item", value_name = "ID", value_delimiter = ',')]
    items: Vec<String>,
    /// The purpose.
    #[arg(long)]
    purpose: String,
    /// The processor; without it the company itself.
    #[arg(long, default_value = "", hide_default_value = true)]
    processor: String,
    /// A revision that the answer must include, as a write gave it.
    #[arg(
        long,
        value_name = "REVISION",
        default_value = "",
        hide_default_value = true
    )]
    at_least_as_fresh: String,
    /// Show every rule that was considered.
    #[arg(long)]
    explain: bool,
    /// Keep the decision, so that `pdr audit decision` finds it.
    #[arg(long, conflicts_with = "as_of")]
    record: bool,
    /// When the use happened: was it lawful then? As in 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// What was recorded by then counts; without it what was recorded by the use.
    #[arg(long, value_name = "TIME", requires = "as_of")]
    known_at: Option<Timestamp>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let mut client = PurposeServiceClient::new(args.connection.connect().await?);
    let request = CheckPurposeRequest {
        subject: Some(args.person.reference()?),
        data_categories: args.data,
        item_ids: args.items,
        purpose: args.purpose,
        processor: args.processor,
        at_least_as_fresh: args.at_least_as_fresh,
        explain: args.explain,
        record: args.record,
        as_of: optional_instant(args.as_of),
        known_at: optional_instant(args.known_at),
    };
    let answer = client.check_purpose(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    let decision = answer.decision.context("an answer has a decision")?;
    args.connection.output.show("Decision", &decision, render)?;
    Ok(exit_code(&decision))
}
