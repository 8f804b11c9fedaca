//! What is answered from memory is what the database would answer: random lives, every change followed by
//! checks that memory may answer and by the same checks as the store answers them (a decision that is kept is
//! always read from the store).

use std::time::Duration;

use registry::config::Config;
use registry::proto::v1::{
    AddSubjectCategoryRequest, CheckPurposeRequest, ConsentChoice, CreateRequestRequest, Decision,
    DeleteRecordsRequest, Effect, EndSubjectCategoryRequest, Evidence, EvidenceMethod,
    GetPolicyRequest, IdentityMethod, LinkIdentifierRequest, MergeSubjectsRequest,
    PublishPolicyRequest, RecordActivityRequest, RecordConsentRequest, RegisterCollectionRequest,
    RequestKind, RequestScope, SubjectRef, UnlinkIdentifierRequest, VerifyIdentityRequest,
    WithdrawConsentRequest, withdraw_consent_request::Who,
};
use tonic::Status;
use uuid::Uuid;

use crate::harness::{
    Clients, TestServer, clock,
    dice::Dice,
    new_dir,
    sample::{by, by_id, collected_of, identifier, text, yes},
};

/// Changes of one life's test.
const CHANGES: usize = 60;
/// How often a comparison is tried: a worker may change something between its two answers.
const TRIES: usize = 5;

const CATEGORIES: [&str; 3] = ["visitor", "client", "affiliate"];
const PURPOSES: [&str; 4] = [
    "newsletter",
    "interface_research",
    "contact_and_support",
    "order_processing",
];
const DATA: [&str; 3] = ["email_address", "navigation", "payment_details"];

/// People as they are named: by a few identifiers that get linked, shared and taken off, and by id.
struct Cast {
    dice: Dice,
    ids: Vec<String>,
    versions: usize,
}

impl Cast {
    fn identifier(&mut self) -> (&'static str, String) {
        let n = self.dice.roll(3);
        match self.dice.roll(3) {
            0 => ("shop_user", format!("user{n}")),
            1 => ("skype", format!("skype{n}")),
            _ => ("email", format!("person{n}@example.org")),
        }
    }

    fn somebody(&mut self) -> SubjectRef {
        if !self.ids.is_empty() && self.dice.roll(3) == 0 {
            let place = self.dice.roll(self.ids.len());
            return by_id(&self.ids[place]);
        }
        let (kind, value) = self.identifier();
        by(kind, &value)
    }

    /// Everybody who may be asked about.
    fn everybody(&self) -> Vec<SubjectRef> {
        let mut all: Vec<_> = self.ids.iter().map(|id| by_id(id)).collect();
        for n in 0..3 {
            all.push(by("shop_user", &format!("user{n}")));
            all.push(by("skype", &format!("skype{n}")));
            all.push(by("email", &format!("person{n}@example.org")));
        }
        all
    }

    /// One change, by one of the ways on which anything changes; what is refused changes nothing.
    async fn change(&mut self, server: &TestServer, clients: &mut Clients) -> Result<(), Status> {
        match self.dice.roll(16) {
            0..=3 => self.register(clients).await,
            4 | 5 => self.say(clients).await,
            6 => self.withdraw(clients).await,
            7 => self.delete(clients).await,
            8 => self.link(clients).await,
            9 => self.unlink(clients).await,
            10 => self.merge(clients).await,
            11 => self.role(clients).await,
            12 => self.act(clients).await,
            13 | 14 => self.ask(clients).await,
            _ => self.publish(server, clients).await,
        }
    }

    async fn register(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let category = self.dice.one_of(&CATEGORIES);
        let (kind, value) = self.identifier();
        let (other_kind, other) = self.identifier();
        let data = collected_of(category);
        let wanted = 1 + self.dice.roll(data.len());
        let mut items: Vec<_> = data.iter().take(wanted).map(|it| text(it, "a")).collect();
        if self.dice.roll(3) == 0 {
            items[0].purposes = vec![self.dice.one_of(&PURPOSES).to_owned()];
        }
        let consents = match self.dice.roll(2) {
            0 => vec![yes(&["newsletter"])],
            _ => Vec::new(),
        };
        let request = RegisterCollectionRequest {
            subject: Some(by(kind, &value)),
            identifiers: vec![identifier(other_kind, &other)],
            subject_category: category.to_owned(),
            items,
            consents,
            ..RegisterCollectionRequest::default()
        };
        let registered = clients.collection.register_collection(request).await?;
        let id = registered.into_inner().subject_id;
        if !self.ids.contains(&id) {
            self.ids.push(id);
        }
        Ok(())
    }

    async fn say(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let choices = [
            ConsentChoice::Given,
            ConsentChoice::Given,
            ConsentChoice::Refused,
            ConsentChoice::Pending,
        ];
        let methods = [EvidenceMethod::Checkbox, EvidenceMethod::ImpliedByUse];
        let request = RecordConsentRequest {
            subject: Some(self.somebody()),
            purposes: vec![self.dice.one_of(&PURPOSES).to_owned()],
            choice: self.dice.one_of(&choices).into(),
            evidence: Some(Evidence {
                method: self.dice.one_of(&methods).into(),
                ..Evidence::default()
            }),
            ..RecordConsentRequest::default()
        };
        clients.consent.record_consent(request).await.map(drop)
    }

    async fn withdraw(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let request = WithdrawConsentRequest {
            who: Some(Who::Subject(self.somebody())),
            all_purposes: true,
            ..WithdrawConsentRequest::default()
        };
        clients.consent.withdraw_consent(request).await.map(drop)
    }

    async fn delete(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let request = DeleteRecordsRequest {
            subject: Some(self.somebody()),
            data_categories: vec![self.dice.one_of(&DATA).to_owned()],
            ..DeleteRecordsRequest::default()
        };
        clients.record.delete_records(request).await.map(drop)
    }

    async fn link(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let (kind, value) = self.identifier();
        let request = LinkIdentifierRequest {
            subject: Some(self.somebody()),
            identifier: Some(identifier(kind, &value)),
            ..LinkIdentifierRequest::default()
        };
        clients.subject.link_identifier(request).await.map(drop)
    }

    async fn unlink(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let (kind, value) = self.identifier();
        let request = UnlinkIdentifierRequest {
            subject: Some(self.somebody()),
            identifier: Some(identifier(kind, &value)),
            ..UnlinkIdentifierRequest::default()
        };
        clients.subject.unlink_identifier(request).await.map(drop)
    }

    async fn merge(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let request = MergeSubjectsRequest {
            into: Some(self.somebody()),
            from: Some(self.somebody()),
            ..MergeSubjectsRequest::default()
        };
        clients.subject.merge_subjects(request).await.map(drop)
    }

    async fn role(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let subject = Some(self.somebody());
        let subject_category = self.dice.one_of(&CATEGORIES).to_owned();
        if self.dice.roll(2) == 0 {
            let request = AddSubjectCategoryRequest {
                subject,
                subject_category,
                ..AddSubjectCategoryRequest::default()
            };
            return clients
                .subject
                .add_subject_category(request)
                .await
                .map(drop);
        }
        let request = EndSubjectCategoryRequest {
            subject,
            subject_category,
            ..EndSubjectCategoryRequest::default()
        };
        clients
            .subject
            .end_subject_category(request)
            .await
            .map(drop)
    }

    async fn act(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let request = RecordActivityRequest {
            subject: Some(self.somebody()),
            source: "web".to_owned(),
            ..RecordActivityRequest::default()
        };
        clients.collection.record_activity(request).await.map(drop)
    }

    async fn ask(&mut self, clients: &mut Clients) -> Result<(), Status> {
        let kinds = [
            RequestKind::Objection,
            RequestKind::Restriction,
            RequestKind::Erasure,
        ];
        let kind = self.dice.one_of(&kinds);
        let mut scope = RequestScope::default();
        if kind == RequestKind::Objection {
            scope.purposes = vec![self.dice.one_of(&PURPOSES).to_owned()];
        }
        let request = CreateRequestRequest {
            kinds: vec![kind.into()],
            subject: Some(self.somebody()),
            channel: "email".to_owned(),
            scope: Some(scope),
            request_id: Uuid::new_v4().to_string(),
            ..CreateRequestRequest::default()
        };
        let created = clients.request.create_request(request).await?.into_inner();
        let verify = VerifyIdentityRequest {
            subject_request_id: created.request.expect("a request").subject_request_id,
            method: IdentityMethod::Document.into(),
            request_id: String::new(),
        };
        clients.request.verify_identity(verify).await.map(drop)
    }

    /// The policy without one of its activities, in force at once.
    async fn publish(&mut self, server: &TestServer, clients: &mut Clients) -> Result<(), Status> {
        let got = clients
            .policy
            .get_policy(GetPolicyRequest::default())
            .await?;
        let mut policy = got.into_inner().policy.expect("a policy");
        self.versions += 1;
        policy.version = format!("next-{}", self.versions);
        policy.effective_from = Some(prost_types::Timestamp {
            seconds: server.now().as_second() + 1,
            nanos: 0,
        });
        let place = self.dice.roll(policy.activities.len());
        policy.activities.remove(place);
        let request = PublishPolicyRequest {
            policy: Some(policy),
            accept_findings: true,
            ..PublishPolicyRequest::default()
        };
        clients.policy.publish_policy(request).await.map(drop)
    }
}

fn questions(subject: &SubjectRef) -> Vec<CheckPurposeRequest> {
    let ask = |data: &[&str], purpose: &str, processor: &str| CheckPurposeRequest {
        subject: Some(subject.clone()),
        data_categories: data.iter().map(|&it| it.to_owned()).collect(),
        purpose: purpose.to_owned(),
        processor: processor.to_owned(),
        ..CheckPurposeRequest::default()
    };
    vec![
        ask(&["email_address"], "newsletter", "aweber"),
        ask(&["email_address", "navigation"], "interface_research", ""),
        ask(&["email_address"], "contact_and_support", ""),
    ]
}

/// The decision without what tells one answer from another.
async fn decision(clients: &mut Clients, check: CheckPurposeRequest) -> Result<Decision, String> {
    match clients.purpose.check_purpose(check).await {
        Ok(answer) => {
            let mut decision = answer.into_inner().decision.expect("a decision");
            decision.decision_id.clear();
            decision.revision.clear();
            Ok(decision)
        }
        Err(status) => Err(format!("{:?} {}", status.code(), status.message())),
    }
}

/// Whether what is answered without a transaction is what the store answers in one: the same, or where others' grants need
/// not have been heard of yet, nothing that it denies.
async fn agree(
    clients: &mut Clients,
    check: &CheckPurposeRequest,
    is_heard: bool,
) -> Result<(), String> {
    let recorded = CheckPurposeRequest {
        record: true,
        ..check.clone()
    };
    let quick = decision(clients, check.clone()).await;
    let read = decision(clients, recorded).await;
    let allows = |answer: &Result<Decision, String>| {
        let decision = answer.as_ref();
        decision.is_ok_and(|decision| decision.effect() == Effect::Allow)
    };
    let is_right = quick == read || (!is_heard && !allows(&quick));
    is_right
        .then_some(())
        .ok_or_else(|| format!("{check:?}\nquick {quick:?}\nstore {read:?}"))
}

async fn compare(clients: &mut Clients, cast: &Cast, is_heard: bool, context: &str) {
    for subject in cast.everybody() {
        for check in questions(&subject) {
            let mut outcome = Ok(());
            for _ in 0..TRIES {
                outcome = agree(clients, &check, is_heard).await;
                if outcome.is_ok() {
                    break;
                }
            }
            if let Err(difference) = outcome {
                panic!("{context}: {difference}");
            }
        }
    }
}

/// Lives through changes at one replica or another, and compares at each after each.
async fn live(servers: &[&TestServer], seed: u64, from: &str) {
    let mut clients = Vec::new();
    for server in servers {
        clients.push(server.admin().await);
    }
    let mut cast = Cast {
        dice: Dice(seed),
        ids: Vec::new(),
        versions: 0,
    };
    let mut done = 0;
    for change in 0..CHANGES {
        let at = cast.dice.roll(servers.len());
        let changed = cast.change(servers[at], &mut clients[at]).await;
        done += usize::from(changed.is_ok());
        let context = format!("seed {seed}, change {change} at {at}: {changed:?}");
        for (place, clients) in clients.iter_mut().enumerate() {
            compare(clients, &cast, place == at, &context).await;
        }
        let pause = cast.dice.one_of(&[1, 60, 86_400, 5_000_000]);
        servers[at].clock.advance(Duration::from_secs(pause));
        for (server, clients) in servers.iter().zip(&mut clients) {
            // The token of the one before may have run out.
            *clients = server.admin().await;
        }
    }
    assert!(done > CHANGES / 3, "only {done} changes were not refused");
    for server in servers {
        let answered = server.answered(from);
        assert!(answered > 100, "{from} answered {answered}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_answers_what_the_database_would_on_sqlite() {
    for seed in 1..=2 {
        live(&[&TestServer::on_sqlite().await], seed, "memory").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_answers_what_the_database_would_at_each_of_two_replicas() {
    for seed in 11..=11 {
        let one = TestServer::on_postgres().await;
        let other = one.replica().await;
        live(&[&one, &other], seed, "memory").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_statement_answers_what_a_transaction_would() {
    let no_memory = |config: &mut Config| config.memory.budget_mib = 0;
    let server = TestServer::configured(new_dir(), true, clock(), no_memory).await;
    live(&[&server], 21, "glance").await;
}
