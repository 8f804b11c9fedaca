//! Requests in which one call to the databases fails, or several at once want the same.

use super::*;

#[tokio::test]
async fn whichever_call_to_the_database_fails_a_verification_is_whole_or_not_at_all() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let item = it.item(ada, "email_address").await;
    let right = Content::Text("right".into());
    let kinds = [
        RequestKind::Rectification,
        RequestKind::Objection,
        RequestKind::Restriction,
        RequestKind::Withdrawal,
        RequestKind::Access,
    ];
    let scope = Scope {
        corrected_items: vec![item],
        ..about(&["newsletter"], &["browser_and_device"])
    };
    let asked = CreateRequest {
        corrections: vec![Correction {
            item_id: item,
            content: right.clone(),
        }],
        ..request_of(ada, &kinds, scope)
    };
    let id = it
        .create(asked)
        .await
        .expect("created")
        .record
        .subject_request_id;
    let faults = it.it.registry.store().faults().clone();
    for call in 0.. {
        faults.fail_call(call);
        let verified = it.verify(id).await;
        let struck = faults.clear();
        if verified.is_ok() {
            assert!(call > 30, "{call}");
            break;
        }
        assert!(struck, "call {call}");
        let now = it.get(id).await;
        if now.state != RequestState::Received {
            // It was committed, and what came after the commit failed: a replay would show it.
            assert!(call > 30, "{call}");
            break;
        }
        assert_eq!(part_states(&now), [PartState::Pending; 5], "call {call}");
        assert!(it.tasks(id).await.is_empty(), "call {call}");
        assert_ne!(
            it.content(ada, item).await,
            Some(right.clone()),
            "call {call}"
        );
        let reason = it.reason(ada, "email_address", "newsletter").await;
        assert_eq!(reason, DecisionReason::Lawful, "call {call}");
    }
    assert_eq!(it.content(ada, item).await, Some(right));
    let mut kinds: Vec<_> = it.tasks(id).await.iter().map(|task| task.kind).collect();
    kinds.sort_unstable();
    // Nobody has what runs in the browser, so nobody is told of the restriction. The withdrawal tells
    // nobody anything that the objection did not.
    assert_eq!(kinds, [TaskKind::Rectify, TaskKind::Stop]);
    let reason = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(reason, DecisionReason::Objected);
}

#[tokio::test]
async fn whichever_call_fails_an_advance_is_whole_or_not_at_all_and_a_later_round_does_it() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let id = it
        .created(ada, &[RequestKind::Objection], about(&["newsletter"], &[]))
        .await;
    it.verify(id).await.expect("verified");
    it.let_tasks_run_out().await;
    let faults = it.it.registry.store().faults().clone();
    let mut rounds = 0;
    for call in 0.. {
        faults.fail_call(call);
        // A request that fails is said in the log; the round itself may be in order.
        let moved = it.it.registry.advance_requests().await;
        faults.clear();
        let state = it.get(id).await.state;
        if matches!(moved, Ok(1)) || state == RequestState::Completed {
            break;
        }
        assert_eq!(state, RequestState::WaitingOnProcessors, "call {call}");
        rounds = call;
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!(it.get(id).await.state, RequestState::Completed);
    let advanced = it.logged(id).await;
    let advanced = advanced
        .iter()
        .filter(|(action, _)| action == "AdvanceRequest");
    assert_eq!(advanced.count(), 1);
}

#[tokio::test]
async fn of_verifications_at_once_one_is_done() {
    let it = Arc::new(Rights::new().await);
    let ada = it.subscriber().await;
    let id = it
        .created(ada, &[RequestKind::Objection], about(&["newsletter"], &[]))
        .await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let it = it.clone();
        racers.spawn(async move { it.verify(id).await.map(|_| ()) });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    let refused = outcomes.iter().filter_map(|it| it.as_ref().err());
    assert!(
        refused
            .clone()
            .all(|it| matches!(it, Error::IllegalTransition(_)))
    );
    assert_eq!(it.tasks(id).await.len(), 1);
}
