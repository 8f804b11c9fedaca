//! `pdr request create`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::show::done;
use crate::{
    cli::{
        arguments::{Once, optional_instant, parse_choice},
        client::Way,
        output::{Output, refusal},
        person::Person,
    },
    proto::v1::{
        Correction, CreateRequestRequest, ErasureGround, RequestKind, RequestScope, correction,
        request_service_client::RequestServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    person: Person,
    /// What is asked for, in order: access, portability, erasure, rectification, restriction, objection,
    /// withdrawal; may be repeated.
    #[arg(
        long = "kind",
        value_name = "KIND",
        value_delimiter = ',',
        required = true
    )]
    kinds: Vec<String>,
    /// Through which channel it came: email, letter, phone.
    #[arg(long)]
    channel: String,
    /// When it was received. Default: now.
    #[arg(long, value_name = "INSTANT")]
    received_at: Option<Timestamp>,
    /// Only this data category: for copies, erasure and restriction; may be repeated.
    #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
    data: Vec<String>,
    /// Only this item: for an erasure; may be repeated.
    #[arg(long = "item", value_name = "ID", value_delimiter = ',')]
    items: Vec<String>,
    /// A purpose objected to, or whose consent is withdrawn; may be repeated.
    #[arg(long = "purpose", value_name = "PURPOSE", value_delimiter = ',')]
    purposes: Vec<String>,
    /// Withdraw consent for every purpose.
    #[arg(long)]
    all_purposes: bool,
    /// The right value of an item, as text; may be repeated.
    #[arg(long = "correct", value_name = "ITEM_ID=TEXT")]
    corrections: Vec<String>,
    /// A file that holds the right value of an item as text, which keeps it out of the list of processes;
    /// may be repeated.
    #[arg(long = "correct-file", value_name = "ITEM_ID=FILE")]
    correction_files: Vec<String>,
    /// Why the person may have it erased: no-longer-necessary (the default), consent-withdrawn, objected,
    /// unlawful, legal-obligation, child.
    #[arg(long, value_name = "GROUND")]
    ground: Option<String>,
    #[command(flatten)]
    once: Once,
}

pub(super) async fn run(way: Way, output: Output, args: Args) -> Result<ExitCode> {
    let request = CreateRequestRequest {
        kinds: kinds(&args.kinds)?,
        subject: Some(args.person.reference()?),
        scope: Some(RequestScope {
            data_categories: args.data,
            item_ids: args.items,
            purposes: args.purposes,
            all_purposes: args.all_purposes,
            corrections: corrections(&args.corrections, &args.correction_files)?,
            erasure_ground: ground(args.ground.as_deref())?.into(),
        }),
        channel: args.channel,
        received_at: optional_instant(args.received_at),
        request_id: args.once.request_id(),
    };
    let answer = RequestServiceClient::new(way).create_request(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show("CreateRequestResponse", &answer, |answer| {
        done("recorded", answer.request.as_ref(), &answer.revision)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn kinds(names: &[String]) -> Result<Vec<i32>> {
    let kinds = names.iter().map(|name| {
        parse_choice(name, "REQUEST_KIND_", RequestKind::from_str_name)
            .filter(|kind| *kind != RequestKind::Unspecified)
            .map(i32::from)
            .with_context(|| {
                format!(
                    "{name} is nothing to ask for; it is one of access, portability, erasure, \
                     rectification, restriction, objection, withdrawal"
                )
            })
    });
    kinds.collect()
}

fn ground(name: Option<&str>) -> Result<ErasureGround> {
    let Some(name) = name else {
        return Ok(ErasureGround::Unspecified);
    };
    parse_choice(name, "ERASURE_GROUND_", ErasureGround::from_str_name)
        .filter(|ground| *ground != ErasureGround::Unspecified)
        .with_context(|| {
            format!(
                "{name} is no ground of an erasure; it is one of no-longer-necessary, \
                 consent-withdrawn, objected, unlawful, legal-obligation, child"
            )
        })
}

fn corrections(texts: &[String], files: &[String]) -> Result<Vec<Correction>> {
    let mut corrections = Vec::with_capacity(texts.len() + files.len());
    for text in texts {
        let (item, value) = pair(text)?;
        corrections.push(correction(item, value.to_owned()));
    }
    for text in files {
        let (item, file) = pair(text)?;
        let file = PathBuf::from(file);
        let value = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        corrections.push(correction(item, value));
    }
    Ok(corrections)
}

fn pair(text: &str) -> Result<(&str, &str)> {
    text.split_once('=')
        .context("a right value is written ITEM_ID=…, with the item that it is of")
}

fn correction(item: &str, value: String) -> Correction {
    Correction {
        item_id: item.to_owned(),
        content: Some(correction::Content::Text(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_grounds_are_read_as_people_write_them() {
        let names = ["access".to_owned(), "Erasure".to_owned()];
        assert_eq!(kinds(&names).unwrap(), [1, 3]);
        assert!(kinds(&["unspecified".to_owned()]).is_err());
        assert!(kinds(&["copy".to_owned()]).is_err());
        assert_eq!(
            ground(Some("consent-withdrawn")).unwrap(),
            ErasureGround::ConsentWithdrawn
        );
        assert!(ground(Some("whim")).is_err());
        assert_eq!(ground(None).unwrap(), ErasureGround::Unspecified);
    }

    #[test]
    fn a_right_value_may_hold_an_equals_sign() {
        let read = corrections(&["7=a=b".to_owned()], &[]).unwrap();
        assert_eq!(read, [correction("7", "a=b".to_owned())]);
        assert!(corrections(&["7".to_owned()], &[]).is_err());
        let missing = ["7=/no/such/file".to_owned()];
        assert!(corrections(&[], &missing).is_err());
    }
}
