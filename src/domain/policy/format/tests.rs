use super::*;
use crate::domain::policy::{
    compile::CompiledPolicy,
    example::EXAMPLE_POLICY_YAML,
    finding::{Position, Severity},
};

const SMALL: &str = "\
id: shop
version: \"1\"
effective_from: 2024-03-31
controller: { name: Shop, contact: privacy@shop.example, time_zone: Europe/Berlin }
subject_categories:
  client: { title: Client }
data_categories:
  email_address: { title: E-mail address }
purposes:
  newsletter: { title: Send news }
activities:
  - id: client-newsletter
    subjects: [client]
    data: [email_address]
    purpose: newsletter
    lawful_basis: consent
";

/// Code and place of each finding of a file, in the order of the file.
fn findings(text: &str) -> Vec<(FindingCode, String, Option<Position>)> {
    let mut findings = match parse_yaml(text) {
        Err(findings) => findings,
        Ok((policy, positions)) => {
            let mut findings = CompiledPolicy::compile(policy).err().unwrap_or_default();
            positions.locate(&mut findings);
            findings
        }
    };
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
    findings.sort_by_key(|finding| finding.position);
    findings
        .into_iter()
        .map(|f| (f.code, f.field_path, f.position))
        .collect()
}

fn at(line: u64, column: u64) -> Position {
    Position { line, column }
}

fn with(line: &str, replacement: &str) -> String {
    assert!(SMALL.contains(line), "{line}");
    SMALL.replacen(line, replacement, 1)
}

#[test]
fn a_small_policy_reads_without_findings() {
    assert_eq!(findings(SMALL), []);
}

#[test]
fn a_date_is_midnight_in_the_controllers_time_zone() {
    let (policy, _) = parse_yaml(SMALL).expect("reads");
    assert_eq!(policy.effective_from.to_string(), "2024-03-30T23:00:00Z");
}

#[test]
fn an_instant_is_taken_as_it_stands() {
    let text = with("2024-03-31", "2024-03-31T12:00:00+02:00");
    let (policy, _) = parse_yaml(&text).expect("reads");
    assert_eq!(policy.effective_from.to_string(), "2024-03-31T10:00:00Z");
}

#[test]
fn an_instant_finer_than_microseconds_is_refused() {
    let found = findings(&with("2024-03-31", "2024-03-31T12:00:00.0000001Z"));
    assert_eq!(
        found,
        [(
            FindingCode::DateInvalid,
            "effective_from".into(),
            Some(at(3, 17))
        )]
    );
}

#[test]
fn every_mistake_of_shape_is_reported_at_once_with_its_place() {
    let text = with(
        "    lawful_basis: consent\n",
        "    lawful_basis: assent\n    purpos: x\n",
    )
    .replace("id: shop\n", "id: 7\n")
    .replace("    data: [email_address]\n", "");
    assert_eq!(
        findings(&text),
        [
            (FindingCode::ValueInvalid, "id".into(), Some(at(1, 5))),
            (
                FindingCode::MissingKey,
                "activities[0]".into(),
                Some(at(12, 5))
            ),
            (
                FindingCode::ValueInvalid,
                "activities[0].lawful_basis".into(),
                Some(at(15, 19))
            ),
            (
                FindingCode::UnknownKey,
                "activities[0].purpos".into(),
                Some(at(16, 5))
            ),
        ]
    );
}

#[test]
fn a_repeated_key_is_reported_where_it_is_repeated() {
    let text = with("purposes:\n", "purposes:\n  newsletter: { title: Again }\n");
    let found = findings(&text);
    assert_eq!(
        found,
        [(
            FindingCode::DuplicateKey,
            "purposes.newsletter".into(),
            Some(at(11, 3))
        )]
    );
}

#[test]
fn a_name_outside_of_its_alphabet_is_reported_where_it_stands() {
    let found = findings(&with("  newsletter: {", "  News Letter: {"));
    let [(code, path, _)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (*code, path.as_str()),
        (FindingCode::ValueInvalid, "purposes.News Letter")
    );
}

#[test]
fn a_hostile_depth_or_key_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(matches!(findings(&deep)[..], [(FindingCode::Syntax, _, _)]));
    let wide = format!("{}: [{}]", "k".repeat(900), "a,".repeat(50_000));
    assert!(
        findings(&wide)
            .iter()
            .any(|(code, ..)| *code == FindingCode::UnknownKey)
    );
}

#[test]
fn every_dangling_name_is_reported_at_once_with_its_place() {
    let text = with("[client]", "[client, visitor]")
        .replace("[email_address]", "[email]")
        .replace("purpose: newsletter", "purpose: news");
    assert_eq!(
        findings(&text),
        [
            (
                FindingCode::DanglingReference,
                "activities[0].subjects[1]".into(),
                Some(at(13, 24))
            ),
            (
                FindingCode::DanglingReference,
                "activities[0].data[0]".into(),
                Some(at(14, 12))
            ),
            (
                FindingCode::DanglingReference,
                "activities[0].purpose".into(),
                Some(at(15, 14))
            ),
        ]
    );
}

#[test]
fn an_unknown_time_zone_is_reported_once() {
    let found = findings(&with("Europe/Berlin", "Europe/Atlantis"));
    let [(code, path, _)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (*code, path.as_str()),
        (FindingCode::TimeZoneInvalid, "controller.time_zone")
    );
}

#[test]
fn periods_are_of_at_least_a_day() {
    for period in [
        "2 years", "PT36H", "P0D", "-P1Y", "P1000Y", "P1DT1S", "", "P",
    ] {
        let text = format!("{SMALL}consent: {{ expires_after: \"{period}\" }}\n");
        let found = findings(&text);
        let [(code, path, _)] = &found[..] else {
            panic!("{period}: {found:?}")
        };
        assert_eq!(
            (*code, path.as_str()),
            (FindingCode::PeriodInvalid, "consent.expires_after")
        );
    }
    for period in ["P2Y", "P24M", "P30D", "P1Y6M", "P2W"] {
        assert_eq!(
            findings(&format!("{SMALL}consent: {{ expires_after: {period} }}\n")),
            []
        );
    }
}

#[test]
fn what_is_not_yaml_is_reported_with_its_place() {
    let found = findings("id: [a\nversion: b\n");
    let [(FindingCode::Syntax, _, Some(position))] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(position.line >= 1);
}

#[test]
fn no_text_at_all_is_reported() {
    for text in ["", "# nothing\n", "---\n", "[]", "a: 1\n---\nb: 2\n"] {
        assert!(!findings(text).is_empty(), "{text:?}");
    }
}

#[test]
fn aliases_are_refused() {
    let found = findings(&with("[client]", "&all [client]").replace("[email_address]", "*all"));
    assert!(
        matches!(found[..], [(FindingCode::Syntax, _, _)]),
        "{found:?}"
    );
}

#[test]
fn a_country_code_that_reads_like_a_no_stays_a_text() {
    let text = format!(
        "{SMALL}processors:\n  post: {{ title: Post, role: processor, country: NO, safeguard: none stated }}\n"
    );
    let (policy, _) = parse_yaml(&text).expect("reads");
    let post = policy.processors.values().next().expect("one processor");
    assert_eq!(post.country.as_deref(), Some("NO"));
    assert_eq!(post.safeguard, None);
}

#[test]
fn a_file_of_the_limit_is_read_and_one_byte_more_is_not() {
    let text = format!("{SMALL}#{}", "x".repeat(POLICY_BYTES_MAX - SMALL.len() - 1));
    assert_eq!(text.len(), POLICY_BYTES_MAX);
    assert_eq!(findings(&text), []);
    assert_eq!(findings(&format!("{text}x"))[0].0, FindingCode::TextTooLong);
}

#[test]
fn two_bases_for_one_cell_are_an_error_and_one_basis_twice_is_not() {
    let second = |basis| {
        format!(
            "{SMALL}  - {{ id: again, subjects: [client], data: [email_address], purpose: newsletter, lawful_basis: {basis} }}\n"
        )
    };
    assert_eq!(findings(&second("consent")), []);
    let found = findings(&second("contract"));
    assert_eq!(found[0].0, FindingCode::TwoBases);
    assert_eq!(found[0].1, "activities[1].lawful_basis");
}

#[test]
fn one_id_for_two_activities_is_an_error() {
    let found = findings(&format!(
        "{SMALL}  - {{ id: client-newsletter, subjects: [client], data: [email_address], purpose: newsletter }}\n"
    ));
    assert_eq!(found[0].0, FindingCode::DuplicateId);
}

#[test]
fn an_activity_of_nobody_and_nothing_is_an_error() {
    let text = with("[client]", "[]").replace("[email_address]", "[]");
    let codes: Vec<_> = findings(&text).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, [FindingCode::ListEmpty, FindingCode::ListEmpty]);
}

#[test]
fn inferred_may_name_only_fields_that_the_entry_has() {
    let found = findings(&format!("{SMALL}    inferred: [lawful_basis, basis]\n"));
    assert_eq!(
        found,
        [(
            FindingCode::InferredFieldUnknown,
            "activities[0].inferred[1]".into(),
            Some(at(17, 30))
        )]
    );
}

#[test]
fn the_example_comes_back_from_its_canonical_form() {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("reads");
    let written = to_json(&policy);
    let again = from_json(&written).expect("reads back");
    assert_eq!(format!("{policy:#?}"), format!("{again:#?}"));
    assert_eq!(to_json(&again), written);
}

#[test]
fn everything_that_the_format_can_say_comes_back_from_the_canonical_form() {
    let (policy, _) = parse_yaml(EVERYTHING).expect("reads");
    let again = from_json(&to_json(&policy)).expect("reads back");
    assert_eq!(format!("{policy:#?}"), format!("{again:#?}"));
    assert_eq!(CompiledPolicy::compile(again).map(drop), Ok(()));
}

#[test]
fn the_canonical_form_does_not_depend_on_the_order_of_keys() {
    let (policy, _) = parse_yaml(SMALL).expect("reads");
    let turned = with("id: shop\nversion: \"1\"\n", "version: \"1\"\nid: shop\n");
    let (again, _) = parse_yaml(&turned).expect("reads");
    assert_eq!(to_json(&policy), to_json(&again));
}

const EVERYTHING: &str = "\
id: all
version: V1
effective_from: 2024-01-01T00:00:00.000001Z
inferred: [id]
controller:
  name: All
  legal_entity: All Ltd
  contact: a@all.example
  time_zone: UTC
  data_protection_officer: d@all.example
  representative: r@all.example
  section: s
  inferred: [time_zone]
  note: n
source: { title: t, published: 2024-01-01, archived: 2024-01-02 }
subject_categories: { member: { title: Member, definition: who joined } }
identifier_types: { user: { kind: account }, phone: { kind: contact, normalise: case_fold } }
data_categories:
  health: { title: Health, special: explicit consent }
  belief: { title: Belief, special: none stated }
purposes: { care: { title: Care, direct_marketing: true }, study: { title: Study } }
processors:
  lab: { title: Lab, service: tests, role: controller, country: CH, safeguard: adequacy decision }
collected:
  member:
    - { data: health, contexts: [visit], optional: true }
    - data: belief
activities:
  - id: a
    subjects: [member]
    data: [health, belief]
    contexts: [visit]
    purpose: care
    lawful_basis: vital_interests
    also_requires: consent
    under_restriction: rights_of_others
    stated_duration: ten years
    after_category_end: P10Y
  - { id: b, subjects: [member], data: [health], purpose: study, after_category_end: continues }
sharing:
  - { subjects: [member], data: [health], purpose: care, processor: lab }
retention:
  - { kind: legal_minimum, after: category_end, period: P1Y6M, ground: a law, subjects: [member] }
  - { kind: maximum, after: consent_withdrawal, period: P30D, data: [belief], processor: lab, activity_sources: [web] }
consent:
  methods: { care: [SIGNATURE, DOUBLE_OPT_IN] }
  expires_after: P24M
  wording: { care: { en: May we?, de: Dürfen wir? }, study: {} }
  note: n
cookies: [{ name: c, data: health, purpose: care, note: n }]
rights: { channel: c, stated: [copy, complain, portability] }
security_measures: [locks]
claims: [{ kind: consent_by_use }]
notes: [n, m]
";
