//! `pdr report`: what the data protection officer reads.

mod purge;

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{
    client::Connection,
    decision::basis,
    output::{printable, refusal, short, time},
};
use crate::proto::v1::{
    Controller, GetProcessingRecordRequest, NamedEntry, ProcessingRecord, ProcessingRecordActivity,
    ProcessingRecordRecipient, ProcessingRecordTimeLimit,
    policy_service_client::PolicyServiceClient,
};

/// What stands where the policy says nothing.
const NOT_STATED: &str = "not stated";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  The record of processing activities as Markdown, ready to be filed:
    pdr report ropa > record.md
  Of an older version, for machines:
    pdr report ropa 2018-05-24 --output json
  What goes next year because its time has run out?
    pdr report purge --as-of 2027-01-01T00:00:00Z")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The record of processing activities (GDPR Art. 30), as Markdown for people.
    Ropa {
        /// The policy version. Default: the one in force.
        #[arg(default_value = "", hide_default_value = true)]
        policy_version: String,
    },
    /// What goes because its time has run out (GDPR Art. 5(1)(e)). Nothing is deleted by asking.
    Purge(purge::Purge),
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Ropa { policy_version } => ropa(policy_version, args.connection).await,
        Command::Purge(purge) => purge::run(purge, args.connection).await,
    }
}

async fn ropa(version: String, connection: Connection) -> Result<ExitCode> {
    let mut client = PolicyServiceClient::new(connection.connect().await?);
    let request = GetProcessingRecordRequest { version };
    let answer = client.get_processing_record(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    let record = answer.record.context("an answer has a record")?;
    connection
        .output
        .show("ProcessingRecord", &record, render)?;
    Ok(ExitCode::SUCCESS)
}

fn render(record: &ProcessingRecord) -> String {
    let mut text = format!(
        "# Record of processing activities (GDPR Art. 30(1))\n\nPolicy {}, version {}, in force from {}.\n\n",
        cell(&record.policy_id),
        cell(&record.policy_version),
        time(record.effective_from.as_ref())
    );
    text.push_str(&controller(&record.controller.clone().unwrap_or_default()));
    text.push_str("\n## Processing activities\n\n");
    text.push_str("| activity | purpose (b) | basis | of whom (c) | data (c) | recipients (d, e) | erased after (f) |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for activity in &record.activities {
        text.push_str(&row(activity));
    }
    text.push_str("\n## Security measures (g)\n\n");
    if record.security_measures.is_empty() {
        text.push_str(&format!("{NOT_STATED}\n"));
    }
    for measure in &record.security_measures {
        text.push_str(&format!("- {}\n", cell(measure)));
    }
    text.push_str(&gaps(record));
    text
}

/// What Art. 30 asks for and the policy does not state.
fn gaps(record: &ProcessingRecord) -> String {
    let of_activities = record.activities.iter().flat_map(|activity| {
        let named = |gap: &String| format!("- {}: {}\n", cell(&activity.activity), cell(gap));
        activity.gaps.iter().map(named)
    });
    let of_policy = record.gaps.iter().map(|gap| format!("- {}\n", cell(gap)));
    let lines: String = of_policy.chain(of_activities).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("\n## What is not stated\n\n{lines}")
}

fn controller(controller: &Controller) -> String {
    let optional = |value: &Option<String>| cell(value.as_deref().unwrap_or(NOT_STATED));
    format!(
        "## Controller (a)\n\n| | |\n| --- | --- |\n| name | {} |\n| legal entity | {} |\n\
         | contact | {} |\n| representative in the Union | {} |\n| data protection officer | {} |\n",
        cell(&controller.name),
        optional(&controller.legal_entity),
        cell(&controller.contact),
        optional(&controller.representative),
        optional(&controller.data_protection_officer),
    )
}

fn row(activity: &ProcessingRecordActivity) -> String {
    let is_inferred = activity
        .inferred
        .iter()
        .any(|field| field == "lawful_basis");
    let basis = match basis(activity.lawful_basis()).as_str() {
        "" => NOT_STATED.to_owned(),
        named if is_inferred => format!("{named} (inferred)"),
        named => named.to_owned(),
    };
    let recipients = activity.recipients.iter().map(recipient);
    let limits = activity.time_limits.iter().map(time_limit);
    let stated = (!activity.stated_duration.is_empty())
        .then(|| format!("stated: {}", activity.stated_duration));
    let purpose = match activity.purpose_title.as_str() {
        "" => &activity.purpose,
        title => title,
    };
    let cells = [
        activity.activity.clone(),
        purpose.to_owned(),
        basis,
        titles(&activity.subject_categories),
        data(activity),
        or(&recipients.collect::<Vec<_>>(), "nobody else"),
        or(&limits.chain(stated).collect::<Vec<_>>(), NOT_STATED),
    ];
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn recipient(recipient: &ProcessingRecordRecipient) -> String {
    let country = if recipient.country.is_empty() {
        "country not stated"
    } else {
        &recipient.country
    };
    let safeguard = if recipient.safeguard.is_empty() {
        "safeguard not stated"
    } else {
        &recipient.safeguard
    };
    let role = short(recipient.role().as_str_name(), "RECIPIENT_ROLE_").to_lowercase();
    format!(
        "{} ({role}, {country}, {safeguard}): {}",
        recipient.title,
        titles(&recipient.data_categories)
    )
}

fn time_limit(limit: &ProcessingRecordTimeLimit) -> String {
    let after = short(limit.after().as_str_name(), "RETENTION_TRIGGER_").to_lowercase();
    let kind = short(limit.kind().as_str_name(), "RETENTION_KIND_").to_lowercase();
    let whose = match limit.processor.as_str() {
        "" => String::new(),
        processor => format!(" at {processor}"),
    };
    let what = or(
        &limit.data_categories.iter().map(title).collect::<Vec<_>>(),
        "everything",
    );
    let ground = match limit.ground.as_str() {
        "" => String::new(),
        ground => format!(" ({ground})"),
    };
    format!(
        "{} {} after {}{whose}: {what}{ground}",
        kind.replace('_', " "),
        limit.period,
        after.replace('_', " "),
    )
}

/// The data categories, the special ones with the condition that permits them (Art. 9).
fn data(activity: &ProcessingRecordActivity) -> String {
    let named = activity.data_categories.iter().map(|category| {
        let mut special = activity.special_categories.iter();
        match special.find(|special| special.data_category == category.name) {
            Some(special) if special.condition.is_empty() => {
                format!("{} (special, condition {NOT_STATED})", title(category))
            }
            Some(special) => format!("{} (special: {})", title(category), special.condition),
            None => title(category),
        }
    });
    named.collect::<Vec<_>>().join(", ")
}

fn titles(entries: &[NamedEntry]) -> String {
    entries.iter().map(title).collect::<Vec<_>>().join(", ")
}

fn title(entry: &NamedEntry) -> String {
    match entry.title.as_str() {
        "" => entry.name.clone(),
        title => title.to_owned(),
    }
}

fn or(texts: &[String], none: &str) -> String {
    if texts.is_empty() {
        none.to_owned()
    } else {
        texts.join("; ")
    }
}

/// Text of a cell: nothing in it ends the cell.
fn cell(text: &str) -> String {
    printable(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_policy_does_not_state_is_said_to_be_missing() {
        let record = ProcessingRecord {
            activities: vec![ProcessingRecordActivity {
                activity: "letters".into(),
                purpose: "news|letter".into(),
                ..ProcessingRecordActivity::default()
            }],
            ..ProcessingRecord::default()
        };
        let text = render(&record);
        let row = "| letters | news\\|letter | not stated |  |  | nobody else | not stated |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("| legal entity | not stated |"), "{text}");
    }
}
