//! `pdr check`: may I process this of this person for this purpose, and pass it on?

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::{
    client::Connection,
    output::{Output, print_json, refusal, short, table},
};
use crate::proto::v1::{
    CheckPurposeRequest, Decision, DecisionReason, Effect, Identifier, LawfulBasis, SubjectRef,
    purpose_service_client::PurposeServiceClient, subject_ref,
};

/// The exit code of a DENY: the command worked, the answer is no.
pub const EXIT_DENY: u8 = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    person: Person,
    /// The data category; may be repeated.
    #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
    data: Vec<String>,
    /// The purpose.
    #[arg(long)]
    purpose: String,
    /// The processor; without it the company itself.
    #[arg(long, default_value = "")]
    processor: String,
    /// Show every rule that was considered.
    #[arg(long)]
    explain: bool,
    /// Keep the decision, so that it can be looked up.
    #[arg(long)]
    record: bool,
}

/// Whom a command is about.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Person {
    /// An identifier, as type=value: email=ada@example.com.
    #[arg(long, value_name = "TYPE=VALUE")]
    identifier: Option<String>,
    /// The subject's id.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
}

impl Person {
    /// The person, as the contract names one.
    pub(super) fn reference(&self) -> Result<SubjectRef> {
        let named = match (&self.identifier, &self.subject) {
            (Some(identifier), _) => subject_ref::Ref::Identifier(parse_identifier(identifier)?),
            (None, Some(subject)) => subject_ref::Ref::SubjectId(subject.clone()),
            (None, None) => bail!("say whom it is about with --identifier or --subject"),
        };
        Ok(SubjectRef { r#ref: Some(named) })
    }
}

/// Reads `type=value`.
pub(super) fn parse_identifier(text: &str) -> Result<Identifier> {
    let (kind, value) = text
        .split_once('=')
        .context("an identifier is written type=value: email=ada@example.com")?;
    Ok(Identifier {
        r#type: kind.to_owned(),
        value: value.to_owned(),
    })
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let mut client = PurposeServiceClient::new(args.connection.connect().await?);
    let request = CheckPurposeRequest {
        subject: Some(args.person.reference()?),
        data_categories: args.data,
        purpose: args.purpose,
        processor: args.processor,
        explain: args.explain,
        record: args.record,
        ..CheckPurposeRequest::default()
    };
    let answer = client
        .check_purpose(request)
        .await
        .map_err(|status| refusal(&status))?;
    let decision = answer
        .into_inner()
        .decision
        .context("an answer has a decision")?;
    match args.connection.output {
        Output::Json => print_json("Decision", &decision)?,
        Output::Table => print!("{}", render(&decision)),
    }
    Ok(if decision.effect() == Effect::Allow {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_DENY)
    })
}

/// A decision for people.
pub(super) fn render(decision: &Decision) -> String {
    let mut rows = table(&["data", "answer", "reason", "basis", "activity", "items"]);
    for one in &decision.per_category {
        rows.add_row([
            one.data_category.clone(),
            effect(one.effect()).to_owned(),
            reason(one.reason()).to_owned(),
            basis(one.lawful_basis()),
            one.activity.clone(),
            one.item_ids.len().to_string(),
        ]);
    }
    let mut text = format!(
        "{} {}  (policy {}, {})\n",
        effect(decision.effect()),
        reason(decision.reason()),
        decision.policy_version,
        decision.revision
    );
    if !decision.per_category.is_empty() {
        text.push_str(&format!("{rows}\n"));
    }
    for step in &decision.trace {
        let applied = if step.applied { "✗" } else { "✓" };
        text.push_str(&format!(
            "  {applied} {} {} {} {}\n",
            step.data_category,
            step.activity,
            reason(step.rule()),
            step.subject_category
        ));
    }
    text
}

pub(super) fn effect(effect: Effect) -> &'static str {
    short(effect.as_str_name(), "EFFECT_")
}

pub(super) fn reason(reason: DecisionReason) -> &'static str {
    short(reason.as_str_name(), "DECISION_REASON_")
}

pub(super) fn basis(basis: LawfulBasis) -> String {
    match basis {
        LawfulBasis::Unspecified => String::new(),
        named => short(named.as_str_name(), "LAWFUL_BASIS_")
            .to_lowercase()
            .replace('_', " "),
    }
}
