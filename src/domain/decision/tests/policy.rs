//! A small policy with one use for each thing the table speaks of, and its later versions.

/// The first version, of 2024.
pub(super) const FIRST: &str = r#"
id: small
version: "2024"
effective_from: 2024-01-01
controller: { name: Small, contact: office@example.test, time_zone: UTC }
subject_categories:
  visitor: { title: Visitor }
  client: { title: Client }
  partner: { title: Partner }
data_categories:
  email_address: { title: E-mail address }
  navigation: { title: Navigation }
  payment_details: { title: Payment details }
  health: { title: Health, special: explicit consent }
purposes:
  newsletter: { title: Newsletter, direct_marketing: true }
  research: { title: Research }
  screening: { title: Fraud screening }
  ordering: { title: Ordering }
  statistics: { title: Statistics }
  advice: { title: Advice }
  offers: { title: Offers by post, direct_marketing: true }
  litigation: { title: Litigation }
  unfounded: { title: Without a basis }
processors:
  mailer: { title: Mailer, role: processor }
  analyst: { title: Analyst, role: controller }
  bank: { title: Bank, role: processor }
activities:
  - { id: newsletter, subjects: [visitor], data: [email_address], purpose: newsletter, lawful_basis: consent }
  - { id: research, subjects: [visitor, client], data: [navigation], purpose: research, lawful_basis: consent }
  - { id: screening, subjects: [client], data: [payment_details], purpose: screening, lawful_basis: legitimate_interests }
  - { id: ordering, subjects: [client], data: [payment_details], purpose: ordering, lawful_basis: contract }
  - { id: paying, subjects: [partner], data: [payment_details], purpose: ordering, lawful_basis: contract, after_category_end: P1Y }
  - { id: writing, subjects: [partner], data: [email_address], purpose: ordering, lawful_basis: contract, after_category_end: continues }
  - { id: statistics, subjects: [visitor], data: [navigation], purpose: statistics, lawful_basis: public_task }
  - { id: advice, subjects: [client], data: [health], purpose: advice, lawful_basis: contract, also_requires: consent }
  - { id: offers, subjects: [client], data: [email_address], purpose: offers, lawful_basis: contract }
  - { id: litigation, subjects: [client], data: [payment_details], purpose: litigation, lawful_basis: legitimate_interests, under_restriction: legal_claims }
  - { id: unfounded, subjects: [visitor], data: [email_address], purpose: unfounded }
sharing:
  - { subjects: [visitor], data: [email_address], purpose: newsletter, processor: mailer }
  - { subjects: [visitor], data: [navigation], purpose: research, processor: analyst }
  - { subjects: [client], data: [payment_details], purpose: ordering, processor: bank }
consent:
  methods: { research: [CHECKBOX, DOUBLE_OPT_IN] }
"#;

/// A later version of [`FIRST`], with replacements made in its text.
pub(super) fn later(version: &str, effective_from: &str, changes: &[(&str, &str)]) -> String {
    let head = [
        ("version: \"2024\"", format!("version: \"{version}\"")),
        (
            "effective_from: 2024-01-01",
            format!("effective_from: {effective_from}"),
        ),
    ];
    let mut text = FIRST.to_owned();
    for (from, to) in head {
        text = replace(&text, from, &to);
    }
    for (from, to) in changes {
        text = replace(&text, from, to);
    }
    text
}

fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the small policy does not say {from}");
    text.replacen(from, to, 1)
}
