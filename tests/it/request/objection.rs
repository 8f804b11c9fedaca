//! What becomes of objections and restrictions.

use registry::proto::v1::{
    CreateRequestRequest, DecideObjectionRequest, DecisionReason, LiftRestrictionRequest,
    ObjectionRuling, RequestKind, RequestState, SubjectRequest, TaskKind,
};
use tonic::Status;

use super::{
    ADA, about, asked, at, becomes, check, complete_all, created, get, subscriber, verify,
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
