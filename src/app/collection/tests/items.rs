//! An item that is registered again.

use super::*;

#[tokio::test]
async fn the_same_item_again_keeps_its_id_and_the_latest_is_live() {
    let it = Collections::new().await;
    let at = |text, at| {
        with_items(
            client(&[("shop_user", "1")]),
            vec![order("A-1", text, Some(at))],
        )
    };
    let first = it
        .register(at("one", "2019-06-02T00:00:00Z"))
        .await
        .unwrap();
    let newer = it
        .register(at("two", "2019-06-03T00:00:00Z"))
        .await
        .unwrap();
    let older = it
        .register(at("old", "2019-06-01T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(first.items[0].item_id, newer.items[0].item_id);
    assert_eq!(first.items[0].item_id, older.items[0].item_id);
    let subject = first.subject_id.unwrap();
    assert_eq!(texts(&it.items(subject).await), ["two"]);
    it.register(at("same instant", "2019-06-03T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(texts(&it.items(subject).await), ["same instant"]);
}

#[tokio::test]
async fn one_item_twice_in_one_registration_is_one_item_with_the_latest_content() {
    let it = Collections::new().await;
    let registered = it
        .register(with_items(
            client(&[("shop_user", "1")]),
            vec![
                order("A-1", "newer", Some("2019-06-02T00:00:00Z")),
                order("A-1", "older", Some("2019-06-01T00:00:00Z")),
            ],
        ))
        .await
        .unwrap();
    assert_eq!(registered.items[0].item_id, registered.items[1].item_id);
    let items = it.items(registered.subject_id.unwrap()).await;
    assert_eq!(texts(&items), ["newer"]);
}

#[tokio::test]
async fn a_deleted_item_comes_back_under_its_id_only_with_what_was_collected_later() {
    let it = Collections::new().await;
    let now = |text| {
        with_items(
            client(&[("shop_user", "1")]),
            vec![order("A-1", text, None)],
        )
    };
    let first = it.register(now("one")).await.unwrap();
    let subject = first.subject_id.unwrap();
    let id = first.items[0].item_id.unwrap();
    it.pass(60);
    it.delete(subject, vec![id]).await;
    assert!(it.items(subject).await.is_empty());

    it.pass(60);
    let late = order("A-1", "late", Some("2019-12-13T12:00:30Z"));
    let late = with_items(client(&[("shop_user", "1")]), vec![late]);
    it.register(late).await.unwrap();
    assert!(
        it.items(subject).await.is_empty(),
        "it was collected before"
    );

    let again = it.register(now("two")).await.unwrap();
    assert_eq!(again.items[0].item_id, Some(id));
    assert_eq!(texts(&it.items(subject).await), ["two"]);
}
