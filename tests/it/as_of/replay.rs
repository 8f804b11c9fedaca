//! Lives at random: what an ordinary check answered at each step, a check as of that step answers at the
//! end.

use registry::proto::v1::{
    AddSubjectCategoryRequest, DecideObjectionRequest, EndSubjectCategoryRequest,
    LinkIdentifierRequest, ObjectionRuling, RecordActivityRequest,
};

use super::{
    BatchCheckPurposeRequest, CheckPurposeRequest, Clients, Decision, DeleteRecordsRequest,
    Duration, HOUR, IdentityMethod, LiftRestrictionRequest, MergeSubjectsRequest, RequestKind,
    SubjectRef, TestServer, Timestamp, UnlinkIdentifierRequest, VerifyIdentityRequest, Who,
    WithdrawConsentRequest, asked, at, by, by_id, check_purpose_result, everything_of, given,
    identifier, subscriber, then,
};
use crate::on_both;

const LIVES: u64 = 4;
const STEPS: usize = 40;
const EMAILS: [&str; 2] = ["ada@example.org", "bob@example.org"];
/// What is asked after each step: data, purpose, processor.
const USES: [(&str, &str, &str); 5] = [
    ("email_address", "newsletter", "aweber"),
    ("email_address", "contact_and_support", ""),
    ("payment_details", "fraud_screening", ""),
    ("navigation", "interface_research", "google_analytics"),
    ("order_contents", "service_rendering", ""),
];

/// Chance that a test can repeat (Numerical Recipes' generator).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// A life, or two that meet.
struct Life {
    admin: Clients,
    chance: Chance,
    known: Vec<String>,
    requests: Vec<String>,
}

impl Life {
    fn somebody(&mut self) -> SubjectRef {
        let email = EMAILS[self.chance.below(2)];
        let id = match self.known.len() {
            0 => None,
            count => self.known.get(self.chance.below(2 * count)),
        };
        id.map_or_else(|| by("email", email), |id| by_id(id))
    }

    /// Something happens. What the registry refuses, since it cannot happen to this person now, happens not.
    async fn step(&mut self, now: Timestamp) {
        let who = self.somebody();
        match self.chance.below(13) {
            0 => {
                let email = EMAILS[self.chance.below(2)];
                let id = subscriber(&mut self.admin, email).await;
                self.meet(id);
            }
            1 => self.buy().await,
            2 => {
                let withdrawn = WithdrawConsentRequest {
                    who: Some(Who::Subject(who)),
                    all_purposes: true,
                    ..WithdrawConsentRequest::default()
                };
                drop(self.admin.consent.withdraw_consent(withdrawn).await);
            }
            3 => {
                let hours = u32::try_from(self.chance.below(5)).expect("few");
                let said = given(who, now - HOUR * hours);
                drop(self.admin.consent.record_consent(said).await);
            }
            4 => self.delete(who).await,
            5 => self.change_role(who).await,
            6 => self.change_identifier(who).await,
            7 => self.merge().await,
            8 => self.rule(now).await,
            9 => self.request(RequestKind::Restriction, who, &[]).await,
            10 => {
                let purpose = ["newsletter", "fraud_screening"][self.chance.below(2)];
                self.request(RequestKind::Objection, who, &[purpose]).await;
            }
            11 => {
                let activity = RecordActivityRequest {
                    subject: Some(who),
                    source: "web".to_owned(),
                    ..RecordActivityRequest::default()
                };
                drop(self.admin.collection.record_activity(activity).await);
            }
            _ => {}
        }
    }

    fn meet(&mut self, id: String) {
        if !self.known.contains(&id) {
            self.known.push(id);
        }
    }

    async fn buy(&mut self) {
        let email = EMAILS[self.chance.below(2)];
        let mut client = everything_of("client", email);
        client.identifiers = vec![identifier("shop_user", email)];
        if let Ok(registered) = self.admin.collection.register_collection(client).await {
            self.meet(registered.into_inner().subject_id);
        }
    }

    async fn delete(&mut self, who: SubjectRef) {
        let data = ["email_address", "navigation"][self.chance.below(2)];
        let delete = DeleteRecordsRequest {
            subject: Some(who),
            data_categories: vec![data.to_owned()],
            ..DeleteRecordsRequest::default()
        };
        drop(self.admin.record.delete_records(delete).await);
    }

    async fn change_role(&mut self, who: SubjectRef) {
        let subject_category = ["visitor", "client"][self.chance.below(2)].to_owned();
        let subject = Some(who);
        if self.chance.below(2) == 0 {
            let end = EndSubjectCategoryRequest {
                subject,
                subject_category,
                ..EndSubjectCategoryRequest::default()
            };
            drop(self.admin.subject.end_subject_category(end).await);
        } else {
            let add = AddSubjectCategoryRequest {
                subject,
                subject_category,
                ..AddSubjectCategoryRequest::default()
            };
            drop(self.admin.subject.add_subject_category(add).await);
        }
    }

    async fn change_identifier(&mut self, who: SubjectRef) {
        let identifier = Some(identifier("email", EMAILS[self.chance.below(2)]));
        let subject = Some(who);
        if self.chance.below(2) == 0 {
            let unlink = UnlinkIdentifierRequest {
                subject,
                identifier,
                ..UnlinkIdentifierRequest::default()
            };
            drop(self.admin.subject.unlink_identifier(unlink).await);
        } else {
            let link = LinkIdentifierRequest {
                subject,
                identifier,
                ..LinkIdentifierRequest::default()
            };
            drop(self.admin.subject.link_identifier(link).await);
        }
    }

    async fn merge(&mut self) {
        let (into, from) = (self.somebody(), self.somebody());
        let merge = MergeSubjectsRequest {
            into: Some(into),
            from: Some(from),
            ..MergeSubjectsRequest::default()
        };
        drop(self.admin.subject.merge_subjects(merge).await);
    }

    async fn request(&mut self, kind: RequestKind, who: SubjectRef, purposes: &[&str]) {
        let created = self
            .admin
            .request
            .create_request(asked(kind, who, purposes));
        let Ok(created) = created.await else { return };
        let request = created.into_inner().request.expect("a request");
        let verify = VerifyIdentityRequest {
            subject_request_id: request.subject_request_id.clone(),
            method: IdentityMethod::Login.into(),
            ..VerifyIdentityRequest::default()
        };
        drop(self.admin.request.verify_identity(verify).await);
        self.requests.push(request.subject_request_id);
    }

    /// A restriction is lifted, or an objection rejected.
    async fn rule(&mut self, now: Timestamp) {
        let Some(subject_request_id) = self.requests.pop() else {
            return;
        };
        let lift = LiftRestrictionRequest {
            subject_request_id: subject_request_id.clone(),
            informed_at: at(now),
            ..LiftRestrictionRequest::default()
        };
        drop(self.admin.request.lift_restriction(lift).await);
        let reject = DecideObjectionRequest {
            subject_request_id,
            ruling: ObjectionRuling::Rejected.into(),
            grounds: "fraud is prevented, file 7".to_owned(),
            ..DecideObjectionRequest::default()
        };
        drop(self.admin.request.decide_objection(reject).await);
    }

    fn questions(&self) -> Vec<CheckPurposeRequest> {
        let by_address = EMAILS.iter().map(|email| by("email", email));
        let people = by_address.chain(self.known.iter().map(|id| by_id(id)));
        let uses = people.flat_map(|who| {
            USES.map(|(data, purpose, processor)| (who.clone(), data, purpose, processor))
        });
        uses.map(|(who, data, purpose, processor)| CheckPurposeRequest {
            subject: Some(who),
            data_categories: vec![data.to_owned()],
            purpose: purpose.to_owned(),
            processor: processor.to_owned(),
            ..CheckPurposeRequest::default()
        })
        .collect()
    }

    async fn answers(&mut self, entries: Vec<CheckPurposeRequest>) -> Vec<Decision> {
        let batch = BatchCheckPurposeRequest {
            entries,
            ..BatchCheckPurposeRequest::default()
        };
        let answers = self.admin.purpose.batch_check_purpose(batch).await;
        let results = answers.expect("answered").into_inner().results.into_iter();
        let decisions = results.map(|one| match one.result.expect("a result") {
            check_purpose_result::Result::Decision(decision) => timeless(decision),
            check_purpose_result::Result::Error(error) => panic!("{error:?}"),
        });
        decisions.collect()
    }
}

/// What an answer says, but for until when, and of which state.
fn timeless(mut decision: Decision) -> Decision {
    decision.valid_until = None;
    decision.revision.clear();
    for category in &mut decision.per_category {
        category.valid_until = None;
    }
    decision
}

async fn live(server: &TestServer, seed: u64) {
    let mut life = Life {
        admin: server.admin().await,
        chance: Chance(seed),
        known: Vec::new(),
        requests: Vec::new(),
    };
    let mut remembered = Vec::new();
    for _ in 0..STEPS {
        server.clock.advance(HOUR + Duration::from_millis(1));
        // A token lives for a day.
        life.admin = server.admin().await;
        life.step(server.now()).await;
        let questions = life.questions();
        let answers = life.answers(questions.clone()).await;
        remembered.push((server.now(), questions, answers));
    }
    for (used_at, questions, answers) in remembered {
        let past: Vec<_> = questions.into_iter().map(|it| then(it, used_at)).collect();
        let again = life.answers(past.clone()).await;
        for ((asked, was), is) in past.into_iter().zip(answers).zip(again) {
            assert_eq!(is, was, "life {seed}: {asked:?}");
        }
    }
}

on_both! {
    async fn as_known_then_the_answer_is_the_one_that_was_given(server: TestServer) {
        for seed in 0..LIVES {
            live(&server, seed).await;
        }
    }
}
