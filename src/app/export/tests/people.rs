//! People with something of everything that a package can say.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    app::{Error, registry::Change, testing::TestRegistry},
    domain::{
        audit::{AuditDetail, Chore},
        consent::{ConsentChoice, ConsentRecord, Evidence, EvidenceMethod, GivenBy},
        deadline::{Calendar, PublicHolidays},
        disclosure::{Disclosure, ExternalReference},
        hold::LegalHold,
        id::{
            ConsentId, DecisionId, DisclosureId, ItemId, LegalHoldId, ObjectionId, RestrictionId,
            SubjectId, SubjectRequestId,
        },
        identifier::{IdentifierValue, normalise},
        item::{Content, Item, ItemKey, ItemState},
        membership::MembershipFact,
        name::DataCategory,
        policy::model::Normalise,
        request::{
            RequestKind, Scope,
            part::Part,
            record::{DeadlineClock, Record},
        },
    },
    store::{Tx, identifier::NewIdentifier},
};

/// A name that a page must survive: markup, an emoji, a direction that turns round.
pub const HOSTILE: &str = "Ada </script><script>alert('x')</script> 👩‍💻 \u{202e}evil שלום";

pub fn names<N: std::str::FromStr<Err: std::fmt::Debug>>(names: &[&str]) -> Vec<N> {
    let names = names.iter().map(|name| name.parse().expect("a name"));
    names.collect()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// What is recorded of a request whose person is known.
pub fn record(
    tx: &Tx,
    subject: SubjectId,
    kinds: &[RequestKind],
    data: Vec<DataCategory>,
) -> Record {
    let calendar = Calendar {
        zone: &TimeZone::UTC,
        holidays: &PublicHolidays::default(),
    };
    Record {
        subject_request_id: SubjectRequestId(tx.new_id()),
        subject_id: subject,
        channel: "email".parse().expect("a name"),
        received_at: tx.now(),
        recorded_at: tx.now(),
        scope: Scope {
            data_categories: data,
            ..Scope::default()
        },
        parts: kinds.iter().map(|kind| Part::pending(*kind)).collect(),
        clock: DeadlineClock::start(tx.now(), calendar),
        answered_at: None,
        identity: None,
        rejection_reason: None,
        completed_at: None,
    }
}

/// Writes to the store as no use case does.
pub async fn write<T, F>(test: &TestRegistry, body: F) -> T
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + Sync + 'static,
{
    let written = test
        .registry
        .do_chore(Chore::AdvanceRequest, move |tx, _| {
            let done = body(tx);
            Box::pin(async move { Ok(Some(Change::new(done.await?, AuditDetail::default()))) })
        })
        .await;
    written.expect("written").expect("something was done")
}

/// One of many of its kind: its key tells it from the others.
pub fn one_of_many(tx: &Tx, data: &str, text: &str) -> Item {
    let mut item = item(tx, "client", data, Some(Content::Text(text.into())));
    item.key = ItemKey::new(item.state.item_id.to_string());
    item
}

pub fn item(tx: &Tx, role: &str, data: &str, content: Option<Content>) -> Item {
    Item {
        state: ItemState {
            item_id: ItemId(tx.new_id()),
            subject_category: role.parse().expect("a name"),
            data_category: data.parse().expect("a name"),
            source: "shop".parse().expect("a source"),
            collected_at: at("2019-03-01T10:00:00Z"),
            policy_version: "2018-05-24".parse().expect("a version"),
            purposes: Vec::new(),
            retained_for: None,
        },
        key: ItemKey::default(),
        content,
    }
}

/// A new person in these roles.
pub async fn person(test: &TestRegistry, roles: &'static [&'static str]) -> SubjectId {
    write(test, move |tx| {
        Box::pin(async move {
            let id = tx.reserve_subject().await?;
            tx.insert_subjects(&[id]).await?;
            let joined = roles.iter().map(|role| {
                let fact = MembershipFact {
                    category: role.parse().expect("a name"),
                    began: true,
                    occurred_at: at("2019-01-02T09:00:00Z"),
                    recorded_at: at("2019-01-02T09:00:00Z"),
                };
                (id, fact)
            });
            tx.append_membership_facts(&joined.collect::<Vec<_>>(), "shop")
                .await?;
            Ok(id)
        })
    })
    .await
}

/// Gives a person items.
pub async fn give(
    test: &TestRegistry,
    subject: SubjectId,
    items: fn(&Tx) -> Vec<Item>,
) -> Vec<ItemId> {
    write(test, move |tx| {
        Box::pin(async move {
            let items = items(tx).into_iter();
            let items: BTreeMap<_, _> = items
                .map(|item| ((subject, item.state.item_id), item))
                .collect();
            tx.put_items(&items).await?;
            Ok(items.into_keys().map(|(_, id)| id).collect())
        })
    })
    .await
}

fn of_everything(tx: &Tx) -> Vec<Item> {
    let text = |text: &str| Some(Content::Text(text.into()));
    let order = serde_json::json!({
        "number": "4711",
        "lines": [{"title": "Premium plugin", "quantity": 1, "price": "89.00 USD"}, HOSTILE],
        "gift": false,
        "note": null,
    });
    let mut order = item(tx, "client", "order_contents", Some(Content::Json(order)));
    order.key = ItemKey::new("4711");
    let mut newsletter = item(tx, "visitor", "email_address", text("ada@example.org"));
    newsletter.state.purposes = names(&["newsletter"]);
    let photo = Content::Blob(b"\x89PNG\r\n\x1a\nno real picture".to_vec());
    let locator = |place: &str| Some(Content::Locator(place.into()));
    vec![
        item(tx, "client", "first_name", text(HOSTILE)),
        item(tx, "client", "last_name", text("Lovelace")),
        item(tx, "client", "email_address", text("ada@example.org")),
        item(tx, "client", "skype_contact", text("")),
        item(tx, "client", "navigation", None),
        item(tx, "visitor", "forum_profile_photo", Some(photo)),
        item(
            tx,
            "visitor",
            "forum_messages",
            locator("forum://members/7/messages"),
        ),
        newsletter,
        order,
        item(tx, "client", "payment_details", text("card ending in 4242")),
    ]
}

/// A person of whom there is something of everything, the package's every part filled.
pub async fn everything(test: &TestRegistry) -> SubjectId {
    let subject = person(test, &["visitor", "client"]).await;
    let items: Arc<[ItemId]> = give(test, subject, of_everything).await.into();
    write(test, move |tx| {
        let items = items.clone();
        Box::pin(async move {
            link(tx, subject).await?;
            tx.append_consents(&said(tx, subject)).await?;
            tx.insert_disclosures(&passed_on(tx, subject, &items))
                .await?;
            tx.put_hold(&held(tx, subject, &items)).await?;
            object_and_restrict(tx, subject).await
        })
    })
    .await;
    subject
}

async fn link(tx: &mut Tx, subject: SubjectId) -> Result<(), Error> {
    let link = |kind: &str, value: &str, form, shared| NewIdentifier {
        subject_id: subject,
        identifier_type: kind.parse().expect("a name"),
        normalised: normalise(form, value).expect("a value"),
        value: IdentifierValue::new(value),
        shared,
        leads_elsewhere: true,
    };
    let links = [
        link("email", "ada@example.org", Normalise::Email, true),
        link("shop_user", "user-7 <b>", Normalise::Exact, false),
    ];
    Ok(tx.link_identifiers(&links, "shop").await?)
}

fn said(tx: &Tx, subject: SubjectId) -> Vec<ConsentRecord> {
    let fact = |choice, day: &str, method| ConsentRecord {
        subject_id: subject,
        consent_id: ConsentId(tx.new_id()),
        purpose: "newsletter".parse().expect("a name"),
        processors: names(&["aweber"]),
        choice,
        evidence: Evidence {
            method,
            policy_version: "2018-05-24".parse().expect("a version"),
            wording: "Yes, send me news & <offers>.".into(),
            locale: "en".into(),
            reference: "form 7".into(),
            collected_by: "landing page".into(),
            given_by: GivenBy::Subject,
        },
        occurred_at: at(day),
        recorded_at: at(day),
        recorded_by: "shop".parse().expect("a source"),
        expires_at: Some(at("2021-03-01T00:00:00Z")),
    };
    vec![
        fact(
            ConsentChoice::Pending,
            "2019-03-01T09:00:00Z",
            EvidenceMethod::Checkbox,
        ),
        fact(
            ConsentChoice::Given,
            "2019-03-01T09:05:00Z",
            EvidenceMethod::DoubleOptIn,
        ),
        ConsentRecord {
            purpose: "interface_research".parse().expect("a name"),
            processors: Vec::new(),
            ..fact(
                ConsentChoice::Refused,
                "2019-03-02T09:00:00Z",
                EvidenceMethod::ImpliedByUse,
            )
        },
    ]
}

fn passed_on(tx: &Tx, subject: SubjectId, items: &[ItemId]) -> Vec<Disclosure> {
    let disclosure = |processor: &str, purpose: &str, data: &str, item: ItemId, day: &str| {
        let data: DataCategory = data.parse().expect("a name");
        Disclosure {
            disclosure_id: DisclosureId(tx.new_id()),
            subject_id: subject,
            items: vec![(item, data)],
            purpose: purpose.parse().expect("a name"),
            processor: processor.parse().expect("a name"),
            external_reference: ExternalReference::new("list 7 <i>".into()),
            occurred_at: at(day),
            recorded_at: at(day),
            decision_id: DecisionId(tx.new_id()),
            recorded_by: "shop".into(),
        }
    };
    let (first, last) = (items[0], items[items.len() - 1]);
    vec![
        disclosure(
            "aweber",
            "newsletter",
            "email_address",
            first,
            "2019-04-01T08:00:00Z",
        ),
        disclosure(
            "stripe",
            "order_processing",
            "payment_details",
            last,
            "2019-05-02T08:00:00Z",
        ),
        Disclosure {
            external_reference: None,
            ..disclosure(
                "paypal",
                "order_processing",
                "payment_details",
                last,
                "2019-06-02T08:00:00Z",
            )
        },
    ]
}

fn held(tx: &Tx, subject: SubjectId, items: &[ItemId]) -> LegalHold {
    LegalHold {
        legal_hold_id: LegalHoldId(tx.new_id()),
        subject_id: subject,
        item_ids: vec![items[0]],
        data_categories: names(&["payment_details"]),
        purposes: Vec::new(),
        matter: "Case 12: the neighbour".into(),
        article: "GDPR Art. 17(3)(e)".into(),
        placed_at: at("2019-07-01T08:00:00Z"),
        placed_by: "legal".parse().expect("a source"),
        released_at: None,
        released_by: None,
    }
}

async fn object_and_restrict(tx: &mut Tx, subject: SubjectId) -> Result<(), Error> {
    let instants = [at("2019-08-01T08:00:00Z"); 2];
    let objections = ["fraud_screening", "website_functionality"];
    let objections = objections.map(|purpose| (ObjectionId(tx.new_id()), purpose));
    for (id, purpose) in objections {
        let purpose = purpose.parse().expect("a name");
        tx.restore_objection(subject, id, &purpose, instants, None)
            .await?;
    }
    tx.restore_rejection(subject, objections[0].0, at("2019-08-05T08:00:00Z"))
        .await?;
    for data in [names(&["navigation"]), Vec::new()] {
        let id = RestrictionId(tx.new_id());
        tx.restore_restriction(subject, id, &data, instants, None)
            .await?;
        if data.is_empty() {
            tx.restore_lifting(subject, id, at("2019-08-09T08:00:00Z"))
                .await?;
        }
    }
    Ok(())
}
