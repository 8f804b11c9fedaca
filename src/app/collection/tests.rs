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
async fn every_undeclared_field_is_named_and_nothing_is_written() {
    let it = Collections::new().await;
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![
            item("forum_messages", "hello"),
            item("first_name", "Anna"),
            item("shoe_size", "38"),
        ],
    );
    let Err(Error::CollectionUndeclared(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(
        fields(&violations),
        ["items[0].data_category", "items[2].data_category"]
    );
    let unknown = it.get(by("email", "anna@example.com")).await;
    assert!(matches!(unknown, Err(Error::NotFound(Missing::Subject))));
}

#[tokio::test]
async fn everything_that_breaks_a_rule_is_named_at_once() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "no address"), ("passport", "X1")]);
    registration.subject_category = "client".parse().unwrap();
    registration.items = vec![CollectedItem {
        purposes: vec!["telemarketing".parse().unwrap()],
        collected_at: Some("2030-01-01T00:00:00Z".parse().unwrap()),
        subject_category: Some("visitor".parse().unwrap()),
        ..item("first_name", "Anna")
    }];
    let mut said = statement(ConsentChoice::Given);
    said.purposes = vec!["telemarketing".parse().unwrap()];
    registration.consents = vec![said];
    let Err(Error::Invalid(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(
        fields(&violations),
        [
            "subject.identifier.value",
            "identifiers[0].type",
            "items[0].collected_at",
            "items[0].subject_category",
            "items[0].purposes[0]",
            "consents[0].purposes[0]",
        ]
    );
    assert!(!format!("{violations:?}").contains("no address"));
}

#[tokio::test]
async fn a_subject_category_that_the_policy_does_not_know_is_refused() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.subject_category = "employee".parse().unwrap();
    let Err(Error::Invalid(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(fields(&violations), ["subject_category"]);
}

#[tokio::test]
async fn what_was_collected_before_any_policy_was_in_force_has_none_to_be_judged_by() {
    let it = Collections::new().await;
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.collected_at = Some("2017-01-01T00:00:00Z".parse().unwrap());
    let refused = it.register(registration).await;
    assert!(matches!(refused, Err(Error::NotFound(Missing::Policy))));
}

#[tokio::test]
async fn five_minutes_ahead_is_a_clock_that_differs_and_more_is_refused() {
    let it = Collections::new().await;
    let now = it.it.registry.clock_now();
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.collected_at = Some(now + AHEAD_MAX);
    it.register(registration.clone()).await.unwrap();
    registration.collected_at = Some(now + AHEAD_MAX + jiff::SignedDuration::from_micros(1));
    let Err(Error::Invalid(violations)) = it.register(registration).await else {
        panic!("it was registered");
    };
    assert_eq!(fields(&violations), ["collected_at"]);
}

#[tokio::test]
async fn a_caller_speaks_for_the_sources_of_its_token_only() {
    let it = Collections::new().await;
    let mut caller = everything("shop");
    caller.sources = Bound::from_iter(["shop".parse().unwrap()]);
    let caller = Arc::new(caller);
    let call = Call::new(caller.clone(), Action::RegisterCollection);
    let mut foreign = item("first_name", "Anna");
    foreign.source = Some("forum".parse().unwrap());
    let own = item("last_name", "Berg");
    let registration = with_items(client(&[("email", "a@example.com")]), vec![own, foreign]);
    let refused = it
        .it
        .registry
        .register_collection(call.clone(), registration);
    assert!(matches!(
        refused.await,
        Err(Error::ClaimMissing { claim: "sources", field }) if field == "items[1].source"
    ));
    let registration = with_items(
        client(&[("email", "a@example.com")]),
        vec![item("first_name", "Anna")],
    );
    let own = it.it.registry.register_collection(call, registration);
    own.await.unwrap();
}

#[tokio::test]
async fn accounts_of_two_subjects_are_refused_with_both_named() {
    let it = Collections::new().await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    let ben = it.subject_of(client(&[("forum_member", "ben")])).await;
    let both = it.register(client(&[("forum_member", "BEN"), ("shop_user", "1")]));
    let Err(Error::IdentifierConflict { subjects }) = both.await else {
        panic!("it was registered");
    };
    assert_eq!(subjects, [ben, anna]);
}

#[tokio::test]
async fn a_guest_becomes_an_account_holder_and_keeps_the_order() {
    let it = Collections::new().await;
    let order = with_items(
        client(&[("email", "anna@example.com")]),
        vec![order("A-1", "one lamp", None)],
    );
    let guest = it.subject_of(order).await;
    let signup = client(&[("shop_user", "1"), ("email", "anna@example.com")]);
    assert_eq!(it.subject_of(signup).await, guest);
    let subject = it.get(by("shop_user", "1")).await.unwrap();
    assert_eq!(subject.subject_id, guest);
    assert_eq!(texts(&it.items(guest).await), ["one lamp"]);
}

#[tokio::test]
async fn an_address_that_two_share_is_ambiguous_and_loses_nobodys_order() {
    let it = Collections::new().await;
    let anna = it
        .subject_of(client(&[("shop_user", "1"), ("email", "home@example.com")]))
        .await;
    let ben = it
        .subject_of(client(&[("shop_user", "2"), ("email", "home@example.com")]))
        .await;
    assert_ne!(anna, ben);
    let ambiguous = it.get(by("email", "home@example.com")).await;
    assert!(matches!(ambiguous, Err(Error::SubjectAmbiguous(2))));
    let guest = with_items(
        client(&[("email", "home@example.com")]),
        vec![order("A-1", "one lamp", None)],
    );
    let guest = it.subject_of(guest).await;
    assert!(guest != anna && guest != ben);
    assert_eq!(texts(&it.items(guest).await), ["one lamp"]);
    let again = it
        .subject_of(client(&[("email", "home@example.com")]))
        .await;
    assert_eq!(again, guest, "the guest is recognised among the three");
}

#[tokio::test]
async fn a_browser_goes_up_in_the_person_who_signs_in_with_its_history() {
    let it = Collections::new().await;
    let mut visit = with_items(
        client(&[("ga_client", "b1")]),
        vec![item("navigation", "/")],
    );
    visit.subject_category = "visitor".parse().unwrap();
    let browser = it.subject_of(visit).await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    assert_ne!(browser, anna);
    let signin = with_items(
        client(&[("shop_user", "1"), ("ga_client", "b1")]),
        vec![item("first_name", "Anna")],
    );
    let registered = it.register(signin).await.unwrap();
    assert_eq!(registered.subject_id, Some(anna));
    assert!(registered.unlinked.is_empty());

    let subject = it.get(SubjectRef::Id(browser)).await.unwrap();
    assert_eq!(subject.subject_id, anna);
    assert_eq!(subject.merged_ids, [browser]);
    let categories: Vec<_> = subject
        .memberships
        .iter()
        .map(|membership| membership.category.as_str())
        .collect();
    assert!(categories.contains(&"visitor") && categories.contains(&"client"));
    let mut kept = it.items(anna).await;
    kept.sort_by_key(|item| item.state.data_category.clone());
    assert_eq!(texts(&kept), ["Anna", "/"]);
    let found = it.get(by("ga_client", "b1")).await.unwrap();
    assert_eq!(found.subject_id, anna);
}

#[tokio::test]
async fn a_browser_of_somebody_known_stays_theirs_and_the_order_is_kept() {
    let it = Collections::new().await;
    let anna = it
        .subject_of(client(&[("shop_user", "1"), ("ga_client", "b1")]))
        .await;
    let registered = it
        .register(client(&[("email", "ben@example.com"), ("ga_client", "b1")]))
        .await
        .unwrap();
    assert_ne!(registered.subject_id, Some(anna));
    assert_eq!(registered.unlinked.len(), 1);
    assert_eq!(registered.unlinked[0].field, "identifiers[0]");
}

#[tokio::test]
async fn the_same_item_again_keeps_its_id_and_the_latest_is_live() {
    let it = Collections::new().await;
    let at = |text, at| {
        with_items(
            client(&[("shop_user", "1")]),
            vec![order("A-1", text, Some(at))],
        )
    };
    let first = it
        .register(at("one", "2019-06-02T00:00:00Z"))
        .await
        .unwrap();
    let newer = it
        .register(at("two", "2019-06-03T00:00:00Z"))
        .await
        .unwrap();
    let older = it
        .register(at("old", "2019-06-01T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(first.items[0].item_id, newer.items[0].item_id);
    assert_eq!(first.items[0].item_id, older.items[0].item_id);
    let subject = first.subject_id.unwrap();
    assert_eq!(texts(&it.items(subject).await), ["two"]);
    it.register(at("same instant", "2019-06-03T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(texts(&it.items(subject).await), ["same instant"]);
}

#[tokio::test]
async fn one_item_twice_in_one_registration_is_one_item_with_the_latest_content() {
    let it = Collections::new().await;
    let registered = it
        .register(with_items(
            client(&[("shop_user", "1")]),
            vec![
                order("A-1", "newer", Some("2019-06-02T00:00:00Z")),
                order("A-1", "older", Some("2019-06-01T00:00:00Z")),
            ],
        ))
        .await
        .unwrap();
    assert_eq!(registered.items[0].item_id, registered.items[1].item_id);
    let items = it.items(registered.subject_id.unwrap()).await;
    assert_eq!(texts(&items), ["newer"]);
}

#[tokio::test]
async fn a_deleted_item_comes_back_under_its_id_only_with_what_was_collected_later() {
    let it = Collections::new().await;
    let now = |text| {
        with_items(
            client(&[("shop_user", "1")]),
            vec![order("A-1", text, None)],
        )
    };
    let first = it.register(now("one")).await.unwrap();
    let subject = first.subject_id.unwrap();
    let id = first.items[0].item_id.unwrap();
    it.pass(60);
    it.delete(subject, vec![id]).await;
    assert!(it.items(subject).await.is_empty());

    it.pass(60);
    let late = order("A-1", "late", Some("2019-12-13T12:00:30Z"));
    let late = with_items(client(&[("shop_user", "1")]), vec![late]);
    it.register(late).await.unwrap();
    assert!(
        it.items(subject).await.is_empty(),
        "it was collected before"
    );

    let again = it.register(now("two")).await.unwrap();
    assert_eq!(again.items[0].item_id, Some(id));
    assert_eq!(texts(&it.items(subject).await), ["two"]);
}

#[tokio::test]
async fn a_repeated_request_id_gives_the_first_answer_and_changes_nothing() {
    let it = Collections::new().await;
    let id = Uuid::from_u128(7);
    let call = it
        .call(Action::RegisterCollection)
        .idempotent(Some(id), b"one".to_vec());
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![item("first_name", "Anna")],
    );
    let registry = &it.it.registry;
    let first = registry
        .register_collection(call.clone(), registration.clone())
        .await
        .unwrap();
    let again = registry
        .register_collection(call.clone(), registration.clone())
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!((first.value, first.revision), (again.value, again.revision));
    let other = it
        .call(Action::RegisterCollection)
        .idempotent(Some(id), b"two".to_vec());
    let other = registry.register_collection(other, registration).await;
    assert!(matches!(other, Err(Error::RequestIdReused)));
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
async fn a_preview_answers_and_changes_nothing() {
    let it = Collections::new().await;
    let registration = with_items(
        client(&[("email", "anna@example.com")]),
        vec![item("first_name", "Anna")],
    );
    let registry = &it.it.registry;
    let unknown = registry.preview_collection(&it.it.caller, &registration);
    let unknown = unknown.await.unwrap();
    assert_eq!(unknown.subject_id, None);
    assert_eq!(unknown.items.len(), 1);
    let nobody = it.get(by("email", "anna@example.com")).await;
    assert!(matches!(nobody, Err(Error::NotFound(Missing::Subject))));

    let anna = it
        .subject_of(client(&[("email", "anna@example.com")]))
        .await;
    let known = registry.preview_collection(&it.it.caller, &registration);
    assert_eq!(known.await.unwrap().subject_id, Some(anna));
    assert!(it.items(anna).await.is_empty());
    let undeclared = with_items(registration, vec![item("shoe_size", "38")]);
    let refused = registry.preview_collection(&it.it.caller, &undeclared);
    assert!(matches!(refused.await, Err(Error::CollectionUndeclared(_))));
}

#[tokio::test]
async fn two_first_registrations_of_one_address_at_once_make_one_subject() {
    let it = Collections::new().await;
    let registrations = (0..20).map(|_| it.subject_of(client(&[("email", "anna@example.com")])));
    let subjects = futures::future::join_all(registrations).await;
    assert!(subjects.iter().all(|subject| *subject == subjects[0]));
    let subject = it.get(SubjectRef::Id(subjects[0])).await.unwrap();
    assert_eq!(subject.identifiers.len(), 1);
    assert_eq!(subject.memberships.len(), 1);
}

#[tokio::test]
async fn whichever_call_to_the_database_fails_nothing_is_half_registered() {
    let it = Collections::new().await;
    let browser = it.subject_of(client(&[("ga_client", "b1")])).await;
    let mut registration = with_items(
        client(&[("email", "anna@example.com"), ("ga_client", "b1")]),
        vec![item("first_name", "Anna")],
    );
    registration.consents = vec![statement(ConsentChoice::Refused)];
    let anna = it
        .subject_of(client(&[("email", "anna@example.com")]))
        .await;
    let faults = it.it.registry.store().faults().clone();
    for call in 0.. {
        faults.fail_call(call);
        let outcome = it.register(registration.clone()).await;
        let struck = faults.clear();
        if !struck {
            assert!(call > 20, "{call}");
            outcome.unwrap();
            break;
        }
        assert!(outcome.is_err(), "call {call}");
        if !it.items(anna).await.is_empty() {
            // Committed as a whole; the journal has not heard of the refusal, so nobody is answered.
            assert!(call > 20, "{call}");
            break;
        }
        let apart = it.get(by("ga_client", "b1")).await.unwrap();
        assert_eq!(apart.subject_id, browser, "call {call}");
    }
    assert_eq!(texts(&it.items(anna).await), ["Anna"]);
    assert_eq!(
        it.get(by("ga_client", "b1")).await.unwrap().subject_id,
        anna
    );
}

#[tokio::test]
async fn no_registered_value_is_found_in_the_files() {
    let it = Collections::new().await;
    let mut registration = with_items(
        client(&[("email", "needle-one@example.com")]),
        vec![order("needle-two", "needle-three", None)],
    );
    let mut said = statement(ConsentChoice::Given);
    said.evidence.wording = "needle-four".into();
    registration.consents = vec![said];
    it.register(registration).await.unwrap();
    for file in std::fs::read_dir(it.it.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(7).any(|window| window == b"needle-");
        assert!(!found);
    }
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
