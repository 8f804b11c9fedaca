//! `pdr request preview`.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    cli::{
        client::Way,
        output::{Grid, Output, printable, refusal, time},
        person::Person,
    },
    proto::v1::{
        ErasureObstacle, ErasureOfItem, PreviewErasureRequest, PreviewErasureResponse,
        RequestScope, request_service_client::RequestServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    person: Person,
    /// Only this data category; may be repeated. Default: everything.
    #[arg(long = "data", value_name = "CATEGORY", value_delimiter = ',')]
    data: Vec<String>,
    /// Only this item; may be repeated.
    #[arg(long = "item", value_name = "ID", value_delimiter = ',')]
    items: Vec<String>,
}

pub(super) async fn run(way: Way, output: Output, args: Args) -> Result<ExitCode> {
    let request = PreviewErasureRequest {
        subject: Some(args.person.reference()?),
        scope: Some(RequestScope {
            data_categories: args.data,
            item_ids: args.items,
            ..RequestScope::default()
        }),
    };
    let answer = RequestServiceClient::new(way)
        .preview_erasure(request)
        .await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show("PreviewErasureResponse", &answer, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(preview: &PreviewErasureResponse) -> String {
    let mut items = Grid::new(&["item", "data", "collected as", "what happens"]);
    for item in &preview.items {
        items.row([
            item.item_id.clone(),
            item.data_category.clone(),
            item.subject_category.clone(),
            fate(item),
        ]);
    }
    let mut told = Grid::new(&["is told", "data", "items"]);
    for one in &preview.recipients {
        let name = if one.holder.is_empty() {
            one.processor.clone()
        } else {
            format!("{} (own service)", one.holder)
        };
        told.row([name, one.data_categories.join(", "), one.items.to_string()]);
    }
    let person = if preview.whole_subject {
        "the person as a whole: the key is destroyed, the identifiers are blocked"
    } else {
        "a part; the person stays known"
    };
    format!(
        "{items}{told}{} of {} items go at once; {person}\n",
        preview.items_erased, preview.items_total
    )
}

fn fate(item: &ErasureOfItem) -> String {
    if item.obstacles.is_empty() {
        return "goes at once".to_owned();
    }
    let obstacles: Vec<_> = item.obstacles.iter().map(obstacle).collect();
    format!("stays: {}", obstacles.join("; "))
}

fn obstacle(obstacle: &ErasureObstacle) -> String {
    let until = match &obstacle.until {
        Some(until) => format!(" until {}", time(Some(until))),
        None => String::new(),
    };
    let what = if obstacle.legal_hold_id.is_empty() {
        "law"
    } else {
        "legal hold"
    };
    printable(&format!(
        "{what}: {} ({}){until}",
        obstacle.ground, obstacle.article
    ))
    .into_owned()
}
