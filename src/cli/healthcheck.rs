//! `pdr healthcheck`: for probes. Needs no token.

use std::process::ExitCode;

use anyhow::{Result, bail};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{
    client::Connection,
    output::{Output, print, print_value, refusal},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  The development server:
    pdr healthcheck
  A probe in a pod whose certificate has the service's name:
    pdr healthcheck --address https://127.0.0.1:8443 --ca /etc/registry/tls/ca.crt \\
      --tls-name registry.internal")]
pub(super) struct Args {
    /// Only this service: personaldata.registry.v1.PurposeService. Default: the server as a whole.
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let mut client = HealthClient::new(args.connection.channel().await?);
    let request = HealthCheckRequest {
        service: args.service,
    };
    let answer = client.check(request).await;
    let status = answer
        .map_err(|status| refusal(&status))?
        .into_inner()
        .status();
    match args.connection.output {
        Output::Json => print_value(&serde_json::json!({"status": status.as_str_name()}))?,
        Output::Table => print(&format!("{}\n", status.as_str_name()))?,
    }
    if status != ServingStatus::Serving {
        bail!("the server takes no calls: it is starting or stopping");
    }
    Ok(ExitCode::SUCCESS)
}
