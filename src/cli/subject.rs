//! `pdr subject`: who a person is to the registry.

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;
use tonic::{Response, Status};

use super::{
    arguments::{Once, optional_instant},
    client::Connection,
    output::{Grid, printable, refusal, short, time},
    person::{Person, parse_identifier, parse_person},
};
use crate::proto::v1::{
    AddSubjectCategoryRequest, EndSubjectCategoryRequest, GetSubjectRequest, LinkIdentifierRequest,
    MergeSubjectsRequest, Subject, SubjectIdentifier, UnlinkIdentifierRequest,
    subject_service_client::SubjectServiceClient,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Whom does this address lead to, and in which roles?
    pdr subject show --identifier email=ada@example.com
  The shop account and the forum account are one person; the second id keeps resolving:
    pdr subject merge --into shop_user=4711 --from forum_member=ada
  An affiliate leaves:
    pdr subject leave --identifier affiliate=77 --category affiliate")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show a person's identifiers and roles. Audited.
    Show {
        #[command(flatten)]
        person: Person,
    },
    /// Link a further identifier.
    Link {
        #[command(flatten)]
        person: Person,
        /// The identifier, as TYPE=VALUE.
        #[arg(value_name = "TYPE=VALUE")]
        further: String,
        #[command(flatten)]
        once: Once,
    },
    /// Take an identifier off; its value is destroyed.
    Unlink {
        #[command(flatten)]
        person: Person,
        /// The identifier, as TYPE=VALUE.
        #[arg(value_name = "TYPE=VALUE")]
        former: String,
        #[command(flatten)]
        once: Once,
    },
    /// Make two subjects one. Of two answers about them the denial wins.
    Merge {
        /// The subject that stays: TYPE=VALUE, or its id.
        #[arg(long, value_name = "PERSON")]
        into: String,
        /// The subject that goes up in it: TYPE=VALUE, or its id.
        #[arg(long, value_name = "PERSON")]
        from: String,
        #[command(flatten)]
        once: Once,
    },
    /// Put a person into a subject category.
    Join {
        #[command(flatten)]
        person: Person,
        /// The subject category.
        #[arg(long)]
        category: String,
        /// From when. Default: now.
        #[arg(long = "at", value_name = "INSTANT")]
        started_at: Option<Timestamp>,
        #[command(flatten)]
        once: Once,
    },
    /// End a person's time in a subject category.
    Leave {
        #[command(flatten)]
        person: Person,
        /// The subject category.
        #[arg(long)]
        category: String,
        /// When it ended. Default: now.
        #[arg(long = "at", value_name = "INSTANT")]
        ended_at: Option<Timestamp>,
        #[command(flatten)]
        once: Once,
    },
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let mut client = SubjectServiceClient::new(args.connection.connect().await?);
    let subject = answer(&mut client, args.command).await?;
    let subject = subject.context("an answer has a subject")?;
    args.connection.output.show("Subject", &subject, render)?;
    Ok(ExitCode::SUCCESS)
}

type Client = SubjectServiceClient<super::client::Way>;

async fn answer(client: &mut Client, command: Command) -> Result<Option<Subject>> {
    match command {
        Command::Show { person } => show(client, &person).await,
        Command::Link {
            person,
            further,
            once,
        } => link(client, &person, &further, &once).await,
        Command::Unlink {
            person,
            former,
            once,
        } => unlink(client, &person, &former, &once).await,
        Command::Merge { into, from, once } => merge(client, &into, &from, &once).await,
        Command::Join {
            person,
            category,
            started_at,
            once,
        } => {
            let request = AddSubjectCategoryRequest {
                subject: Some(person.reference()?),
                subject_category: category,
                started_at: optional_instant(started_at),
                request_id: once.request_id(),
            };
            let answered = client.add_subject_category(request).await;
            told(answered, |answer| answer.subject)
        }
        Command::Leave {
            person,
            category,
            ended_at,
            once,
        } => {
            let request = EndSubjectCategoryRequest {
                subject: Some(person.reference()?),
                subject_category: category,
                ended_at: optional_instant(ended_at),
                request_id: once.request_id(),
            };
            let answered = client.end_subject_category(request).await;
            told(answered, |answer| answer.subject)
        }
    }
}

async fn show(client: &mut Client, person: &Person) -> Result<Option<Subject>> {
    let request = GetSubjectRequest {
        subject: Some(person.reference()?),
        at_least_as_fresh: String::new(),
    };
    told(client.get_subject(request).await, |answer| answer.subject)
}

async fn link(
    client: &mut Client,
    person: &Person,
    further: &str,
    once: &Once,
) -> Result<Option<Subject>> {
    let request = LinkIdentifierRequest {
        subject: Some(person.reference()?),
        identifier: Some(parse_identifier(further)?),
        request_id: once.request_id(),
    };
    told(client.link_identifier(request).await, |answer| {
        answer.subject
    })
}

async fn unlink(
    client: &mut Client,
    person: &Person,
    former: &str,
    once: &Once,
) -> Result<Option<Subject>> {
    let request = UnlinkIdentifierRequest {
        subject: Some(person.reference()?),
        identifier: Some(parse_identifier(former)?),
        request_id: once.request_id(),
    };
    told(client.unlink_identifier(request).await, |answer| {
        answer.subject
    })
}

async fn merge(
    client: &mut Client,
    into: &str,
    from: &str,
    once: &Once,
) -> Result<Option<Subject>> {
    let request = MergeSubjectsRequest {
        into: Some(parse_person(into)?),
        from: Some(parse_person(from)?),
        request_id: once.request_id(),
    };
    told(client.merge_subjects(request).await, |answer| {
        answer.subject
    })
}

/// The subject that an answer tells of.
fn told<T>(
    answered: Result<Response<T>, Status>,
    subject: impl Fn(T) -> Option<Subject>,
) -> Result<Option<Subject>> {
    let answer = answered.map_err(|status| refusal(&status))?;
    Ok(subject(answer.into_inner()))
}

fn render(subject: &Subject) -> String {
    let mut text = format!(
        "subject {}, known since {}\n",
        printable(&subject.subject_id),
        time(subject.created_at.as_ref())
    );
    let mut identifiers = Grid::new(&["identifier", "value", "kind", "linked at"]);
    for one in &subject.identifiers {
        let SubjectIdentifier {
            identifier,
            linked_at,
            ..
        } = one;
        let named = identifier.clone().unwrap_or_default();
        let kind = short(one.kind().as_str_name(), "IDENTIFIER_KIND_").to_lowercase();
        identifiers.row([named.r#type, named.value, kind, time(linked_at.as_ref())]);
    }
    text.push_str(&identifiers.to_string());
    let mut roles = Grid::new(&["role", "from", "until"]);
    for role in &subject.categories {
        roles.row([
            role.subject_category.clone(),
            time(role.started_at.as_ref()),
            time(role.ended_at.as_ref()),
        ]);
    }
    text.push_str(&roles.to_string());
    if !subject.merged_ids.is_empty() {
        text.push_str(&format!(
            "was also {}\n",
            printable(&subject.merged_ids.join(", "))
        ));
    }
    text
}
