//! What becomes of objections and restrictions.

use registry::proto::v1::{
    CreateRequestRequest, DecideObjectionRequest, DecisionReason, LiftRestrictionRequest,
    ObjectionRuling, RequestKind, RequestPartState, RequestState, SubjectRequest, TaskCause,
    TaskKind,
};
use tonic::Status;

use super::{
    ADA, about, asked, at, becomes, check, complete_all, created, get, part_states, subscriber,
    tasks, verify,
};
use crate::{
    harness::{
        Clients,
        sample::everything_of,
        status::{fields, reason},
    },
    on_both,
};

async fn decide(
    clients: &mut Clients,
    id: &str,
    purpose: &str,
    ruling: ObjectionRuling,
) -> Result<SubjectRequest, Status> {
    let decide = DecideObjectionRequest {
        subject_request_id: id.to_owned(),
        purpose: purpose.to_owned(),
        ruling: ruling.into(),
        grounds: "fraud is prevented, file 7".to_owned(),
        request_id: String::new(),
    };
    let decided = clients.request.decide_objection(decide).await?.into_inner();
    Ok(decided.request.expect("a request"))
}

on_both! {
    async fn an_objection_stands_until_it_is_rejected_on_grounds_that_the_person_was_told(server: TestServer) {
        let mut admin = server.admin().await;
        admin.collection.register_collection(everything_of("client", ADA)).await.expect("registered");
        let scope = about(&["fraud_screening", "website_functionality"], &[]);
        let id = created(&mut admin, CreateRequestRequest { scope, ..asked(&[RequestKind::Objection]) }).await;
        let early = decide(&mut admin, &id, "", ObjectionRuling::Upheld).await.expect_err("not verified");
        assert_eq!(reason(&early), "ILLEGAL_TRANSITION");
        verify(&mut admin, &id).await.expect("verified");
        assert_eq!(check(&mut admin, "payment_details", "fraud_screening").await, DecisionReason::Objected);
        let rejected = decide(&mut admin, &id, "fraud_screening", ObjectionRuling::Rejected).await.expect("decided");
        let objections = &rejected.parts[0].objections;
        assert_eq!(objections[0].grounds, "fraud is prevented, file 7");
        assert!(objections[0].rejected_at.is_some() && objections[1].rejected_at.is_none());
        assert_eq!(check(&mut admin, "payment_details", "fraud_screening").await, DecisionReason::Lawful);
        let upheld = decide(&mut admin, &id, "", ObjectionRuling::Upheld).await.expect("decided");
        assert!(upheld.parts[0].objections[1].upheld_at.is_some());
        assert_eq!(check(&mut admin, "browser_and_device", "website_functionality").await, DecisionReason::Objected);
        let twice = decide(&mut admin, &id, "", ObjectionRuling::Rejected).await.expect_err("all are decided");
        assert_eq!(reason(&twice), "ILLEGAL_TRANSITION");
    }

    async fn an_objection_to_direct_marketing_cannot_be_rejected(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Objection]) }).await;
        verify(&mut admin, &id).await.expect("verified");
        let refused = decide(&mut admin, &id, "", ObjectionRuling::Rejected).await.expect_err("marketing");
        assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
        assert!(refused.message().contains("Art. 21(3)"), "{}", refused.message());
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::Objected);
        decide(&mut admin, &id, "newsletter", ObjectionRuling::Upheld).await.expect("upheld");
        let empty = DecideObjectionRequest { ruling: ObjectionRuling::Rejected.into(), ..DecideObjectionRequest::default() };
        let empty = admin.request.decide_objection(empty).await.expect_err("empty");
        assert_eq!(fields(&empty), ["subject_request_id", "grounds"]);
    }

    async fn who_takes_consent_back_and_objects_at_once_has_each_recipient_told_once(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let kinds = [RequestKind::Withdrawal, RequestKind::Objection];
        let both = || CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&kinds) };
        let id = created(&mut admin, both()).await;
        verify(&mut admin, &id).await.expect("verified");
        let told = tasks(&mut admin, &id).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].kind(), told[0].cause()), (TaskKind::Stop, TaskCause::Withdrawal));
        let waiting = get(&mut admin, &id).await;
        assert_eq!((waiting.state(), waiting.open_tasks), (RequestState::WaitingOnProcessors, 1));
        assert_eq!(part_states(&waiting), [RequestPartState::Waiting; 2]);
        // Another request waits for a task of its own.
        let other = created(&mut admin, both()).await;
        verify(&mut admin, &other).await.expect("verified");
        assert_eq!(tasks(&mut admin, &other).await.len(), 1);
        assert_eq!(complete_all(&mut admin).await, [TaskKind::Stop; 2]);
        for id in [&id, &other] {
            let ended = becomes(&mut admin, id, RequestState::Completed).await;
            assert_eq!(part_states(&ended), [RequestPartState::Done; 2]);
        }
    }

    async fn what_an_objection_reaches_and_a_withdrawal_does_not_is_told_beside_it(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        admin.collection.register_collection(everything_of("client", ADA)).await.expect("registered");
        let scope = about(&["newsletter", "order_processing"], &[]);
        let kinds = [RequestKind::Withdrawal, RequestKind::Objection];
        let id = created(&mut admin, CreateRequestRequest { scope, ..asked(&kinds) }).await;
        verify(&mut admin, &id).await.expect("verified");
        let told = tasks(&mut admin, &id).await;
        let of = |processor: &str| told.iter().filter(|task| task.processor == processor).count();
        assert_eq!(of("aweber"), 1, "{told:?}");
        assert_eq!(of("stripe"), 1, "{told:?}");
        let stripe = told.iter().find(|task| task.processor == "stripe").expect("Stripe's");
        assert_eq!((stripe.cause(), stripe.purposes.as_slice()), (TaskCause::Request, &["order_processing".to_owned()][..]));
    }

    async fn a_restriction_holds_until_it_is_lifted_and_those_who_were_told_are_told_so(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&[], &["email_address"]), ..asked(&[RequestKind::Restriction]) }).await;
        let lift = |informed_at| LiftRestrictionRequest { subject_request_id: id.clone(), informed_at, request_id: String::new() };
        let early = admin.request.lift_restriction(lift(at(server.now()))).await.expect_err("not verified");
        assert_eq!(reason(&early), "ILLEGAL_TRANSITION");
        verify(&mut admin, &id).await.expect("verified");
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::ProcessingRestricted);
        assert_eq!(complete_all(&mut admin).await, [TaskKind::Restrict]);
        let ended = becomes(&mut admin, &id, RequestState::Completed).await;
        assert!(!ended.parts[0].restriction_id.is_empty() && ended.parts[0].restriction_lifted_at.is_none());
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::ProcessingRestricted);
        let nobody_told = admin.request.lift_restriction(lift(None)).await.expect_err("the person first");
        assert_eq!(fields(&nobody_told), ["informed_at"]);
        admin.request.lift_restriction(lift(at(server.now()))).await.expect("lifted");
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::Lawful);
        assert_eq!(get(&mut admin, &id).await.open_tasks, 1);
        assert_eq!(complete_all(&mut admin).await, [TaskKind::LiftRestriction]);
        let again = admin.request.lift_restriction(lift(at(server.now()))).await.expect_err("lifted already");
        assert_eq!(reason(&again), "ILLEGAL_TRANSITION");
    }
}
