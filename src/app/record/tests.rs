use super::*;
use crate::{
    app::{
        scene::{person, say, visitor},
        testing::{TestRegistry, everything, registry},
    },
    domain::{
        caller::Bound,
        consent::ConsentChoice::{Given, Withdrawn},
        decision::DecisionReason,
    },
    store::audit::AuditFilter,
};

fn fetch(subject: SubjectId, data: &[&str], purpose: &str) -> Fetch {
    Fetch {
        subject: SubjectRef::Id(subject),
        purpose: purpose.parse().unwrap(),
        processor: None,
        data_categories: data.iter().map(|name| name.parse().unwrap()).collect(),
        at_least_as_fresh: None,
    }
}

async fn fetched(test: &TestRegistry, fetch: Fetch) -> Fetched {
    test.registry
        .fetch_records(test.caller.clone(), fetch)
        .await
        .expect("a fetch is answered")
}

async fn read(test: &TestRegistry, fetched: &Fetched) -> Vec<Item> {
    test.registry
        .read_fetched(&test.caller, fetched, &fetched.item_ids)
        .await
        .expect("items are read")
}

fn call(test: &TestRegistry, action: Action, request_id: u128) -> Call {
    let request_id = uuid::Uuid::from_u128(request_id);
    Call::new(test.caller.clone(), action).idempotent(Some(request_id), vec![1])
}

fn delete(subject: SubjectId, items: &[ItemId], data: &[&str]) -> Delete {
    Delete {
        subject: SubjectRef::Id(subject),
        item_ids: items.to_vec(),
        data_categories: data.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

fn correct(subject: SubjectId, item_id: ItemId, text: &str) -> Correct {
    Correct {
        subject: SubjectRef::Id(subject),
        item_id,
        content: Content::Text(text.into()),
        corrected_at: None,
    }
}

#[tokio::test]
async fn a_fetch_hands_out_what_is_lawful_keeps_its_decision_and_is_audited() {
    let test = registry().await;
    let ada = person(
        &test,
        "client",
        &["email_address", "navigation", "payment_details"],
    )
    .await;
    let fetched = fetched(&test, fetch(ada, &["email_address"], "contact_and_support")).await;
    let items = read(&test, &fetched).await;
    let [item] = items.as_slice() else {
        panic!("one item: {items:?}")
    };
    assert_eq!(item.content, Some(Content::Text("ada@example.org".into())));
    assert_eq!(item.state.data_category.as_str(), "email_address");
    let snapshot = test
        .registry
        .store
        .snapshot(test.registry.clock_now())
        .await
        .unwrap();
    let id = fetched.answer.decision_id.expect("the decision is kept");
    assert!(snapshot.find_decision(id).await.unwrap().is_some());
    let filter = AuditFilter {
        actions: vec![Action::FetchRecords],
        ..AuditFilter::default()
    };
    let entries = snapshot
        .list_audit_entries(&filter, None, 10)
        .await
        .unwrap();
    let [entry] = entries.as_slice() else {
        panic!("one entry: {entries:?}")
    };
    assert_eq!(entry.detail.item_ids, fetched.item_ids);
    assert_eq!(entry.detail.outcome, "ALLOW");
}

#[tokio::test]
async fn one_category_that_is_denied_empties_the_whole_fetch() {
    let test = registry().await;
    let ada = person(&test, "client", &["email_address", "navigation"]).await;
    let asked = fetch(ada, &["email_address", "navigation"], "contact_and_support");
    let fetched = fetched(&test, asked).await;
    assert_eq!(fetched.answer.decision.reason, DecisionReason::NoActivity);
    assert_eq!(fetched.item_ids, []);
    assert_eq!(read(&test, &fetched).await, []);
    assert!(fetched.answer.decision_id.is_some());
}

#[tokio::test]
async fn a_fetch_without_categories_is_for_those_that_are_lawful() {
    let test = registry().await;
    let ada = person(&test, "client", &["email_address", "navigation"]).await;
    let some = fetched(&test, fetch(ada, &[], "contact_and_support")).await;
    let categories: Vec<_> = some.answer.decision.per_category.iter().collect();
    assert!(some.answer.is_lawful());
    assert_eq!(categories.len(), 1);
    assert_eq!(categories[0].data_category.as_str(), "email_address");
    let ben = visitor(&test).await;
    let none = fetched(&test, fetch(ben, &[], "newsletter")).await;
    assert_eq!(none.answer.decision.reason, DecisionReason::ConsentMissing);
    let unknown = fetched(&test, fetch(ben, &[], "telemarketing")).await;
    assert_eq!(
        unknown.answer.decision.reason,
        DecisionReason::PurposeUnknown
    );
}

#[tokio::test]
async fn what_was_taken_away_before_its_page_is_read_is_left_out() {
    let test = registry().await;
    let ada = visitor(&test).await;
    say(&test, &[ada], Given, "newsletter").await;
    let fetched = fetched(&test, fetch(ada, &["email_address"], "newsletter")).await;
    assert_eq!(fetched.item_ids.len(), 1);
    say(&test, &[ada], Withdrawn, "newsletter").await;
    assert_eq!(read(&test, &fetched).await, []);
}

#[tokio::test]
async fn a_correction_replaces_the_content_and_a_repeat_changes_nothing() {
    let test = registry().await;
    let ada = person(&test, "client", &["email_address"]).await;
    let before = fetched(&test, fetch(ada, &[], "contact_and_support")).await;
    let item = before.item_ids[0];
    let corrected = test
        .registry
        .correct_record(
            call(&test, Action::CorrectRecord, 1),
            correct(ada, item, "new@example.org"),
        )
        .await
        .unwrap();
    assert_eq!(corrected.value.item.item_id, item);
    let again = test
        .registry
        .correct_record(
            call(&test, Action::CorrectRecord, 1),
            correct(ada, item, "new@example.org"),
        )
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.revision, corrected.revision);
    let items = read(&test, &before).await;
    assert_eq!(
        items[0].content,
        Some(Content::Text("new@example.org".into()))
    );
}

#[tokio::test]
async fn a_correction_keeps_to_its_time_and_its_item() {
    let test = registry().await;
    let ada = person(&test, "client", &["email_address"]).await;
    let item = fetched(&test, fetch(ada, &[], "contact_and_support"))
        .await
        .item_ids[0];
    let now = test.registry.clock_now();
    for (n, at) in [(1, now + AHEAD_MAX + AHEAD_MAX), (2, now - AHEAD_MAX)] {
        let mut correct = correct(ada, item, "x");
        correct.corrected_at = Some(at);
        let call = call(&test, Action::CorrectRecord, n);
        let refused = test.registry.correct_record(call, correct).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let stranger = ItemId(uuid::Uuid::from_u128(42));
    let call = call(&test, Action::CorrectRecord, 3);
    let refused = test
        .registry
        .correct_record(call, correct(ada, stranger, "x"))
        .await;
    assert!(
        matches!(refused, Err(Error::NotFound(Missing::Item))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_deletion_is_seen_at_once_and_a_repeat_answers_the_same() {
    let test = registry().await;
    let ada = person(&test, "client", &["email_address", "navigation"]).await;
    let held = fetched(&test, fetch(ada, &[], "contact_and_support")).await;
    let asked = || delete(ada, &[], &["email_address", "payment_details"]);
    let preview = test
        .registry
        .preview_deletion(&test.caller, &asked())
        .await
        .unwrap();
    assert_eq!(preview, held.item_ids);
    let first = test
        .registry
        .delete_records(call(&test, Action::DeleteRecords, 1), asked())
        .await
        .unwrap();
    assert_eq!(first.value, held.item_ids);
    assert_eq!(read(&test, &held).await, []);
    let again = test
        .registry
        .delete_records(call(&test, Action::DeleteRecords, 1), asked())
        .await
        .unwrap();
    assert_eq!((again.value, again.replayed), (first.value, true));
    let anew = test
        .registry
        .delete_records(call(&test, Action::DeleteRecords, 2), asked())
        .await
        .unwrap();
    assert_eq!(anew.value, []);
}

#[tokio::test]
async fn an_item_that_is_not_there_or_not_the_callers_leaves_all_items_in_place() {
    let mut test = registry().await;
    let ada = person(&test, "client", &["email_address"]).await;
    let held = fetched(&test, fetch(ada, &[], "contact_and_support")).await;
    let stranger = ItemId(uuid::Uuid::from_u128(42));
    let asked = delete(ada, &[held.item_ids[0], stranger], &[]);
    let call_1 = call(&test, Action::DeleteRecords, 1);
    let refused = test.registry.delete_records(call_1, asked).await;
    assert!(
        matches!(refused, Err(Error::NotFound(Missing::Item))),
        "{refused:?}"
    );
    let mut forum = everything("forum");
    forum.sources = Bound::from_iter(["forum".parse().unwrap()]);
    test.caller = Arc::new(forum);
    let call_2 = call(&test, Action::DeleteRecords, 2);
    let refused = test
        .registry
        .delete_records(call_2, delete(ada, &held.item_ids, &[]))
        .await;
    assert!(
        matches!(
            refused,
            Err(Error::ClaimMissing {
                claim: "sources",
                ..
            })
        ),
        "{refused:?}"
    );
    let call_3 = call(&test, Action::CorrectRecord, 3);
    let refused = test
        .registry
        .correct_record(call_3, correct(ada, held.item_ids[0], "x"))
        .await;
    assert!(
        matches!(
            refused,
            Err(Error::ClaimMissing {
                claim: "sources",
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(read(&test, &held).await.len(), 1);
}
