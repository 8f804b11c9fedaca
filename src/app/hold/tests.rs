use super::*;
use crate::app::{
    record::Delete,
    scene::{person, visitor},
    testing::{TestRegistry, registry},
};

fn place(subject: SubjectId, item_ids: Vec<ItemId>, data: &[&str]) -> PlaceHold {
    PlaceHold {
        subject: SubjectRef::Id(subject),
        item_ids,
        data_categories: data
            .iter()
            .map(|data| data.parse().expect("a name"))
            .collect(),
        purposes: Vec::new(),
        matter: "case 7".to_owned(),
        article: None,
    }
}

async fn placed(test: &TestRegistry, hold: PlaceHold) -> LegalHold {
    let call = Call::new(test.caller.clone(), Action::PlaceLegalHold);
    let written = test.registry.place_hold(call, hold).await;
    written.expect("placed").value
}

async fn released(test: &TestRegistry, id: LegalHoldId) -> Result<LegalHold, Error> {
    let call = Call::new(test.caller.clone(), Action::ReleaseLegalHold);
    Ok(test.registry.release_hold(call, id).await?.value)
}

async fn delete(test: &TestRegistry, subject: SubjectId, items: Vec<ItemId>) -> Result<(), Error> {
    let call = Call::new(test.caller.clone(), Action::DeleteRecords);
    let delete = Delete {
        subject: SubjectRef::Id(subject),
        item_ids: items,
        data_categories: Vec::new(),
    };
    test.registry.delete_records(call, delete).await.map(|_| ())
}

async fn items(test: &TestRegistry, subject: SubjectId) -> Vec<ItemState> {
    let snapshot = test
        .registry
        .store
        .snapshot(test.registry.clock_now())
        .await;
    let snapshot = snapshot.expect("a snapshot");
    let listed = snapshot.list_item_states(&[subject], &[]).await;
    listed.expect("listed").remove(&subject).unwrap_or_default()
}

async fn standing(test: &TestRegistry, subject: SubjectId) -> Vec<LegalHold> {
    let snapshot = test
        .registry
        .store
        .snapshot(test.registry.clock_now())
        .await;
    let held = snapshot.expect("a snapshot").list_holds(&[subject]).await;
    held.expect("listed").remove(&subject).unwrap_or_default()
}

#[tokio::test]
async fn a_held_item_is_not_deleted_and_its_neighbour_is_and_a_release_lets_it_go() {
    let test = registry().await;
    let subject = person(&test, "client", &["email_address", "order_contents"]).await;
    let ids: Vec<_> = items(&test, subject)
        .await
        .iter()
        .map(|it| it.item_id)
        .collect();
    let hold = placed(&test, place(subject, vec![ids[0]], &[])).await;
    let refused = delete(&test, subject, vec![ids[1], ids[0]]).await;
    let Err(Error::Kept(violations)) = refused else {
        panic!("{refused:?}");
    };
    let violation = violations.iter().next().expect("one");
    assert_eq!(violation.field, "item_ids[1]");
    assert!(
        violation
            .description
            .contains(&hold.legal_hold_id.to_string())
    );
    assert_eq!(items(&test, subject).await.len(), 2, "nothing was deleted");
    delete(&test, subject, vec![ids[1]]).await.expect("deleted");
    released(&test, hold.legal_hold_id).await.expect("released");
    delete(&test, subject, vec![ids[0]]).await.expect("deleted");
}

#[tokio::test]
async fn a_hold_is_released_once_and_one_that_nobody_knows_is_not_found() {
    let test = registry().await;
    let subject = visitor(&test).await;
    let hold = placed(&test, place(subject, vec![], &["email_address"])).await;
    assert_eq!(hold.article, ARTICLE_DEFAULT);
    let done = released(&test, hold.legal_hold_id).await.expect("released");
    assert_eq!(done.released_by, Some(test.caller.service.clone()));
    let again = released(&test, hold.legal_hold_id).await;
    assert!(
        matches!(again, Err(Error::IllegalTransition(_))),
        "{again:?}"
    );
    let unknown = released(&test, LegalHoldId(uuid::Uuid::from_u128(7))).await;
    let missing = matches!(unknown, Err(Error::NotFound(Missing::LegalHold)));
    assert!(missing, "{unknown:?}");
    assert_eq!(standing(&test, subject).await, []);
}

#[tokio::test]
async fn names_that_no_policy_knows_and_items_of_others_are_refused() {
    let test = registry().await;
    let (subject, other) = (visitor(&test).await, visitor(&test).await);
    let call = || Call::new(test.caller.clone(), Action::PlaceLegalHold);
    let mut unknown = place(subject, vec![], &["email_address", "shoe_size"]);
    unknown.purposes = vec!["gossip".parse().expect("a name")];
    let refused = test.registry.place_hold(call(), unknown).await;
    let Err(Error::Invalid(violations)) = refused else {
        panic!("{refused:?}");
    };
    let fields: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["data_categories[1]", "purposes[0]"]);
    let theirs = items(&test, other).await[0].item_id;
    let refused = test
        .registry
        .place_hold(call(), place(subject, vec![theirs], &[]))
        .await;
    assert!(
        matches!(refused, Err(Error::NotFound(Missing::Item))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_holds_of_one_who_is_merged_away_stay_on_the_items_that_went_over() {
    let test = registry().await;
    let (from, into) = (visitor(&test).await, visitor(&test).await);
    let frozen = items(&test, from).await[0].item_id;
    let kept = items(&test, into).await[0].item_id;
    let hold = placed(&test, place(from, vec![frozen], &[])).await;
    let now = test.registry.clock_now();
    let caller = test.caller.clone();
    let store = test.registry.store.clone();
    test.registry
        .store
        .write("merge", now, move |tx| {
            let (caller, store) = (caller.clone(), store.clone());
            Box::pin(async move {
                let policies = store.policies(tx).await?;
                super::super::merge::merge_subject(tx, &policies, &caller, from, into).await
            })
        })
        .await
        .expect("merged");
    let standing = standing(&test, into).await;
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0].legal_hold_id, hold.legal_hold_id);
    let left = items(&test, into).await;
    assert_eq!(left.len(), 1, "both had the same item");
    assert!([frozen, kept].contains(&left[0].item_id));
    assert!(
        standing[0].covers(&left[0]),
        "the item that stands is frozen"
    );
    let refused = delete(&test, into, vec![left[0].item_id]).await;
    assert!(matches!(refused, Err(Error::Kept(_))), "{refused:?}");
}

#[tokio::test]
async fn holds_are_listed_latest_first_over_all_people_or_of_one() {
    let test = registry().await;
    let (one, other) = (visitor(&test).await, visitor(&test).await);
    let mut ids = Vec::new();
    for subject in [one, other, one] {
        test.clock.advance(std::time::Duration::from_secs(1));
        let hold = placed(&test, place(subject, vec![], &["email_address"])).await;
        ids.insert(0, hold.legal_hold_id);
    }
    released(&test, ids[0]).await.expect("released");
    let list = |subject: Option<SubjectId>, include_released| ListHolds {
        subject: subject.map(SubjectRef::Id),
        include_released,
    };
    let read = async |list: ListHolds, token: Option<String>| {
        let caller = &test.caller;
        let page = test.registry.list_holds(caller, &list, 2, token.as_deref());
        let page = page.await.expect("a page");
        let listed: Vec<_> = page.entries.iter().map(|hold| hold.legal_hold_id).collect();
        (listed, page.next)
    };
    let (first, next) = read(list(None, true), None).await;
    assert_eq!(first, ids[..2]);
    let (rest, end) = read(list(None, true), next.clone()).await;
    assert_eq!((rest.as_slice(), end), (&ids[2..], None));
    assert_eq!(read(list(Some(one), false), None).await.0, ids[2..]);
    let elsewhere = test
        .registry
        .list_holds(&test.caller, &list(Some(one), true), 2, next.as_deref())
        .await;
    assert!(matches!(elsewhere, Err(Error::CursorInvalid)));
}

#[tokio::test]
async fn a_hold_whose_write_fails_is_not_there_and_is_placed_when_it_is_tried_again() {
    let test = registry().await;
    let subject = visitor(&test).await;
    test.registry.store.faults().fail_call(3);
    let call = Call::new(test.caller.clone(), Action::PlaceLegalHold);
    let failed = test
        .registry
        .place_hold(call, place(subject, vec![], &["email_address"]))
        .await;
    assert!(
        matches!(failed, Err(Error::StoreUnavailable(_))),
        "{failed:?}"
    );
    assert!(test.registry.store.faults().clear(), "the fault had come");
    assert_eq!(standing(&test, subject).await, []);
    placed(&test, place(subject, vec![], &["email_address"])).await;
    assert_eq!(standing(&test, subject).await.len(), 1);
}
