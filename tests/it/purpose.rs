//! Checks in their four forms, and the audience, as services ask for them.

use std::time::Duration;

use futures::{SinkExt, StreamExt, channel::mpsc};
use registry::{
    auth::dev_issuer::Grant,
    domain::caller::Scope,
    proto::v1::{
        BatchCheckPurposeRequest, CheckPurposeRequest, Decision, DecisionReason, Effect,
        ErrorReason, GetDecisionRequest, ListLawfulPurposesRequest, ListLawfulSubjectsRequest,
        StreamCheckPurposeRequest, StreamCheckPurposeResponse, WithdrawConsentRequest,
        check_purpose_result, stream_check_purpose_response, withdraw_consent_request::Who,
    },
};
use tonic::{Code, Status};

use crate::{
    harness::{
        Clients,
        sample::{by, by_id, everything_of, yes},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.org";

async fn register(clients: &mut Clients, email: &str) -> String {
    let mut visitor = everything_of("visitor", email);
    visitor.consents = vec![yes(&["newsletter", "interface_research"])];
    let registered = clients.collection.register_collection(visitor).await;
    registered.expect("registered").into_inner().subject_id
}

async fn withdraw(clients: &mut Clients, email: &str) {
    let withdrawn = WithdrawConsentRequest {
        who: Some(Who::Subject(by("email", email))),
        all_purposes: true,
        ..WithdrawConsentRequest::default()
    };
    clients
        .consent
        .withdraw_consent(withdrawn)
        .await
        .expect("withdrawn");
}

fn newsletter(email: &str) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(by("email", email)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    }
}

fn audience() -> ListLawfulSubjectsRequest {
    ListLawfulSubjectsRequest {
        purpose: "newsletter".to_owned(),
        data_categories: vec!["email_address".to_owned()],
        processor: "aweber".to_owned(),
        ..ListLawfulSubjectsRequest::default()
    }
}

async fn check(clients: &mut Clients, check: CheckPurposeRequest) -> Result<Decision, Status> {
    let answer = clients.purpose.check_purpose(check).await?.into_inner();
    Ok(answer.decision.expect("a decision"))
}

async fn refusal(clients: &mut Clients, asked: CheckPurposeRequest) -> (Code, String) {
    let status = check(clients, asked).await.expect_err("refused");
    (status.code(), reason(&status))
}

async fn people(clients: &mut Clients, asked: ListLawfulSubjectsRequest) -> Vec<String> {
    let parts = clients
        .purpose
        .list_lawful_subjects(asked)
        .await
        .expect("a stream");
    let parts: Vec<_> = parts.into_inner().collect().await;
    let people = parts
        .into_iter()
        .flat_map(|part| part.expect("a part").subjects);
    people.map(|subject| subject.subject_id).collect()
}

on_both! {
    async fn an_answer_names_basis_activity_consent_items_and_state(server: TestServer) {
        let mut clients = server.admin().await;
        register(&mut clients, ADA).await;
        let decision = check(&mut clients, newsletter(ADA)).await.expect("answered");
        assert_eq!(decision.effect(), Effect::Allow);
        assert_eq!(decision.activity, "visitor-newsletter");
        assert_eq!(decision.policy_version, "2018-05-24");
        assert!(!decision.consent_id.is_empty() && decision.decision_id.is_empty());
        assert_eq!(decision.per_category[0].item_ids.len(), 1);
        assert!(decision.trace.is_empty());
        let mut again = newsletter(ADA);
        again.at_least_as_fresh = decision.revision;
        again.explain = true;
        let explained = check(&mut clients, again).await.expect("its own revision is known");
        let last = explained.trace.last().expect("a trace");
        assert!(!last.detail.is_empty(), "{last:?}");
    }

    async fn everything_wrong_with_a_check_is_said_at_once(server: TestServer) {
        let mut clients = server.admin().await;
        let status = check(&mut clients, CheckPurposeRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(fields(&status), ["subject", "data_categories", "purpose"]);
        let mut undeclared = newsletter(ADA);
        undeclared.subject = Some(by("telegram", "ada"));
        let status = check(&mut clients, undeclared).await.unwrap_err();
        assert_eq!(fields(&status), ["subject.identifier.type"]);
        for unknown in ["r1-ffffff", "yesterday"] {
            let asked = CheckPurposeRequest {
                at_least_as_fresh: unknown.to_owned(),
                ..newsletter(ADA)
            };
            assert_eq!(refusal(&mut clients, asked).await.1, "REVISION_UNKNOWN");
        }
    }

    async fn scope_and_claims_are_not_decisions(server: TestServer) {
        let mut reader = server.service("reader", &[Scope::RecordsRead]).await;
        let refused = refusal(&mut reader, newsletter(ADA)).await;
        assert_eq!(refused, (Code::PermissionDenied, "SCOPE_MISSING".to_owned()));
        let grant = Grant {
            purposes: vec!["order_processing".to_owned()],
            ..Grant::everything("checkout", Duration::from_hours(1))
        };
        let mut checkout = server.clients(&server.token(&grant)).await;
        let refused = refusal(&mut checkout, newsletter(ADA)).await;
        assert_eq!(refused, (Code::PermissionDenied, "CLAIM_MISSING".to_owned()));
        let grant = Grant {
            processors: vec!["-".to_owned()],
            ..Grant::everything("shop", Duration::from_hours(1))
        };
        let mut shop = server.clients(&server.token(&grant)).await;
        let refused = refusal(&mut shop, newsletter(ADA)).await;
        assert_eq!(refused, (Code::PermissionDenied, "CLAIM_MISSING".to_owned()));
    }

    async fn a_recorded_check_is_found_by_its_decision_id(server: TestServer) {
        let mut clients = server.admin().await;
        let subject_id = register(&mut clients, ADA).await;
        let mut asked = newsletter(ADA);
        asked.record = true;
        let decision = check(&mut clients, asked).await.expect("answered");
        let wanted = GetDecisionRequest { decision_id: decision.decision_id.clone() };
        let kept = clients.audit.get_decision(wanted).await.expect("kept").into_inner();
        assert_eq!(kept.decision, Some(decision));
        assert_eq!(kept.subject, Some(by_id(&subject_id)));
        assert_eq!((kept.purpose.as_str(), kept.processor.as_str()), ("newsletter", "aweber"));
    }

    async fn a_batch_keeps_its_order_and_a_bad_entry_is_its_own_error(server: TestServer) {
        let mut clients = server.admin().await;
        register(&mut clients, ADA).await;
        let entries = vec![
            newsletter(ADA),
            CheckPurposeRequest::default(),
            newsletter("nobody@example.org"),
            CheckPurposeRequest { processor: "stripe".to_owned(), ..newsletter(ADA) },
        ];
        let batch = BatchCheckPurposeRequest { entries, ..BatchCheckPurposeRequest::default() };
        let answer = clients.purpose.batch_check_purpose(batch).await.expect("answered");
        let results = answer.into_inner().results.into_iter().map(|one| {
            match one.result.expect("a result") {
                check_purpose_result::Result::Decision(decision) => Ok(decision.reason()),
                check_purpose_result::Result::Error(error) => Err(error.reason()),
            }
        });
        assert_eq!(
            results.collect::<Vec<_>>(),
            [
                Ok(DecisionReason::Lawful),
                Err(ErrorReason::FieldInvalid),
                Ok(DecisionReason::SubjectUnknown),
                Ok(DecisionReason::ProcessorNotNamed),
            ]
        );
    }

    async fn a_batch_has_one_to_a_thousand_entries(server: TestServer) {
        let mut clients = server.admin().await;
        for (count, good) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
            let batch = BatchCheckPurposeRequest {
                entries: vec![newsletter(ADA); count],
                ..BatchCheckPurposeRequest::default()
            };
            let answer = clients.purpose.batch_check_purpose(batch).await;
            match answer {
                Ok(answer) => assert_eq!((good, answer.into_inner().results.len()), (true, count)),
                Err(status) => assert_eq!((good, fields(&status)), (false, vec!["entries".to_owned()])),
            }
        }
    }

    async fn a_check_of_a_stream_sees_what_was_withdrawn_before_it_was_asked(server: TestServer) {
        let mut clients = server.admin().await;
        register(&mut clients, ADA).await;
        let (mut questions, asked) = mpsc::channel(8);
        let answers = clients.purpose.clone().stream_check_purpose(asked).await.expect("a stream");
        let mut answers = answers.into_inner();
        let mut ask = async |id: &str| {
            let question = StreamCheckPurposeRequest {
                correlation_id: id.to_owned(),
                check: Some(newsletter(ADA)),
            };
            questions.send(question).await.expect("the stream is open");
            let answer = answers.next().await.expect("an answer").expect("no error");
            let StreamCheckPurposeResponse { correlation_id, result } = answer;
            let Some(stream_check_purpose_response::Result::Decision(decision)) = result else {
                panic!("{result:?}")
            };
            (correlation_id, decision.reason())
        };
        assert_eq!(ask("one").await, ("one".to_owned(), DecisionReason::Lawful));
        withdraw(&mut clients, ADA).await;
        assert_eq!(ask("two").await, ("two".to_owned(), DecisionReason::ConsentWithdrawn));
    }

    async fn every_question_of_a_stream_is_answered_bad_ones_with_an_error(server: TestServer) {
        let mut clients = server.admin().await;
        register(&mut clients, ADA).await;
        let questions = (0..500_u32).map(|n| StreamCheckPurposeRequest {
            correlation_id: n.to_string(),
            check: (!u32::is_multiple_of(n, 7)).then(|| newsletter(ADA)),
        });
        let asked = futures::stream::iter(questions.collect::<Vec<_>>());
        let answers = clients.purpose.stream_check_purpose(asked).await.expect("a stream");
        let answers: Vec<_> = answers.into_inner().collect().await;
        let mut answered = vec![false; 500];
        for answer in answers {
            let answer = answer.expect("no error ends the stream");
            let n: usize = answer.correlation_id.parse().expect("ours");
            let good = match answer.result.expect("a result") {
                stream_check_purpose_response::Result::Decision(decision) => decision.effect() == Effect::Allow,
                stream_check_purpose_response::Result::Error(error) => error.reason() != ErrorReason::FieldInvalid,
            };
            assert_eq!(good, !n.is_multiple_of(7), "question {n}");
            assert!(!std::mem::replace(&mut answered[n], true), "answered twice: {n}");
        }
        assert!(answered.into_iter().all(|it| it));
    }

    async fn a_stream_ends_with_the_life_of_its_token(server: TestServer) {
        let grant = Grant::everything("brief", Duration::from_mins(1));
        let mut brief = server.clients(&server.token(&grant)).await;
        let (mut questions, asked) = mpsc::channel(8);
        let answers = brief.purpose.stream_check_purpose(asked).await.expect("a stream");
        let mut answers = answers.into_inner();
        let question = StreamCheckPurposeRequest {
            correlation_id: String::new(),
            check: Some(newsletter(ADA)),
        };
        questions.send(question.clone()).await.expect("open");
        answers.next().await.expect("an answer").expect("no error");
        server.clock.advance(Duration::from_mins(1));
        questions.send(question).await.expect("open");
        let status = answers.next().await.expect("an end").expect_err("an error");
        assert_eq!(reason(&status), "TOKEN_EXPIRED");
    }

    async fn the_audience_is_everybody_who_agreed_and_nobody_else(server: TestServer) {
        let mut clients = server.admin().await;
        let ada = register(&mut clients, ADA).await;
        let ben = register(&mut clients, "ben@example.org").await;
        register(&mut clients, "cat@example.org").await;
        withdraw(&mut clients, "cat@example.org").await;
        let mut expected = vec![ada, ben];
        expected.sort();
        assert_eq!(people(&mut clients, audience()).await, expected);
        withdraw(&mut clients, "ben@example.org").await;
        assert_eq!(people(&mut clients, audience()).await.len(), 1);
        let status = clients
            .purpose
            .list_lawful_subjects(ListLawfulSubjectsRequest { cursor: "x".to_owned(), ..audience() })
            .await
            .expect_err("not ours");
        assert_eq!(reason(&status), "CURSOR_INVALID");
    }

    async fn lawful_purposes_name_the_controller_and_each_processor_apart(server: TestServer) {
        let mut clients = server.admin().await;
        let subject_id = register(&mut clients, ADA).await;
        let asked = ListLawfulPurposesRequest {
            subject: Some(by_id(&subject_id)),
            ..ListLawfulPurposesRequest::default()
        };
        let lawful = clients.purpose.list_lawful_purposes(asked).await.expect("answered");
        let uses = lawful.into_inner().purposes.into_iter();
        let uses: Vec<_> = uses.map(|one| (one.purpose, one.processor)).collect();
        let named = |purpose: &str, processor: &str| (purpose.to_owned(), processor.to_owned());
        assert!(uses.contains(&named("newsletter", "")), "{uses:?}");
        assert!(uses.contains(&named("newsletter", "aweber")), "{uses:?}");
        assert!(uses.contains(&named("interface_research", "google_analytics")), "{uses:?}");
        assert!(!uses.contains(&named("educational_materials", "")), "{uses:?}");
        let unknown = ListLawfulPurposesRequest {
            subject: Some(by("email", "nobody@example.org")),
            ..ListLawfulPurposesRequest::default()
        };
        let status = clients.purpose.list_lawful_purposes(unknown).await.expect_err("unknown");
        assert_eq!(reason(&status), "SUBJECT_NOT_FOUND");
    }
}
