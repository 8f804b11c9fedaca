//! What is written: once, as a whole or not at all, and nowhere in the clear.

use super::*;

#[tokio::test]
async fn a_repeated_request_id_gives_the_first_answer_and_changes_nothing() {
    let it = Collections::new().await;
    let id = Uuid::from_u128(7);
    let call = it
        .call(Action::RegisterCollection)
        .idempotent(Some(id), b"one".to_vec());
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![item("first_name", "Anna")],
    );
    let registry = &it.it.registry;
    let first = registry
        .register_collection(call.clone(), registration.clone())
        .await
        .unwrap();
    let again = registry
        .register_collection(call.clone(), registration.clone())
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!((first.value, first.revision), (again.value, again.revision));
    let other = it
        .call(Action::RegisterCollection)
        .idempotent(Some(id), b"two".to_vec());
    let other = registry.register_collection(other, registration).await;
    assert!(matches!(other, Err(Error::RequestIdReused)));
}

#[tokio::test]
async fn a_preview_answers_and_changes_nothing() {
    let it = Collections::new().await;
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![item("first_name", "Anna")],
    );
    let registry = &it.it.registry;
    let unknown = registry.preview_collection(&it.it.caller, &registration);
    let unknown = unknown.await.unwrap();
    assert_eq!(unknown.subject_id, None);
    assert_eq!(unknown.items.len(), 1);
    let nobody = it.get(by("email", "anna@example.com")).await;
    assert!(matches!(nobody, Err(Error::NotFound(Missing::Subject))));

    let anna = it
        .subject_of(client(&[("email", "anna@example.com")]))
        .await;
    let known = registry.preview_collection(&it.it.caller, &registration);
    assert_eq!(known.await.unwrap().subject_id, Some(anna));
    assert!(it.items(anna).await.is_empty());
    let undeclared = with_items(registration, vec![item("shoe_size", "38")]);
    let refused = registry.preview_collection(&it.it.caller, &undeclared);
    assert!(matches!(refused.await, Err(Error::CollectionUndeclared(_))));
}

#[tokio::test]
async fn whichever_call_to_the_database_fails_nothing_is_half_registered() {
    let it = Collections::new().await;
    let browser = it.subject_of(client(&[("ga_client", "b1")])).await;
    let mut registration = with_items(
        client(&[("email", "anna@example.com"), ("ga_client", "b1")]),
        vec![item("first_name", "Anna")],
    );
    registration.consents = vec![statement(ConsentChoice::Refused)];
    let anna = it
        .subject_of(client(&[("email", "anna@example.com")]))
        .await;
    let faults = it.it.registry.store().faults().clone();
    for call in 0.. {
        faults.fail_call(call);
        let outcome = it.register(registration.clone()).await;
        let struck = faults.clear();
        if !struck {
            assert!(call > 20, "{call}");
            outcome.unwrap();
            break;
        }
        assert!(outcome.is_err(), "call {call}");
        if !it.items(anna).await.is_empty() {
            // Committed as a whole; the journal has not heard of the refusal, so nobody is answered.
            assert!(call > 20, "{call}");
            break;
        }
        let apart = it.get(by("ga_client", "b1")).await.unwrap();
        assert_eq!(apart.subject_id, browser, "call {call}");
    }
    assert_eq!(texts(&it.items(anna).await), ["Anna"]);
    assert_eq!(
        it.get(by("ga_client", "b1")).await.unwrap().subject_id,
        anna
    );
}

#[tokio::test]
async fn no_registered_value_is_found_in_the_files() {
    let it = Collections::new().await;
    let mut registration = with_items(
        client(&[("email", "needle-one@example.com")]),
        vec![order("needle-two", "needle-three", None)],
    );
    let mut said = statement(ConsentChoice::Given);
    said.evidence.wording = "needle-four".into();
    registration.consents = vec![said];
    it.register(registration).await.unwrap();
    for file in std::fs::read_dir(it.it.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(7).any(|window| window == b"needle-");
        assert!(!found);
    }
}
