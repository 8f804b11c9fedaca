//! `pdr report purge`: what goes because its time has run out.

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;

use crate::{
    cli::{
        arguments::optional_instant,
        client::Connection,
        output::{Grid, printable, refusal, short, time},
    },
    proto::v1::{
        PreviewPurgeRequest, PreviewPurgeResponse, PurgeCount, PurgeSample,
        retention_service_client::RetentionServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Purge {
    /// At which instant, such as 2027-01-01T00:00:00Z. Default: now.
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<Timestamp>,
    /// Examples, at most 100. Default: 20.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        hide_default_value = true
    )]
    sample: i32,
}

pub(super) async fn run(purge: Purge, connection: Connection) -> Result<ExitCode> {
    let mut client = RetentionServiceClient::new(connection.connect().await?);
    let request = PreviewPurgeRequest {
        as_of: optional_instant(purge.as_of),
        sample_size: purge.sample,
    };
    let answer = client.preview_purge(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    connection
        .output
        .show("PreviewPurgeResponse", &answer, render)?;
    Ok(ExitCode::SUCCESS)
}

fn render(preview: &PreviewPurgeResponse) -> String {
    let as_of = time(preview.as_of.as_ref());
    let policy = printable(&preview.policy_version);
    let held = match preview.held_items {
        0 => String::new(),
        held => format!(
            "{held} item(s) stay though their time has run out: a legal hold or a restriction keeps them.\n"
        ),
    };
    if preview.counts.is_empty() {
        return format!("Nothing goes at {as_of} under policy {policy}.\n{held}");
    }
    let mut counts = Grid::new(&["what", "of", "why", "rule", "who erases", "items"]);
    for count in &preview.counts {
        counts.row(row(count));
    }
    let mut examples = Grid::new(&["subject", "item", "what", "due since", "who erases"]);
    for sample in &preview.sample {
        examples.row(example(sample));
    }
    let examples = match preview.sample.len() {
        0 => String::new(),
        shown => format!("\nThe first {shown}:\n{examples}"),
    };
    format!(
        "{counts}At {as_of}, under policy {policy}: {} item(s) are deleted; {} subject(s) lose something, \
         here or at a processor.\n{held}{examples}",
        preview.items, preview.subjects
    )
}

fn row(count: &PurgeCount) -> [String; 6] {
    [
        count.data_category.clone(),
        count.subject_category.clone(),
        why(count.reason().as_str_name()),
        count.rule.clone(),
        whom(&count.processor),
        count.items.to_string(),
    ]
}

fn example(sample: &PurgeSample) -> [String; 5] {
    [
        sample.subject_id.clone(),
        sample.item_id.clone(),
        sample.data_category.clone(),
        time(sample.due_at.as_ref()),
        whom(&sample.processor),
    ]
}

fn why(reason: &str) -> String {
    short(reason, "PURGE_REASON_")
        .to_lowercase()
        .replace('_', " ")
}

fn whom(processor: &str) -> String {
    match processor {
        "" => "the registry".to_owned(),
        processor => processor.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::PurgeReason;

    #[test]
    fn a_report_says_what_goes_why_and_who_erases_it() {
        let preview = PreviewPurgeResponse {
            counts: vec![PurgeCount {
                data_category: "navigation".into(),
                subject_category: "visitor".into(),
                reason: PurgeReason::ProcessorRetentionExpired.into(),
                rule: "retention[0]".into(),
                processor: "google_analytics".into(),
                items: 3,
            }],
            subjects: 2,
            held_items: 1,
            policy_version: "2018-05-24".into(),
            ..PreviewPurgeResponse::default()
        };
        let text = render(&preview);
        for part in [
            "processor retention expired",
            "google_analytics",
            "retention[0]",
            "0 item(s) are deleted; 2 subject(s)",
            "1 item(s) stay",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let nothing = PreviewPurgeResponse::default();
        assert!(render(&nothing).starts_with("Nothing goes"));
    }
}
