//! `pdr consent`: what people said yes and no to, and taking it back.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};

use super::{
    arguments::{Once, optional_instant, parse_method},
    client::{Connection, Way},
    development::write_private,
    output::{Grid, Output, print, printable, refusal, short, time},
    person::{Person, parse_person},
};
use crate::{
    grpc::render::duration,
    proto::v1::{
        Consent, ConsentChoice, ConsentForm, ConsentReceipt, ConsentRecipient, Evidence,
        GetConsentFormRequest, GetConsentReceiptRequest, IssueWithdrawalTokenRequest,
        IssueWithdrawalTokenResponse, ListConsentsRequest, RecordConsentRequest,
        RecordConsentResponse, WithdrawConsentRequest, WithdrawConsentResponse,
        consent_service_client::ConsentServiceClient, policy_service_client::PolicyServiceClient,
        withdraw_consent_request::Who,
    },
};

/// Entries of one page of the history.
const PAGE_SIZE: i32 = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  What to ask a visitor, in which words, and which version to name in the evidence:
    pdr consent form --subject-category visitor
  Ada followed the link in the confirmation mail:
    pdr consent give --identifier email=ada@example.com --purpose newsletter --method double-opt-in
  Ada wants no more letters; everyone who shares the address is reached:
    pdr consent withdraw --identifier email=ada@example.com --purpose newsletter
  A link for the foot of a letter, and what happens when it is followed:
    pdr consent token --identifier email=ada@example.com --purpose newsletter
    pdr consent withdraw --withdrawal-token TOKEN")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Record a yes.
    Give(Statement),
    /// Record a no.
    Refuse(Statement),
    /// Take consent back: by the person, or by whoever holds a withdrawal token.
    Withdraw(Withdrawal),
    /// Every fact, latest recorded first.
    History {
        #[command(flatten)]
        person: Person,
        /// Only this purpose; may be repeated.
        #[arg(long = "purpose", value_delimiter = ',')]
        purposes: Vec<String>,
    },
    /// What a person may take away as proof of one fact.
    Receipt {
        #[command(flatten)]
        person: Person,
        /// The fact's id, as the history has it.
        consent_id: String,
        /// Save the signed receipt to a file: `pdr audit verify` verifies it without the registry.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// What to ask a person of a subject category for.
    Form {
        /// Who is asked.
        #[arg(long, value_name = "CATEGORY")]
        subject_category: String,
        /// The language wanted: de, de-AT.
        #[arg(long, default_value = "", hide_default_value = true)]
        locale: String,
    },
    /// Make a token for a one-click unsubscribe link.
    Token {
        #[command(flatten)]
        person: Person,
        /// A purpose that it can withdraw; may be repeated.
        #[arg(long = "purpose", value_delimiter = ',', required = true)]
        purposes: Vec<String>,
        /// How long it is good for: 90d, 12h. Default: 90 days.
        #[arg(long)]
        lifetime: Option<SignedDuration>,
        #[command(flatten)]
        once: Once,
    },
}

#[derive(Debug, clap::Args)]
struct Statement {
    #[command(flatten)]
    person: Person,
    /// A purpose; may be repeated.
    #[arg(long = "purpose", value_delimiter = ',', required = true)]
    purposes: Vec<String>,
    /// A processor that it is limited to; may be repeated. None: the company and all of them.
    #[arg(long = "processor", value_delimiter = ',')]
    processors: Vec<String>,
    #[command(flatten)]
    proof: Proof,
    /// When it ends by itself. Default: as the policy has it.
    #[arg(long, value_name = "INSTANT")]
    expires_at: Option<Timestamp>,
    #[command(flatten)]
    once: Once,
}

#[derive(Debug, clap::Args)]
struct Proof {
    /// How it was said: checkbox, form, double-opt-in, signature, oral, implied-by-use, pre-ticked,
    /// imported. A yes needs it.
    #[arg(long)]
    method: Option<String>,
    /// The policy version that was shown. Default: the one in force when it was said.
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "",
        hide_default_value = true
    )]
    policy_version: String,
    /// The wording that was shown.
    #[arg(long, default_value = "", hide_default_value = true)]
    wording: String,
    /// The language of the wording.
    #[arg(long, default_value = "", hide_default_value = true)]
    locale: String,
    /// Where the original proof lies.
    #[arg(long, default_value = "", hide_default_value = true)]
    reference: String,
    /// When it was said. Default: now.
    #[arg(long = "at", value_name = "INSTANT")]
    occurred_at: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
struct Withdrawal {
    /// The person, as TYPE=VALUE or as the subject's id.
    #[arg(
        long = "identifier",
        visible_alias = "subject",
        value_name = "PERSON",
        required_unless_present = "token"
    )]
    person: Option<String>,
    /// A token of `pdr consent token`, in place of the person.
    #[arg(
        long = "withdrawal-token",
        value_name = "TOKEN",
        conflicts_with = "person"
    )]
    token: Option<String>,
    /// A purpose; may be repeated.
    #[arg(long = "purpose", value_delimiter = ',')]
    purposes: Vec<String>,
    /// Every purpose that consent is asked for.
    #[arg(long, conflicts_with = "purposes")]
    all_purposes: bool,
    /// A processor that it is limited to; may be repeated.
    #[arg(long = "processor", value_delimiter = ',')]
    processors: Vec<String>,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    once: Once,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (way, output) = (args.connection.connect().await?, args.connection.output);
    match args.command {
        Command::Give(said) => record(way, output, said, ConsentChoice::Given).await,
        Command::Refuse(said) => record(way, output, said, ConsentChoice::Refused).await,
        Command::Withdraw(withdrawal) => withdraw(way, output, withdrawal).await,
        Command::History { person, purposes } => history(way, output, &person, purposes).await,
        Command::Receipt {
            person,
            consent_id,
            out,
        } => {
            let request = GetConsentReceiptRequest {
                subject: Some(person.reference()?),
                consent_id,
            };
            receipt(way, output, request, out.as_deref()).await
        }
        Command::Form {
            subject_category,
            locale,
        } => {
            let request = GetConsentFormRequest {
                subject_category,
                locale,
            };
            form(way, output, request).await
        }
        Command::Token {
            person,
            purposes,
            lifetime,
            once,
        } => {
            let request = IssueWithdrawalTokenRequest {
                subject: Some(person.reference()?),
                purposes,
                lifetime: lifetime.map(duration),
                request_id: once.request_id(),
            };
            token(way, output, request).await
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn record(way: Way, output: Output, said: Statement, choice: ConsentChoice) -> Result<()> {
    if choice == ConsentChoice::Given && said.proof.method.is_none() {
        bail!("a yes needs proof of how it was said: add --method checkbox, or what it was");
    }
    let request = RecordConsentRequest {
        subject: Some(said.person.reference()?),
        purposes: said.purposes,
        processors: said.processors,
        choice: choice.into(),
        evidence: evidence(&said.proof)?,
        occurred_at: optional_instant(said.proof.occurred_at),
        expires_at: optional_instant(said.expires_at),
        request_id: said.once.request_id(),
    };
    let mut client = ConsentServiceClient::new(way);
    let answer = client.record_consent(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show(
        "RecordConsentResponse",
        &answer,
        |answer: &RecordConsentResponse| {
            format!(
                "{}revision {}\n",
                facts(&answer.consents),
                printable(&answer.revision)
            )
        },
    )
}

async fn withdraw(way: Way, output: Output, withdrawal: Withdrawal) -> Result<()> {
    let who = match (&withdrawal.person, &withdrawal.token) {
        (_, Some(token)) => Who::WithdrawalToken(token.clone()),
        (Some(person), None) => Who::Subject(parse_person(person)?),
        (None, None) => bail!("say who takes it back with --identifier or --withdrawal-token"),
    };
    let has_purpose = withdrawal.all_purposes || !withdrawal.purposes.is_empty();
    if matches!(who, Who::Subject(_)) && !has_purpose {
        bail!("say for what with --purpose, or --all-purposes");
    }
    let request = WithdrawConsentRequest {
        who: Some(who),
        purposes: withdrawal.purposes,
        all_purposes: withdrawal.all_purposes,
        processors: withdrawal.processors,
        evidence: evidence(&withdrawal.proof)?,
        occurred_at: optional_instant(withdrawal.proof.occurred_at),
        request_id: withdrawal.once.request_id(),
    };
    let mut client = ConsentServiceClient::new(way);
    let answer = client.withdraw_consent(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show(
        "WithdrawConsentResponse",
        &answer,
        |answer: &WithdrawConsentResponse| {
            format!(
                "{}reached {} subject(s), revision {}\n",
                facts(&answer.consents),
                answer.subject_ids.len(),
                printable(&answer.revision)
            )
        },
    )
}

async fn history(way: Way, output: Output, person: &Person, purposes: Vec<String>) -> Result<()> {
    let mut client = ConsentServiceClient::new(way);
    let mut request = ListConsentsRequest {
        subject: Some(person.reference()?),
        purposes,
        page_size: PAGE_SIZE,
        ..ListConsentsRequest::default()
    };
    loop {
        let page = client.list_consents(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        match output {
            Output::Json => {
                for consent in &page.consents {
                    output.show("Consent", consent, |_| String::new())?;
                }
            }
            Output::Table => print(&facts(&page.consents))?,
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

async fn receipt(
    way: Way,
    output: Output,
    request: GetConsentReceiptRequest,
    out: Option<&Path>,
) -> Result<()> {
    let answer = ConsentServiceClient::new(way)
        .get_consent_receipt(request)
        .await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    let receipt = answer.receipt.context("an answer has a receipt")?;
    if let Some(file) = out {
        write_private(file, &format!("{}\n", answer.envelope))?;
    }
    output.show("ConsentReceipt", &receipt, render_receipt)
}

async fn form(way: Way, output: Output, request: GetConsentFormRequest) -> Result<()> {
    let answer = PolicyServiceClient::new(way)
        .get_consent_form(request)
        .await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    let form = answer.form.context("an answer has a form")?;
    output.show("ConsentForm", &form, render_form)
}

async fn token(way: Way, output: Output, request: IssueWithdrawalTokenRequest) -> Result<()> {
    let answer = ConsentServiceClient::new(way)
        .issue_withdrawal_token(request)
        .await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show(
        "IssueWithdrawalTokenResponse",
        &answer,
        |answer: &IssueWithdrawalTokenResponse| {
            let until = time(answer.expires_at.as_ref());
            format!(
                "{}\ngood until {until}\n",
                printable(&answer.withdrawal_token)
            )
        },
    )
}

/// Nothing said is no evidence, which a no and a withdrawal may have.
fn evidence(proof: &Proof) -> Result<Option<Evidence>> {
    let Proof {
        method,
        policy_version,
        wording,
        locale,
        reference,
        occurred_at: _,
    } = proof;
    let texts = [policy_version, wording, locale, reference];
    if method.is_none() && texts.iter().all(|text| text.is_empty()) {
        return Ok(None);
    }
    let method = method.as_deref().map(parse_method).transpose()?;
    Ok(Some(Evidence {
        method: method.unwrap_or_default().into(),
        policy_version: policy_version.clone(),
        wording: wording.clone(),
        locale: locale.clone(),
        reference: reference.clone(),
        ..Evidence::default()
    }))
}

fn facts(consents: &[Consent]) -> String {
    let columns = [
        "said at",
        "purpose",
        "choice",
        "method",
        "limited to",
        "ends",
        "consent",
        "subject",
    ];
    let mut grid = Grid::new(&columns);
    for consent in consents {
        let method = consent.evidence.as_ref().map(Evidence::method);
        grid.row([
            time(consent.occurred_at.as_ref()),
            consent.purpose.clone(),
            short(consent.choice().as_str_name(), "CONSENT_CHOICE_").to_owned(),
            method.map_or(String::new(), |method| {
                short(method.as_str_name(), "EVIDENCE_METHOD_").replace("UNSPECIFIED", "")
            }),
            consent.processors.join(", "),
            time(consent.expires_at.as_ref()),
            consent.consent_id.clone(),
            consent.subject_id.clone(),
        ]);
    }
    grid.to_string()
}

fn render_receipt(receipt: &ConsentReceipt) -> String {
    let consent = receipt.consent.clone().unwrap_or_default();
    let mut grid = Grid::new(&["consent receipt", &consent.consent_id]);
    let choice = short(consent.choice().as_str_name(), "CONSENT_CHOICE_");
    for (name, value) in [
        ("controller", receipt.controller_name.clone()),
        ("contact", receipt.controller_contact.clone()),
        ("rights and withdrawal", receipt.rights_channel.clone()),
        (
            "purpose",
            format!("{} ({})", receipt.purpose_title, consent.purpose),
        ),
        (
            "choice",
            format!("{choice} at {}", time(consent.occurred_at.as_ref())),
        ),
        ("policy version", receipt.policy_version.clone()),
        ("data", receipt.data_categories.join(", ")),
        ("recipients", recipients(&receipt.recipients)),
        ("receipt made", time(receipt.issued_at.as_ref())),
    ] {
        grid.row([name, value.as_str()]);
    }
    grid.to_string()
}

fn render_form(form: &ConsentForm) -> String {
    let mut text = format!(
        "ask a {} under policy {}; withdrawal: {}\n",
        printable(&form.subject_category),
        printable(&form.policy_version),
        printable(&form.rights_channel)
    );
    let mut grid = Grid::new(&["purpose", "wording", "data", "recipients", "methods"]);
    for question in &form.questions {
        let methods: Vec<_> = question
            .methods()
            .map(|method| short(method.as_str_name(), "EVIDENCE_METHOD_"))
            .collect();
        grid.row([
            question.purpose.clone(),
            question.wording.clone(),
            question.data_categories.join(", "),
            recipients(&question.recipients),
            methods.join(", "),
        ]);
    }
    text.push_str(&grid.to_string());
    text
}

fn recipients(recipients: &[ConsentRecipient]) -> String {
    let named = recipients.iter().map(|recipient| {
        let country = match recipient.country.as_str() {
            "" => String::new(),
            country => format!(" ({country})"),
        };
        format!("{}{country}", recipient.title)
    });
    named.collect::<Vec<_>>().join(", ")
}
