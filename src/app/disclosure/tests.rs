use super::*;
use crate::{
    app::{
        scene::{people, person, say, shared_email, visitor},
        testing::{TestRegistry, everything, registry},
    },
    domain::{
        consent::ConsentChoice::{Given, Withdrawn},
        decision::DecisionReason,
    },
    store::audit::AuditFilter,
};

fn newsletter(subject: impl Into<SubjectRef>) -> Disclose {
    Disclose {
        subject: subject.into(),
        data_categories: vec!["email_address".parse().unwrap()],
        item_ids: Vec::new(),
        purpose: "newsletter".parse().unwrap(),
        processor: "aweber".parse().unwrap(),
        external_reference: ExternalReference::new("list 7".into()),
        occurred_at: None,
    }
}

fn call(test: &TestRegistry, action: Action, request_id: u128) -> Call {
    let request_id = uuid::Uuid::from_u128(request_id);
    Call::new(test.caller.clone(), action).idempotent(Some(request_id), vec![1])
}

async fn record(
    test: &TestRegistry,
    request_id: u128,
    disclose: Disclose,
) -> Result<Written<Disclosed>, Error> {
    let call = call(test, Action::RecordDisclosure, request_id);
    test.registry.record_disclosure(call, disclose).await
}

async fn list(test: &TestRegistry, subject: SubjectId) -> Vec<Disclosure> {
    let subject = SubjectRef::Id(subject);
    let listed = test
        .registry
        .list_disclosures(&test.caller, &subject, None, 10, None);
    listed.await.expect("a page").entries
}

#[tokio::test]
async fn a_lawful_disclosure_is_recorded_once_however_often_it_is_repeated() {
    let test = registry().await;
    let ada = visitor(&test).await;
    say(&test, &[ada], Given, "newsletter").await;
    let first = record(&test, 1, newsletter(ada)).await.unwrap();
    let again = record(&test, 1, newsletter(ada)).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.value.disclosure, first.value.disclosure);
    assert_eq!(again.value.answer, first.value.answer);
    let recorded = std::slice::from_ref(&first.value.disclosure);
    assert_eq!(list(&test, ada).await, recorded);
    assert_eq!(first.value.disclosure.items.len(), 1);
    assert_eq!(
        first.value.disclosure.external_reference.unwrap().expose(),
        "list 7"
    );
}

#[tokio::test]
async fn of_a_refused_disclosure_the_decision_and_an_audit_entry_stay_and_nothing_else() {
    let test = registry().await;
    let ada = visitor(&test).await;
    let refused = record(&test, 1, newsletter(ada)).await.unwrap_err();
    let Error::NotLawful(answer) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(answer.decision.reason, DecisionReason::ConsentMissing);
    assert_eq!(list(&test, ada).await, []);
    let snapshot = test
        .registry
        .store
        .snapshot(test.registry.clock_now())
        .await
        .unwrap();
    let kept = snapshot
        .find_decision(answer.decision_id.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.decision, answer.decision);
    let filter = AuditFilter {
        subjects: vec![ada],
        ..AuditFilter::default()
    };
    let entries = snapshot
        .list_audit_entries(&filter, None, 10)
        .await
        .unwrap();
    let actions: Vec<_> = entries.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["ListDisclosures", "RecordDisclosure"]);
    assert_eq!(entries[1].detail.outcome, "DENY CONSENT_MISSING");
    snapshot.close().await.unwrap();
    say(&test, &[ada], Given, "newsletter").await;
    let anew = record(&test, 1, newsletter(ada)).await.unwrap();
    assert!(!anew.replayed, "a refusal is not remembered as the answer");
}

#[tokio::test]
async fn who_is_not_one_person_and_what_is_ahead_of_its_time_is_refused() {
    let test = registry().await;
    let both = people(&test, 2, "visitor", &["email_address"]).await;
    let shared = shared_email(&test, &both).await;
    let refused = record(&test, 1, newsletter(shared)).await.unwrap_err();
    assert!(matches!(refused, Error::SubjectAmbiguous(2)), "{refused:?}");
    let nobody = SubjectId(uuid::Uuid::from_u128(42));
    let refused = record(&test, 2, newsletter(nobody)).await.unwrap_err();
    assert!(
        matches!(refused, Error::NotFound(Missing::Subject)),
        "{refused:?}"
    );
    let mut early = newsletter(both[0]);
    early.occurred_at = Some(test.registry.clock_now() + AHEAD_MAX + AHEAD_MAX);
    let refused = record(&test, 3, early).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)), "{refused:?}");
}

#[tokio::test]
async fn a_batch_answers_each_entry_in_its_place_and_a_repeat_answers_the_same() {
    let mut test = registry().await;
    let crowd = people(&test, 2, "visitor", &["email_address"]).await;
    say(&test, &crowd, Given, "newsletter").await;
    say(&test, &crowd[1..], Withdrawn, "newsletter").await;
    let mut caller = everything("mailing");
    caller.purposes = Bound::from_iter(["newsletter".parse().unwrap()]);
    test.caller = Arc::new(caller);
    let mut unclaimed = newsletter(crowd[0]);
    unclaimed.purpose = "educational_materials".parse().unwrap();
    let nobody = newsletter(SubjectId(uuid::Uuid::from_u128(42)));
    let entries = vec![
        unclaimed,
        nobody,
        newsletter(crowd[1]),
        newsletter(crowd[0]),
    ];
    let mut first_time = None;
    for replayed in [false, true] {
        let call = call(&test, Action::BatchRecordDisclosure, 1);
        let written = test
            .registry
            .record_disclosures(call, entries.clone())
            .await
            .unwrap();
        assert_eq!(written.replayed, replayed);
        let [Err(claim), Err(unknown), Err(denied), Ok(recorded)] = written.value.as_slice() else {
            panic!("{:?}", written.value)
        };
        assert!(matches!(claim, Error::ClaimMissing { .. }), "{claim:?}");
        assert!(
            matches!(unknown, Error::NotFound(Missing::Subject)),
            "{unknown:?}"
        );
        assert!(matches!(denied, Error::NotLawful(_)), "{denied:?}");
        let id = recorded.disclosure.disclosure_id;
        assert_eq!(*first_time.get_or_insert(id), id);
    }
    assert_eq!(list(&test, crowd[0]).await.len(), 1);
    assert_eq!(list(&test, crowd[1]).await, []);
}

#[tokio::test]
async fn disclosures_are_listed_page_by_page_the_latest_first_for_whom_the_claims_cover() {
    let test = registry().await;
    let ada = person(&test, "visitor", &["email_address", "navigation"]).await;
    say(&test, &[ada], Given, "newsletter").await;
    let mut recorded = Vec::new();
    for n in 1..=3 {
        test.clock.advance(std::time::Duration::from_secs(1));
        recorded.push(
            record(&test, n, newsletter(ada))
                .await
                .unwrap()
                .value
                .disclosure,
        );
    }
    recorded.reverse();
    let subject = SubjectRef::Id(ada);
    let page = async |caller: &Caller, token: Option<&str>| {
        test.registry
            .list_disclosures(caller, &subject, None, 2, token)
            .await
    };
    let first = page(&test.caller, None).await.unwrap();
    let rest = page(&test.caller, first.next.as_deref()).await.unwrap();
    assert_eq!([first.entries, rest.entries].concat(), recorded);
    assert_eq!(rest.next, None);
    let mut stripe = everything("stripe");
    stripe.processors = Bound::from_iter([Some("stripe".parse().unwrap())]);
    assert_eq!(page(&stripe, None).await.unwrap().entries, []);
    let aweber = "aweber".parse().unwrap();
    let refused = test
        .registry
        .list_disclosures(&stripe, &subject, Some(&aweber), 2, None)
        .await;
    assert!(matches!(refused, Err(Error::ClaimMissing { .. })));
}

#[tokio::test]
async fn whichever_call_of_the_database_fails_nothing_is_recorded_by_halves() {
    let test = registry().await;
    let ada = visitor(&test).await;
    say(&test, &[ada], Given, "newsletter").await;
    for n in 0..100 {
        test.registry.store.faults().fail_call(n);
        let outcome = record(&test, 1, newsletter(ada)).await;
        if !test.registry.store.faults().clear() {
            outcome.expect("nothing failed");
            assert_eq!(list(&test, ada).await.len(), 1);
            return;
        }
        assert!(outcome.is_err());
        assert_eq!(list(&test, ada).await, []);
    }
    panic!("a disclosure takes more than 100 calls");
}
