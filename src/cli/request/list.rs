//! `pdr request list` and `pdr request show`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::show::{details, table};
use crate::{
    cli::{
        arguments::{optional_instant, parse_choice},
        client::Way,
        output::{Output, print, print_json, refusal},
        person::parse_person,
    },
    proto::v1::{
        GetRequestRequest, ListRequestsRequest, RequestState,
        request_service_client::RequestServiceClient,
    },
};

/// Entries of one page.
const PAGE_SIZE: i32 = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this person: type=value, or a subject's id.
    #[arg(value_name = "PERSON")]
    person: Option<String>,
    /// Only in this state: received, identity-verified, in-progress, waiting-on-processors, on-hold,
    /// completed, rejected, cancelled.
    #[arg(long)]
    state: Option<String>,
    /// Only those not answered yet that are due before this instant.
    #[arg(long, value_name = "INSTANT")]
    due_before: Option<Timestamp>,
}

pub(super) async fn run(way: Way, output: Output, args: Args) -> Result<ExitCode> {
    let mut request = ListRequestsRequest {
        state: state(args.state.as_deref())?.into(),
        due_before: optional_instant(args.due_before),
        subject: args.person.as_deref().map(parse_person).transpose()?,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let mut client = RequestServiceClient::new(way);
    loop {
        let page = client.list_requests(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        match output {
            Output::Json => page
                .requests
                .iter()
                .try_for_each(|request| print_json("SubjectRequest", request))?,
            Output::Table => print(&table(&page.requests))?,
        }
        if page.next_page_token.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        request.page_token = page.next_page_token;
    }
}

pub(super) async fn show(way: Way, output: Output, id: String) -> Result<ExitCode> {
    let request = GetRequestRequest {
        subject_request_id: id,
    };
    let answer = RequestServiceClient::new(way).get_request(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    output.show("GetRequestResponse", &answer, |answer| {
        answer.request.as_ref().map(details).unwrap_or_default()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn state(name: Option<&str>) -> Result<RequestState> {
    let Some(name) = name else {
        return Ok(RequestState::Unspecified);
    };
    parse_choice(name, "REQUEST_STATE_", RequestState::from_str_name)
        .filter(|state| *state != RequestState::Unspecified)
        .with_context(|| {
            format!(
                "{name} is no state of a request; it is one of received, identity-verified, \
                 in-progress, waiting-on-processors, on-hold, completed, rejected, cancelled"
            )
        })
}
