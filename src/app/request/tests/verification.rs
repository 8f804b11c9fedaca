//! What a verification sets going, and what others hear of it.

use super::*;

#[tokio::test]
async fn what_takes_a_permission_away_is_seen_by_the_check_after_the_verification_and_not_before() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [
        RequestKind::Withdrawal,
        RequestKind::Objection,
        RequestKind::Restriction,
    ];
    for (kind, scope, data, purpose, reason) in [
        (
            kinds[0],
            about(&["newsletter"], &[]),
            "email_address",
            "newsletter",
            DecisionReason::ConsentWithdrawn,
        ),
        (
            kinds[1],
            about(&["website_functionality"], &[]),
            "browser_and_device",
            "website_functionality",
            DecisionReason::Objected,
        ),
        (
            kinds[2],
            about(&[], &["browser_and_device"]),
            "browser_and_device",
            "website_functionality",
            DecisionReason::ProcessingRestricted,
        ),
    ] {
        let before = it.reason(ada, data, purpose).await;
        let id = it.created(ada, &[kind], scope).await;
        assert_eq!(it.reason(ada, data, purpose).await, before, "{kind:?}");
        it.verify(id).await.expect("verified");
        assert_eq!(it.reason(ada, data, purpose).await, reason, "{kind:?}");
    }
}

#[tokio::test]
async fn a_later_yes_outlives_a_withdrawal_that_was_asked_for_before_it() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    it.pass(60);
    let id = it
        .created(ada, &[RequestKind::Withdrawal], about(&["newsletter"], &[]))
        .await;
    it.pass(60);
    say(&it.it, &[ada], Given, "newsletter").await;
    it.verify(id).await.expect("verified");
    let reason = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(reason, DecisionReason::Lawful);
}

#[tokio::test]
async fn all_purposes_are_withdrawn_and_those_that_rest_on_no_consent_are_not() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let scope = Scope {
        all_purposes: true,
        ..Scope::default()
    };
    let id = it.created(ada, &[RequestKind::Withdrawal], scope).await;
    it.verify(id).await.expect("verified");
    let newsletter = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(newsletter, DecisionReason::ConsentWithdrawn);
    let site = it
        .reason(ada, "browser_and_device", "website_functionality")
        .await;
    assert_eq!(site, DecisionReason::Lawful);
}

#[tokio::test]
async fn every_step_is_journaled_audited_and_tells_the_recipients_under_the_request() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [RequestKind::Objection, RequestKind::Restriction];
    let scope = about(&["newsletter"], &["email_address"]);
    let id = it.created(ada, &kinds, scope).await;
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(verified.state, RequestState::WaitingOnProcessors);
    let mut tasks = it.tasks(id).await;
    tasks.sort_by_key(|task| task.kind);
    let told: Vec<_> = tasks
        .iter()
        .map(|task| {
            (
                task.kind,
                task.recipient.processor().map(ToString::to_string),
            )
        })
        .collect();
    let aweber = Some("aweber".to_owned());
    assert_eq!(
        told,
        [
            (TaskKind::Restrict, aweber.clone()),
            (TaskKind::Stop, aweber)
        ]
    );
    assert_eq!(verified.open_tasks, 2);
    let log = it.logged(id).await;
    let log: Vec<_> = log.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect();
    assert_eq!(
        log,
        [
            ("CreateRequest", "RECEIVED"),
            ("VerifyIdentity", "OBJECTION_RECORDED"),
            ("VerifyIdentity", "RESTRICTION_APPLIED"),
            ("VerifyIdentity", "WAITING_ON_PROCESSORS"),
        ]
    );
    let journal = std::fs::read_to_string(it.it.dir.path().join("journal.log")).expect("a journal");
    assert!(
        journal.contains("OBJECTED") && journal.contains("RESTRICTED"),
        "{journal}"
    );
}

#[tokio::test]
async fn a_right_value_is_put_in_place_when_the_identity_is_verified_and_forgotten_where_it_waited()
{
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let item = it.item(ada, "email_address").await;
    let right = Content::Text("ada.lovelace@example.org".into());
    let asked = CreateRequest {
        corrections: vec![Correction {
            item_id: item,
            content: right.clone(),
        }],
        ..request_of(
            ada,
            &[RequestKind::Rectification],
            Scope {
                corrected_items: vec![item],
                ..Scope::default()
            },
        )
    };
    let created = it.create(asked).await.expect("created");
    assert_ne!(it.content(ada, item).await, Some(right.clone()));
    it.pass(60);
    let verified = it
        .verify(created.record.subject_request_id)
        .await
        .expect("verified");
    assert_eq!(it.content(ada, item).await, Some(right));
    let waiting = it.snapshot().await.read_corrections(&verified.record).await;
    assert!(waiting.expect("read").is_empty());
    let tasks = it.tasks(verified.record.subject_request_id).await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].kind, TaskKind::Rectify);
}
