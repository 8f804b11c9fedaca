//! Whose registration it is.

use super::*;

#[tokio::test]
async fn accounts_of_two_subjects_are_refused_with_both_named() {
    let it = Collections::new().await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    let ben = it.subject_of(client(&[("forum_member", "ben")])).await;
    let both = it.register(client(&[("forum_member", "BEN"), ("shop_user", "1")]));
    let Err(Error::IdentifierConflict { subjects }) = both.await else {
        panic!("it was registered");
    };
    assert_eq!(subjects, [ben, anna]);
}

#[tokio::test]
async fn a_guest_becomes_an_account_holder_and_keeps_the_order() {
    let it = Collections::new().await;
    let order = with_items(
        client(&[("email", "anna@example.com")]),
        vec![order("A-1", "one lamp", None)],
    );
    let guest = it.subject_of(order).await;
    let signup = client(&[("shop_user", "1"), ("email", "anna@example.com")]);
    assert_eq!(it.subject_of(signup).await, guest);
    let subject = it.get(by("shop_user", "1")).await.unwrap();
    assert_eq!(subject.subject_id, guest);
    assert_eq!(texts(&it.items(guest).await), ["one lamp"]);
}

#[tokio::test]
async fn an_address_that_two_share_is_ambiguous_and_loses_nobodys_order() {
    let it = Collections::new().await;
    let anna = it
        .subject_of(client(&[("shop_user", "1"), ("email", "home@example.com")]))
        .await;
    let ben = it
        .subject_of(client(&[("shop_user", "2"), ("email", "home@example.com")]))
        .await;
    assert_ne!(anna, ben);
    let ambiguous = it.get(by("email", "home@example.com")).await;
    assert!(matches!(ambiguous, Err(Error::SubjectAmbiguous(2))));
    let guest = with_items(
        client(&[("email", "home@example.com")]),
        vec![order("A-1", "one lamp", None)],
    );
    let guest = it.subject_of(guest).await;
    assert!(guest != anna && guest != ben);
    assert_eq!(texts(&it.items(guest).await), ["one lamp"]);
    let again = it
        .subject_of(client(&[("email", "home@example.com")]))
        .await;
    assert_eq!(again, guest, "the guest is recognised among the three");
}

#[tokio::test]
async fn a_browser_goes_up_in_the_person_who_signs_in_with_its_history() {
    let it = Collections::new().await;
    let mut visit = with_items(
        client(&[("ga_client", "b1")]),
        vec![item("navigation", "/")],
    );
    visit.subject_category = "visitor".parse().unwrap();
    let browser = it.subject_of(visit).await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    assert_ne!(browser, anna);
    let signin = with_items(
        client(&[("shop_user", "1"), ("ga_client", "b1")]),
        vec![item("first_name", "Anna")],
    );
    let registered = it.register(signin).await.unwrap();
    assert_eq!(registered.subject_id, Some(anna));
    assert!(registered.unlinked.is_empty());

    let subject = it.get(SubjectRef::Id(browser)).await.unwrap();
    assert_eq!(subject.subject_id, anna);
    assert_eq!(subject.merged_ids, [browser]);
    let categories: Vec<_> = subject
        .memberships
        .iter()
        .map(|membership| membership.category.as_str())
        .collect();
    assert!(categories.contains(&"visitor") && categories.contains(&"client"));
    let mut kept = it.items(anna).await;
    kept.sort_by_key(|item| item.state.data_category.clone());
    assert_eq!(texts(&kept), ["Anna", "/"]);
    let found = it.get(by("ga_client", "b1")).await.unwrap();
    assert_eq!(found.subject_id, anna);
}

#[tokio::test]
async fn a_browser_of_somebody_known_stays_theirs_and_the_order_is_kept() {
    let it = Collections::new().await;
    let anna = it
        .subject_of(client(&[("shop_user", "1"), ("ga_client", "b1")]))
        .await;
    let registered = it
        .register(client(&[("email", "ben@example.com"), ("ga_client", "b1")]))
        .await
        .unwrap();
    assert_ne!(registered.subject_id, Some(anna));
    assert_eq!(registered.unlinked.len(), 1);
    assert_eq!(registered.unlinked[0].field, "identifiers[0]");
}

#[tokio::test]
async fn two_first_registrations_of_one_address_at_once_make_one_subject() {
    let it = Collections::new().await;
    let registrations = (0..20).map(|_| it.subject_of(client(&[("email", "anna@example.com")])));
    let subjects = futures::future::join_all(registrations).await;
    assert!(subjects.iter().all(|subject| *subject == subjects[0]));
    let subject = it.get(SubjectRef::Id(subjects[0])).await.unwrap();
    assert_eq!(subject.identifiers.len(), 1);
    assert_eq!(subject.memberships.len(), 1);
}
