use super::*;
use crate::domain::{
    name::{DataCategory, Processor, Purpose, SubjectCategory},
    policy::{
        compile::CompiledPolicy,
        format::parse_yaml,
        model::{AfterCategoryEnd, LawfulBasis},
    },
};

fn example() -> CompiledPolicy {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example has the right shape");
    CompiledPolicy::compile(policy).expect("the example has no errors")
}

fn subject(name: &str) -> SubjectCategory {
    name.parse().expect("a name")
}

fn data(name: &str) -> DataCategory {
    name.parse().expect("a name")
}

fn purpose(name: &str) -> Purpose {
    name.parse().expect("a name")
}

fn processor(name: &str) -> Processor {
    name.parse().expect("a name")
}

fn basis(category: &str, what: &str, why: &str) -> Option<LawfulBasis> {
    example().basis(&subject(category), &data(what), &purpose(why))
}

#[test]
fn visitors_data_has_the_bases_of_the_transcription() {
    assert_eq!(
        basis("visitor", "email_address", "newsletter"),
        Some(LawfulBasis::Consent)
    );
    assert_eq!(
        basis("visitor", "email_address", "educational_materials"),
        Some(LawfulBasis::Consent)
    );
    assert_eq!(
        basis("visitor", "browser_and_device", "website_functionality"),
        Some(LawfulBasis::LegitimateInterests)
    );
    assert_eq!(
        basis("visitor", "email_address", "contact_and_support"),
        None
    );
    assert_eq!(basis("visitor", "forum_member_name", "newsletter"), None);
}

#[test]
fn clients_data_has_the_bases_of_the_transcription() {
    assert_eq!(
        basis("client", "payment_details", "order_processing"),
        Some(LawfulBasis::Contract)
    );
    assert_eq!(
        basis("client", "payment_details", "fraud_screening"),
        Some(LawfulBasis::LegitimateInterests)
    );
    assert_eq!(
        basis("client", "skype_contact", "post_purchase_support"),
        Some(LawfulBasis::Contract)
    );
    assert_eq!(basis("client", "email_address", "newsletter"), None);
    assert_eq!(basis("client", "navigation", "contact_and_support"), None);
}

#[test]
fn interface_research_rests_on_consent_in_every_category() {
    for category in ["visitor", "client", "affiliate"] {
        assert_eq!(
            basis(category, "navigation", "interface_research"),
            Some(LawfulBasis::Consent)
        );
    }
}

#[test]
fn every_other_activity_rests_on_contract() {
    let consent = [
        "educational_materials",
        "newsletter",
        "website_personalisation",
        "interface_research",
    ];
    let interests = ["website_functionality", "fraud_screening"];
    for activity in &example().policy().activities {
        let expected = match activity.purpose.as_str() {
            why if consent.contains(&why) => LawfulBasis::Consent,
            why if interests.contains(&why) => LawfulBasis::LegitimateInterests,
            _ => LawfulBasis::Contract,
        };
        assert_eq!(activity.lawful_basis, Some(expected), "{}", activity.id);
        assert!(
            activity
                .provenance
                .inferred
                .contains(&"lawful_basis".to_owned()),
            "{}",
            activity.id
        );
    }
}

#[test]
fn commissions_outlive_the_affiliate_and_contact_does_not() {
    let policy = example();
    let commission = &policy.activities(&data("paypal_account"), &purpose("commission_payment"))[0];
    let contact = &policy.activities(&data("email_address"), &purpose("affiliate_contact"))[0];
    assert!(matches!(
        commission.after_category_end,
        AfterCategoryEnd::Continues
    ));
    assert!(matches!(
        contact.after_category_end,
        AfterCategoryEnd::Stops
    ));
}

#[test]
fn recipients_are_those_that_the_text_names() {
    let policy = example();
    let shares = |category, what, why, to| {
        policy.shares(
            &subject(category),
            &data(what),
            &purpose(why),
            &processor(to),
        )
    };
    assert!(shares("visitor", "email_address", "newsletter", "aweber"));
    assert!(!shares("visitor", "email_address", "newsletter", "stripe"));
    assert!(shares(
        "client",
        "payment_details",
        "order_processing",
        "stripe"
    ));
    assert!(!shares(
        "client",
        "payment_details",
        "fraud_screening",
        "stripe"
    ));
    assert!(!shares(
        "affiliate",
        "navigation",
        "interface_research",
        "google_analytics"
    ));
    assert!(!shares(
        "affiliate",
        "paypal_account",
        "commission_payment",
        "paypal"
    ));
}

#[test]
fn only_google_analytics_has_a_time_limit() {
    let policy = example();
    let (visitor, navigation) = (subject("visitor"), data("navigation"));
    let google = processor("google_analytics");
    assert_eq!(
        policy.retention_maxima(&visitor, &navigation, None).count(),
        0
    );
    let [rule] = policy
        .retention_maxima(&visitor, &navigation, Some(&google))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one rule");
    };
    assert_eq!(rule.period.to_string(), "P2Y");
    assert_eq!(
        policy
            .retention_maxima(&visitor, &data("email_address"), Some(&google))
            .count(),
        0
    );
}

#[test]
fn every_section_collects_what_it_lists_and_no_more() {
    let policy = example();
    assert!(policy.collects(&subject("visitor"), &data("forum_messages")));
    assert!(policy.collects(&subject("affiliate"), &data("paypal_account")));
    assert!(!policy.collects(&subject("visitor"), &data("payment_details")));
    assert!(!policy.collects(&subject("affiliate"), &data("skype_contact")));
}
