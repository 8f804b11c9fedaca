//! `pdr request certificate`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    cli::{
        client::Way,
        output::{Output, refusal},
    },
    proto::v1::{GetErasureCertificateRequest, request_service_client::RequestServiceClient},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request.
    #[arg(value_name = "REQUEST_ID")]
    request: String,
    /// Write the envelope to this file, for `pdr audit verify`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(way: Way, output: Output, args: Args) -> Result<ExitCode> {
    let request = GetErasureCertificateRequest {
        subject_request_id: args.request,
    };
    let answer = RequestServiceClient::new(way)
        .get_erasure_certificate(request)
        .await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    if let Some(file) = &args.out {
        let written = fs::write(file, &answer.envelope);
        written.with_context(|| file.display().to_string())?;
    }
    let saved = args
        .out
        .map(|file| format!("written to {}\n", file.display()));
    output.show("GetErasureCertificateResponse", &answer, |answer| {
        let standing = if answer.r#final {
            "final: everything has come to its end"
        } else {
            "as of now: something is still under way; ask again for the final one"
        };
        match saved {
            Some(saved) => format!("{saved}{standing}\n"),
            None => format!("{}\n{standing}\n", answer.envelope),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
