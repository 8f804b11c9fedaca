//! Registrations.

mod declared;
mod items;
mod once;
mod people;
mod stop;
mod suppression;

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::{
    app::{
        error::Missing,
        subject::Subject,
        testing::{self, TestRegistry, everything},
    },
    domain::{
        caller::Bound,
        consent::{ConsentChoice, EvidenceMethod, statement::StatedEvidence},
        identifier::IdentifierValue,
        item::Item,
        violation::Violations,
    },
};

/// A registry and what these tests ask of it.
pub(in crate::app) struct Collections {
    pub(in crate::app) it: TestRegistry,
}

impl Collections {
    pub(in crate::app) async fn new() -> Self {
        Self {
            it: testing::registry().await,
        }
    }

    pub(in crate::app) fn call(&self, action: Action) -> Call {
        Call::new(self.it.caller.clone(), action)
    }

    pub(in crate::app) async fn register(
        &self,
        registration: Registration,
    ) -> Result<Registered, Error> {
        let call = self.call(Action::RegisterCollection);
        let written = self.it.registry.register_collection(call, registration);
        Ok(written.await?.value)
    }

    /// The subject that a registration went to.
    pub(in crate::app) async fn subject_of(&self, registration: Registration) -> SubjectId {
        let registered = self.register(registration).await.unwrap();
        registered.subject_id.unwrap()
    }

    pub(in crate::app) async fn get(&self, subject: SubjectRef) -> Result<Subject, Error> {
        let call = self.call(Action::GetSubject);
        let (subject, _) = self.it.registry.get_subject(call, &subject, None).await?;
        Ok(subject)
    }

    pub(in crate::app) async fn items(&self, subject: SubjectId) -> Vec<Item> {
        let view = self
            .it
            .registry
            .view(&self.it.caller, Action::GetSubject, None);
        let view = view.await.unwrap();
        let states = view
            .snapshot
            .list_item_states(&[subject], &[])
            .await
            .unwrap();
        let ids: Vec<_> = states
            .get(&subject)
            .map(|states| states.iter().map(|state| state.item_id).collect())
            .unwrap_or_default();
        view.snapshot.read_items(subject, &ids).await.unwrap()
    }

    async fn delete(&self, subject: SubjectId, items: Vec<ItemId>) {
        let now = self.it.registry.clock_now();
        let deleted = self.it.registry.store().write("delete", now, move |tx| {
            let items = items.clone();
            Box::pin(async move { tx.delete_items(subject, &items).await })
        });
        deleted.await.unwrap();
    }

    pub(in crate::app) fn pass(&self, seconds: u64) {
        self.it.clock.advance(Duration::from_secs(seconds));
    }
}

pub(in crate::app) fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier {
        identifier_type: kind.parse().unwrap(),
        value: IdentifierValue::new(value),
    }
}

pub(in crate::app) fn by(kind: &str, value: &str) -> SubjectRef {
    SubjectRef::Identifier(identifier(kind, value))
}

/// A registration of nothing, in the role of a client, by these identifiers.
pub(in crate::app) fn client(identifiers: &[(&str, &str)]) -> Registration {
    let mut identifiers = identifiers
        .iter()
        .map(|(kind, value)| identifier(kind, value));
    Registration {
        subject: SubjectRef::Identifier(identifiers.next().unwrap()),
        identifiers: identifiers.collect(),
        subject_category: "client".parse().unwrap(),
        items: Vec::new(),
        consents: Vec::new(),
        collected_at: None,
        returning_subject: false,
    }
}

pub(in crate::app) fn item(data: &str, text: &str) -> CollectedItem {
    CollectedItem {
        subject_category: None,
        data_category: data.parse().unwrap(),
        key: ItemKey::default(),
        content: Some(Content::Text(text.into())),
        source: None,
        collected_at: None,
        purposes: Vec::new(),
    }
}

fn with_items(mut registration: Registration, items: Vec<CollectedItem>) -> Registration {
    registration.items = items;
    registration
}

fn order(key: &str, text: &str, collected_at: Option<&str>) -> CollectedItem {
    CollectedItem {
        key: ItemKey::new(key),
        collected_at: collected_at.map(|at| at.parse().unwrap()),
        ..item("order_contents", text)
    }
}

fn statement(choice: ConsentChoice) -> ConsentStatement {
    ConsentStatement {
        purposes: vec!["newsletter".parse().unwrap()],
        processors: Vec::new(),
        choice,
        evidence: StatedEvidence::by(EvidenceMethod::Checkbox),
        occurred_at: None,
        expires_at: None,
    }
}

fn fields(violations: &Violations) -> Vec<&str> {
    violations.iter().map(|one| one.field.as_str()).collect()
}

fn texts(items: &[Item]) -> Vec<&str> {
    let texts = items.iter().map(|item| match &item.content {
        Some(Content::Text(text)) => text.as_str(),
        _ => "",
    });
    texts.collect()
}

#[tokio::test]
async fn the_first_registration_makes_a_subject_and_the_next_one_finds_it() {
    let it = Collections::new().await;
    let first = it.register(client(&[("email", "Anna@Example.com")])).await;
    let first = first.unwrap();
    assert!(first.subject_created);
    let second = it
        .register(client(&[("email", " anna@example.COM ")]))
        .await;
    let second = second.unwrap();
    assert!(!second.subject_created);
    assert_eq!(first.subject_id, second.subject_id);

    let subject = it.get(by("email", "anna@example.com")).await.unwrap();
    assert_eq!(Some(subject.subject_id), first.subject_id);
    assert_eq!(subject.identifiers.len(), 1);
    assert_eq!(
        subject.identifiers[0].identifier.value.expose(),
        "Anna@Example.com"
    );
    assert_eq!(subject.memberships.len(), 1);
    assert_eq!(subject.memberships[0].category.as_str(), "client");
}

#[tokio::test]
async fn what_was_collected_is_kept_with_its_context_and_read_back() {
    let it = Collections::new().await;
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![
            item("first_name", "Anna"),
            order("A-1", "one lamp", Some("2019-06-01T10:00:00Z")),
            order("A-2", "two lamps", None),
        ],
    );
    let registered = it.register(registration).await.unwrap();
    assert_eq!(registered.items.len(), 3);
    assert_eq!(registered.items[0].source.as_str(), "tests");
    assert_eq!(registered.items[0].policy_version.as_str(), "2018-05-24");
    assert_eq!(
        registered.items[1].collected_at,
        "2019-06-01T10:00:00Z".parse().unwrap()
    );
    let items = it.items(registered.subject_id.unwrap()).await;
    let mut kept: Vec<_> = items
        .iter()
        .map(|item| (item.key.expose(), item.content.clone().unwrap()))
        .collect();
    kept.sort_by_key(|(key, _)| *key);
    let text = |text: &str| Content::Text(text.into());
    assert_eq!(
        kept,
        [
            ("", text("Anna")),
            ("A-1", text("one lamp")),
            ("A-2", text("two lamps"))
        ]
    );
}

#[tokio::test]
async fn what_was_said_at_collection_is_kept_as_facts() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.collected_at = Some("2019-06-01T00:00:00Z".parse().unwrap());
    let mut given = statement(ConsentChoice::Given);
    given.purposes.push("interface_research".parse().unwrap());
    registration.consents = vec![given, statement(ConsentChoice::Refused)];
    let registered = it.register(registration).await.unwrap();
    assert_eq!(registered.consent_ids.len(), 3);
    let subject = registered.subject_id.unwrap();
    let view = it.it.registry.view(&it.it.caller, Action::GetSubject, None);
    let view = view.await.unwrap();
    let facts = view.snapshot.list_consent_facts(&[subject]).await.unwrap();
    let facts = &facts[&subject];
    assert_eq!(facts.len(), 3);
    let collected: Timestamp = "2019-06-01T00:00:00Z".parse().unwrap();
    assert!(facts.iter().all(|fact| fact.occurred_at == collected));
}

#[tokio::test]
async fn an_activity_counts_when_it_is_later_than_what_is_known() {
    let it = Collections::new().await;
    it.subject_of(client(&[("shop_user", "1")])).await;
    let record = |at: &str| {
        let call = it.call(Action::RecordActivity);
        let at = Some(at.parse().unwrap());
        it.it
            .registry
            .record_activity(call, by("shop_user", "1"), None, at)
    };
    let first = record("2019-06-02T00:00:00Z").await.unwrap().value;
    let earlier = record("2019-06-01T00:00:00Z").await.unwrap().value;
    assert_eq!(first, earlier);
    let later = record("2019-06-03T00:00:00Z").await.unwrap().value;
    assert!(later.at > first.at);
    let ahead = record("2019-12-13T12:06:00Z").await;
    assert!(matches!(ahead, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn whoever_left_and_registers_again_is_a_member_again() {
    let it = Collections::new().await;
    it.subject_of(client(&[("shop_user", "1")])).await;
    it.pass(60);
    let call = it.call(Action::EndSubjectCategory);
    let category = "client".parse().unwrap();
    let ended = it
        .it
        .registry
        .end_subject_category(call, by("shop_user", "1"), category, None);
    ended.await.unwrap();
    it.pass(60);
    it.subject_of(client(&[("shop_user", "1")])).await;
    let subject = it.get(by("shop_user", "1")).await.unwrap();
    let ends: Vec<_> = subject
        .memberships
        .iter()
        .map(|membership| membership.ended_at.is_some())
        .collect();
    assert_eq!(ends, [true, false]);
}
