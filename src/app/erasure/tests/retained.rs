//! What must stay, and what becomes of it.

use super::*;
use crate::app::record::{Correct, Delete, Fetch};

const ORDERS: &[&str] = &["order_contents"];

async fn fetched(it: &Erasures, subject: SubjectId, purpose: &str) -> Vec<String> {
    let fetch = Fetch {
        subject: SubjectRef::Id(subject),
        purpose: purpose.parse().expect("a name"),
        processor: None,
        data_categories: vec!["order_contents".parse().expect("a name")],
        at_least_as_fresh: None,
    };
    let caller = it.it.caller.clone();
    let fetched = it.registry().fetch_records(caller, fetch).await;
    let fetched = fetched.expect("decided");
    let caller = &it.it.caller;
    let read = it
        .registry()
        .read_fetched(caller, &fetched, &fetched.item_ids)
        .await;
    read.expect("read")
        .iter()
        .map(|it| text(it).to_owned())
        .collect()
}

async fn own_key(it: &Erasures, subject: SubjectId) -> Uuid {
    let keys = it.snapshot().await.list_own_keys(subject).await;
    let keys = keys.expect("listed");
    assert_eq!(keys.len(), 1);
    keys[0].1
}

async fn has_key(it: &Erasures, key: Uuid) -> bool {
    it.snapshot().await.has_own_key(key).await.expect("looked")
}

#[tokio::test]
async fn what_the_law_keeps_of_an_erased_person_answers_for_its_ground_alone_and_goes_by_itself() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let request = it.erase(anna, &[]).await;
    assert!(
        it.check(anna, "order_contents", "bookkeeping")
            .await
            .is_ok()
    );
    assert_eq!(fetched(&it, anna, "bookkeeping").await, ["a lamp"]);
    let denied = it.check(anna, "order_contents", "service_rendering").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
    assert!(!has_key(&it, anna.0).await);
    let key = own_key(&it, anna).await;
    assert_eq!(
        it.told(request).await,
        ["aweber: email_address", "holder crm: first_name"],
        "the ledger keeps the books, too"
    );
    let before = it.certificate(request).await;
    assert_eq!((before.erased_items, before.kept_items), (2, 1));
    let ground = &before.kept[0].grounds[0];
    assert_eq!(ground.ground, "Fiscal Code, s. 147");
    assert_eq!(
        ground.until,
        Some("2030-01-02T00:00:00Z".parse().expect("an instant"))
    );
    assert_eq!(before.suppressed_identifiers, 2);
    assert!(before.key_destroyed_at.is_some() && !before.is_final);
    let later = before.recipients.iter().find(|it| it.told_later == 1);
    assert_eq!(
        later.expect("one is told later").recipient,
        Recipient::Processor("ledger".parse().expect("a name"))
    );

    it.at("2030-01-01T23:59:59Z");
    assert!(!it.resume(anna).await);
    it.at("2030-01-02T00:00:00Z");
    let swept = it
        .registry()
        .store()
        .sweep_orphan_keys(it.registry().clock_now());
    swept.await.expect("swept");
    assert!(has_key(&it, key).await, "what names a key keeps it");
    assert!(it.resume(anna).await);
    assert!(!it.resume(anna).await, "once");
    assert!(!has_key(&it, key).await);
    assert_eq!(it.states(anna).await, []);
    let denied = it.check(anna, "order_contents", "bookkeeping").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
    let told = it.told(request).await;
    assert!(
        told.contains(&"ledger: order_contents".to_owned()),
        "{told:?}"
    );
    let after = it.certificate(request).await;
    assert_eq!((after.erased_items, after.kept_items), (3, 0));
    assert!(after.recipients.iter().all(|it| it.told_later == 0));
    assert_eq!(it.events(anna).await.last(), Some(&EventKind::ItemsDeleted));
}

#[tokio::test]
async fn a_recipient_that_is_told_after_the_person_is_gone_still_learns_whom_it_is_about() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    it.erase(anna, &[]).await;
    it.at("2030-01-02T00:00:00Z");
    assert!(it.resume(anna).await);
    let lease = crate::app::task::LeaseTasks {
        recipient: Recipient::Processor("ledger".parse().expect("a name")),
        kinds: Vec::new(),
        max: 10,
        length: crate::domain::task::LEASE_DEFAULT,
    };
    let leased = it.registry().lease_tasks(it.it.caller.clone(), lease).await;
    let leased = leased.expect("leased");
    assert_eq!(leased.len(), 1);
    let payload = &leased[0].payload;
    let names: Vec<_> = payload
        .identifiers
        .iter()
        .map(|it| it.value.expose().to_owned())
        .collect();
    assert!(names.contains(&EMAIL.to_owned()), "{names:?}");
    assert_eq!(payload.items[0].key.expose(), "order-1");
    assert_eq!(
        payload.items[0].external_references[0].expose(),
        "account 7"
    );
    let notices = it.snapshot().await.list_notices(anna).await;
    assert_eq!(notices.expect("listed"), [], "it is kept no longer");
}

#[tokio::test]
async fn a_hold_keeps_an_item_and_its_release_lets_it_go_and_shrinks_the_grounds_of_what_stays() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let on_address = it.hold(anna, "email_address", &[]).await;
    let on_orders = it
        .hold(anna, "order_contents", &["service_rendering"])
        .await;
    let request = it.erase(anna, &[]).await;
    assert_eq!(it.contents(anna).await.len(), 2);
    assert!(
        it.check(anna, "order_contents", "service_rendering")
            .await
            .is_ok()
    );
    let denied = it.check(anna, "email_address", "contact_and_support").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));

    it.release(on_address).await;
    assert!(it.resume(anna).await);
    assert_eq!(it.states(anna).await.len(), 1);
    it.release(on_orders).await;
    assert!(it.resume(anna).await);
    let denied = it.check(anna, "order_contents", "service_rendering").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
    assert!(
        it.check(anna, "order_contents", "bookkeeping")
            .await
            .is_ok()
    );
    // A second matter needs what had to stay.
    it.hold(anna, "order_contents", &["fraud_screening"]).await;
    assert!(it.resume(anna).await);
    let grounds = it.states(anna).await[0].retained_for.clone();
    let grounds: Vec<_> = grounds
        .expect("it stays")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(grounds, ["bookkeeping", "fraud_screening"]);
    let certificate = it.certificate(request).await;
    assert_eq!(certificate.kept[0].grounds.len(), 2);
    it.at("2031-01-01T00:00:00Z");
    assert!(it.resume(anna).await, "the law has let go of it");
    assert_eq!(it.states(anna).await.len(), 1, "the second matter has not");
}

#[tokio::test]
async fn some_of_the_data_is_erased_and_the_person_lives_on() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let request = it.erase(anna, &["order_contents", "first_name"]).await;
    let denied = it.check(anna, "order_contents", "service_rendering").await;
    assert_eq!(denied, Err(DecisionReason::PurposeExcluded));
    assert!(
        it.check(anna, "email_address", "contact_and_support")
            .await
            .is_ok()
    );
    assert_eq!(fetched(&it, anna, "bookkeeping").await, ["a lamp"]);
    assert!(has_key(&it, anna.0).await, "the person's key stays");
    let certificate = it.certificate(request).await;
    assert_eq!(certificate.key_destroyed_at, None);
    assert_eq!((certificate.erased_items, certificate.kept_items), (1, 1));
    assert_eq!(it.told(request).await, ["holder crm: first_name"]);
    assert_eq!(
        it.events(anna).await[it.events(anna).await.len() - 2..],
        [EventKind::ItemsDeleted, EventKind::RestrictionApplied]
    );
    it.at("2030-01-02T00:00:00Z");
    assert!(it.resume(anna).await);
    assert_eq!(
        it.told(request).await,
        ["holder crm: first_name", "ledger: order_contents"]
    );
}

#[tokio::test]
async fn what_is_collected_again_is_an_item_of_its_own_and_what_arrives_late_stays_erased() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    it.erase(anna, ORDERS).await;
    let stays = it.states(anna).await;
    let stays = stays
        .iter()
        .find(|it| it.is_retained())
        .expect("it stays")
        .item_id;
    let mut late = collections::client(&[("shop_user", "anna")]);
    late.items = vec![order("order-1", "a late lamp")];
    late.collected_at = Some("2020-01-01T12:00:00Z".parse().expect("an instant"));
    it.register(late).await.expect("registered");
    let denied = it.check(anna, "order_contents", "service_rendering").await;
    assert_eq!(denied, Err(DecisionReason::PurposeExcluded));
    assert_eq!(fetched(&it, anna, "bookkeeping").await, ["a lamp"]);

    it.at("2020-01-03T00:00:00Z");
    let mut again = collections::client(&[("shop_user", "anna")]);
    again.items = vec![order("order-1", "a new lamp")];
    it.register(again.clone()).await.expect("registered");
    it.register(again).await.expect("registered again");
    let allowed = it.check(anna, "order_contents", "service_rendering").await;
    let allowed = allowed.expect("it is an item again");
    assert_eq!(allowed.len(), 1);
    assert_ne!(allowed[0], stays);
    let mut both = fetched(&it, anna, "bookkeeping").await;
    both.sort();
    assert_eq!(both, ["a lamp", "a new lamp"]);

    it.at("2030-01-02T00:00:00Z");
    assert!(it.resume(anna).await);
    assert_eq!(fetched(&it, anna, "bookkeeping").await, ["a new lamp"]);
}

#[tokio::test]
async fn what_stays_is_neither_corrected_nor_deleted() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    it.erase(anna, ORDERS).await;
    let stays = it.states(anna).await;
    let stays = stays
        .iter()
        .find(|it| it.is_retained())
        .expect("it stays")
        .item_id;
    let correct = Correct {
        subject: SubjectRef::Id(anna),
        item_id: stays,
        content: Content::Text("two lamps".into()),
        corrected_at: None,
    };
    let call = it.call(Action::CorrectRecord);
    let refused = it.registry().correct_record(call, correct).await;
    assert!(
        matches!(refused, Err(Error::IllegalTransition(_))),
        "{refused:?}"
    );
    let delete = |item_ids, data: &[&str]| Delete {
        subject: SubjectRef::Id(anna),
        item_ids,
        data_categories: data.iter().map(|it| it.parse().expect("a name")).collect(),
    };
    let call = it.call(Action::DeleteRecords);
    let refused = it
        .registry()
        .delete_records(call, delete(vec![stays], &[]))
        .await;
    assert!(
        matches!(refused, Err(Error::IllegalTransition(_))),
        "{refused:?}"
    );
    let call = it.call(Action::DeleteRecords);
    let deleted = it
        .registry()
        .delete_records(call, delete(vec![], ORDERS))
        .await;
    assert_eq!(deleted.expect("nothing was meant").value, []);
    assert_eq!(fetched(&it, anna, "bookkeeping").await, ["a lamp"]);
}

#[tokio::test]
async fn what_stays_of_one_person_stays_when_the_person_goes_up_in_another() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    it.erase(anna, ORDERS).await;
    let key = own_key(&it, anna).await;
    let survivor = it
        .register(collections::client(&[("skype", "anna.k")]))
        .await;
    let survivor = survivor.expect("registered");
    let call = it.call(Action::MergeSubjects);
    let merged = it
        .registry()
        .merge_subjects(call, SubjectRef::Id(survivor), SubjectRef::Id(anna));
    merged.await.expect("merged");
    it.registry().complete_erasures().await.expect("completed");
    assert!(!has_key(&it, anna.0).await);
    assert_eq!(own_key(&it, survivor).await, key, "sealed as it was");
    assert_eq!(fetched(&it, survivor, "bookkeeping").await, ["a lamp"]);
    let denied = it
        .check(survivor, "order_contents", "service_rendering")
        .await;
    assert_eq!(denied, Err(DecisionReason::PurposeExcluded));
    it.at("2030-01-02T00:00:00Z");
    assert!(it.resume(survivor).await);
    assert!(!has_key(&it, key).await);
}

#[tokio::test]
async fn a_second_erasure_of_the_person_as_a_whole_waits_for_what_the_first_had_to_leave() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let first = it.erase(anna, ORDERS).await;
    let key = own_key(&it, anna).await;
    let second = it.erase(anna, &[]).await;
    let third = it.erase(anna, &[]).await;
    assert_eq!(own_key(&it, anna).await, key, "it keeps its key");
    let waiting = it.snapshot().await.list_waiting_requests(anna).await;
    let waiting: Vec<_> = waiting.expect("listed").into_values().collect();
    assert_eq!(waiting, [Some(third)]);
    it.at("2030-01-02T00:00:00Z");
    assert!(it.resume(anna).await);
    for request in [first, second, third] {
        assert_eq!(it.certificate(request).await.kept_items, 0);
    }
    assert_eq!(it.told(third).await, ["ledger: order_contents"], "once");
    assert_eq!(it.told(first).await, [""; 0]);
}

#[tokio::test]
async fn what_was_collected_again_after_an_erasure_is_told_of_again() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let first = it.erase(anna, &["email_address"]).await;
    assert_eq!(it.told(first).await, ["aweber: email_address"]);
    it.at("2020-01-03T00:00:00Z");
    let mut again = collections::client(&[("shop_user", "anna")]);
    again.items = vec![collections::item("email_address", EMAIL)];
    it.register(again).await.expect("registered");
    it.erase(anna, ORDERS).await;
    let last = it.erase(anna, &[]).await;
    assert_eq!(
        it.told(last).await,
        ["aweber: email_address", "holder crm: first_name"]
    );
}

#[tokio::test]
async fn a_preview_of_what_nobody_knows_or_asks_for_is_refused() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let preview = |scope: ErasureScope| {
        let registry = it.registry();
        let caller = &it.it.caller;
        async move {
            let subject = SubjectRef::Id(anna);
            registry.preview_erasure(caller, &subject, &scope).await
        }
    };
    let of_others = ErasureScope {
        item_ids: vec![ItemId(Uuid::nil())],
        ..ErasureScope::default()
    };
    let refused = preview(of_others).await;
    assert!(
        matches!(refused, Err(Error::NotFound(Missing::Item))),
        "{refused:?}"
    );
    let unfit = ErasureScope {
        data_categories: vec!["shoe_size".parse().expect("a name")],
        ..ErasureScope::default()
    };
    let Err(Error::Invalid(violations)) = preview(unfit).await else {
        panic!("it is refused");
    };
    let fields: Vec<_> = violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["scope.data_categories[0]"]);
}

#[tokio::test]
async fn the_sweep_finds_everybody_of_whom_something_stays_in_pages() {
    let it = Erasures::new().await;
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        let mut person = collections::client(&[("shop_user", name)]);
        person.items = vec![order("1", name), order("2", name)];
        let person = it.register(person).await.expect("registered");
        it.erase(person, &[]).await;
        all.push(person);
    }
    all.sort_unstable();
    let snapshot = it.snapshot().await;
    let page = |after| snapshot.list_retained_subjects(after, 2);
    let first = page(SubjectId(Uuid::nil())).await.expect("listed");
    assert_eq!(first, all[..2]);
    let second = page(first[1]).await.expect("listed");
    assert_eq!(second, all[2..]);
}
