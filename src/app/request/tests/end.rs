//! How requests go on, and come to their end.

use super::*;

#[tokio::test]
async fn a_request_that_others_do_nothing_about_comes_to_its_end_by_time_alone() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let id = it
        .created(ada, &[RequestKind::Objection], about(&["newsletter"], &[]))
        .await;
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(verified.state, RequestState::WaitingOnProcessors);
    assert_eq!(part_states(&verified), [PartState::Waiting]);
    assert_eq!(it.advance().await, 0, "nothing has happened");
    it.let_tasks_run_out().await;
    assert_eq!(it.tasks(id).await[0].state_name(), StateName::Unconfirmed);
    assert_eq!(it.advance().await, 1);
    let ended = it.get(id).await;
    assert_eq!(ended.state, RequestState::Completed);
    assert_eq!(part_states(&ended), [PartState::Done]);
    assert_eq!((ended.open_tasks, ended.unconfirmed_tasks), (0, 1));
    assert!(ended.record.completed_at.is_some() && ended.record.answered_at.is_none());
    assert_eq!(it.advance().await, 0, "it has come to its end");
    assert_eq!(
        it.logged(id).await.last().expect("an entry").0,
        "AdvanceRequest"
    );
}

#[tokio::test]
async fn a_copy_is_begun_and_what_must_come_after_it_waits() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [
        RequestKind::Access,
        RequestKind::Erasure,
        RequestKind::Objection,
    ];
    let id = it.created(ada, &kinds, about(&["newsletter"], &[])).await;
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(
        part_states(&verified),
        [PartState::Running, PartState::Pending, PartState::Waiting]
    );
    assert_eq!(verified.state, RequestState::InProgress);
}

#[tokio::test]
async fn a_request_goes_with_the_person_it_is_of_into_a_merge() {
    let it = Rights::new().await;
    let (ada, survivor) = (it.subscriber().await, it.client().await);
    let item = it.item(ada, "email_address").await;
    let right = Content::Text("right".into());
    let scope = Scope {
        corrected_items: vec![item],
        purposes: vec!["newsletter".parse().expect("a name")],
        ..Scope::default()
    };
    let asked = CreateRequest {
        corrections: vec![Correction {
            item_id: item,
            content: right.clone(),
        }],
        ..request_of(
            ada,
            &[RequestKind::Rectification, RequestKind::Objection],
            scope,
        )
    };
    let id = it
        .create(asked)
        .await
        .expect("created")
        .record
        .subject_request_id;
    let call = it.call(Action::MergeSubjects);
    let merged = it
        .it
        .registry
        .merge_subjects(call, SubjectRef::Id(survivor), SubjectRef::Id(ada));
    let Subject { subject_id, .. } = merged.await.expect("merged").value;
    assert_eq!(subject_id, survivor);
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(verified.record.subject_id, survivor);
    assert_eq!(it.content(survivor, item).await, Some(right));
    let of_survivor = ListRequests {
        state: None,
        due_before: None,
        subject: Some(SubjectRef::Id(ada)),
    };
    let listed = it
        .it
        .registry
        .list_requests(&it.it.caller, &of_survivor, 10, None);
    assert_eq!(listed.await.expect("listed").entries.len(), 1);
}

#[tokio::test]
async fn a_request_of_a_person_who_is_erased_meanwhile_comes_to_its_end_and_still_answers() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let begun = it
        .created(ada, &[RequestKind::Access], Scope::default())
        .await;
    it.verify(begun).await.expect("verified");
    let kinds = [
        RequestKind::Objection,
        RequestKind::Restriction,
        RequestKind::Withdrawal,
        RequestKind::Portability,
        RequestKind::Erasure,
    ];
    let later = it.created(ada, &kinds, about(&["newsletter"], &[])).await;
    let at = it.it.registry.now();
    let erased = it.it.registry.store.write("erase", at, move |tx| {
        Box::pin(async move {
            destroy_exports(tx, ada, later).await?;
            Ok::<_, Error>(tx.restore_erasure(ada, at).await?)
        })
    });
    erased.await.expect("erased");
    it.it
        .registry
        .complete_erasures()
        .await
        .expect("the key is gone");
    assert_eq!(it.advance().await, 1);
    assert_eq!(it.get(begun).await.state, RequestState::Completed);
    let verified = it.verify(later).await.expect("verified");
    assert_eq!(verified.state, RequestState::Completed);
    assert!(
        part_states(&verified)
            .iter()
            .all(|state| *state == PartState::Done)
    );
    assert_eq!(verified.record.subject_id, ada);
}

#[tokio::test]
async fn what_is_refused_or_taken_back_is_dropped_and_what_was_carried_out_goes_on() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [RequestKind::Access, RequestKind::Objection];
    let id = it.created(ada, &kinds, about(&["newsletter"], &[])).await;
    it.verify(id).await.expect("verified");
    let call = it.call(Action::CancelRequest);
    let cancelled = it.it.registry.cancel_request(call, id).await;
    let cancelled = cancelled.expect("cancelled").value;
    assert_eq!(cancelled.state, RequestState::Cancelled);
    assert_eq!(
        part_states(&cancelled),
        [PartState::Dropped, PartState::Waiting]
    );
    assert!(cancelled.record.completed_at.is_none());
    let reason = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(reason, DecisionReason::Objected, "it stays so");
    it.let_tasks_run_out().await;
    assert_eq!(it.advance().await, 1);
    let ended = it.get(id).await;
    assert_eq!(ended.state, RequestState::Cancelled);
    assert!(ended.record.completed_at.is_some());
    assert_eq!(it.advance().await, 0);
}
