//! Whole packages, and who may be in a portable one.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

use super::{
    ExportKind, Section,
    describe::{Describer, Occasion, Person},
    html, json as writer,
    model::{IdentifierPart, Totals},
    portable::Portability,
};
use crate::domain::{
    consent::{ConsentChoice, ConsentFact, EvidenceMethod},
    item::{Content, Item, ItemKey, ItemState},
    policy::{
        compile::CompiledPolicy, example::EXAMPLE_POLICY_YAML, format::parse_yaml,
        history::PolicyHistory,
    },
    subject::{Membership, Restriction, SubjectState},
};

const HOSTILE: &str = "</div><script>alert('x')</script>";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn now() -> Timestamp {
    at("2019-12-13T12:00:00Z")
}

fn policies() -> PolicyHistory {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
    let policy = CompiledPolicy::compile(policy).expect("the example compiles");
    PolicyHistory::new(vec![Arc::new(policy)])
}

fn item(category: &str, data: &str, number: u128) -> Item {
    Item {
        state: ItemState {
            item_id: Uuid::from_u128(number).into(),
            subject_category: category.parse().expect("a name"),
            data_category: data.parse().expect("a name"),
            source: "shop".parse().expect("a source"),
            collected_at: at("2019-01-01T00:00:00Z"),
            policy_version: "2018-05-24".parse().expect("a version"),
            purposes: Vec::new(),
            retained_for: None,
        },
        key: ItemKey::default(),
        content: Some(Content::Text(HOSTILE.into())),
    }
}

fn person(items: &[Item]) -> SubjectState {
    let mut state = SubjectState::new(Uuid::from_u128(1).into());
    for category in ["visitor", "client"] {
        state.memberships.push(Membership {
            category: category.parse().expect("a name"),
            started_at: at("2019-01-01T00:00:00Z"),
            ended_at: None,
        });
    }
    state.items = items.iter().map(|item| item.state.clone()).collect();
    state
}

fn said(choice: ConsentChoice, day: &str) -> ConsentFact {
    ConsentFact {
        consent_id: Uuid::from_u128(9).into(),
        purpose: "newsletter".parse().expect("a name"),
        processors: Vec::new(),
        choice,
        method: EvidenceMethod::DoubleOptIn,
        has_reference: false,
        policy_version: "2018-05-24".parse().expect("a version"),
        occurred_at: at(day),
        recorded_at: at(day),
        expires_at: None,
    }
}

fn occasion(kind: ExportKind) -> Occasion {
    Occasion {
        kind,
        export_id: Uuid::from_u128(2).into(),
        subject_request_id: Uuid::from_u128(3).into(),
        created_at: now(),
        data_categories: Vec::new(),
    }
}

fn known() -> Person {
    Person {
        identifiers: vec![IdentifierPart {
            identifier_type: "email".into(),
            value: HOSTILE.into(),
            linked_at: now(),
            linked_by: "shop".into(),
        }],
        recipients: vec!["aweber".parse().expect("a name")],
        legal_holds: Vec::new(),
    }
}

/// A copy with one item, in both formats.
fn copy() -> (Value, String) {
    let policies = policies();
    let policy = policies.in_force(now()).expect("one is in force");
    let one = item("visitor", "email_address", 10);
    let subject = person(std::slice::from_ref(&one));
    let describer = Describer::new(&policies, policy, &subject, now());
    let overview = [(one.state.data_category.clone(), 1)];
    let head = describer.head(&occasion(ExportKind::Access), &overview, Some(known()));
    let part = describer.item(one, None);
    let totals = Totals {
        items: 1,
        ..Totals::default()
    };
    let mut text = writer::head(&head, Section::Items).expect("writes");
    text += &writer::entry(&part, true).expect("writes");
    text += &writer::next(Section::Disclosures);
    text += &writer::next(Section::Consents);
    text += &writer::foot(&totals).expect("writes");
    let mut page = html::head(&head, &TimeZone::UTC);
    page += &html::data_category(&part.data_category);
    page += &html::item(&part, &TimeZone::UTC);
    page += &html::next(Section::Items, 1, Section::Disclosures);
    page += &html::next(Section::Disclosures, 0, Section::Consents);
    page += &html::foot(Section::Consents, &totals);
    (serde_json::from_str(&text).expect("JSON"), page)
}

#[test]
fn a_copy_written_in_pieces_is_one_json_object_that_says_what_is_known() {
    let (copy, _) = copy();
    assert_eq!(copy["kind"], "access");
    assert_eq!(copy["controller"]["name"], "AliDropship");
    assert_eq!(copy["identifiers"][0]["value"], HOSTILE);
    assert_eq!(copy["recipients"][0]["recipient"]["title"], "AWeber");
    assert_eq!(copy["recipients"][0]["third_country"], true);
    assert_eq!(copy["memberships"].as_array().map(Vec::len), Some(2));
    assert_eq!(copy["rights"].as_array().map(Vec::len), Some(8));
    let item = &copy["items"][0];
    assert_eq!(item["data_category"]["title"], "E-mail address");
    assert_eq!(item["content"], json!({"kind": "text", "text": HOSTILE}));
    let purposes = item["purposes"].as_array().expect("a list");
    assert!(
        purposes
            .iter()
            .any(|one| one["purpose"]["name"] == "newsletter")
    );
    assert_eq!(copy["disclosures"], json!([]));
    assert_eq!(copy["consents"], json!([]));
    assert_eq!(copy["totals"]["items"], 1);
}

#[test]
fn the_page_has_no_script_and_nothing_from_elsewhere_whatever_a_value_says() {
    let (_, page) = copy();
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
    for forbidden in ["<script", "src=\"http", "href=\"http", "<link", "@import"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.ends_with("</html>\n") && page.contains("13 December 2019, 12:00 UTC"));
    for link in page.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().expect("an anchor");
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

fn is_portable(facts: Vec<ConsentFact>, is_restricted: bool) -> bool {
    let policies = policies();
    let policy = policies.in_force(now()).expect("one is in force");
    let mut one = item("visitor", "email_address", 10);
    one.state.purposes = vec!["newsletter".parse().expect("a name")];
    let mut subject = person(std::slice::from_ref(&one));
    subject.consents = facts;
    if is_restricted {
        subject.restrictions.push(Restriction {
            restriction_id: Uuid::from_u128(5).into(),
            data_categories: Vec::new(),
            started_at: now(),
            lifted_at: None,
        });
    }
    Portability::new(&policies, policy, &subject, now()).is_portable(&one.state)
}

#[test]
fn what_rests_on_consent_is_portable_while_the_consent_stands() {
    let given = || said(ConsentChoice::Given, "2019-02-01T00:00:00Z");
    let withdrawn = said(ConsentChoice::Withdrawn, "2019-03-01T00:00:00Z");
    assert!(is_portable(vec![given()], false));
    assert!(!is_portable(vec![], false));
    assert!(!is_portable(vec![given(), withdrawn], false));
}

#[test]
fn a_restriction_leaves_data_portable() {
    let given = said(ConsentChoice::Given, "2019-02-01T00:00:00Z");
    assert!(is_portable(vec![given], true));
}

#[test]
fn a_portable_package_says_nothing_of_what_only_a_copy_tells() {
    let policies = policies();
    let policy = policies.in_force(now()).expect("one is in force");
    let subject = person(&[]);
    let describer = Describer::new(&policies, policy, &subject, now());
    let head = describer.head(&occasion(ExportKind::Portability), &[], None);
    let text = writer::head(&head, Section::Items).expect("writes")
        + &writer::foot(&Totals::default()).expect("writes");
    let package: Value = serde_json::from_str(&text).expect("JSON");
    for absent in ["identifiers", "recipients", "disclosures", "consents"] {
        assert!(package.get(absent).is_none(), "{absent}");
    }
    assert_eq!(ExportKind::Portability.section_after(Section::Items), None);
}

#[test]
fn what_stays_despite_an_erasure_is_marked_in_both_formats() {
    let policies = policies();
    let policy = policies.in_force(now()).expect("one is in force");
    let mut one = item("client", "payment_details", 10);
    one.state.retained_for = Some(vec!["fraud_screening".parse().expect("a name")]);
    let subject = person(std::slice::from_ref(&one));
    let part = Describer::new(&policies, policy, &subject, now()).item(one, None);
    let text = serde_json::to_value(&part).expect("JSON");
    let kept_for = &text["kept_despite_erasure_for"][0];
    assert_eq!(kept_for["title"], "Screen payments for fraud");
    let page = html::item(&part, &TimeZone::UTC);
    assert!(
        page.contains("Kept though you asked for its erasure"),
        "{page}"
    );
}

#[test]
fn what_is_not_permitted_today_is_said_not_to_be() {
    let policies = policies();
    let policy = policies.in_force(now()).expect("one is in force");
    let one = item("visitor", "email_address", 10);
    let mut subject = person(std::slice::from_ref(&one));
    let decisions = |subject: &SubjectState| {
        let part = Describer::new(&policies, policy, subject, now()).item(one.clone(), None);
        let page = html::item(&part, &TimeZone::UTC);
        let text = serde_json::to_value(&part.purposes).expect("JSON");
        let mut uses = text.as_array().expect("a list").iter();
        let newsletter = uses.find(|one| one["purpose"]["name"] == "newsletter");
        (newsletter.expect("it is a use")["decision"].clone(), page)
    };
    let (decision, page) = decisions(&subject);
    assert_eq!(decision, "CONSENT_MISSING");
    assert!(page.contains("and you have not given it"), "{page}");
    subject.consents = vec![said(ConsentChoice::Given, "2019-02-01T00:00:00Z")];
    let (decision, page) = decisions(&subject);
    assert_eq!(decision, "LAWFUL");
    assert!(page.contains("because you consented"), "{page}");
    let withdrawn = said(ConsentChoice::Withdrawn, "2019-03-01T00:00:00Z");
    subject.consents.push(withdrawn);
    let (decision, page) = decisions(&subject);
    assert_eq!(decision, "CONSENT_WITHDRAWN");
    assert!(page.contains("since you took your consent back"), "{page}");
}
