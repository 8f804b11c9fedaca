use super::*;
use crate::domain::policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml};

fn record() -> ProcessingRecord {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("reads");
    processing_record(&CompiledPolicy::compile(policy).expect("compiles"))
}

fn activity(id: &str) -> ActivityRecord {
    record()
        .activities
        .into_iter()
        .find(|entry| entry.activity.as_str() == id)
        .expect("there")
}

#[test]
fn the_record_names_the_controller_and_what_is_not_said_of_it() {
    let record = record();
    assert_eq!(record.controller.contact, "support@alidropship.com");
    assert_eq!(record.controller.legal_entity, None);
    assert_eq!(
        record.gaps,
        [
            "legal entity of the controller: not stated",
            "representative in the Union (Art. 27): not stated",
            "data protection officer (Art. 37): not stated",
        ]
    );
    assert_eq!(record.security_measures.len(), 3);
}

#[test]
fn an_activity_names_its_recipients_and_transfers() {
    let entry = activity("client-order-processing");
    assert_eq!(entry.purpose.title, "Charge and process an order");
    assert_eq!(entry.lawful_basis, Some(LawfulBasis::Contract));
    assert!(entry.lawful_basis_inferred);
    let [stripe] = &entry.recipients[..] else {
        panic!("{:?}", entry.recipients)
    };
    assert_eq!(stripe.processor.as_str(), "stripe");
    assert_eq!(stripe.third_country, Some(true));
    assert_eq!(
        entry.gaps,
        [
            "safeguard of the transfer to stripe: not stated",
            "time limit for erasure of payment_details: not stated",
        ]
    );
}

#[test]
fn a_recipient_of_one_purpose_is_no_recipient_of_another() {
    assert_eq!(activity("client-fraud-screening").recipients, []);
    assert_eq!(activity("affiliate-interface-research").recipients, []);
}

#[test]
fn a_time_limit_at_a_processor_stands_where_that_processor_receives() {
    let entry = activity("visitor-interface-research");
    let [limit] = &entry.erasure_limits[..] else {
        panic!("{:?}", entry.erasure_limits)
    };
    assert_eq!(limit.period, "P2Y");
    assert_eq!(
        limit.processor.as_ref().map(Processor::as_str),
        Some("google_analytics")
    );
    assert_eq!(activity("affiliate-interface-research").erasure_limits, []);
}

#[test]
fn every_activity_of_the_policy_is_in_the_record() {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("reads");
    let recorded: Vec<_> = record()
        .activities
        .into_iter()
        .map(|entry| entry.activity)
        .collect();
    let written: Vec<_> = policy
        .activities
        .into_iter()
        .map(|activity| activity.id)
        .collect();
    assert_eq!(recorded, written);
}
