//! Handing a package out: from any byte on, a piece at a time. Each download is in the log before its first
//! byte leaves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{audit, exports_of};
use crate::{
    app::{
        error::{Error, Missing},
        registry::{Call, Change, Registry},
    },
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        export::{ExportFormat, ExportKind, record::ExportRecord},
        id::{ExportId, SubjectRequestId},
        request::{RequestKind, record::Record},
    },
    store::Tx,
};

/// Asks for a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    /// Of which request.
    pub subject_request_id: SubjectRequestId,
    /// Which of its packages; `None`: the one of its first access or portability part.
    pub kind: Option<ExportKind>,
    /// What it is written in.
    pub format: ExportFormat,
    /// The first byte wanted.
    pub offset: u64,
}

/// A package that may be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedExport {
    /// The package.
    pub export_id: ExportId,
    /// What it is written in.
    pub format: ExportFormat,
    /// Bytes of the whole.
    pub total_bytes: u64,
}

impl Registry {
    /// Opens a package for a download. It is a read of everything that is in it, and audited as one.
    pub async fn open_export(
        &self,
        caller: &Arc<Caller>,
        download: Download,
    ) -> Result<OpenedExport, Error> {
        let call = Call::new(caller.clone(), Action::DownloadExport);
        if caller.has_expired(self.clock_now()) {
            return Err(Error::TokenExpired);
        }
        let opened = self.change(call, move |tx, _| {
            Box::pin(async move { open(tx, download).await })
        });
        Ok(opened.await?.value)
    }

    /// The bytes of an opened package from `offset` on, at most
    /// [`PIECE_BYTES_MAX`](crate::domain::export::PIECE_BYTES_MAX); none at its end. A token that runs
    /// out, a package that goes, and a server that stops end a download in its midst.
    pub async fn read_export(
        &self,
        caller: &Caller,
        opened: &OpenedExport,
        offset: u64,
    ) -> Result<Vec<u8>, Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        let view = self.view(caller, Action::DownloadExport, None).await?;
        let gone = || Error::NotFound(Missing::Export);
        let id = opened.export_id;
        let export = view.snapshot.find_export(id).await?.ok_or_else(gone)?;
        let is_there = export.record.is_available(view.now());
        if !is_there || !view.snapshot.has_own_key(id).await? {
            return Err(gone());
        }
        let piece = view.snapshot.read_pieces(id, opened.format, offset).await?;
        view.snapshot.close().await?;
        if piece.is_empty() && offset < opened.total_bytes {
            return Err(Error::Internal("a piece of a package is missing".into()));
        }
        Ok(piece)
    }
}

async fn open(tx: &mut Tx, download: Download) -> Result<Change<OpenedExport>, Error> {
    let request = tx.find_request(download.subject_request_id).await?;
    let request = request.ok_or(Error::NotFound(Missing::SubjectRequest))?;
    let exports = exports_of(tx, &[download.subject_request_id]).await?;
    let exports = exports.into_values().next().unwrap_or_default();
    let record = wanted(exports, request.record(), download.kind);
    let record = record.ok_or(Error::NotFound(Missing::Export))?;
    if !record.is_ready() {
        return Err(Error::IllegalTransition(
            "the package is not complete yet; an EXPORT_READY event tells when it is",
        ));
    }
    let id = record.export_id;
    if !record.is_available(tx.now()) || !tx.has_own_key(id).await? {
        return Err(Error::NotFound(Missing::Export));
    }
    let total_bytes = total_bytes(&record, download.format)?;
    if download.offset > total_bytes {
        let rule = format!("must not be more than the package's {total_bytes} bytes");
        return Err(Error::invalid("offset", rule));
    }
    let opened = OpenedExport {
        export_id: id,
        format: download.format,
        total_bytes,
    };
    let export = tx.find_export(id).await?;
    let chapters = export.map(|export| export.writing.chapters);
    let data = chapters.into_iter().flatten().map(|one| one.data_category);
    let detail = AuditDetail {
        data_categories: data.collect(),
        ..audit(&record)
    };
    Ok(Change::new(opened, detail))
}

/// The package of a kind, or the one of the first part that has one.
fn wanted(
    mut exports: Vec<ExportRecord>,
    request: &Record,
    kind: Option<ExportKind>,
) -> Option<ExportRecord> {
    let of_part = |kind: RequestKind| match kind {
        RequestKind::Access => Some(ExportKind::Access),
        RequestKind::Portability => Some(ExportKind::Portability),
        _ => None,
    };
    let mut parts = request.parts.iter();
    let kind = kind.or_else(|| parts.find_map(|part| of_part(part.kind)))?;
    exports.retain(|record| record.kind == kind);
    exports.pop()
}

fn total_bytes(record: &ExportRecord, format: ExportFormat) -> Result<u64, Error> {
    let written = match format {
        ExportFormat::Json => &record.json,
        ExportFormat::Html => &record.html,
    };
    match written {
        Some(written) => Ok(written.bytes),
        None => Err(Error::invalid(
            "format",
            "a portability package is for machines: it is JSON only",
        )),
    }
}
