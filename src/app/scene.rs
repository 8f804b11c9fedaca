//! People for unit tests, written straight to the store: what the use cases under test find there.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;

use super::{Error, testing::TestRegistry};
use crate::{
    domain::{
        consent::{ConsentChoice, ConsentRecord, Evidence, EvidenceMethod, GivenBy},
        id::{ConsentId, ItemId, SubjectId},
        identifier::{IdentifierValue, normalise},
        item::{Content, Item, ItemKey, ItemState},
        membership::MembershipFact,
        policy::model::Normalise,
        revision::Revision,
        subject_ref::{Identifier, SubjectRef},
    },
    store::{StoreError, Tx, identifier::NewIdentifier},
};

impl From<SubjectId> for SubjectRef {
    fn from(id: SubjectId) -> Self {
        Self::Id(id)
    }
}

/// A person with the visitor's e-mail address, its content `ada@example.org`.
pub(crate) async fn visitor(test: &TestRegistry) -> SubjectId {
    person(test, "visitor", &["email_address"]).await
}

/// A new person in one subject category, with an item of each data category.
pub(crate) async fn person(
    test: &TestRegistry,
    category: &'static str,
    data: &'static [&'static str],
) -> SubjectId {
    people(test, 1, category, data).await[0]
}

/// Several such people.
pub(crate) async fn people(
    test: &TestRegistry,
    count: usize,
    category: &'static str,
    data: &'static [&'static str],
) -> Vec<SubjectId> {
    write(test, move |tx| {
        Box::pin(async move {
            let (mut ids, mut joined, mut items) = (Vec::new(), Vec::new(), BTreeMap::new());
            for _ in 0..count {
                let id = tx.reserve_subject().await?;
                ids.push(id);
                joined.push((id, joins(tx, category)));
                for item in data.iter().map(|data| item(tx, category, data)) {
                    items.insert((id, item.state.item_id), item);
                }
            }
            tx.insert_subjects(&ids).await?;
            tx.append_membership_facts(&joined, "tests").await?;
            tx.put_items(&items).await?;
            tx.stamp_subjects(&ids, Revision::after_event(1)).await?;
            Ok(ids)
        })
    })
    .await
}

fn joins(tx: &Tx, category: &str) -> MembershipFact {
    MembershipFact {
        category: category.parse().expect("a name"),
        began: true,
        occurred_at: tx.now(),
        recorded_at: tx.now(),
    }
}

/// An e-mail address that leads to these people, as a reference.
pub(crate) async fn shared_email(test: &TestRegistry, people: &[SubjectId]) -> SubjectRef {
    let people: Arc<[SubjectId]> = people.into();
    let value = IdentifierValue::new("shared@example.org");
    let reference = SubjectRef::Identifier(Identifier {
        identifier_type: "email".parse().expect("a name"),
        value: value.clone(),
    });
    write(test, move |tx| {
        let (people, value) = (people.clone(), value.clone());
        Box::pin(async move {
            let links = people.iter().map(|id| NewIdentifier {
                subject_id: *id,
                identifier_type: "email".parse().expect("a name"),
                normalised: normalise(Normalise::Email, value.expose()).expect("an address"),
                value: value.clone(),
                shared: true,
                leads_elsewhere: true,
            });
            let links: Vec<_> = links.collect();
            tx.link_identifiers(&links, "tests").await
        })
    })
    .await;
    reference
}

/// What people say about a purpose, now, by a checkbox.
pub(crate) async fn say(
    test: &TestRegistry,
    people: &[SubjectId],
    choice: ConsentChoice,
    purpose: &'static str,
) {
    let people: Arc<[SubjectId]> = people.into();
    write(test, move |tx| {
        let people = people.clone();
        Box::pin(async move {
            let said = people.iter().map(|id| ConsentRecord {
                subject_id: *id,
                consent_id: ConsentId(tx.new_id()),
                purpose: purpose.parse().expect("a name"),
                processors: Vec::new(),
                choice,
                evidence: Evidence {
                    method: EvidenceMethod::Checkbox,
                    policy_version: "2018-05-24".parse().expect("a version"),
                    wording: String::new(),
                    locale: String::new(),
                    reference: String::new(),
                    collected_by: String::new(),
                    given_by: GivenBy::Subject,
                },
                occurred_at: tx.now(),
                recorded_at: tx.now(),
                recorded_by: "tests".parse().expect("a service"),
                expires_at: None,
            });
            let said: Vec<_> = said.collect();
            tx.append_consents(&said).await
        })
    })
    .await;
}

/// An item collected now.
pub(crate) fn item(tx: &Tx, category: &str, data: &str) -> Item {
    Item {
        state: ItemState {
            item_id: ItemId(tx.new_id()),
            subject_category: category.parse().expect("a name"),
            data_category: data.parse().expect("a name"),
            source: "shop".parse().expect("a source"),
            collected_at: tx.now(),
            policy_version: "2018-05-24".parse().expect("a version"),
            purposes: Vec::new(),
            retained_for: None,
        },
        key: ItemKey::default(),
        content: Some(Content::Text("ada@example.org".into())),
    }
}

async fn write<T, F>(test: &TestRegistry, body: F) -> T
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
{
    let store = &test.registry.store;
    let written = store.write("scene", test.registry.clock_now(), move |tx| {
        let done = body(tx);
        Box::pin(async move { done.await.map_err(Error::from) })
    });
    written.await.expect("the scene is written")
}
