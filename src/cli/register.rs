//! `pdr register`: what was collected of one person in one role at one time.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::{
    arguments::{Once, optional_instant, parse_choice, parse_method},
    client::Connection,
    output::{Grid, printable, read_json, refusal, short},
    person::{by_id, by_identifier, parse_identifier},
};
use crate::proto::v1::{
    ConsentChoice, ConsentStatement, Evidence, Item, RegisterCollectionRequest,
    RegisterCollectionResponse, collection_service_client::CollectionServiceClient, item,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  A visitor left an e-mail address and ticked the box for the newsletter:
    pdr register --identifier email=ada@example.com --subject-category visitor \\
      --item email_address=ada@example.com --consent newsletter=given:checkbox
  Two orders of one client, told apart by their keys, and the shop account:
    pdr register --identifier shop_user=4711 --identifier email=ada@example.com \\
      --subject-category client --item order_contents/A-1='2 lamps' --item order_contents/A-2='1 rug'
  May this be collected at all?
    pdr register … --validate-only
  A whole request as JSON, which keeps values out of the list of processes:
    pdr register --json - < registration.json")]
pub(super) struct Args {
    /// An identifier; may be repeated. The first names the person unless --subject does, the further
    /// ones are linked.
    #[arg(long = "identifier", value_name = "TYPE=VALUE")]
    identifiers: Vec<String>,
    /// The subject's id, when it is known already.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// The role in which it was collected.
    #[arg(long, value_name = "CATEGORY", required_unless_present = "json")]
    subject_category: Option<String>,
    /// What was collected; may be repeated. A key tells several of one category apart.
    #[arg(long = "item", value_name = "CATEGORY[/KEY]=TEXT")]
    items: Vec<String>,
    /// What the person answered; may be repeated: newsletter=given:checkbox, newsletter=refused.
    #[arg(long = "consent", value_name = "PURPOSE=CHOICE[:METHOD]")]
    consents: Vec<String>,
    /// The service that collected it. Default: the one that the token names.
    #[arg(
        long,
        value_name = "SERVICE",
        default_value = "",
        hide_default_value = true
    )]
    source: String,
    /// When it was collected. Default: now.
    #[arg(long, value_name = "INSTANT")]
    collected_at: Option<Timestamp>,
    /// Only answer whether this may be collected.
    #[arg(long)]
    validate_only: bool,
    /// The person was erased and has come back of their own accord. Needs the scope
    /// `collect.returning`.
    #[arg(long)]
    returning: bool,
    #[command(flatten)]
    once: Once,
    /// A file with a `RegisterCollectionRequest` in the JSON of protobuf; - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "identifiers", "subject", "subject_category", "items", "consents", "source",
        "collected_at", "validate_only", "returning", "request_id",
    ])]
    json: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let request = match &args.json {
        Some(file) => read_request(file)?,
        None => request(&args)?,
    };
    let mut client = CollectionServiceClient::new(args.connection.connect().await?);
    let answer = client.register_collection(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    let output = args.connection.output;
    output.show("RegisterCollectionResponse", &answer, render)?;
    Ok(ExitCode::SUCCESS)
}

fn read_request(file: &Path) -> Result<RegisterCollectionRequest> {
    let name = file.display();
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.with_context(|| name.to_string())?;
    read_json("RegisterCollectionRequest", &text)
        .with_context(|| format!("{name} is no RegisterCollectionRequest"))
}

fn request(args: &Args) -> Result<RegisterCollectionRequest> {
    let identifiers = args.identifiers.iter().map(|text| parse_identifier(text));
    let mut identifiers: Vec<_> = identifiers.collect::<Result<_>>()?;
    let subject = match &args.subject {
        Some(id) => by_id(id),
        None if identifiers.is_empty() => bail!("say who it is with --identifier or --subject"),
        None => by_identifier(identifiers.remove(0)),
    };
    let items = args.items.iter().map(|text| parse_item(text, &args.source));
    let consents = args.consents.iter().map(|text| parse_consent(text));
    Ok(RegisterCollectionRequest {
        subject: Some(subject),
        identifiers,
        subject_category: args.subject_category.clone().unwrap_or_default(),
        items: items.collect::<Result<_>>()?,
        consents: consents.collect::<Result<_>>()?,
        collected_at: optional_instant(args.collected_at),
        validate_only: args.validate_only,
        request_id: args.once.request_id(),
        returning_subject: args.returning,
    })
}

fn parse_item(text: &str, source: &str) -> Result<Item> {
    let (place, value) = text
        .split_once('=')
        .context("--item is written CATEGORY=TEXT or CATEGORY/KEY=TEXT")?;
    let (data_category, item_key) = place.split_once('/').unwrap_or((place, ""));
    Ok(Item {
        data_category: data_category.to_owned(),
        item_key: item_key.to_owned(),
        content: Some(item::Content::Text(value.to_owned())),
        source: source.to_owned(),
        ..Item::default()
    })
}

fn parse_consent(text: &str) -> Result<ConsentStatement> {
    let form = "--consent is written PURPOSE=given:METHOD, PURPOSE=refused or PURPOSE=pending";
    let (purpose, said) = text.split_once('=').context(form)?;
    let (choice, method) = match said.split_once(':') {
        Some((choice, method)) => (choice, Some(parse_method(method)?)),
        None => (said, None),
    };
    let choice = parse_choice(choice, "CONSENT_CHOICE_", ConsentChoice::from_str_name)
        .filter(|choice| *choice != ConsentChoice::Unspecified)
        .context(form)?;
    Ok(ConsentStatement {
        purposes: vec![purpose.to_owned()],
        choice: choice.into(),
        evidence: method.map(|method| Evidence {
            method: method.into(),
            ..Evidence::default()
        }),
        ..ConsentStatement::default()
    })
}

fn render(answer: &RegisterCollectionResponse) -> String {
    let mut text = if answer.revision.is_empty() {
        "this may be collected; nothing was changed\n".to_owned()
    } else {
        let known = if answer.subject_created {
            "new"
        } else {
            "known before"
        };
        format!(
            "subject {} ({known}), revision {}\n",
            printable(&answer.subject_id),
            printable(&answer.revision)
        )
    };
    let mut items = Grid::new(&["item", "data", "key", "source", "policy"]);
    for item in &answer.items {
        items.row([
            &item.item_id,
            &item.data_category,
            &item.item_key,
            &item.source,
            &item.policy_version,
        ]);
    }
    if !items.is_empty() {
        text.push_str(&items.to_string());
    }
    for consent_id in &answer.consent_ids {
        text.push_str(&format!("consent {}\n", printable(consent_id)));
    }
    for left in &answer.unlinked_identifiers {
        text.push_str(&format!(
            "not linked: {} ({}): {}\n",
            printable(&left.field),
            printable(&left.r#type),
            short(left.reason().as_str_name(), "UNLINKED_REASON_"),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::EvidenceMethod;

    #[test]
    fn an_item_may_have_a_key_and_its_text_may_hold_anything() {
        let item = parse_item("order_contents/A-1=2 lamps = 1 pair / blue", "shop").unwrap();
        assert_eq!(item.data_category, "order_contents");
        assert_eq!(item.item_key, "A-1");
        let text = item::Content::Text("2 lamps = 1 pair / blue".into());
        assert!(item.content == Some(text));
        assert!(parse_item("email_address", "").is_err());
    }

    #[test]
    fn a_consent_names_its_purpose_its_choice_and_how_it_was_said() {
        let given = parse_consent("newsletter=given:double-opt-in").unwrap();
        assert_eq!(given.purposes, ["newsletter"]);
        assert_eq!(given.choice(), ConsentChoice::Given);
        let method = given.evidence.unwrap().method();
        assert_eq!(method, EvidenceMethod::DoubleOptIn);
        assert!(
            parse_consent("newsletter=refused")
                .unwrap()
                .evidence
                .is_none()
        );
        for wrong in ["newsletter", "newsletter=yes", "newsletter=given:nod"] {
            assert!(parse_consent(wrong).is_err(), "{wrong}");
        }
    }
}
