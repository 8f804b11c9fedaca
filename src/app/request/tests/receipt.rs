//! What is recorded, and what is refused at once.

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_at_once_and_nobody_and_nothing_unknown_is_asked_about()
 {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let mut asked = request_of(
        ada,
        &[RequestKind::Objection, RequestKind::Objection],
        Scope::default(),
    );
    asked.received_at = Some(it.it.registry.now() + crate::app::registry::AHEAD_MAX);
    asked.received_at = asked.received_at.map(|at| at + Duration::from_micros(1));
    let error = it.create(asked).await.expect_err("wrong");
    assert_eq!(
        fields(&error),
        ["kinds[1]", "scope.purposes", "received_at"]
    );
    let nobody = SubjectId(Uuid::from_u128(9));
    let asked = request_of(nobody, &[RequestKind::Access], Scope::default());
    let error = it.create(asked).await.expect_err("nobody");
    assert!(matches!(error, Error::NotFound(Missing::Subject)));
    let scope = Scope {
        item_ids: vec![ItemId(Uuid::from_u128(9))],
        ..Scope::default()
    };
    let asked = request_of(ada, &[RequestKind::Erasure], scope);
    let error = it.create(asked).await.expect_err("nothing");
    assert!(matches!(error, Error::NotFound(Missing::Item)));
    let error = it
        .verify(SubjectRequestId(Uuid::from_u128(9)))
        .await
        .expect_err("none");
    assert!(matches!(error, Error::NotFound(Missing::SubjectRequest)));
}

#[tokio::test]
async fn a_clock_that_is_a_little_ahead_means_now() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let mut asked = request_of(ada, &[RequestKind::Access], Scope::default());
    asked.received_at = Some(it.it.registry.now() + crate::app::registry::AHEAD_MAX);
    let created = it.create(asked).await.expect("created");
    assert_eq!(created.record.received_at, created.record.recorded_at);
}

#[tokio::test]
async fn a_request_is_received_once_under_one_request_id() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let call = it
        .call(Action::CreateRequest)
        .idempotent(Some(Uuid::from_u128(5)), b"the same".to_vec());
    let asked = request_of(ada, &[RequestKind::Access], Scope::default());
    let first = it.it.registry.create_request(call.clone(), asked.clone());
    let first = first.await.expect("created");
    let second = it
        .it
        .registry
        .create_request(call, asked)
        .await
        .expect("repeated");
    assert!(second.replayed && !first.replayed);
    assert_eq!(first.value, second.value);
    let all = ListRequests {
        state: None,
        due_before: None,
        subject: None,
    };
    let listed = it.it.registry.list_requests(&it.it.caller, &all, 10, None);
    assert_eq!(listed.await.expect("listed").entries, [first.value]);
}
