//! Checks of the past: what was lawful then, as known then and as known later.

mod replay;

use std::time::Duration;

use jiff::Timestamp;
use registry::{
    auth::dev_issuer::Grant,
    domain::caller::Scope,
    proto::v1::{
        BatchCheckPurposeRequest, CheckPurposeRequest, ConsentChoice, CreateRequestRequest,
        Decision, DecisionReason, DeleteRecordsRequest, Effect, Evidence, EvidenceMethod,
        GetPolicyRequest, IdentityMethod, LiftRestrictionRequest, MergeSubjectsRequest, Policy,
        PublishPolicyRequest, RecordConsentRequest, RegisterCollectionRequest, RequestKind,
        RequestScope, SubjectRef, UnlinkIdentifierRequest, VerifyIdentityRequest,
        WithdrawConsentRequest, check_purpose_result, withdraw_consent_request::Who,
    },
};
use tonic::{Code, Status};

use crate::{
    harness::{
        Clients, TestServer,
        sample::{by, by_id, everything_of, identifier, yes},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.org";
const HOUR: Duration = Duration::from_hours(1);

#[expect(
    clippy::unnecessary_wraps,
    reason = "the field that it goes into is optional"
)]
fn at(instant: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: instant.as_second(),
        nanos: instant.subsec_nanosecond(),
    })
}

async fn register(clients: &mut Clients, registration: RegisterCollectionRequest) -> String {
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered").into_inner().subject_id
}

/// A visitor who has said yes to the newsletter. Returns the id.
async fn subscriber(clients: &mut Clients, email: &str) -> String {
    let mut visitor = everything_of("visitor", email);
    visitor.consents = vec![yes(&["newsletter", "interface_research"])];
    register(clients, visitor).await
}

async fn withdraw(clients: &mut Clients, subject: SubjectRef) {
    let withdrawn = WithdrawConsentRequest {
        who: Some(Who::Subject(subject)),
        all_purposes: true,
        ..WithdrawConsentRequest::default()
    };
    let withdrawn = clients.consent.withdraw_consent(withdrawn).await;
    withdrawn.expect("withdrawn");
}

fn given(subject: SubjectRef, occurred_at: Timestamp) -> RecordConsentRequest {
    RecordConsentRequest {
        subject: Some(subject),
        purposes: vec!["newsletter".to_owned()],
        choice: ConsentChoice::Given.into(),
        evidence: Some(Evidence {
            method: EvidenceMethod::Checkbox.into(),
            ..Evidence::default()
        }),
        occurred_at: at(occurred_at),
        ..RecordConsentRequest::default()
    }
}

async fn verified(clients: &mut Clients, asked: CreateRequestRequest) -> String {
    let created = clients.request.create_request(asked).await;
    let created = created.expect("created").into_inner().request;
    let id = created.expect("a request").subject_request_id;
    let verify = VerifyIdentityRequest {
        subject_request_id: id.clone(),
        method: IdentityMethod::Login.into(),
        ..VerifyIdentityRequest::default()
    };
    let verified = clients.request.verify_identity(verify).await;
    verified.expect("verified");
    id
}

fn asked(kind: RequestKind, subject: SubjectRef, purposes: &[&str]) -> CreateRequestRequest {
    CreateRequestRequest {
        kinds: vec![kind.into()],
        subject: Some(subject),
        scope: Some(RequestScope {
            purposes: purposes.iter().map(|&name| name.to_owned()).collect(),
            ..RequestScope::default()
        }),
        channel: "email".to_owned(),
        ..CreateRequestRequest::default()
    }
}

fn newsletter(subject: SubjectRef) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(subject),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    }
}

/// The same check of the past.
fn then(check: CheckPurposeRequest, used_at: Timestamp) -> CheckPurposeRequest {
    CheckPurposeRequest {
        as_of: at(used_at),
        ..check
    }
}

async fn answer(clients: &mut Clients, check: CheckPurposeRequest) -> Result<Decision, Status> {
    let answer = clients.purpose.check_purpose(check).await?.into_inner();
    Ok(answer.decision.expect("a decision"))
}

async fn why(clients: &mut Clients, check: CheckPurposeRequest) -> DecisionReason {
    answer(clients, check).await.expect("answered").reason()
}

/// The policy in force, as it is to be from an instant on.
async fn next_policy(clients: &mut Clients, version: &str, from: Timestamp) -> Policy {
    let policy = clients.policy.get_policy(GetPolicyRequest::default()).await;
    Policy {
        version: version.to_owned(),
        effective_from: at(from),
        ..policy
            .expect("in force")
            .into_inner()
            .policy
            .expect("a policy")
    }
}

on_both! {
    async fn before_a_withdrawal_it_was_lawful(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let asked_then = answer(&mut admin, newsletter(by("email", ADA))).await.expect("answered");
        let used_at = server.now();
        server.clock.advance(HOUR);
        withdraw(&mut admin, by("email", ADA)).await;
        let withdrawn_at = server.now();
        server.clock.advance(HOUR);
        let now = newsletter(by("email", ADA));
        assert_eq!(why(&mut admin, now.clone()).await, DecisionReason::ConsentWithdrawn);
        let past = answer(&mut admin, then(now.clone(), used_at)).await.expect("answered");
        assert_eq!(past.effect(), Effect::Allow);
        assert_eq!(past.consent_id, asked_then.consent_id);
        assert_eq!(past.per_category[0].item_ids, asked_then.per_category[0].item_ids);
        assert_eq!(past.policy_version, "2018-05-24");
        assert!(past.valid_until.is_none() && past.decision_id.is_empty());
        assert_eq!(why(&mut admin, then(now.clone(), withdrawn_at)).await, DecisionReason::ConsentWithdrawn);
        let tick = Duration::from_micros(1);
        let before = then(now.clone(), withdrawn_at.checked_sub(tick).expect("in range"));
        assert_eq!(why(&mut admin, before).await, DecisionReason::Lawful);
        let unborn = then(now, used_at.checked_sub(tick).expect("in range"));
        assert_eq!(why(&mut admin, unborn).await, DecisionReason::SubjectUnknown);
    }

    async fn a_consent_that_was_heard_of_late_counts_with_hindsight_only(server: TestServer) {
        let mut admin = server.admin().await;
        register(&mut admin, everything_of("visitor", ADA)).await;
        server.clock.advance(HOUR);
        let given_at = server.now();
        server.clock.advance(HOUR);
        let used_at = server.now();
        server.clock.advance(HOUR);
        admin.consent.record_consent(given(by("email", ADA), given_at)).await.expect("recorded");
        let recorded_at = server.now();
        let past = then(newsletter(by("email", ADA)), used_at);
        assert_eq!(why(&mut admin, past.clone()).await, DecisionReason::ConsentMissing);
        let hindsight = CheckPurposeRequest { known_at: at(recorded_at), ..past };
        assert_eq!(why(&mut admin, hindsight.clone()).await, DecisionReason::Lawful);
        let too_early = CheckPurposeRequest { as_of: at(given_at - Duration::from_secs(1)), ..hindsight };
        assert_eq!(why(&mut admin, too_early).await, DecisionReason::ConsentMissing);
    }

    async fn a_policy_that_was_published_later_was_not_in_force(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let used_at = server.now();
        server.clock.advance(HOUR);
        let mut policy = next_policy(&mut admin, "later", server.now() + HOUR).await;
        policy.activities.retain(|activity| activity.purpose != "newsletter");
        policy.sharing.retain(|sharing| sharing.purpose != "newsletter");
        let publish = PublishPolicyRequest { policy: Some(policy), accept_findings: true, ..PublishPolicyRequest::default() };
        admin.policy.publish_policy(publish).await.expect("published");
        server.clock.advance(2 * HOUR);
        let now = newsletter(by("email", ADA));
        assert_eq!(why(&mut admin, now.clone()).await, DecisionReason::NoActivity);
        let past = answer(&mut admin, then(now.clone(), used_at)).await.expect("answered");
        assert_eq!((past.reason(), past.policy_version.as_str()), (DecisionReason::Lawful, "2018-05-24"));
        let later = answer(&mut admin, then(now, server.now())).await.expect("answered");
        assert_eq!(later.policy_version, "later");
    }

    async fn a_deleted_item_had_been_there(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let used_at = server.now();
        server.clock.advance(HOUR);
        let delete = DeleteRecordsRequest {
            subject: Some(by("email", ADA)),
            data_categories: vec!["email_address".to_owned()],
            ..DeleteRecordsRequest::default()
        };
        admin.record.delete_records(delete).await.expect("deleted");
        let now = newsletter(by("email", ADA));
        assert_eq!(why(&mut admin, now.clone()).await, DecisionReason::NotCollected);
        assert_eq!(why(&mut admin, then(now, used_at)).await, DecisionReason::Lawful);
    }

    async fn objections_and_restrictions_stood_when_they_stood(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let check = || newsletter(by("email", ADA));
        let free = server.now();
        server.clock.advance(HOUR);
        let restriction = verified(&mut admin, asked(RequestKind::Restriction, by("email", ADA), &[])).await;
        let restricted = server.now();
        server.clock.advance(HOUR);
        let lift = LiftRestrictionRequest {
            subject_request_id: restriction,
            informed_at: at(server.now()),
            ..LiftRestrictionRequest::default()
        };
        admin.request.lift_restriction(lift).await.expect("lifted");
        let lifted = server.now();
        server.clock.advance(HOUR);
        verified(&mut admin, asked(RequestKind::Objection, by("email", ADA), &["newsletter"])).await;
        for (used_at, expected) in [
            (free, DecisionReason::Lawful),
            (restricted, DecisionReason::ProcessingRestricted),
            (lifted, DecisionReason::Lawful),
            (server.now(), DecisionReason::Objected),
        ] {
            assert_eq!(why(&mut admin, then(check(), used_at)).await, expected, "{used_at}");
        }
    }

    async fn two_who_were_merged_later_were_two(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = subscriber(&mut admin, ADA).await;
        let other = register(&mut admin, everything_of("visitor", "a@example.org")).await;
        let used_at = server.now();
        server.clock.advance(HOUR);
        let merge = MergeSubjectsRequest { into: Some(by_id(&other)), from: Some(by_id(&ada)), ..MergeSubjectsRequest::default() };
        admin.subject.merge_subjects(merge).await.expect("merged");
        server.clock.advance(HOUR);
        withdraw(&mut admin, by_id(&ada)).await;
        for (who, expected) in [
            (by_id(&ada), DecisionReason::Lawful),
            (by("email", ADA), DecisionReason::Lawful),
            (by_id(&other), DecisionReason::ConsentMissing),
            (by("email", "a@example.org"), DecisionReason::ConsentMissing),
        ] {
            assert_eq!(why(&mut admin, then(newsletter(who.clone()), used_at)).await, expected, "{who:?}");
            let now = why(&mut admin, newsletter(who.clone())).await;
            assert_eq!(now, DecisionReason::ConsentWithdrawn);
            assert_eq!(why(&mut admin, then(newsletter(who), server.now())).await, now);
        }
    }

    async fn an_unlinked_identifier_had_led_to_the_person(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = subscriber(&mut admin, ADA).await;
        let used_at = server.now();
        server.clock.advance(HOUR);
        let unlink = UnlinkIdentifierRequest {
            subject: Some(by_id(&ada)),
            identifier: Some(identifier("email", ADA)),
            ..UnlinkIdentifierRequest::default()
        };
        admin.subject.unlink_identifier(unlink).await.expect("unlinked");
        let now = newsletter(by("email", ADA));
        assert_eq!(why(&mut admin, now.clone()).await, DecisionReason::SubjectUnknown);
        assert_eq!(why(&mut admin, then(now.clone(), used_at)).await, DecisionReason::Lawful);
        assert_eq!(why(&mut admin, then(now, server.now())).await, DecisionReason::SubjectUnknown);
    }

    async fn of_an_erased_person_no_past_is_left(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = subscriber(&mut admin, ADA).await;
        let used_at = server.now();
        server.clock.advance(HOUR);
        verified(&mut admin, asked(RequestKind::Erasure, by_id(&ada), &[])).await;
        let erased_at = server.now();
        server.clock.advance(HOUR);
        for used_at in [used_at, erased_at, server.now()] {
            let past = then(newsletter(by_id(&ada)), used_at);
            assert_eq!(why(&mut admin, past).await, DecisionReason::SubjectErased);
            let past = then(newsletter(by("email", ADA)), used_at);
            assert_eq!(why(&mut admin, past).await, DecisionReason::SubjectUnknown);
        }
    }

    async fn everything_wrong_with_the_instants_is_said_at_once(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let check = || newsletter(by("email", ADA));
        let (now, later) = (server.now(), server.now() + HOUR);
        let earlier = now - HOUR;
        let alone = CheckPurposeRequest { known_at: at(now), ..check() };
        let recorded = CheckPurposeRequest { record: true, ..then(check(), now) };
        let backwards = CheckPurposeRequest { known_at: at(earlier), record: true, ..then(check(), now) };
        let to_come = then(check(), now + Duration::from_micros(1));
        let known_later = CheckPurposeRequest { known_at: at(later), ..then(check(), now) };
        let both_later = CheckPurposeRequest { known_at: at(later + HOUR), ..then(check(), later) };
        for (refused, expected) in [
            (alone, &["known_at"][..]),
            (recorded, &["record"]),
            (backwards, &["known_at", "record"]),
            (to_come, &["as_of"]),
            (known_later, &["known_at"]),
            (both_later, &["as_of", "known_at"]),
        ] {
            let status = answer(&mut admin, refused).await.expect_err("refused");
            assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
            assert_eq!(fields(&status), expected);
        }
        assert_eq!(why(&mut admin, then(check(), now)).await, DecisionReason::Lawful);
    }

    async fn entries_of_a_batch_have_each_their_own_instant(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let used_at = server.now();
        server.clock.advance(HOUR);
        withdraw(&mut admin, by("email", ADA)).await;
        let check = || newsletter(by("email", ADA));
        let batch = BatchCheckPurposeRequest {
            entries: vec![
                check(),
                then(check(), used_at),
                then(check(), server.now() + HOUR),
                then(newsletter(by("email", "nobody@example.org")), used_at),
                then(check(), server.now()),
            ],
            ..BatchCheckPurposeRequest::default()
        };
        let answers = admin.purpose.batch_check_purpose(batch).await.expect("answered").into_inner().results;
        let reasons: Vec<_> = answers.into_iter().map(|one| match one.result.expect("a result") {
            check_purpose_result::Result::Decision(decision) => Some(decision.reason()),
            check_purpose_result::Result::Error(_) => None,
        }).collect();
        assert_eq!(reasons, [
            Some(DecisionReason::ConsentWithdrawn),
            Some(DecisionReason::Lawful),
            None,
            Some(DecisionReason::SubjectUnknown),
            Some(DecisionReason::ConsentWithdrawn),
        ]);
    }

    async fn scope_and_claims_bound_checks_of_the_past_too(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let past = || then(newsletter(by("email", ADA)), server.now());
        let mut reader = server.service("reader", &[Scope::RecordsRead]).await;
        let refused = answer(&mut reader, past()).await.expect_err("refused");
        assert_eq!(reason(&refused), "SCOPE_MISSING");
        let grant = Grant {
            purposes: vec!["order_processing".to_owned()],
            ..Grant::everything("checkout", HOUR)
        };
        let mut checkout = server.clients(&server.token(&grant)).await;
        let refused = answer(&mut checkout, past()).await.expect_err("refused");
        assert_eq!(reason(&refused), "CLAIM_MISSING");
        let stale = CheckPurposeRequest { at_least_as_fresh: "r1-ffffff".to_owned(), ..past() };
        assert_eq!(reason(&answer(&mut admin, stale).await.expect_err("refused")), "REVISION_UNKNOWN");
    }
}
