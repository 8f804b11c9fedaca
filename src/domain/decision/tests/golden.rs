//! The golden table over the example policy: three lives, and what may be done with their data.

use super::life::{Life, NOW, at, in_words, query};
use crate::domain::{
    consent::{ConsentChoice, EvidenceMethod},
    decision::decide,
    name::{Processor, SubjectCategory},
    policy::{example::EXAMPLE_POLICY_YAML, model::LawfulBasis},
};

const CONSENT_PURPOSES: [&str; 4] = [
    "educational_materials",
    "newsletter",
    "website_personalisation",
    "interface_research",
];
const JOINED: &str = "2022-01-01";
const YESTERDAY: &str = "2024-05-31";

fn nobody() -> Life {
    Life::under(&[EXAMPLE_POLICY_YAML])
}

/// Everything that the category's section lists, collected on a day.
fn registered_on(day: &str, category: &str) -> Life {
    let mut life = nobody();
    register(&mut life, category, day);
    life
}

fn register(life: &mut Life, category: &str, day: &str) {
    let policy = life
        .policies
        .in_force(at(NOW))
        .expect("the example")
        .clone();
    let key: SubjectCategory = category.parse().expect("a name");
    for entry in &policy.policy().collected[&key] {
        life.collected(category, entry.data.as_str(), day);
    }
    life.joined(category, JOINED);
}

fn consenting(mut life: Life) -> Life {
    for purpose in CONSENT_PURPOSES {
        life.gave(purpose, YESTERDAY);
    }
    life
}

fn visitor() -> Life {
    consenting(registered_on(YESTERDAY, "visitor"))
}

fn client() -> Life {
    consenting(registered_on(YESTERDAY, "client"))
}

fn affiliate() -> Life {
    consenting(registered_on(YESTERDAY, "affiliate"))
}

/// Of a visitor whose last activity lies 25 months back.
fn long_gone_visitor() -> Life {
    let mut life = consenting(registered_on("2022-04-15", "visitor"));
    let web = "web".parse().expect("a name");
    life.subject.last_activity.insert(web, at("2022-05-01"));
    life
}

fn visitor_and_client() -> Life {
    let mut life = visitor();
    register(&mut life, "client", YESTERDAY);
    life
}

fn email_as_client_only() -> Life {
    let mut life = visitor_and_client();
    life.subject.items.retain(|item| {
        item.data_category.as_str() != "email_address" || item.subject_category.as_str() == "client"
    });
    life
}

fn visitor_without_email() -> Life {
    let mut life = visitor();
    life.subject
        .items
        .retain(|item| item.data_category.as_str() != "email_address");
    life
}

fn visitor_who_withdrew() -> Life {
    let mut life = visitor();
    life.withdrew("newsletter", "2024-06-01T10:00:00Z");
    life
}

fn visitor_with_a_late_record() -> Life {
    let mut life = registered_on(YESTERDAY, "visitor");
    life.withdrew("newsletter", "2024-06-01T10:00:00Z");
    life.gave("newsletter", "2024-06-01T09:00:00Z").recorded_at = at("2024-06-01T11:00:00Z");
    life
}

fn visitor_of_aweber() -> Life {
    let mut life = registered_on(YESTERDAY, "visitor");
    let aweber: Processor = "aweber".parse().expect("a name");
    life.gave("newsletter", YESTERDAY).processors = vec![aweber];
    life
}

fn visitor_by_use() -> Life {
    let mut life = registered_on(YESTERDAY, "visitor");
    life.gave("interface_research", YESTERDAY).method = EvidenceMethod::ImpliedByUse;
    life
}

fn client_who_refused() -> Life {
    let mut life = client();
    life.said(ConsentChoice::Refused, "fraud_screening", YESTERDAY);
    life
}

fn affiliate_who_left() -> Life {
    let mut life = affiliate();
    life.subject.memberships[0].ended_at = Some(at(YESTERDAY));
    life
}

/// Who, what, what for, for whom, the answer.
type Row = (
    fn() -> Life,
    &'static [&'static str],
    &'static str,
    Option<&'static str>,
    &'static str,
);

#[rustfmt::skip]
const ROWS: [Row; 28] = [
    (visitor, &["email_address"], "newsletter", Some("aweber"), "ALLOW LAWFUL consent"),
    (visitor, &["email_address"], "newsletter", Some("stripe"), "DENY PROCESSOR_NOT_NAMED"),
    (visitor, &["email_address"], "contact_and_support", None, "DENY NO_ACTIVITY"),
    (visitor, &["forum_member_name"], "newsletter", None, "DENY NO_ACTIVITY"),
    (visitor, &["navigation"], "interface_research", Some("google_analytics"), "ALLOW LAWFUL consent"),
    (long_gone_visitor, &["navigation"], "interface_research", Some("google_analytics"), "DENY RETENTION_EXPIRED"),
    (long_gone_visitor, &["navigation"], "interface_research", None, "ALLOW LAWFUL consent"),
    (visitor_by_use, &["navigation"], "interface_research", None, "DENY CONSENT_EVIDENCE_INSUFFICIENT"),
    (|| registered_on(YESTERDAY, "visitor"), &["email_address"], "educational_materials", None, "DENY CONSENT_MISSING"),
    (visitor_who_withdrew, &["email_address"], "newsletter", Some("aweber"), "DENY CONSENT_WITHDRAWN"),
    (visitor_without_email, &["email_address"], "newsletter", Some("aweber"), "DENY NOT_COLLECTED"),
    (client, &["payment_details"], "order_processing", Some("stripe"), "ALLOW LAWFUL contract"),
    (client, &["payment_details"], "fraud_screening", None, "ALLOW LAWFUL legitimate interests"),
    (client, &["payment_details"], "fraud_screening", Some("stripe"), "DENY PROCESSOR_NOT_NAMED"),
    (client, &["email_address"], "newsletter", Some("aweber"), "DENY NO_ACTIVITY"),
    (visitor_and_client, &["email_address"], "newsletter", Some("aweber"), "ALLOW LAWFUL consent"),
    (email_as_client_only, &["email_address"], "newsletter", Some("aweber"), "DENY NOT_COLLECTED"),
    (visitor_with_a_late_record, &["email_address"], "newsletter", Some("aweber"), "DENY CONSENT_WITHDRAWN"),
    (visitor_of_aweber, &["email_address"], "newsletter", None, "ALLOW LAWFUL consent"),
    (client_who_refused, &["payment_details"], "fraud_screening", None, "DENY CONSENT_REFUSED"),
    (affiliate_who_left, &["paypal_account"], "commission_payment", None, "ALLOW LAWFUL contract"),
    (affiliate_who_left, &["email_address"], "affiliate_contact", None, "DENY NO_ACTIVITY"),
    (client, &["email_address", "skype_contact"], "contact_and_support", None, "ALLOW LAWFUL contract"),
    (client, &["email_address", "navigation"], "contact_and_support", None, "DENY NO_ACTIVITY"),
    (affiliate, &["paypal_account"], "commission_payment", None, "ALLOW LAWFUL contract"),
    (affiliate, &["paypal_account"], "commission_payment", Some("paypal"), "DENY PROCESSOR_NOT_NAMED"),
    (affiliate, &["navigation"], "interface_research", Some("google_analytics"), "DENY PROCESSOR_NOT_NAMED"),
    (affiliate, &["paypal_account"], "telemarketing", None, "DENY PURPOSE_UNKNOWN"),
];

#[test]
fn the_golden_table_holds() {
    for (number, (life, data, purpose, processor, expected)) in ROWS.into_iter().enumerate() {
        let decision = life().decision(&query(data, purpose, processor), NOW);
        let row = format!("row {}: {data:?} {purpose} {processor:?}", number + 1);
        assert_eq!(in_words(&decision), expected, "{row}");
    }
}

#[test]
fn nobody_knows_an_unknown_subject() {
    let asked = query(&["email_address"], "newsletter", Some("aweber"));
    let decision = decide(&nobody().policies, None, &asked, at(NOW), false);
    assert_eq!(in_words(&decision), "DENY SUBJECT_UNKNOWN");
}

#[test]
fn a_yes_names_its_activity_its_consent_its_items_and_its_policy() {
    let life = visitor();
    let asked = query(&["email_address"], "newsletter", Some("aweber"));
    let decision = life.decision(&asked, NOW);
    let consent = life.subject.consents.iter();
    let consent = consent
        .clone()
        .find(|it| it.purpose.as_str() == "newsletter");
    let items = life.subject.items.iter();
    let email = items
        .clone()
        .find(|it| it.data_category.as_str() == "email_address");
    assert_eq!(
        decision.activity.as_ref().map(AsRef::as_ref),
        Some("visitor-newsletter")
    );
    assert_eq!(decision.lawful_basis, Some(LawfulBasis::Consent));
    assert_eq!(decision.consent_id, consent.map(|it| it.consent_id));
    assert_eq!(
        decision.policy_version.map(String::from),
        Some("2018-05-24".into())
    );
    assert_eq!(
        decision.per_category[0].item_ids,
        email.map(|it| it.item_id).into_iter().collect::<Vec<_>>()
    );
}

#[test]
fn the_same_life_told_by_nobody_is_denied_throughout() {
    for (_, data, purpose, processor, _) in ROWS {
        let asked = query(data, purpose, processor);
        let decision = decide(&nobody().policies, None, &asked, at(NOW), false);
        assert_eq!(in_words(&decision), "DENY SUBJECT_UNKNOWN");
    }
}
