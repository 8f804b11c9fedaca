//! Policies: previewed, published once, in force by time, and what can be read off them.

use std::time::Duration;

use registry::{
    domain::caller::Scope,
    proto::v1::{
        CellChangeKind, GetConsentFormRequest, GetPolicyRequest, GetProcessingRecordRequest,
        LawfulBasis, ListPoliciesRequest, Policy, PublishPolicyRequest, PublishPolicyResponse,
        RecipientRole, RegisterCollectionRequest, Severity,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    harness::{
        Clients, TestServer,
        sample::{everything_of, yes},
        status::{fields, reason},
    },
    on_both,
};

const DAY: Duration = Duration::from_hours(24);
const ALMOST_A_DAY: Duration = Duration::from_secs(24 * 60 * 60 - 1);

async fn in_force(clients: &mut Clients) -> Policy {
    version(clients, "").await.expect("a version is in force")
}

async fn version(clients: &mut Clients, version: &str) -> Result<Policy, Status> {
    let request = GetPolicyRequest {
        version: version.to_owned(),
    };
    let answer = clients.policy.get_policy(request).await?.into_inner();
    Ok(answer.policy.expect("a policy"))
}

/// The example under another name, in force from tomorrow on.
async fn next(server: &TestServer, clients: &mut Clients, version: &str) -> Policy {
    let tomorrow = server.now() + DAY;
    Policy {
        version: version.to_owned(),
        effective_from: Some(prost_types::Timestamp {
            seconds: tomorrow.as_second(),
            nanos: 0,
        }),
        ..in_force(clients).await
    }
}

fn publication(policy: Policy) -> PublishPolicyRequest {
    PublishPolicyRequest {
        policy: Some(policy),
        accept_findings: true,
        ..PublishPolicyRequest::default()
    }
}

async fn publish(
    clients: &mut Clients,
    request: PublishPolicyRequest,
) -> Result<PublishPolicyResponse, Status> {
    let answer = clients.policy.publish_policy(request).await?;
    Ok(answer.into_inner())
}

async fn versions(clients: &mut Clients) -> Vec<(String, bool)> {
    let request = ListPoliciesRequest::default();
    let answer = clients.policy.list_policies(request).await.expect("listed");
    let policies = answer.into_inner().policies.into_iter();
    policies.map(|one| (one.version, one.in_force)).collect()
}

#[track_caller]
fn check(refused: Result<PublishPolicyResponse, Status>, code: Code, expected: &str) -> Status {
    let status = refused.expect_err("it is refused");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    status
}

on_both! {
    async fn a_preview_tells_findings_and_changes_and_publishes_nothing(server: TestServer) {
        let mut admin = server.admin().await;
        let mut policy = next(&server, &mut admin, "next").await;
        policy.sharing.retain(|sharing| sharing.processor != "aweber");
        let contract = LawfulBasis::Contract.into();
        let basis = policy.activities.iter_mut().find(|it| it.purpose == "fraud_screening");
        basis.expect("the example screens").lawful_basis = contract;
        let role = policy.processors.iter_mut().find(|it| it.id == "google_analytics");
        role.expect("the example names it").role = RecipientRole::Controller.into();
        let preview = PublishPolicyRequest { validate_only: true, ..publication(policy) };
        let report = publish(&mut admin, preview).await.expect("previewed");
        assert!(report.published_at.is_none() && report.revision.is_empty());
        assert_eq!(usize::try_from(report.finding_count), Ok(report.findings.len()));
        let codes: Vec<_> = report.findings.iter().map(|one| one.code.as_str()).collect();
        assert!(codes.contains(&"COLLECTED_WITHOUT_PURPOSE"), "{codes:?}");
        assert_eq!(report.findings[0].severity(), Severity::Defect);
        let diff = report.diff.expect("a diff");
        assert_eq!((diff.from_version.as_str(), diff.to_version.as_str()), ("2018-05-24", "next"));
        let changed = |kind: CellChangeKind| {
            let changes = diff.changes.iter().filter(move |change| change.kind() == kind);
            changes.collect::<Vec<_>>()
        };
        let removed = changed(CellChangeKind::Removed);
        assert_eq!(removed[0].cell.as_ref().expect("a cell").processor, "aweber");
        assert_eq!(removed[0].basis_before(), LawfulBasis::Consent);
        assert_eq!(removed[0].basis_after(), LawfulBasis::Unspecified);
        let rebased = changed(CellChangeKind::BasisChanged);
        assert_eq!(rebased[0].basis_before(), LawfulBasis::LegitimateInterests);
        assert_eq!(rebased[0].basis_after(), LawfulBasis::Contract);
        let recipient = changed(CellChangeKind::RecipientChanged);
        assert_eq!(recipient[0].cell.as_ref().expect("a cell").processor, "google_analytics");
        let outdated = &diff.outdated_consents[0];
        assert_eq!(outdated.cell.as_ref().expect("a cell").purpose, "interface_research");
        assert!(outdated.why.contains("on its own behalf"), "{}", outdated.why);
        assert_eq!(usize::try_from(diff.change_count), Ok(diff.changes.len()));
        assert_eq!(versions(&mut admin).await, [("2018-05-24".to_owned(), true)]);
    }

    async fn a_preview_counts_whom_a_change_touches(server: TestServer) {
        let mut admin = server.admin().await;
        for (email, purposes) in [
            ("ada@example.com", &["interface_research"][..]),
            ("bob@example.com", &["interface_research", "newsletter"]),
            ("eve@example.com", &["newsletter"]),
        ] {
            let registration = RegisterCollectionRequest {
                consents: vec![yes(purposes)],
                ..everything_of("visitor", email)
            };
            admin.collection.register_collection(registration).await.expect("registered");
        }
        let mut policy = next(&server, &mut admin, "next").await;
        let role = policy.processors.iter_mut().find(|it| it.id == "google_analytics");
        role.expect("the example names it").role = RecipientRole::Controller.into();
        let preview = PublishPolicyRequest { validate_only: true, ..publication(policy) };
        let report = publish(&mut admin, preview).await.expect("previewed");
        let diff = report.diff.expect("a diff");
        assert_eq!(diff.affected_subjects, 3);
        let counted = diff.outdated_consents.into_iter().map(|outdated| {
            let cell = outdated.cell.expect("a cell");
            (cell.subject_category, cell.purpose, outdated.affected_subjects)
        });
        let research = |category: &str, subjects| (category.to_owned(), "interface_research".to_owned(), subjects);
        assert_eq!(counted.collect::<Vec<_>>(), [research("client", 0), research("visitor", 2)]);
    }

    async fn a_policy_with_defects_is_published_only_when_they_are_accepted(server: TestServer) {
        let mut admin = server.admin().await;
        let policy = next(&server, &mut admin, "next").await;
        let unaware = PublishPolicyRequest { accept_findings: false, ..publication(policy.clone()) };
        let refused = publish(&mut admin, unaware).await;
        let status = check(refused, Code::FailedPrecondition, "POLICY_FINDINGS_NOT_ACCEPTED");
        assert!(!fields(&status).is_empty());
        let published = publish(&mut admin, publication(policy.clone())).await.expect("published");
        assert!(published.published_at.is_some() && !published.revision.is_empty());
        assert_eq!(published.policy.as_ref(), Some(&policy));
        assert_eq!(version(&mut admin, "next").await.expect("found"), policy);
    }

    async fn a_version_is_in_force_from_its_instant_on(server: TestServer) {
        let mut admin = server.admin().await;
        let policy = next(&server, &mut admin, "next").await;
        publish(&mut admin, publication(policy)).await.expect("published");
        server.clock.advance(ALMOST_A_DAY);
        let before = [("next".to_owned(), false), ("2018-05-24".to_owned(), true)];
        assert_eq!(versions(&mut admin).await, before);
        assert_eq!(in_force(&mut admin).await.version, "2018-05-24");
        server.clock.advance(Duration::from_secs(1));
        let mut later = server.admin().await;
        let after = [("next".to_owned(), true), ("2018-05-24".to_owned(), false)];
        assert_eq!(versions(&mut later).await, after);
        assert_eq!(in_force(&mut later).await.version, "next");
    }

    async fn a_repeated_request_publishes_once(server: TestServer) {
        let mut admin = server.admin().await;
        let policy = next(&server, &mut admin, "next").await;
        let request = PublishPolicyRequest {
            request_id: Uuid::new_v4().to_string(),
            ..publication(policy.clone())
        };
        let first = publish(&mut admin, request.clone()).await.expect("published");
        server.clock.advance(Duration::from_mins(1));
        let again = publish(&mut admin, request.clone()).await.expect("replayed");
        assert_eq!((first.revision, first.published_at), (again.revision, again.published_at));
        let other = PublishPolicyRequest { accept_findings: false, ..request };
        check(publish(&mut admin, other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
        let same = publish(&mut admin, publication(policy)).await.expect("it stands");
        assert_eq!(same.published_at, first.published_at);
        assert_eq!(versions(&mut admin).await.len(), 2);
    }

    async fn a_published_version_never_changes(server: TestServer) {
        let mut admin = server.admin().await;
        let mut policy = in_force(&mut admin).await;
        policy.notes.push("an afterthought".to_owned());
        let refused = publish(&mut admin, publication(policy)).await;
        check(refused, Code::AlreadyExists, "POLICY_VERSION_EXISTS");
    }

    async fn a_version_that_would_change_the_past_is_refused(server: TestServer) {
        let mut admin = server.admin().await;
        let mut policy = next(&server, &mut admin, "next").await;
        policy.effective_from = Some(prost_types::Timestamp { seconds: server.now().as_second(), nanos: 0 });
        let refused = publish(&mut admin, publication(policy)).await;
        let status = check(refused, Code::InvalidArgument, "POLICY_INVALID");
        assert_eq!(fields(&status), ["effective_from"]);
    }

    async fn a_policy_that_makes_no_sense_is_told_where(server: TestServer) {
        let mut admin = server.admin().await;
        let mut policy = next(&server, &mut admin, "next").await;
        policy.activities[0].data = vec!["shoe_size".to_owned()];
        policy.retention[0].period = String::from("PT1H");
        let preview = PublishPolicyRequest { validate_only: true, ..publication(policy) };
        let status = check(publish(&mut admin, preview).await, Code::InvalidArgument, "POLICY_INVALID");
        assert_eq!(fields(&status), ["activities[0].data[0]", "retention[0].period"]);
    }

    async fn a_message_that_is_no_policy_is_told_everything_at_once(server: TestServer) {
        let mut admin = server.admin().await;
        let refused = publish(&mut admin, PublishPolicyRequest::default()).await;
        let status = check(refused, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(fields(&status), ["policy"]);
        let request = PublishPolicyRequest {
            request_id: "once".to_owned(),
            ..publication(Policy { version: "next!".to_owned(), ..Policy::default() })
        };
        let status = check(publish(&mut admin, request).await, Code::InvalidArgument, "FIELD_INVALID");
        let expected = ["request_id", "policy.version", "policy.effective_from", "policy.controller"];
        assert_eq!(fields(&status), expected);
    }

    async fn of_many_contents_for_one_version_one_is_published(server: TestServer) {
        const PUBLISHERS: usize = 8;
        let mut admin = server.admin().await;
        let policy = next(&server, &mut admin, "next").await;
        let mut publishers = JoinSet::new();
        for number in 0..PUBLISHERS {
            let (mut clients, mut policy) = (admin.clone(), policy.clone());
            policy.notes.push(format!("the {number}. draft"));
            publishers.spawn(async move { publish(&mut clients, publication(policy)).await });
        }
        let mut published = 0;
        while let Some(outcome) = publishers.join_next().await {
            match outcome.expect("it does not panic") {
                Ok(_) => published += 1,
                refused => drop(check(refused, Code::AlreadyExists, "POLICY_VERSION_EXISTS")),
            }
        }
        assert_eq!(published, 1);
        assert_eq!(versions(&mut admin).await.len(), 2);
    }

    async fn versions_are_listed_page_by_page(server: TestServer) {
        let mut admin = server.admin().await;
        for (days, name) in [(1, "a"), (2, "b"), (3, "c")] {
            let mut policy = next(&server, &mut admin, name).await;
            policy.effective_from.as_mut().expect("set").seconds += days;
            publish(&mut admin, publication(policy)).await.expect("published");
        }
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListPoliciesRequest { page_size: 1, page_token };
            let page = admin.policy.list_policies(request).await.expect("listed").into_inner();
            names.extend(page.policies.into_iter().map(|one| one.version));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(names, ["c", "b", "a", "2018-05-24"]);
        for (page_size, page_token, expected) in [(-1, "", "FIELD_INVALID"), (1, "abc", "CURSOR_INVALID")] {
            let request = ListPoliciesRequest { page_size, page_token: page_token.to_owned() };
            let status = admin.policy.list_policies(request).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, expected));
        }
    }

    async fn a_version_that_was_never_published_is_not_found(server: TestServer) {
        let mut admin = server.admin().await;
        let status = version(&mut admin, "1999").await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "POLICY_NOT_FOUND"));
        let status = version(&mut admin, "a\0b").await.unwrap_err();
        assert_eq!(reason(&status), "FIELD_INVALID");
    }

    async fn who_may_read_policies_may_not_publish_them(server: TestServer) {
        let mut reader = server.service("reader", &[Scope::PolicyRead]).await;
        let policy = in_force(&mut reader).await;
        for validate_only in [false, true] {
            let request = PublishPolicyRequest { validate_only, ..publication(policy.clone()) };
            check(publish(&mut reader, request).await, Code::PermissionDenied, "SCOPE_MISSING");
        }
    }

    async fn a_consent_form_asks_a_visitor_for_what_rests_on_consent(server: TestServer) {
        let mut reader = server.service("sign-up", &[Scope::PolicyRead]).await;
        let asked = GetConsentFormRequest { subject_category: "visitor".to_owned(), locale: "de-AT".to_owned() };
        let answer = reader.policy.get_consent_form(asked).await.expect("answered").into_inner();
        let form = answer.form.expect("a form");
        assert_eq!(form.policy_version, "2018-05-24");
        assert_eq!(form.controller.expect("named").name, "AliDropship");
        let purposes: Vec<_> = form.questions.iter().map(|it| it.purpose.as_str()).collect();
        let expected = ["educational_materials", "interface_research", "newsletter", "website_personalisation"];
        assert_eq!(purposes, expected);
        let newsletter = &form.questions[2];
        assert_eq!(newsletter.wording, "Send news of deals and special offers");
        assert_eq!(newsletter.recipients[0].processor, "aweber");
        assert!(newsletter.direct_marketing && !newsletter.methods.is_empty());
    }

    async fn a_form_for_nobody_or_in_no_language_is_refused(server: TestServer) {
        let mut reader = server.service("sign-up", &[Scope::PolicyRead]).await;
        for (category, locale, field) in [
            ("", "en", "subject_category"),
            ("supplier", "en", "subject_category"),
            ("visitor", "in English, please", "locale"),
        ] {
            let asked = GetConsentFormRequest {
                subject_category: category.to_owned(),
                locale: locale.to_owned(),
            };
            let status = reader.policy.get_consent_form(asked).await.unwrap_err();
            assert_eq!((reason(&status).as_str(), fields(&status)), ("FIELD_INVALID", vec![field.to_owned()]));
        }
    }

    async fn the_processing_record_names_every_activity_and_every_gap(server: TestServer) {
        let mut admin = server.admin().await;
        let policy = in_force(&mut admin).await;
        let asked = GetProcessingRecordRequest::default();
        let answer = admin.policy.get_processing_record(asked).await.expect("answered").into_inner();
        let record = answer.record.expect("a record");
        assert_eq!(record.effective_from, policy.effective_from);
        let activities: Vec<_> = record.activities.iter().map(|it| &it.activity).collect();
        assert_eq!(activities, policy.activities.iter().map(|it| &it.id).collect::<Vec<_>>());
        assert!(record.gaps.iter().any(|gap| gap.contains("legal entity")), "{:?}", record.gaps);
        let newsletter = record.activities.iter().find(|it| it.purpose == "newsletter");
        let aweber = &newsletter.expect("there is one").recipients[0];
        assert_eq!((aweber.processor.as_str(), aweber.third_country), ("aweber", Some(true)));
        let unknown = GetProcessingRecordRequest { version: "1999".to_owned() };
        let status = admin.policy.get_processing_record(unknown).await.unwrap_err();
        assert_eq!(reason(&status), "POLICY_NOT_FOUND");
    }
}
