//! `pdr request download`: a package into a file; what a broken download left there is kept, and the rest
//! fetched.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use crate::{
    cli::{
        arguments::parse_choice,
        client::Way,
        output::{Output, print, print_value, refusal},
    },
    proto::v1::{
        DownloadExportRequest, ExportFormat, RequestKind,
        request_service_client::RequestServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request.
    #[arg(value_name = "REQUEST_ID")]
    request: String,
    /// Where to: a new file, or the beginning of this package, which is gone on with. It is made for its
    /// owner alone: a package holds everything of the person.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What it is written in: json, html.
    #[arg(long, default_value = "json")]
    format: String,
    /// Which package: access, portability. Default: the one of the request's first such part.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

pub(super) async fn run(way: Way, output: Output, args: Args) -> Result<ExitCode> {
    let format = parse_choice(&args.format, "EXPORT_FORMAT_", ExportFormat::from_str_name)
        .with_context(|| format!("{} is no format; it is json or html", args.format))?;
    let kind = match args.kind.as_deref() {
        None => RequestKind::Unspecified,
        Some(name) => parse_choice(name, "REQUEST_KIND_", RequestKind::from_str_name)
            .with_context(|| format!("{name} is no package; it is access or portability"))?,
    };
    let offset = already_there(&args.out)?;
    let request = DownloadExportRequest {
        subject_request_id: args.request,
        kind: kind.into(),
        format: format.into(),
        offset: i64::try_from(offset)?,
    };
    let total = fetch(way, request, &args.out).await?;
    let file = args.out.display();
    match output {
        Output::Json => print_value(&serde_json::json!({
            "file": file.to_string(), "bytes": total, "resumed_at": offset,
        }))?,
        Output::Table => print(&format!("{total} bytes in {file}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn already_there(file: &Path) -> Result<u64> {
    match fs::metadata(file) {
        Ok(found) if found.is_file() => Ok(found.len()),
        Ok(_) => bail!("{} is no file", file.display()),
        Err(_) => Ok(0),
    }
}

/// Opens the file only once there is something to write: a refusal leaves none behind.
async fn fetch(way: Way, request: DownloadExportRequest, path: &Path) -> Result<i64> {
    let mut offset = request.offset;
    let answer = RequestServiceClient::new(way)
        .download_export(request)
        .await;
    let mut pieces = answer.map_err(|status| refusal(&status))?.into_inner();
    let mut file: Option<File> = None;
    let mut total = offset;
    while let Some(piece) = pieces.message().await.map_err(|status| refusal(&status))? {
        if piece.offset != offset {
            bail!(
                "byte {} came where byte {offset} was expected",
                piece.offset
            );
        }
        let open = match file.take() {
            Some(file) => Ok(file),
            None => OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(path),
        };
        let mut open = open.with_context(|| path.display().to_string())?;
        open.write_all(&piece.data)
            .with_context(|| path.display().to_string())?;
        file = Some(open);
        offset += i64::try_from(piece.data.len())?;
        total = piece.total_bytes;
    }
    if let Some(file) = file {
        file.sync_all()
            .with_context(|| path.display().to_string())?;
    }
    if offset == total {
        Ok(total)
    } else {
        bail!("{offset} of {total} bytes came; run it again to fetch the rest")
    }
}
