//! What becomes of objections and restrictions.

use super::*;

#[tokio::test]
async fn an_objection_is_decided_once_and_a_rejected_one_stands_no_longer() {
    let it = Rights::new().await;
    let anna = it.client().await;
    let objected = || it.reason(anna, "payment_details", "fraud_screening");
    let scope = about(&["fraud_screening", "newsletter"], &[]);
    let id = it.created(anna, &[RequestKind::Objection], scope).await;
    let decide = async |purpose: Option<&str>, ruling| {
        let call = it.call(Action::DecideObjection);
        let decide = DecideObjection {
            subject_request_id: id,
            purpose: purpose.map(|it| it.parse().expect("a name")),
            ruling,
            grounds: "file 7".to_owned(),
        };
        it.it.registry.decide_objection(call, decide).await
    };
    let early = decide(None, ObjectionRuling::Upheld).await;
    assert!(
        matches!(early, Err(Error::IllegalTransition(_))),
        "nothing was made yet"
    );
    it.verify(id).await.expect("verified");
    assert_eq!(objected().await, DecisionReason::Objected);
    for purpose in [None, Some("newsletter")] {
        let refused = decide(purpose, ObjectionRuling::Rejected).await;
        assert!(
            matches!(refused, Err(Error::IllegalTransition(_))),
            "{purpose:?}"
        );
    }
    assert_eq!(objected().await, DecisionReason::Objected);
    let rejected = decide(Some("fraud_screening"), ObjectionRuling::Rejected).await;
    let rejected = rejected.expect("decided").value;
    let made = &rejected.record.parts[0].objections[0];
    let decision = made.decided.as_ref().expect("decided");
    assert_eq!(decision.grounds, "file 7");
    assert_eq!(objected().await, DecisionReason::Lawful);
    let again = decide(Some("fraud_screening"), ObjectionRuling::Upheld).await;
    assert!(matches!(again, Err(Error::IllegalTransition(_))));
    let rest = decide(None, ObjectionRuling::Upheld)
        .await
        .expect("decided")
        .value;
    let upheld = rest.record.parts[0].objections[1].decided.as_ref();
    assert!(upheld.expect("decided").upheld_at().is_some());
    assert_eq!(
        it.logged(id).await.last().expect("an entry").0,
        "DecideObjection"
    );
}

#[tokio::test]
async fn a_restriction_is_lifted_once_and_those_who_were_told_are_told() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let id = it
        .created(
            ada,
            &[RequestKind::Restriction],
            about(&[], &["email_address"]),
        )
        .await;
    let lift = async |at| {
        let call = it.call(Action::LiftRestriction);
        it.it.registry.lift_restriction(call, id, at).await
    };
    let now = it.it.registry.now();
    assert!(
        matches!(lift(now).await, Err(Error::IllegalTransition(_))),
        "not verified"
    );
    it.verify(id).await.expect("verified");
    let restricted = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(restricted, DecisionReason::ProcessingRestricted);
    let ahead = now + crate::app::registry::AHEAD_MAX + Duration::from_micros(1);
    assert_eq!(
        fields(&lift(ahead).await.expect_err("ahead")),
        ["informed_at"]
    );
    let lifted = lift(now).await.expect("lifted").value;
    assert!(
        lifted.record.parts[0]
            .restriction
            .as_ref()
            .expect("made")
            .lifted_at
            .is_some()
    );
    let free = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(free, DecisionReason::Lawful);
    assert!(
        matches!(lift(now).await, Err(Error::IllegalTransition(_))),
        "lifted already"
    );
    let tasks = it.tasks(id).await;
    let of = |kind| {
        let of_kind = tasks.iter().filter(move |task| task.kind == kind);
        of_kind
            .map(|it| (&it.recipient, &it.item_ids))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(TaskKind::Restrict), of(TaskKind::LiftRestriction));
    assert_eq!(tasks.len(), 2);
    it.let_tasks_run_out().await;
    it.advance().await;
    assert_eq!(it.get(id).await.state, RequestState::Completed);
}
