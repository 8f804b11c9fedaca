//! Downloads: from any byte on, by whom, until when.

use super::{people::*, *};
use crate::{
    app::{error::Missing, testing::everything as caller_of},
    domain::{caller::Scope, export::PIECE_BYTES_MAX},
    runtime::clock::Clock,
    store::audit::AuditFilter,
};

fn json(request: SubjectRequestId, offset: u64) -> Download {
    wanted(request, None, ExportFormat::Json, offset)
}

#[tokio::test]
async fn a_download_goes_on_from_any_byte_and_is_what_its_digest_says() {
    let test = registry().await;
    let request = long_copy(&test).await;
    let whole = fetch(&test.registry, &test.caller, json(request, 0)).await;
    let whole = whole.expect("downloaded");
    let written = package(&test, request).await.json.expect("written");
    assert_eq!(written.bytes, whole.len() as u64);
    let mut digest = crate::crypto::digest::Digest::default();
    digest.update(&whole);
    assert_eq!(digest.finish(), written.sha256);
    let (piece, end) = (PIECE_BYTES_MAX as u64, written.bytes);
    assert!(end > 4 * piece);
    for offset in [
        1,
        piece - 1,
        piece,
        piece + 1,
        2 * piece + 12_345,
        end - 1,
        end,
    ] {
        let rest = fetch(&test.registry, &test.caller, json(request, offset)).await;
        let from = usize::try_from(offset).expect("it is short");
        assert_eq!(rest.expect("downloaded"), whole[from..], "{offset}");
    }
    let beyond = fetch(&test.registry, &test.caller, json(request, end + 1)).await;
    assert!(
        matches!(beyond, Err(Error::Invalid(fields)) if fields.iter().next().is_some_and(|one| one.field == "offset"))
    );
}

#[tokio::test]
async fn each_download_is_in_the_log_with_its_package_and_a_refused_one_is_not() {
    let test = registry().await;
    let request = long_copy(&test).await;
    for offset in [0, 10] {
        let opened = test
            .registry
            .open_export(&test.caller, json(request, offset));
        opened.await.expect("opened");
    }
    let beyond = json(request, u64::MAX);
    let refused = test.registry.open_export(&test.caller, beyond).await;
    refused.expect_err("beyond the end");
    let snapshot = test.registry.store.snapshot(test.registry.now()).await;
    let entries = snapshot
        .expect("a state")
        .list_audit_entries(&AuditFilter::default(), None, 100)
        .await
        .expect("read");
    let downloads: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == "DownloadExport")
        .collect();
    assert_eq!(downloads.len(), 2);
    let record = package(&test, request).await;
    assert_eq!(downloads[0].detail.export_id, Some(record.export_id));
    assert_eq!(downloads[0].detail.subject_request_id, Some(request));
    assert_eq!(downloads[0].detail.data_categories, names(&["navigation"]));
    assert!(downloads[0].subject_pseudonym.is_some());
}

#[tokio::test]
async fn what_is_not_there_not_complete_or_not_written_so_is_refused() {
    let test = registry().await;
    let ada = person(&test, &["client"]).await;
    let kinds = [RequestKind::Erasure, RequestKind::Portability];
    let request = ask(&test, ada, &kinds, &[]).await;
    let open = |download| test.registry.open_export(&test.caller, download);
    let early = open(json(request, 0)).await;
    assert!(
        matches!(early, Err(Error::IllegalTransition(_))),
        "{early:?}"
    );
    assert_eq!(build(&test).await, 1);
    open(json(request, 0)).await.expect("the first copy");
    let page = open(wanted(request, None, ExportFormat::Html, 0)).await;
    assert!(matches!(page, Err(Error::Invalid(_))), "{page:?}");
    let kind = Some(ExportKind::Access);
    let copy = open(wanted(request, kind, ExportFormat::Json, 0)).await;
    assert!(
        matches!(copy, Err(Error::NotFound(Missing::Export))),
        "{copy:?}"
    );
    let none = ask(&test, ada, &[RequestKind::Erasure], &[]).await;
    let none = open(json(none, 0)).await;
    assert!(
        matches!(none, Err(Error::NotFound(Missing::Export))),
        "{none:?}"
    );
    let unknown = SubjectRequestId(uuid::Uuid::from_u128(9));
    let unknown = open(json(unknown, 0)).await;
    assert!(
        matches!(unknown, Err(Error::NotFound(Missing::SubjectRequest))),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn who_may_not_read_requests_reads_no_package() {
    let test = registry().await;
    let request = long_copy(&test).await;
    let mut other = caller_of("shop");
    other.scopes.remove(&Scope::Requests);
    let refused = test
        .registry
        .open_export(&Arc::new(other), json(request, 0))
        .await;
    assert!(
        matches!(refused, Err(Error::ScopeMissing("requests"))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_token_that_runs_out_and_a_server_that_stops_end_a_download_in_its_midst() {
    let test = registry().await;
    let request = long_copy(&test).await;
    let caller = Arc::new(Caller {
        expires_at: Some(test.clock.now() + SignedDuration::from_mins(1)),
        ..caller_of("support")
    });
    let opened = test.registry.open_export(&caller, json(request, 0)).await;
    let opened = opened.expect("opened");
    let read = |offset| test.registry.read_export(&caller, &opened, offset);
    assert_eq!(read(0).await.expect("a piece").len(), PIECE_BYTES_MAX);
    test.clock.advance(std::time::Duration::from_mins(2));
    let late = read(PIECE_BYTES_MAX as u64).await;
    assert!(matches!(late, Err(Error::TokenExpired)), "{late:?}");
    let reopened = test.registry.open_export(&caller, json(request, 0)).await;
    assert!(matches!(reopened, Err(Error::TokenExpired)), "{reopened:?}");
    test.registry.stopping.cancel();
    let stopped = test.registry.read_export(&test.caller, &opened, 0).await;
    assert!(matches!(stopped, Err(Error::Stopping)), "{stopped:?}");
}

#[tokio::test]
async fn an_expired_package_is_gone_at_once_and_destroyed_by_the_next_round() {
    let test = registry().await;
    let request = long_copy(&test).await;
    let opened = test
        .registry
        .open_export(&test.caller, json(request, 0))
        .await
        .expect("opened");
    test.clock
        .advance(days(30).saturating_sub(std::time::Duration::from_secs(1)));
    assert_eq!(test.registry.expire_exports().await.expect("looked"), 0);
    fetch(&test.registry, &test.caller, json(request, 0))
        .await
        .expect("it is there until its last second");
    test.clock.advance(std::time::Duration::from_secs(1));
    let gone = |refused: &Error| matches!(refused, Error::NotFound(Missing::Export));
    let late = test
        .registry
        .open_export(&test.caller, json(request, 0))
        .await;
    assert!(gone(&late.expect_err("expired")));
    let late = test.registry.read_export(&test.caller, &opened, 0).await;
    assert!(gone(&late.expect_err("expired")));
    assert_eq!(test.registry.expire_exports().await.expect("done"), 1);
    assert_eq!(test.registry.expire_exports().await.expect("done"), 0);
    let late = test
        .registry
        .open_export(&test.caller, json(request, 0))
        .await;
    assert!(gone(&late.expect_err("destroyed")));
    let record = package(&test, request).await;
    assert!(record.destroyed_at.is_some() && record.is_ready());
    let snapshot = test.registry.store.snapshot(test.registry.now()).await;
    let snapshot = snapshot.expect("a state");
    assert!(!snapshot.has_own_key(record.export_id).await.expect("asked"));
    let pieces = snapshot.read_pieces(record.export_id, ExportFormat::Json, 0);
    assert!(pieces.await.expect("read").is_empty());
}

#[tokio::test]
async fn a_package_lives_as_long_as_is_configured() {
    let test = registry().await;
    let lifetime = SignedDuration::from_hours(24);
    let registry = test.registry.clone().with_export_lifetime(lifetime);
    let ada = person(&test, &["client"]).await;
    let request = copy_of(&test, ada).await;
    assert_eq!(registry.build_exports().await.expect("written"), 1);
    let record = package(&test, request).await;
    assert_eq!(record.expires_at, Some(test.clock.now() + lifetime));
}
