use super::*;
use crate::{
    app::{
        scene::{people, person, say, shared_email, visitor},
        testing::{TestRegistry, everything, registry},
    },
    domain::{
        caller::Bound,
        consent::ConsentChoice::{Given, Withdrawn},
        decision::DecisionReason,
        identifier::IdentifierValue,
        subject_ref::Identifier,
    },
    store::audit::AuditFilter,
};

fn check(subject: impl Into<SubjectRef>, data: &str, purpose: &str) -> Check {
    Check {
        subject: subject.into(),
        query: Query {
            data_categories: vec![data.parse().unwrap()],
            item_ids: Vec::new(),
            purpose: purpose.parse().unwrap(),
            processor: None,
        },
        at_least_as_fresh: None,
        explain: false,
        record: false,
        as_of: None,
    }
}

fn newsletter(subject: impl Into<SubjectRef>) -> Check {
    check(subject, "email_address", "newsletter")
}

async fn ask(test: &TestRegistry, check: Check) -> Result<Answer, Error> {
    let action = Action::CheckPurpose;
    test.registry
        .check_purpose(test.caller.clone(), action, check)
        .await
}

async fn reason(test: &TestRegistry, check: Check) -> DecisionReason {
    ask(test, check).await.expect("an answer").decision.reason
}

#[tokio::test]
async fn a_withdrawal_is_seen_by_the_next_check() {
    let test = registry().await;
    let ada = visitor(&test).await;
    assert_eq!(
        reason(&test, newsletter(ada)).await,
        DecisionReason::ConsentMissing
    );
    say(&test, &[ada], Given, "newsletter").await;
    assert_eq!(reason(&test, newsletter(ada)).await, DecisionReason::Lawful);
    say(&test, &[ada], Withdrawn, "newsletter").await;
    assert_eq!(
        reason(&test, newsletter(ada)).await,
        DecisionReason::ConsentWithdrawn
    );
}

#[tokio::test]
async fn nobody_is_an_answer_and_an_undeclared_identifier_type_is_not() {
    let test = registry().await;
    let nobody = SubjectId(uuid::Uuid::from_u128(42));
    assert_eq!(
        reason(&test, newsletter(nobody)).await,
        DecisionReason::SubjectUnknown
    );
    let undeclared = SubjectRef::Identifier(Identifier {
        identifier_type: "telegram".parse().unwrap(),
        value: IdentifierValue::new("ada"),
    });
    let error = ask(&test, newsletter(undeclared)).await.unwrap_err();
    let Error::Invalid(violations) = error else {
        panic!("{error:?}")
    };
    let fields: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["subject.identifier.type"]);
}

#[tokio::test]
async fn of_several_people_behind_one_address_a_denial_of_any_is_the_answer() {
    let test = registry().await;
    let both = people(&test, 2, "visitor", &["email_address"]).await;
    let shared = shared_email(&test, &both).await;
    let last = *both.iter().max().unwrap();
    let first = *both.iter().min().unwrap();
    say(&test, &[first], Given, "newsletter").await;
    assert_eq!(
        reason(&test, newsletter(shared.clone())).await,
        DecisionReason::ConsentMissing
    );
    say(&test, &[last], Withdrawn, "newsletter").await;
    assert_eq!(
        reason(&test, newsletter(shared.clone())).await,
        DecisionReason::ConsentWithdrawn
    );
    test.clock.advance(std::time::Duration::from_secs(1));
    say(&test, &[last], Given, "newsletter").await;
    let answer = ask(&test, newsletter(shared)).await.unwrap();
    assert!(answer.is_lawful());
    assert_eq!(answer.item_ids().count(), 2, "the items of both");
}

#[tokio::test]
async fn claims_bound_the_purpose_and_the_recipient() {
    let mut test = registry().await;
    let ada = visitor(&test).await;
    let mut caller = everything("checkout");
    caller.purposes = Bound::from_iter(["order_processing".parse().unwrap()]);
    test.caller = Arc::new(caller);
    let refused = ask(&test, newsletter(ada)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::ClaimMissing {
                claim: "purposes",
                ..
            }
        ),
        "{refused:?}"
    );
    let mut caller = everything("connector");
    caller.processors = Bound::from_iter([Some("aweber".parse().unwrap())]);
    test.caller = Arc::new(caller);
    let refused = ask(&test, newsletter(ada)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::ClaimMissing {
                claim: "processors",
                ..
            }
        ),
        "{refused:?}"
    );
    let mut to_aweber = newsletter(ada);
    to_aweber.query.processor = Some("aweber".parse().unwrap());
    assert_eq!(
        reason(&test, to_aweber).await,
        DecisionReason::ConsentMissing
    );
}

#[tokio::test]
async fn a_revision_of_the_future_is_unknown() {
    let test = registry().await;
    let ada = visitor(&test).await;
    let mut check = newsletter(ada);
    check.at_least_as_fresh = Some(Revision::after_event(1_000_000));
    assert!(matches!(
        ask(&test, check).await,
        Err(Error::RevisionUnknown)
    ));
}

#[tokio::test]
async fn only_a_check_that_asks_for_it_is_kept_and_audited() {
    let test = registry().await;
    let ada = visitor(&test).await;
    assert_eq!(ask(&test, newsletter(ada)).await.unwrap().decision_id, None);
    let mut check = newsletter(ada);
    check.record = true;
    let answer = ask(&test, check).await.unwrap();
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
    assert_eq!(
        (kept.subject_id, kept.decision),
        (Some(ada), answer.decision)
    );
    let filter = AuditFilter {
        subjects: vec![ada],
        ..AuditFilter::default()
    };
    let entries = snapshot
        .list_audit_entries(&filter, None, 10)
        .await
        .unwrap();
    let [entry] = entries.as_slice() else {
        panic!("one entry: {entries:?}")
    };
    assert_eq!(entry.detail.decision_id, answer.decision_id);
    assert_eq!(entry.detail.outcome, "DENY CONSENT_MISSING");
}

#[tokio::test]
async fn a_bad_entry_of_a_batch_does_not_spoil_the_others() {
    let test = registry().await;
    let ada = visitor(&test).await;
    let mut stale = newsletter(ada);
    stale.at_least_as_fresh = Some(Revision::after_event(1_000_000));
    let nobody = newsletter(SubjectId(uuid::Uuid::from_u128(42)));
    let checks = vec![stale, nobody, newsletter(ada)];
    let action = Action::BatchCheckPurpose;
    let answers = test
        .registry
        .check_purposes(test.caller.clone(), action, checks, None)
        .await
        .unwrap();
    let reasons: Vec<_> = answers
        .iter()
        .map(|one| one.as_ref().map(|answer| answer.decision.reason))
        .collect();
    assert!(
        matches!(
            reasons.as_slice(),
            [
                Err(Error::RevisionUnknown),
                Ok(DecisionReason::SubjectUnknown),
                Ok(DecisionReason::ConsentMissing)
            ]
        ),
        "{reasons:?}"
    );
}

/// How many calls of the database a batch takes; each failing one must fail the batch.
async fn calls_of(test: &TestRegistry, checks: &[Check]) -> u32 {
    for n in 0..100 {
        test.registry.store.faults().fail_call(n);
        let answers = test
            .registry
            .check_purposes(
                test.caller.clone(),
                Action::BatchCheckPurpose,
                checks.to_vec(),
                None,
            )
            .await;
        let struck = test.registry.store.faults().clear();
        match answers {
            Err(error) => assert!(struck, "{error:?}"),
            Ok(answers) => {
                assert!(!struck, "call {n} failed and nobody noticed");
                assert!(answers.iter().all(Result::is_ok));
                return n;
            }
        }
    }
    panic!("a batch takes more than 100 calls");
}

#[tokio::test]
async fn a_check_takes_as_many_queries_for_many_people_as_for_one_and_no_failure_is_an_answer() {
    let test = registry().await;
    let crowd = people(&test, 50, "visitor", &["email_address"]).await;
    say(&test, &crowd, Given, "newsletter").await;
    let checks: Vec<_> = crowd.iter().map(|id| newsletter(*id)).collect();
    assert_eq!(
        calls_of(&test, &checks).await,
        calls_of(&test, &checks[..1]).await
    );
}

#[tokio::test]
async fn lawful_purposes_are_those_of_the_claims_with_the_controller_before_the_processors() {
    let test = registry().await;
    let ada = person(&test, "client", &["email_address", "payment_details"]).await;
    let list = async |caller: &Caller| {
        let lawful = test
            .registry
            .list_lawful_purposes(caller, &ada.into(), &[], None)
            .await
            .unwrap();
        let uses = lawful.uses.into_iter().map(|one| {
            let processor = one.processor.map(|name| name.to_string());
            (one.purpose.to_string(), processor.unwrap_or_default())
        });
        uses.collect::<Vec<_>>()
    };
    let all = list(&test.caller).await;
    assert!(
        all.contains(&("order_processing".into(), String::new())),
        "{all:?}"
    );
    assert!(
        all.contains(&("order_processing".into(), "stripe".into())),
        "{all:?}"
    );
    assert!(
        !all.iter().any(|(purpose, _)| purpose == "newsletter"),
        "{all:?}"
    );
    assert!(all.is_sorted(), "{all:?}");
    let mut stripe = everything("stripe");
    stripe.processors = Bound::from_iter([Some("stripe".parse().unwrap())]);
    assert_eq!(
        list(&stripe).await,
        [("order_processing".to_owned(), "stripe".to_owned())]
    );
}
