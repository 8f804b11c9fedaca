use super::*;
use crate::domain::policy::{
    example::EXAMPLE_POLICY_YAML,
    format::{parse_yaml, to_json},
    model::AfterCategoryEnd,
};

/// Every field of the format, each with something to say.
const EVERYTHING: &str = "
id: shop
version: '2'
effective_from: 2026-01-01T00:00:00.000001Z
inferred: [effective_from]
controller:
  name: Shop
  legal_entity: Shop GmbH
  contact: privacy@shop.example
  time_zone: Europe/Berlin
  data_protection_officer: officer@shop.example
  representative: Someone in the Union
  section: imprint
  inferred: [time_zone]
  note: a remark
source: { title: Privacy, published: 2025-12-01, archived: 2025-12-02 }
subject_categories:
  client: { title: Client, definition: buys, section: clients, inferred: [definition], note: n }
  guest: { title: Guest }
identifier_types:
  email: { kind: contact, normalise: email, section: s, inferred: [kind], note: n }
  user: { kind: account, normalise: case_fold }
  browser: { kind: device }
data_categories:
  email: { title: E-mail, section: s, inferred: [title], note: n }
  health: { title: Health, special: explicit consent }
  faith: { title: Faith, special: none stated }
purposes:
  news: { title: News, direct_marketing: true, section: s, inferred: [title], note: n }
  orders: { title: Orders }
processors:
  post: { title: Post, service: mail, role: processor, country: US, safeguard: clauses, section: s, inferred: [country], note: n }
  lab: { title: Lab, role: controller, safeguard: none stated }
collected:
  client:
    - { data: email, contexts: [order, forum], optional: true, section: s, inferred: [optional], note: n }
    - { data: health }
  guest: []
activities:
  - id: news
    subjects: [client, guest]
    data: [email]
    contexts: [order]
    purpose: news
    lawful_basis: consent
    under_restriction: legal_claims
    stated_duration: lifelong
    after_category_end: P24M
    section: s
    inferred: [lawful_basis]
    note: n
  - { id: orders, subjects: [client], data: [email, email], purpose: orders, lawful_basis: contract, also_requires: consent, after_category_end: continues }
  - { id: open, subjects: [guest], data: [email], purpose: orders, under_restriction: rights_of_others }
sharing:
  - { subjects: [client], data: [email], purpose: news, processor: post, section: s, inferred: [processor], note: n }
retention:
  - { data: [email], subjects: [client], processor: post, kind: maximum, after: last_activity, activity_sources: [Web], period: P2Y, section: s, inferred: [period], note: n }
  - { kind: legal_minimum, after: category_end, period: P10Y, ground: HGB 257 }
consent:
  methods: { news: [DOUBLE_OPT_IN, CHECKBOX] }
  expires_after: P24M
  wording: { news: { en: May we?, de-AT: Dürfen wir? }, orders: {} }
  section: s
  inferred: [expires_after]
  note: n
cookies:
  - { name: cart, data: email, purpose: orders, section: s, inferred: [data], note: n }
rights: { channel: privacy@shop.example, stated: [copy, complain], section: s, inferred: [channel], note: n }
security_measures: [locks]
claims: [{ kind: consent_by_use, section: s, note: n }]
notes: [a note]
";

fn read(message: v1::Policy) -> Result<Policy, Violations> {
    let mut parse = Parse::new();
    let read = parse.required("policy", Some(message), policy);
    parse.finish(|| read)
}

fn example(yaml: &str) -> Policy {
    let (policy, _) = parse_yaml(yaml).expect("the policy reads");
    policy
}

#[track_caller]
fn fields(message: v1::Policy) -> Vec<String> {
    let violations = read(message).expect_err("it is refused");
    violations.iter().map(|one| one.field.clone()).collect()
}

#[test]
fn a_policy_survives_the_way_through_its_message() {
    for yaml in [EXAMPLE_POLICY_YAML, EVERYTHING] {
        let written = example(yaml);
        let message = render::policy(&written);
        let over_the_wire = v1::Policy::decode(message.encode_to_vec().as_slice()).unwrap();
        let back = read(over_the_wire).expect("it reads back");
        assert_eq!(to_json(&back), to_json(&written));
        assert_eq!(render::policy(&back), message);
        CompiledPolicy::compile(back).expect("it is still sound");
    }
}

#[test]
fn what_the_canonical_text_leaves_out_survives_too() {
    let back = read(render::policy(&example(EVERYTHING))).unwrap();
    let faith = back.data_categories.get("faith").expect("declared");
    assert_eq!(faith.special.as_deref(), Some(""));
    assert_eq!(back.data_categories["email"].special, None);
    assert!(matches!(
        back.activities[2].after_category_end,
        AfterCategoryEnd::Stops
    ));
    assert_eq!(back.activities[2].lawful_basis, None);
}

#[test]
fn an_empty_text_states_nothing() {
    let mut message = render::policy(&example(EVERYTHING));
    let controller = message.controller.as_mut().unwrap();
    controller.legal_entity = Some(String::new());
    message.processors[1].safeguard = Some(String::new());
    message.consent.as_mut().unwrap().expires_after = Some(String::new());
    message.retention[0].processor = Some(String::new());
    let back = read(message).unwrap();
    assert_eq!(back.controller.legal_entity, None);
    assert_eq!(back.processors["post"].safeguard, None);
    assert!(back.consent.expires_after.is_none());
    assert_eq!(back.retention[0].processor, None);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let mut message = render::policy(&example(EVERYTHING));
    message.version = "no version".into();
    message.effective_from = None;
    message.processors[1].role = 0;
    message.collected[0].subject_category = "NOBODY".into();
    message.collected[0].data = String::new();
    message.activities[0].data[0] = "E Mail".into();
    message.activities[0]
        .after_category_end
        .as_mut()
        .unwrap()
        .period = "two years".into();
    message.activities[1].lawful_basis = 99;
    message.retention[1].period = "P2X".into();
    let consent = message.consent.as_mut().unwrap();
    consent.methods[0].methods[1] = 0;
    consent.wording[0].locale = "x".repeat(LOCALE_BYTES_MAX + 1);
    message.rights.as_mut().unwrap().stated[1] = 99;
    message.notes[0] = "a\0b".into();
    assert_eq!(
        fields(message),
        [
            "policy.version",
            "policy.effective_from",
            "policy.processors[1].role",
            "policy.collected[0].subject_category",
            "policy.collected[0].data",
            "policy.activities[0].after_category_end.period",
            "policy.activities[0].data[0]",
            "policy.activities[1].lawful_basis",
            "policy.retention[1].period",
            "policy.consent.methods[0].methods[1]",
            "policy.consent.wording[0].locale",
            "policy.rights.stated[1]",
            "policy.notes[0]",
        ]
    );
}

#[test]
fn a_name_that_stands_twice_in_a_catalogue_is_refused() {
    let mut message = render::policy(&example(EVERYTHING));
    message.purposes.push(message.purposes[0].clone());
    let consent = message.consent.as_mut().unwrap();
    consent.methods.push(consent.methods[0].clone());
    consent.wording.push(consent.wording[0].clone());
    assert_eq!(
        fields(message),
        [
            "policy.purposes[2].id",
            "policy.consent.methods[1].purpose",
            "policy.consent.wording[2]",
        ]
    );
}

#[test]
fn a_period_stands_only_where_an_activity_goes_on_for_it() {
    let mut message = render::policy(&example(EVERYTHING));
    message.activities[1]
        .after_category_end
        .as_mut()
        .unwrap()
        .period = "P1Y".into();
    assert_eq!(
        fields(message),
        ["policy.activities[1].after_category_end.period"]
    );
}

#[test]
fn a_policy_may_be_as_large_as_its_limit_and_no_larger() {
    let mut message = render::policy(&example(EXAMPLE_POLICY_YAML));
    let room = POLICY_BYTES_MAX - message.encoded_len();
    // Each note costs its length and four bytes before it.
    let note = 1_000;
    message
        .notes
        .extend((0..room / (note + 4)).map(|_| "x".repeat(note)));
    let rest = POLICY_BYTES_MAX - message.encoded_len();
    message.id.push_str(&"x".repeat(rest));
    while message.encoded_len() > POLICY_BYTES_MAX {
        message.id.pop();
    }
    assert_eq!(message.encoded_len(), POLICY_BYTES_MAX);
    let at_the_limit = fields(message.clone());
    assert!(
        !at_the_limit.contains(&"policy".to_owned()),
        "{at_the_limit:?}"
    );
    message.id.push('x');
    assert_eq!(fields(message), ["policy"]);
}

#[test]
fn a_locale_is_a_language_tag() {
    let mut parse = Parse::new();
    for good in ["", "en", "de-AT", "zh-Hant-TW"] {
        assert!(locale(&mut parse, good.into()).is_ok(), "{good:?}");
    }
    for bad in ["de_AT", "-", "de-", "ü", "en us", "abcdefghi"] {
        assert!(locale(&mut parse, bad.into()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_record_carries_what_the_policy_states_and_names_what_it_does_not() {
    let compiled = CompiledPolicy::compile(example(EVERYTHING)).unwrap();
    let record = record::record(&compiled, &processing_record(&compiled));
    let news = &record.activities[0];
    assert_eq!(news.purpose_title, "News");
    assert_eq!(news.inferred, ["lawful_basis"]);
    assert_eq!(news.after_category_end, "P24M");
    assert_eq!(news.subject_categories[0].title, "Client");
    assert_eq!(news.recipients[0].third_country, Some(true));
    assert_eq!(news.recipients[0].safeguard, "clauses");
    let floor = &news.time_limits[1];
    assert_eq!(
        (floor.period.as_str(), floor.ground.as_str()),
        ("P10Y", "HGB 257")
    );
    assert!(!news.gaps.is_empty());
    assert_eq!(record.controller.unwrap().time_zone, "Europe/Berlin");
}
