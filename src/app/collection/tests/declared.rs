//! What the policy declares, and what breaks its rules.

use super::*;

#[tokio::test]
async fn every_undeclared_field_is_named_and_nothing_is_written() {
    let it = Collections::new().await;
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![
            item("forum_messages", "hello"),
            item("first_name", "Anna"),
            item("shoe_size", "38"),
        ],
    );
    let Err(Error::CollectionUndeclared(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(
        fields(&violations),
        ["items[0].data_category", "items[2].data_category"]
    );
    let unknown = it.get(by("email", "anna@example.com")).await;
    assert!(matches!(unknown, Err(Error::NotFound(Missing::Subject))));
}

#[tokio::test]
async fn everything_that_breaks_a_rule_is_named_at_once() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "no address"), ("passport", "X1")]);
    registration.subject_category = "client".parse().unwrap();
    registration.items = vec![CollectedItem {
        purposes: vec!["telemarketing".parse().unwrap()],
        collected_at: Some("2030-01-01T00:00:00Z".parse().unwrap()),
        subject_category: Some("visitor".parse().unwrap()),
        ..item("first_name", "Anna")
    }];
    let mut said = statement(ConsentChoice::Given);
    said.purposes = vec!["telemarketing".parse().unwrap()];
    registration.consents = vec![said];
    let Err(Error::Invalid(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(
        fields(&violations),
        [
            "subject.identifier.value",
            "identifiers[0].type",
            "items[0].collected_at",
            "items[0].subject_category",
            "items[0].purposes[0]",
            "consents[0].purposes[0]",
        ]
    );
    assert!(!format!("{violations:?}").contains("no address"));
}

#[tokio::test]
async fn a_subject_category_that_the_policy_does_not_know_is_refused() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.subject_category = "employee".parse().unwrap();
    let Err(Error::Invalid(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(fields(&violations), ["subject_category"]);
}

#[tokio::test]
async fn what_was_collected_before_any_policy_was_in_force_has_none_to_be_judged_by() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.collected_at = Some("2017-01-01T00:00:00Z".parse().unwrap());
    let refused = it.register(registration).await;
    assert!(matches!(refused, Err(Error::NotFound(Missing::Policy))));
}

#[tokio::test]
async fn five_minutes_ahead_is_a_clock_that_differs_and_more_is_refused() {
    let it = Collections::new().await;
    let now = it.it.registry.clock_now();
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.collected_at = Some(now + AHEAD_MAX);
    it.register(registration.clone()).await.unwrap();
    registration.collected_at = Some(now + AHEAD_MAX + jiff::SignedDuration::from_micros(1));
    let Err(Error::Invalid(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(fields(&violations), ["collected_at"]);
}

#[tokio::test]
async fn a_caller_speaks_for_the_sources_of_its_token_only() {
    let it = Collections::new().await;
    let mut caller = everything("shop");
    caller.sources = Bound::from_iter(["shop".parse().unwrap()]);
    let caller = Arc::new(caller);
    let call = Call::new(caller.clone(), Action::RegisterCollection);
    let mut foreign = item("first_name", "Anna");
    foreign.source = Some("forum".parse().unwrap());
    let own = item("last_name", "Berg");
    let registration = with_items(client(&[("email", "a@example.com")]), vec![own, foreign]);
    let refused = it
        .it
        .registry
        .register_collection(call.clone(), registration);
    assert!(matches!(
        refused.await,
        Err(Error::ClaimMissing { claim: "sources", field }) if field == "items[1].source"
    ));
    let registration = with_items(
        client(&[("email", "a@example.com")]),
        vec![item("first_name", "Anna")],
    );
    let own = it.it.registry.register_collection(call, registration);
    own.await.unwrap();
}
