//! Packages for people: written step by step on both databases, whatever fails on the way.

use std::{collections::BTreeSet, time::Duration};

use jiff::tz::TimeZone;
use registry::{
    app::{
        Error, Registry,
        export::{Download, OpenedExport},
    },
    domain::{
        deadline::{Calendar, PublicHolidays},
        export::{
            ExportFormat, ExportKind, PIECE_BYTES_MAX,
            record::ExportRecord,
            writing::{Export, Writing},
        },
        id::{ExportId, SubjectId, SubjectRequestId},
        item::Content,
        request::{
            RequestKind, RequestState, Scope,
            life::AnyRequest,
            part::Part,
            record::{DeadlineClock, Record},
        },
    },
    store::Tx,
};
use serde_json::Value;

use crate::{
    harness::{Place, count, everything},
    on_both,
    sample::{by, item, keyed, register, subscriber, visitor},
};

const ADA: &str = "ada@example.org";

/// A visitor with a newsletter, a locator and some hundred pages that were looked at.
async fn ada(registry: &Registry) -> SubjectId {
    let subject = register(registry, subscriber(ADA))
        .await
        .expect("registered");
    for round in 0..2 {
        let mut seen = visitor(by("email", ADA));
        let pages = (0..60).map(|number| {
            let text = format!("page {number} of the shop").repeat(50);
            keyed("navigation", &format!("{round}-{number}"), &text)
        });
        seen.items = pages.collect();
        register(registry, seen).await.expect("registered");
    }
    let mut photo = visitor(by("email", ADA));
    let locator = Content::Locator("photos://7".into());
    photo.items = vec![item("forum_profile_photo", locator)];
    register(registry, photo).await.expect("registered");
    subject.subject_id.expect("it is not a preview")
}

fn received(tx: &Tx, subject: SubjectId) -> Record {
    let calendar = Calendar {
        zone: &TimeZone::UTC,
        holidays: &PublicHolidays::default(),
    };
    let kinds = [RequestKind::Access, RequestKind::Portability];
    Record {
        subject_request_id: SubjectRequestId(tx.new_id()),
        subject_id: subject,
        channel: "email".parse().expect("a name"),
        received_at: tx.now(),
        recorded_at: tx.now(),
        scope: Scope::default(),
        parts: kinds.map(Part::pending).into(),
        clock: DeadlineClock::start(tx.now(), calendar),
        answered_at: None,
        identity: None,
        rejection_reason: None,
        completed_at: None,
    }
}

/// A request for a copy and for portable data, both packages begun; nobody has anything to hand over.
async fn request(registry: &Registry, place: &Place, subject: SubjectId) -> SubjectRequestId {
    let written = registry.store().write("request", place.now(), move |tx| {
        Box::pin(async move {
            let record = received(tx, subject);
            let id = record.subject_request_id;
            let request = AnyRequest::restore(RequestState::InProgress, record);
            tx.insert_request(&request, &[]).await?;
            for kind in ExportKind::ALL {
                let record = ExportRecord {
                    export_id: ExportId(tx.new_key_id().await?),
                    subject_request_id: id,
                    subject_id: subject,
                    kind,
                    created_at: tx.now(),
                    ready_at: None,
                    expires_at: None,
                    destroyed_at: None,
                    items: 0,
                    json: None,
                    html: None,
                };
                let writing = Writing::default();
                tx.insert_export(&Export { record, writing }).await?;
            }
            Ok::<_, Error>(id)
        })
    });
    written.await.expect("written")
}

async fn packages(
    registry: &Registry,
    place: &Place,
    request: SubjectRequestId,
) -> Vec<ExportRecord> {
    let snapshot = registry
        .store()
        .snapshot(place.now())
        .await
        .expect("a state");
    let listed = snapshot.list_exports_of(&[request]).await;
    listed.expect("listed")
}

/// Throws away what is written, so that it is written again.
async fn again(registry: &Registry, place: &Place, request: SubjectRequestId) {
    let written = registry.store().write("again", place.now(), move |tx| {
        Box::pin(async move {
            for record in tx.list_exports_of(&[request]).await? {
                let export = tx.lock_export(record.export_id).await?;
                let mut export = export.expect("it was listed");
                export.record.ready_at = None;
                export.record.expires_at = None;
                tx.restart_export(&mut export).await?;
            }
            Ok::<_, Error>(())
        })
    });
    written.await.expect("written");
}

async fn open(
    registry: &Registry,
    request: SubjectRequestId,
    kind: ExportKind,
    format: ExportFormat,
) -> Result<OpenedExport, Error> {
    let download = Download {
        subject_request_id: request,
        kind: Some(kind),
        format,
        offset: 0,
    };
    registry.open_export(&everything("support"), download).await
}

async fn read(registry: &Registry, opened: &OpenedExport, from: u64) -> Vec<u8> {
    let (caller, mut read) = (everything("support"), Vec::new());
    loop {
        let offset = from + read.len() as u64;
        let piece = registry.read_export(&caller, opened, offset).await;
        let piece = piece.expect("a piece");
        assert!(piece.len() <= PIECE_BYTES_MAX);
        if piece.is_empty() {
            return read;
        }
        read.extend(piece);
    }
}

async fn other_replica(place: &Place, first: &Registry) -> Registry {
    // SQLite has one process.
    if place.url.starts_with("sqlite") {
        first.clone()
    } else {
        place.registry().await
    }
}

on_both! {
    async fn a_package_is_the_same_whatever_call_to_a_database_fails_while_it_is_written(place: Place) {
        let registry = place.registry().await;
        let subject = ada(&registry).await;
        let request = request(&registry, &place, subject).await;
        assert_eq!(registry.build_exports().await.unwrap(), 2);
        let written = packages(&registry, &place, request).await;
        assert_eq!(written.iter().map(|record| record.items).max(), Some(122));
        let mut failed = BTreeSet::new();
        // Every call is tried beside the code, on SQLite; here is a sample of them.
        for n in (0..600).step_by(11) {
            again(&registry, &place, request).await;
            registry.store().faults().fail_call(n);
            let interrupted = registry.build_exports().await;
            if !registry.store().faults().clear() {
                break;
            }
            if interrupted.is_err() {
                failed.insert(n);
            }
            registry.build_exports().await.unwrap();
            assert_eq!(packages(&registry, &place, request).await, written, "call {n}");
        }
        assert!(failed.len() > 20, "{failed:?}");
    }

    async fn a_download_goes_on_from_any_byte(place: Place) {
        let registry = place.registry().await;
        let subject = ada(&registry).await;
        let request = request(&registry, &place, subject).await;
        registry.build_exports().await.unwrap();
        for (kind, format) in [
            (ExportKind::Access, ExportFormat::Json),
            (ExportKind::Access, ExportFormat::Html),
            (ExportKind::Portability, ExportFormat::Json),
        ] {
            let opened = open(&registry, request, kind, format).await.unwrap();
            let whole = read(&registry, &opened, 0).await;
            assert_eq!(whole.len() as u64, opened.total_bytes);
            let middle = opened.total_bytes / 2;
            for from in [1, middle - 1, middle, middle + 1, opened.total_bytes - 1, opened.total_bytes] {
                let rest = read(&registry, &opened, from).await;
                assert_eq!(rest, whole[usize::try_from(from).unwrap()..], "{from}");
            }
            if format == ExportFormat::Json {
                let package: Value = serde_json::from_slice(&whole).unwrap();
                let items = package["items"].as_array().unwrap().len();
                assert_eq!(package["totals"]["items"], items);
            }
        }
    }

    async fn replicas_that_write_at_once_write_each_package_once(place: Place) {
        let first = place.registry().await;
        let second = other_replica(&place, &first).await;
        let subject = ada(&first).await;
        let request = request(&first, &place, subject).await;
        first.build_exports().await.unwrap();
        let alone = packages(&first, &place, request).await;
        for _ in 0..3 {
            again(&first, &place, request).await;
            let (one, other) = tokio::join!(first.build_exports(), second.build_exports());
            assert_eq!(one.unwrap() + other.unwrap(), 2);
            assert_eq!(packages(&first, &place, request).await, alone);
        }
    }

    async fn what_has_expired_is_refused_at_once_and_destroyed_once(place: Place) {
        let first = place.registry().await;
        let second = other_replica(&place, &first).await;
        let subject = ada(&first).await;
        let request = request(&first, &place, subject).await;
        first.build_exports().await.unwrap();
        place.clock.advance(Duration::from_hours(30 * 24));
        let late = open(&first, request, ExportKind::Access, ExportFormat::Json).await;
        assert!(matches!(late, Err(Error::NotFound(_))), "{late:?}");
        let (one, other) = tokio::join!(first.expire_exports(), second.expire_exports());
        assert_eq!(one.unwrap() + other.unwrap(), 2);
        let gone = packages(&first, &place, request).await;
        assert!(gone.iter().all(|record| record.destroyed_at == Some(place.now())));
        let connection = place.connect().await;
        assert_eq!(count(&connection, "export_chunks").await, 0);
    }
}
