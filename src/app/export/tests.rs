//! Packages of real people in a real database: written, interrupted, downloaded, destroyed.

mod building;
mod download;
mod fate;
mod people;
mod schema;

use std::{collections::HashSet, sync::Arc};

use jiff::SignedDuration;
use serde_json::Value;

use super::*;
use crate::{
    app::{
        registry::{Change, Registry},
        testing::{TestRegistry, registry},
    },
    domain::{
        audit::Chore,
        caller::Caller,
        export::ExportFormat,
        request::{RequestKind, RequestState, life::AnyRequest},
    },
};

/// Begins the packages of a new request, as the request does when the identity is verified.
async fn ask(
    test: &TestRegistry,
    subject: SubjectId,
    kinds: &[RequestKind],
    data: &[&str],
) -> SubjectRequestId {
    let (kinds, data) = (Arc::<[_]>::from(kinds), people::names(data));
    let begun = test
        .registry
        .do_chore(Chore::AdvanceRequest, move |tx, policies| {
            let (kinds, data) = (kinds.clone(), data.clone());
            Box::pin(async move {
                tx.lock_subject(subject).await?;
                let record = people::record(tx, subject, &kinds, data);
                let id = record.subject_request_id;
                let request = AnyRequest::restore(RequestState::InProgress, record.clone());
                tx.insert_request(&request, &[]).await?;
                let mut effect = Effect::default();
                for kind in kinds.iter().filter(|kind| kind.is_copy()) {
                    let kind = match kind {
                        RequestKind::Access => ExportKind::Access,
                        _ => ExportKind::Portability,
                    };
                    effect.join(begin_export(tx, policies, &record, kind).await?);
                }
                Ok(Some(effect.change(id, AuditDetail::default())))
            })
        })
        .await;
    begun.expect("begun").expect("there was something to do")
}

/// A complete copy, several pieces long.
pub(crate) async fn long_copy(test: &TestRegistry) -> SubjectRequestId {
    let ada = people::person(test, &["client"]).await;
    people::give(test, ada, |tx| {
        let digits = "0123456789abcdef".repeat(12_000);
        let item = |_| people::one_of_many(tx, "navigation", &digits);
        (0..6).map(item).collect()
    })
    .await;
    let request = copy_of(test, ada).await;
    assert_eq!(build(test).await, 1);
    request
}

async fn copy_of(test: &TestRegistry, subject: SubjectId) -> SubjectRequestId {
    ask(test, subject, &[RequestKind::Access], &[]).await
}

/// The packages of a request.
async fn packages(test: &TestRegistry, request: SubjectRequestId) -> Vec<ExportRecord> {
    let snapshot = test.registry.store.snapshot(test.registry.now()).await;
    let snapshot = snapshot.expect("a state");
    let exports = exports_of(&snapshot, &[request]).await.expect("read");
    exports.into_values().next().unwrap_or_default()
}

async fn package(test: &TestRegistry, request: SubjectRequestId) -> ExportRecord {
    let mut packages = packages(test, request).await;
    assert_eq!(packages.len(), 1);
    packages.remove(0)
}

fn wanted(
    request: SubjectRequestId,
    kind: Option<ExportKind>,
    format: ExportFormat,
    offset: u64,
) -> Download {
    Download {
        subject_request_id: request,
        kind,
        format,
        offset,
    }
}

/// Downloads a package from a byte on, piece by piece.
async fn fetch(
    registry: &Registry,
    caller: &Arc<Caller>,
    download: Download,
) -> Result<Vec<u8>, Error> {
    let opened = registry.open_export(caller, download).await?;
    let mut read = Vec::new();
    loop {
        let offset = download.offset + read.len() as u64;
        let piece = registry.read_export(caller, &opened, offset).await?;
        if piece.is_empty() {
            return Ok(read);
        }
        read.extend(piece);
    }
}

async fn json_of(test: &TestRegistry, request: SubjectRequestId, kind: ExportKind) -> Value {
    let download = wanted(request, Some(kind), ExportFormat::Json, 0);
    let bytes = fetch(&test.registry, &test.caller, download)
        .await
        .expect("downloaded");
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn page_of(test: &TestRegistry, request: SubjectRequestId) -> String {
    let download = wanted(request, None, ExportFormat::Html, 0);
    let bytes = fetch(&test.registry, &test.caller, download)
        .await
        .expect("downloaded");
    String::from_utf8(bytes).expect("UTF-8")
}

async fn build(test: &TestRegistry) -> u64 {
    test.registry.build_exports().await.expect("written")
}

/// Changes one package as no use case does.
async fn meddle(test: &TestRegistry, id: ExportId, change: fn(&mut Export)) {
    let done = test
        .registry
        .do_chore(Chore::BuildExport, move |tx, _| {
            Box::pin(async move {
                let mut export = tx.lock_export(id).await?.expect("there is one");
                change(&mut export);
                tx.restart_export(&mut export).await?;
                Ok(Some(Change::new((), AuditDetail::default())))
            })
        })
        .await;
    done.expect("changed");
}

fn days(days: i64) -> std::time::Duration {
    SignedDuration::from_hours(24 * days)
        .try_into()
        .expect("it is not negative")
}
