//! What is read of consents, by whom, and what is in no file.

use super::*;

#[tokio::test]
async fn a_history_is_read_page_by_page_without_gap_or_repeat() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    for _ in 0..3 {
        let statement = given(&["newsletter", "interface_research"]);
        consents.record(ada, statement).await.unwrap();
    }
    let whole = consents.history(ada).await;
    let mut read = Vec::new();
    let mut token = None;
    loop {
        let page = consents.page(ada, 2, token).await.unwrap();
        assert_eq!(page.entries.len(), 2);
        read.extend(page.entries);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(read, whole);
}

#[tokio::test]
async fn a_page_token_of_another_subject_is_refused() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let bob = consents.subject("bob@example.org").await;
    let statement = given(&["newsletter", "interface_research"]);
    consents.record(ada, statement).await.unwrap();
    let token = consents.page(ada, 1, None).await.unwrap().next;
    let refused = consents.page(bob, 1, token).await;
    assert!(matches!(refused, Err(Error::CursorInvalid)));
    let refused = consents.page(ada, 1, Some("AAAA".into())).await;
    assert!(matches!(refused, Err(Error::CursorInvalid)));
}

#[tokio::test]
async fn a_receipt_is_given_to_whom_the_consent_belongs() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let bob = consents.subject("bob@example.org").await;
    let facts = consents.record(ada, given(&["newsletter"])).await.unwrap();
    let receipt = |subject| {
        let registry = consents.it.registry.clone();
        let caller = consents.it.caller.clone();
        let consent = facts[0].consent_id;
        async move {
            let subject = SubjectRef::Id(subject);
            registry
                .get_consent_receipt(&caller, &subject, consent)
                .await
        }
    };
    let given = receipt(ada).await.unwrap();
    assert_eq!(given.receipt.consent, facts[0]);
    let title = "Send news of deals and special offers";
    assert_eq!(given.receipt.purpose_title, title);
    let keys = consents
        .it
        .registry
        .store()
        .key_ring()
        .signing()
        .verifying();
    let signed = keys.verify(&given.envelope, RECEIPT_TYPE).unwrap();
    let signed: serde_json::Value = serde_json::from_slice(&signed).unwrap();
    let purpose = &signed["pii_processing"]["purposes"][0];
    assert_eq!(purpose["purpose"], title);
    let id = facts[0].consent_id.to_string();
    assert_eq!(signed["record"]["record_id"], id);
    // It holds the person's own data, and does not print.
    assert!(!format!("{given:?}").contains("May we write to you"));
    let refused = receipt(bob).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(Missing::Consent)));
}

#[tokio::test]
async fn the_texts_of_a_proof_are_in_no_file() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    consents.record(ada, given(&["newsletter"])).await.unwrap();
    for entry in std::fs::read_dir(consents.it.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for text in ["May we write to you", "form 17 of Ada"] {
            let found = bytes.windows(text.len()).any(|it| it == text.as_bytes());
            assert!(!found, "{text}");
        }
    }
}

#[tokio::test]
async fn the_facts_of_a_merged_subject_keep_their_proof() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let bob = consents.subject("bob@example.org").await;
    let facts = consents.record(ada, given(&["newsletter"])).await.unwrap();
    let now = consents.it.registry.clock_now();
    consents
        .it
        .registry
        .store()
        .write("merge", now, move |tx| {
            Box::pin(async move { tx.move_consents(ada, bob).await })
        })
        .await
        .unwrap();
    assert!(consents.history(ada).await.is_empty());
    let moved = consents.history(bob).await;
    assert_eq!(moved[0].evidence, facts[0].evidence);
    assert_eq!(moved[0].consent_id, facts[0].consent_id);
}
