//! `pdr audit access`: who has seen which data of how many people, the question behind a breach (Art. 33).

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::{
    cli::{
        arguments::optional_instant,
        client::Way,
        output::{Grid, Output, print, print_value, refusal},
    },
    domain::audit::access::{AccessReport, Reader, Reading, Tally},
    proto::v1::{AuditEntry, ListAuditEntriesRequest, audit_service_client::AuditServiceClient},
};

/// Entries of one page.
const PAGE_SIZE: i32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// From this instant on.
    #[arg(long, value_name = "INSTANT")]
    from: Timestamp,
    /// Until just before this instant.
    #[arg(long, value_name = "INSTANT")]
    to: Timestamp,
    /// Only what touched this data category; may be repeated.
    #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
    data: Vec<String>,
    /// Only of this service.
    #[arg(long, default_value = "", hide_default_value = true)]
    caller: String,
}

pub(super) async fn access(way: Way, output: Output, asked: Access) -> Result<()> {
    let mut client = AuditServiceClient::new(way);
    let mut report = AccessReport::default();
    let mut request = ListAuditEntriesRequest {
        caller: asked.caller,
        data_categories: asked.data,
        from: optional_instant(Some(asked.from)),
        to: optional_instant(Some(asked.to)),
        content_reads: true,
        page_size: PAGE_SIZE,
        ..ListAuditEntriesRequest::default()
    };
    loop {
        let page = client.list_audit_entries(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        for entry in page.entries {
            report.add(reading(entry)?);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    match output {
        Output::Json => report
            .tallies()
            .try_for_each(|(reader, tally)| print_value(&value(reader, tally))),
        Output::Table => print(&table(&report)),
    }
}

fn reading(entry: AuditEntry) -> Result<Reading> {
    let at = entry.at.context("an entry has an instant")?;
    Ok(Reading {
        caller: entry.caller,
        action: entry.action,
        data_categories: entry.data_categories,
        subject: entry.subject_pseudonym,
        items: entry.item_ids.len() as u64,
        at: Timestamp::new(at.seconds, at.nanos)?,
    })
}

fn value(reader: &Reader, tally: &Tally) -> serde_json::Value {
    serde_json::json!({
        "caller": reader.caller,
        "action": reader.action,
        "data_categories": reader.data_categories,
        "subjects": tally.subjects(),
        "readings": tally.readings,
        "items": tally.items,
        "first": tally.first,
        "last": tally.last,
    })
}

fn table(report: &AccessReport) -> String {
    let columns = [
        "service", "action", "data", "people", "readings", "items", "first", "last",
    ];
    let mut grid = Grid::new(&columns);
    for (reader, tally) in report.tallies() {
        grid.row([
            reader.caller.clone(),
            reader.action.clone(),
            reader.data_categories.join(", "),
            tally.subjects().to_string(),
            tally.readings.to_string(),
            tally.items.to_string(),
            tally.first.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            tally.last.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        ]);
    }
    format!(
        "{grid}people in all, each counted once: {}\n",
        report.subjects()
    )
}
