use std::{collections::HashSet, time::Duration};

use jiff::{Span, ToSpan};

use super::*;
use crate::{
    app::{
        Call,
        record::Delete,
        scene::{people, person},
        testing::{TestRegistry, registry},
    },
    domain::{
        audit::{Action, AuditDetail, REGISTRY},
        id::ItemId,
        item::ItemKey,
        policy::{
            example::EXAMPLE_POLICY_YAML,
            format::parse_yaml,
            model::{Provenance, Retention, RetentionKind, RetentionTrigger},
        },
        subject_ref::SubjectRef,
        task::{Task, TaskCause, TaskKind},
    },
    store::{
        audit::AuditFilter,
        sweep::{Sweep, SweepWorker},
    },
};

const DAY: Duration = Duration::from_hours(24);

fn rule(kind: RetentionKind, data: &[&str], period: Span) -> Retention {
    Retention {
        data: data.iter().map(|it| it.parse().expect("a name")).collect(),
        subjects: Vec::new(),
        processor: None,
        kind,
        after: RetentionTrigger::Collection,
        activity_sources: Vec::new(),
        period,
        ground: "tax law".into(),
        provenance: Provenance::default(),
    }
}

fn maximum(data: &[&str], period: Span) -> Retention {
    rule(RetentionKind::Maximum, data, period)
}

/// A registry under the example policy with these rules, in force from now on.
async fn under(rules: Vec<Retention>) -> TestRegistry {
    let test = registry().await;
    let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
    policy.version = "with-retention".parse().expect("a version");
    policy.effective_from = test.registry.now() + DAY;
    policy.retention = rules;
    let call = Call::new(test.caller.clone(), Action::PublishPolicy);
    let published = test.registry.publish_policy(call, policy, true).await;
    published.expect("published");
    test.clock.advance(DAY);
    test
}

async fn sweep(test: &TestRegistry) -> Swept {
    let swept = test.registry.sweep_retention().await.expect("swept");
    swept.expect("nobody else is at it")
}

async fn live(test: &TestRegistry, subject: SubjectId) -> Vec<String> {
    let snapshot = test.registry.store().snapshot(test.registry.now()).await;
    let snapshot = snapshot.expect("read");
    let listed = snapshot.list_item_states(&[subject], &[]).await;
    let listed = listed.expect("listed").remove(&subject);
    let items = listed.unwrap_or_default().into_iter();
    items.map(|item| item.data_category.to_string()).collect()
}

async fn tasks(test: &TestRegistry, subject: SubjectId) -> Vec<Task> {
    let snapshot = test.registry.store().snapshot(test.registry.now()).await;
    let listed = snapshot.expect("read").list_open_tasks(subject).await;
    listed.expect("listed")
}

/// What the registry itself did, latest first.
async fn chores(test: &TestRegistry) -> Vec<AuditDetail> {
    let listed =
        test.registry
            .list_audit_entries(&test.caller, None, AuditFilter::default(), 1_000, None);
    let entries = listed.await.expect("listed").entries.into_iter();
    let chores = entries.filter(|it| it.caller == REGISTRY && it.action == "PurgeItems");
    chores.map(|entry| entry.detail).collect()
}

async fn save(test: &TestRegistry, sweep: Sweep) {
    let now = test.registry.now();
    let store = test.registry.store();
    let saved = store.write("test", now, move |tx| {
        let sweep = sweep.clone();
        Box::pin(async move {
            tx.hold_sweep(sweep::NAME).await?;
            tx.save_sweep(sweep::NAME, &sweep).await?;
            Ok::<_, Error>(())
        })
    });
    saved.await.expect("saved");
}

#[tokio::test]
async fn what_is_due_goes_once_everybody_is_told_and_the_log_says_why() {
    let test = under(vec![maximum(&["email_address"], 1.month())]).await;
    let subject = person(&test, "visitor", &["email_address", "navigation"]).await;
    assert_eq!(sweep(&test).await, Swept::default());
    test.clock.advance(DAY * 31);
    let swept = sweep(&test).await;
    assert_eq!((swept.items, swept.told, swept.failed), (1, 0, 0));
    assert_eq!(live(&test, subject).await, ["navigation"]);
    let tasks = tasks(&test, subject).await;
    let aweber = tasks.iter().find(|task| {
        let to = task.recipient.processor().map(ToString::to_string);
        to.as_deref() == Some("aweber")
    });
    let aweber = aweber.expect("AWeber is told");
    assert_eq!(
        (aweber.kind, aweber.cause),
        (TaskKind::Erase, TaskCause::Retention)
    );
    let chores = chores(&test).await;
    assert_eq!(chores.len(), 1);
    assert_eq!(chores[0].outcome, "RETENTION_EXPIRED");
    assert_eq!(chores[0].item_ids.len(), 1);
    assert!(chores[0].task_ids.contains(&aweber.task_id));
    assert_eq!(
        chores[0]
            .policy_version
            .as_ref()
            .expect("a version")
            .as_str(),
        "with-retention"
    );
    assert_eq!(sweep(&test).await, Swept::default());
}

#[tokio::test]
async fn a_subject_with_very_many_items_is_worked_off_in_portions() {
    let test = under(vec![maximum(&[], 1.month())]).await;
    let subject = person(&test, "visitor", &[]).await;
    let store = test.registry.store();
    let written = store.write("test", test.registry.now(), move |tx| {
        Box::pin(async move {
            let items = (0..=purge::PORTION).map(|number| {
                let mut item = crate::app::scene::item(tx, "visitor", "navigation");
                item.key = ItemKey::new(number.to_string());
                ((subject, item.state.item_id), item)
            });
            tx.put_items(&items.collect()).await
        })
    });
    written.await.expect("written");
    test.clock.advance(DAY * 31);
    let swept = sweep(&test).await;
    assert_eq!(swept.items, purge::PORTION as u64 + 1);
    assert!(live(&test, subject).await.is_empty());
    let lengths: Vec<_> = chores(&test)
        .await
        .iter()
        .map(|it| it.item_ids.len())
        .collect();
    assert_eq!(lengths, [1, purge::PORTION]);
}

#[tokio::test]
async fn what_is_due_is_decided_anew_when_it_is_done() {
    let test = under(vec![maximum(&[], 1.month())]).await;
    let subject = person(&test, "visitor", &["navigation"]).await;
    let purged = test.registry.purge_portion(subject).await.expect("looked");
    assert_eq!(purged, purge::Purged::default());
    let stranger = SubjectId(uuid::Uuid::from_u128(1));
    let purged = test.registry.purge_portion(stranger).await.expect("looked");
    assert_eq!(purged, purge::Purged::default());
    assert!(chores(&test).await.is_empty());
    assert_eq!(live(&test, subject).await, ["navigation"]);
}

#[tokio::test]
async fn a_sweep_that_was_cut_off_goes_on_and_whoever_it_had_passed_is_looked_at_again() {
    let test = under(vec![maximum(&[], 1.month())]).await;
    let people = people(&test, 3, "visitor", &["navigation"]).await;
    test.clock.advance(DAY * 31);
    // Cut off behind the last of them, by a process that is gone.
    let now = test.registry.now();
    let left = Sweep {
        cursor: people.last().copied(),
        ..Sweep::begun(now)
    };
    save(&test, left).await;
    assert_eq!(sweep(&test).await.items, 3);
}

#[tokio::test]
async fn while_another_replica_sweeps_nobody_else_does_until_it_is_not_heard_of() {
    let test = under(vec![maximum(&[], 1.month())]).await;
    person(&test, "visitor", &["navigation"]).await;
    test.clock.advance(DAY * 31);
    let now = test.registry.now();
    let worker = SweepWorker {
        worker_id: uuid::Uuid::from_u128(7),
        until: now + Duration::from_secs(10),
    };
    let others = Sweep {
        worker: Some(worker),
        ..Sweep::begun(now)
    };
    save(&test, others).await;
    assert_eq!(test.registry.sweep_retention().await.expect("looked"), None);
    assert_eq!(
        test.registry.since_last_sweep().await.expect("looked"),
        None
    );
    test.clock.advance(Duration::from_secs(10));
    assert_eq!(sweep(&test).await.items, 1);
    let since = test.registry.since_last_sweep().await.expect("looked");
    assert_eq!(since, Some(SignedDuration::ZERO));
}

#[tokio::test]
async fn whichever_call_to_the_database_fails_the_next_sweep_completes_it_and_nothing_is_done_twice()
 {
    let told = Retention {
        processor: Some("aweber".parse().expect("a name")),
        ..maximum(&["email_address"], 1.month())
    };
    let test = under(vec![maximum(&["navigation"], 1.month()), told]).await;
    let faults = test.registry.store().faults().clone();
    for call in 0.. {
        let subject = person(&test, "visitor", &["email_address", "navigation"]).await;
        test.clock.advance(DAY * 32);
        faults.fail_call(call);
        let outcome = test.registry.sweep_retention().await;
        let has_failed = faults.clear();
        if has_failed {
            // A fault after the last write, or in leaving, is nobody's error.
            sweep(&test).await;
        } else {
            assert!(call > 20, "{call}");
            outcome.expect("swept");
        }
        assert_eq!(live(&test, subject).await, ["email_address"], "call {call}");
        let tasks = tasks(&test, subject).await;
        let told: Vec<_> = tasks
            .iter()
            .map(|task| (format!("{:?}", task.recipient), task.item_ids.clone()))
            .collect();
        let distinct: HashSet<_> = told.iter().collect();
        assert_eq!(distinct.len(), told.len(), "call {call}: {told:?}");
        let of_aweber = tasks.iter().filter(|task| {
            task.recipient
                .processor()
                .is_some_and(|it| it.as_str() == "aweber")
        });
        assert_eq!(of_aweber.count(), 1, "call {call}");
        if !has_failed {
            return;
        }
    }
}

#[tokio::test]
async fn what_the_law_requires_is_not_deleted_on_request_and_everything_is_said_at_once() {
    let required = rule(
        RetentionKind::LegalMinimum,
        &["payment_details"],
        10.years(),
    );
    let open = Retention {
        after: RetentionTrigger::CategoryEnd,
        ..rule(RetentionKind::LegalMinimum, &["order_contents"], 1.year())
    };
    let test = under(vec![required, open]).await;
    let data = &["payment_details", "order_contents", "email_address"];
    let subject = person(&test, "client", data).await;
    let delete = |data: &[&str], ids: Vec<ItemId>| {
        let delete = Delete {
            subject: SubjectRef::Id(subject),
            item_ids: ids,
            data_categories: data.iter().map(|it| it.parse().expect("a name")).collect(),
        };
        let call = Call::new(test.caller.clone(), Action::DeleteRecords);
        test.registry.delete_records(call, delete)
    };
    let refused = delete(
        &["email_address", "payment_details", "order_contents"],
        Vec::new(),
    )
    .await;
    let Err(Error::Kept(violations)) = refused else {
        panic!("{refused:?}");
    };
    let said: Vec<_> = violations
        .iter()
        .map(|it| (it.field.as_str(), it.description.as_str()))
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    for (field, until) in [
        (
            "data_categories[1]",
            "until 2029-12-14T12:00:00Z, by retention[0]: tax law",
        ),
        (
            "data_categories[2]",
            "with no end in sight yet, by retention[1]: tax law",
        ),
    ] {
        assert!(
            said.iter()
                .any(|(at, what)| *at == field && what.contains(until)),
            "{said:?}"
        );
    }
    assert_eq!(live(&test, subject).await.len(), 3, "nothing was deleted");
    let gone = delete(&["email_address"], Vec::new())
        .await
        .expect("it is free");
    assert_eq!(gone.value.len(), 1);
    test.clock.advance(DAY * 3_653);
    let gone = delete(&["payment_details"], Vec::new())
        .await
        .expect("ten years have passed");
    assert_eq!(gone.value.len(), 1);
}

#[tokio::test]
async fn a_preview_keeps_to_its_limits() {
    let test = under(vec![maximum(&[], 1.month())]).await;
    let subject = person(&test, "visitor", &["navigation", "email_address"]).await;
    let now = test.registry.now();
    let at = |text: &str| Some(text.parse::<Timestamp>().expect("an instant"));
    let preview = |as_of: Option<Timestamp>, sample_size: usize| {
        let preview = PreviewPurge { as_of, sample_size };
        test.registry.preview_purge(&test.caller, preview)
    };
    assert_eq!(preview(None, 20).await.expect("now").items, 0);
    assert_eq!(preview(Some(now), 20).await.expect("now").as_of, now);
    let latest = preview(at("2029-12-14T12:00:00Z"), 1)
        .await
        .expect("ten years ahead");
    assert_eq!(
        (latest.items, latest.subjects, latest.sample.len()),
        (2, 1, 1)
    );
    assert_eq!(latest.sample[0].0, subject);
    for (as_of, rule) in [
        ("2029-12-14T12:00:00.000001Z", "ten years"),
        ("2019-12-14T11:59:59.999999Z", "earlier"),
    ] {
        let refused = preview(at(as_of), 1).await.expect_err("beyond the limits");
        let Error::Invalid(violations) = refused else {
            panic!("{refused:?}");
        };
        let violation = violations.iter().next().expect("one");
        assert!(violation.field == "as_of" && violation.description.contains(rule));
    }
}
