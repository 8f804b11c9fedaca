//! What becomes of packages when something becomes of the person, of the request, or of the database.

use super::{people::*, *};
use crate::{
    app::{Call, error::Missing},
    domain::{audit::Action, event::EventKind},
};

/// Runs a use case of other floors in a transaction, as the request or the erasure would.
async fn within<F>(test: &TestRegistry, body: F)
where
    F: for<'t> Fn(&'t mut Tx) -> futures::future::BoxFuture<'t, Result<(), Error>>
        + Send
        + Sync
        + 'static,
{
    write(test, body).await;
    let completed = test
        .registry
        .store
        .complete_key_destructions(test.registry.now());
    completed.await.expect("the keys are destroyed");
}

async fn is_gone(test: &TestRegistry, request: SubjectRequestId) -> bool {
    let download = wanted(request, None, ExportFormat::Json, 0);
    let opened = test.registry.open_export(&test.caller, download).await;
    matches!(opened, Err(Error::NotFound(Missing::Export)))
}

async fn with_name(test: &TestRegistry) -> SubjectId {
    let ada = person(test, &["client"]).await;
    give(test, ada, |tx| {
        vec![item(
            tx,
            "client",
            "first_name",
            Some(Content::Text("Ada".into())),
        )]
    })
    .await;
    ada
}

#[tokio::test]
async fn an_erasure_destroys_the_packages_of_other_requests_and_leaves_its_own() {
    let test = registry().await;
    let ada = with_name(&test).await;
    let (earlier, own) = (copy_of(&test, ada).await, copy_of(&test, ada).await);
    assert_eq!(build(&test).await, 2);
    let unfinished = copy_of(&test, ada).await;
    within(&test, move |tx| {
        Box::pin(async move {
            tx.lock_subject(ada).await?;
            destroy_exports(tx, ada, own).await?;
            tx.intend_key_destruction(ada).await?;
            Ok(())
        })
    })
    .await;
    assert!(is_gone(&test, earlier).await && is_gone(&test, unfinished).await);
    assert_eq!(
        build(&test).await,
        0,
        "nobody goes on with what is destroyed"
    );
    let copy = json_of(&test, own, ExportKind::Access).await;
    assert_eq!(copy["items"][0]["content"]["text"], "Ada");
}

#[tokio::test]
async fn a_request_that_is_refused_loses_its_unfinished_package_and_keeps_a_complete_one() {
    let test = registry().await;
    let ada = with_name(&test).await;
    let complete = copy_of(&test, ada).await;
    assert_eq!(build(&test).await, 1);
    let unfinished = copy_of(&test, ada).await;
    within(&test, move |tx| {
        Box::pin(async move {
            drop_unfinished(tx, unfinished).await?;
            drop_unfinished(tx, complete).await
        })
    })
    .await;
    assert!(is_gone(&test, unfinished).await);
    assert!(
        package(&test, unfinished).await.is_ready(),
        "nobody waits for it"
    );
    assert!(!is_gone(&test, complete).await);
    assert_eq!(build(&test).await, 0);
}

#[tokio::test]
async fn a_merge_takes_the_packages_along_and_what_is_being_written_begins_anew() {
    let test = registry().await;
    let (ada, other) = (with_name(&test).await, with_name(&test).await);
    let complete = copy_of(&test, other).await;
    assert_eq!(build(&test).await, 1);
    let unfinished = copy_of(&test, other).await;
    let faults = test.registry.store().faults().clone();
    faults.fail_call(60);
    test.registry
        .build_exports()
        .await
        .expect_err("it is interrupted");
    assert!(faults.clear());
    let begun = package(&test, unfinished).await;
    let is_begun = write(&test, move |tx| {
        Box::pin(async move {
            let export = tx
                .find_export(begun.export_id)
                .await?
                .expect("there is one");
            Ok(export.writing.json.bytes > 0)
        })
    });
    assert!(is_begun.await, "something of it was written");
    let call = Call::new(test.caller.clone(), Action::MergeSubjects);
    let merged = test.registry.merge_subjects(call, ada.into(), other.into());
    merged.await.expect("merged");
    assert_eq!(build(&test).await, 1);
    assert_eq!(package(&test, complete).await.subject_id, ada);
    let old = json_of(&test, complete, ExportKind::Access).await;
    assert_eq!(old["totals"]["items"], 1);
    let new = json_of(&test, unfinished, ExportKind::Access).await;
    assert_eq!(new["subject_id"], ada.to_string());
}

/// The key of a package is destroyed, and a backup brings the package back.
async fn lose_key(test: &TestRegistry, export: ExportId) {
    within(test, move |tx| {
        Box::pin(async move { Ok(tx.intend_key_destruction(export).await?) })
    })
    .await;
}

#[tokio::test]
async fn a_complete_package_of_a_restored_backup_without_its_key_is_gone() {
    let test = registry().await;
    let ada = with_name(&test).await;
    let request = copy_of(&test, ada).await;
    assert_eq!(build(&test).await, 1);
    lose_key(&test, package(&test, request).await.export_id).await;
    assert!(is_gone(&test, request).await);
    test.clock.advance(days(31));
    assert_eq!(test.registry.expire_exports().await.expect("destroyed"), 1);
}

#[tokio::test]
async fn an_unfinished_package_of_a_restored_backup_without_its_key_is_written_under_another() {
    let test = registry().await;
    let ada = with_name(&test).await;
    let request = copy_of(&test, ada).await;
    let lost = package(&test, request).await.export_id;
    lose_key(&test, lost).await;
    let mut complete = 0;
    for _ in 0..2 {
        complete += build(&test).await;
    }
    assert_eq!(complete, 1);
    let new = package(&test, request).await;
    assert_ne!(new.export_id, lost);
    assert_eq!(
        json_of(&test, request, ExportKind::Access).await["totals"]["items"],
        1
    );
}

#[tokio::test]
async fn a_person_without_a_key_gets_what_is_left_and_no_error() {
    let test = registry().await;
    let ada = everything(&test).await;
    within(&test, move |tx| {
        Box::pin(async move {
            let items = tx.list_item_states(&[ada], &[]).await?;
            let ids: Vec<_> = items.into_values().flatten().map(|it| it.item_id).collect();
            tx.delete_items(ada, &ids).await?;
            tx.unlink_everything(ada).await?;
            tx.restore_erasure(ada, tx.now()).await?;
            Ok(())
        })
    })
    .await;
    let request = copy_of(&test, ada).await;
    assert_eq!(build(&test).await, 1);
    let copy = json_of(&test, request, ExportKind::Access).await;
    assert_eq!(copy["totals"]["items"], 0);
    assert_eq!(copy["disclosures"][0]["external_reference"], "");
    assert_eq!(copy["consents"][0]["evidence"]["wording"], "");
    assert!(copy["erased_at"].is_string());
}

#[tokio::test]
async fn a_package_that_is_complete_is_announced_with_its_request_and_nothing_personal() {
    let test = registry().await;
    let ada = with_name(&test).await;
    let request = copy_of(&test, ada).await;
    assert_eq!(build(&test).await, 1);
    test.registry.place_events().await.expect("placed");
    let snapshot = test.registry.store.snapshot(test.registry.now()).await;
    let snapshot = snapshot.expect("a state");
    let kinds = [EventKind::ExportReady];
    let found = snapshot
        .list_events(0..i64::MAX, &kinds, &[], 10)
        .await
        .expect("read");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event.subject_request_id, Some(request));
    assert_eq!(found[0].event.subject_id, Some(ada));
    assert!(found[0].event.item_ids.is_empty());
}
