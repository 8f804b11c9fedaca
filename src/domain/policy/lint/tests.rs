use super::*;
use crate::domain::policy::{
    example::EXAMPLE_POLICY_YAML,
    format::{Positions, parse_yaml},
};

fn compile(text: &str) -> (CompiledPolicy, Positions) {
    let (policy, positions) = parse_yaml(text).expect("the shape is right");
    (
        CompiledPolicy::compile(policy).expect("there are no errors"),
        positions,
    )
}

fn example_findings() -> Vec<Finding> {
    lint(&compile(EXAMPLE_POLICY_YAML).0)
}

/// The places at which lint finds this in the example, in its order.
fn found_in_example(severity: Severity, code: FindingCode) -> Vec<String> {
    let findings = example_findings().into_iter();
    findings
        .filter(|f| f.code == code && f.severity == severity)
        .map(|f| f.field_path)
        .collect()
}

fn defects(code: FindingCode) -> Vec<String> {
    found_in_example(Severity::Defect, code)
}

#[test]
fn the_forums_name_photo_and_messages_are_collected_with_no_purpose() {
    assert_eq!(
        defects(FindingCode::CollectedWithoutPurpose),
        [
            "collected.visitor[1]",
            "collected.visitor[2]",
            "collected.visitor[3]"
        ]
    );
}

#[test]
fn an_e_mail_address_left_in_a_comment_or_a_query_has_no_purpose() {
    assert_eq!(
        defects(FindingCode::ContextWithoutPurpose),
        [
            "collected.visitor[0].contexts[2]",
            "collected.visitor[0].contexts[3]"
        ]
    );
}

#[test]
fn aweber_receives_clients_addresses_for_a_newsletter_that_their_section_does_not_declare() {
    assert_eq!(defects(FindingCode::SharingWithoutActivity), ["sharing[2]"]);
    let finding = example_findings()
        .into_iter()
        .find(|f| f.field_path == "sharing[2]")
        .expect("found");
    assert!(
        finding
            .message
            .contains("aweber receives email_address of client for newsletter")
    );
}

#[test]
fn cookies_serve_order_memory_and_traffic_statistics_that_no_activity_declares() {
    assert_eq!(
        defects(FindingCode::CookieWithoutActivity),
        ["cookies[1]", "cookies[2]"]
    );
}

#[test]
fn no_time_limit_is_stated_for_anything_but_google_analytics() {
    let policy = compile(EXAMPLE_POLICY_YAML).0;
    let every: Vec<_> = policy
        .policy()
        .data_categories
        .keys()
        .map(|name| format!("data_categories.{name}"))
        .collect();
    assert_eq!(defects(FindingCode::RetentionMissing), every);
    let findings = example_findings();
    let limited_elsewhere: Vec<_> = findings
        .iter()
        .filter(|f| f.message.contains("but at google_analytics"))
        .collect();
    let [navigation] = limited_elsewhere[..] else {
        panic!("{limited_elsewhere:?}")
    };
    assert_eq!(navigation.field_path, "data_categories.navigation");
}

#[test]
fn consent_is_claimed_by_continued_browsing() {
    assert_eq!(defects(FindingCode::ConsentByUse), ["claims[0]"]);
}

#[test]
fn every_basis_is_inferred() {
    let policy = compile(EXAMPLE_POLICY_YAML).0;
    assert_eq!(
        defects(FindingCode::BasisInferred).len(),
        policy.policy().activities.len()
    );
}

#[test]
fn paypal_is_used_by_nothing() {
    assert_eq!(
        found_in_example(Severity::Warning, FindingCode::NeverUsed),
        ["processors.paypal"]
    );
}

#[test]
fn five_rights_are_not_mentioned() {
    let findings = example_findings();
    let articles: Vec<_> = findings
        .iter()
        .filter(|f| f.code == FindingCode::RightNotMentioned)
        .map(|f| f.article.rsplit(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(articles, ["16", "18", "21", "20", "77"]);
}

#[test]
fn no_legal_entity_is_named() {
    assert_eq!(
        defects(FindingCode::LegalEntityMissing),
        ["controller.legal_entity"]
    );
}

#[test]
fn transfers_to_all_three_recipients_have_no_safeguard() {
    assert_eq!(
        defects(FindingCode::TransferWithoutSafeguard),
        [
            "processors.aweber.safeguard",
            "processors.google_analytics.safeguard",
            "processors.stripe.safeguard"
        ]
    );
}

#[test]
fn no_statement_says_how_long_consent_lasts() {
    assert_eq!(
        found_in_example(Severity::Note, FindingCode::ConsentNeverExpires),
        ["consent.expires_after"]
    );
}

#[test]
fn the_example_has_no_other_findings() {
    let mut codes: Vec<_> = example_findings().into_iter().map(|f| f.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(
        codes,
        [
            FindingCode::CollectedWithoutPurpose,
            FindingCode::ContextWithoutPurpose,
            FindingCode::SharingWithoutActivity,
            FindingCode::CookieWithoutActivity,
            FindingCode::BasisInferred,
            FindingCode::ConsentByUse,
            FindingCode::ConsentNeverExpires,
            FindingCode::RetentionMissing,
            FindingCode::TransferWithoutSafeguard,
            FindingCode::LegalEntityMissing,
            FindingCode::RightNotMentioned,
            FindingCode::NeverUsed,
        ]
    );
}

#[test]
fn every_finding_of_the_example_has_a_line() {
    let (policy, positions) = compile(EXAMPLE_POLICY_YAML);
    let mut findings = lint(&policy);
    positions.locate(&mut findings);
    for finding in &findings {
        assert!(finding.position.is_some(), "{finding}");
    }
    let paypal = findings
        .iter()
        .find(|f| f.code == FindingCode::NeverUsed)
        .expect("found");
    let line = usize::try_from(paypal.position.expect("placed").line).expect("small") - 1;
    assert_eq!(EXAMPLE_POLICY_YAML.lines().nth(line), Some("  paypal:"));
}

#[test]
fn defects_come_before_warnings_and_notes() {
    let severities: Vec<_> = example_findings().into_iter().map(|f| f.severity).collect();
    assert!(severities.is_sorted());
}

/// A policy in which lint finds nothing.
const CLEAN: &str = "\
id: shop
version: V1
effective_from: 2024-01-01
controller: { name: Shop, legal_entity: Shop Ltd, contact: p@shop.example, time_zone: UTC }
subject_categories: { client: { title: Client } }
data_categories: { email_address: { title: E-mail address } }
purposes: { newsletter: { title: Send news } }
processors: { post: { title: Post, role: processor, country: DE } }
collected: { client: [{ data: email_address, contexts: [checkout] }] }
activities:
  - id: client-newsletter
    subjects: [client]
    data: [email_address]
    purpose: newsletter
    lawful_basis: consent
sharing: [{ subjects: [client], data: [email_address], purpose: newsletter, processor: post }]
retention: [{ kind: maximum, after: collection, period: P1Y }]
consent: { expires_after: P1Y }
cookies: [{ name: c, data: email_address, purpose: newsletter }]
rights:
  channel: p@shop.example
  stated: [copy, delete, withdraw_consent, rectify, restrict, object, portability, complain]
security_measures: [locks]
";

/// What lint finds after one change of the clean policy.
fn found_after(line: &str, replacement: &str) -> Vec<(FindingCode, String)> {
    assert!(CLEAN.contains(line), "{line}");
    let (policy, _) = compile(&CLEAN.replacen(line, replacement, 1));
    lint(&policy)
        .into_iter()
        .map(|finding| (finding.code, finding.field_path))
        .collect()
}

#[test]
fn a_policy_that_says_everything_has_no_findings() {
    assert_eq!(found_after("id: shop", "id: shop"), []);
}

#[test]
fn an_activity_without_a_basis_is_found() {
    let found = found_after("    lawful_basis: consent\n", "");
    assert_eq!(
        found,
        [(
            FindingCode::BasisMissing,
            "activities[0].lawful_basis".into()
        )]
    );
}

#[test]
fn a_special_category_needs_a_condition() {
    let found = found_after(
        "{ title: E-mail address }",
        "{ title: Health, special: none stated }",
    );
    assert_eq!(
        found,
        [(
            FindingCode::SpecialWithoutCondition,
            "data_categories.email_address.special".into()
        )]
    );
    let found = found_after(
        "{ title: E-mail address }",
        "{ title: Health, special: explicit consent }",
    );
    assert_eq!(found, []);
}

#[test]
fn a_recipient_outside_the_eea_needs_a_safeguard() {
    let found = found_after("country: DE", "country: CH");
    assert_eq!(
        found,
        [(
            FindingCode::TransferWithoutSafeguard,
            "processors.post.safeguard".into()
        )]
    );
    assert_eq!(
        found_after("country: DE", "country: CH, safeguard: adequacy decision"),
        []
    );
}

#[test]
fn a_recipient_without_a_country_is_found() {
    let found = found_after(", country: DE", "");
    assert_eq!(
        found,
        [(
            FindingCode::CountryMissing,
            "processors.post.country".into()
        )]
    );
}

#[test]
fn a_time_limit_at_one_processor_is_no_time_limit_of_the_controller() {
    let found = found_after("kind: maximum,", "kind: maximum, processor: post,");
    assert_eq!(
        found,
        [(
            FindingCode::RetentionMissing,
            "data_categories.email_address".into()
        )]
    );
}

#[test]
fn a_legal_minimum_limits_nothing_and_needs_a_ground() {
    let found = found_after("kind: maximum,", "kind: legal_minimum,");
    assert_eq!(
        found,
        [
            (
                FindingCode::RetentionWithoutGround,
                "retention[0].ground".into()
            ),
            (
                FindingCode::RetentionMissing,
                "data_categories.email_address".into()
            ),
        ]
    );
}

#[test]
fn activity_sources_without_last_activity_are_found() {
    let found = found_after("period: P1Y }]", "period: P1Y, activity_sources: [web] }]");
    assert_eq!(
        found,
        [(
            FindingCode::ActivitySourcesIgnored,
            "retention[0].activity_sources".into()
        )]
    );
}

#[test]
fn a_context_that_no_activity_covers_is_found() {
    let found = found_after(
        "    purpose: newsletter\n",
        "    purpose: newsletter\n    contexts: [forum]\n",
    );
    assert_eq!(
        found,
        [(
            FindingCode::ContextWithoutPurpose,
            "collected.client[0].contexts[0]".into()
        )]
    );
}

#[test]
fn a_pre_ticked_box_as_a_way_to_consent_is_found() {
    let found = found_after(
        "consent: {",
        "consent: { methods: { newsletter: [CHECKBOX, PRE_TICKED] },",
    );
    assert_eq!(
        found,
        [(
            FindingCode::ConsentMethodNotAffirmative,
            "consent.methods.newsletter[1]".into()
        )]
    );
}

#[test]
fn what_is_not_collected_cannot_be_used() {
    let found = found_after(
        "collected: { client: [{ data: email_address, contexts: [checkout] }] }\n",
        "",
    );
    assert_eq!(
        found,
        [(
            FindingCode::ActivityWithoutCollection,
            "activities[0].data[0]".into()
        )]
    );
}

#[test]
fn a_policy_without_a_channel_or_measures_is_warned_of() {
    assert_eq!(
        found_after("  channel: p@shop.example\n", ""),
        [(FindingCode::RightsChannelMissing, "rights.channel".into())]
    );
    assert_eq!(
        found_after("security_measures: [locks]\n", ""),
        [(
            FindingCode::SecurityMeasuresMissing,
            "security_measures".into()
        )]
    );
}
