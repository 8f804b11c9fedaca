use super::*;
use crate::domain::policy::{
    limits::{ACTIVITIES_MAX, CELLS_MAX, NAMES_MAX, TEXT_BYTES_MAX},
    model::{CollectedEntry, Provenance},
    sample::{CALLS, NEWS, NEWS_TO_POST, sample},
};

fn policy() -> Policy {
    sample("V1", "2021-01-01", &[NEWS, CALLS], &[NEWS_TO_POST])
        .policy()
        .clone()
}

/// Code and place of every error after a change of a policy that compiles.
fn errors_after(change: impl FnOnce(&mut Policy)) -> Vec<(FindingCode, String)> {
    let mut policy = policy();
    change(&mut policy);
    let findings = CompiledPolicy::compile(policy).err().unwrap_or_default();
    findings
        .into_iter()
        .map(|finding| (finding.code, finding.field_path))
        .collect()
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

#[test]
fn an_unchanged_policy_compiles() {
    assert_eq!(errors_after(|_| {}), []);
}

#[test]
fn every_affirmative_method_is_accepted_where_the_policy_lists_none() {
    let policy = sample("V1", "2021-01-01", &[NEWS], &[]);
    assert!(policy.accepts(&name("news"), EvidenceMethod::Checkbox));
    assert!(policy.accepts(&name("news"), EvidenceMethod::Imported));
    assert!(!policy.accepts(&name("news"), EvidenceMethod::ImpliedByUse));
    assert!(!policy.accepts(&name("news"), EvidenceMethod::PreTicked));
}

#[test]
fn a_purpose_with_methods_accepts_only_those_and_never_what_is_no_act() {
    let mut policy = policy();
    let methods = vec![EvidenceMethod::DoubleOptIn, EvidenceMethod::PreTicked];
    policy.consent.methods.insert(name("news"), methods);
    let policy = CompiledPolicy::compile(policy).expect("compiles");
    assert!(policy.accepts(&name("news"), EvidenceMethod::DoubleOptIn));
    assert!(!policy.accepts(&name("news"), EvidenceMethod::Checkbox));
    assert!(!policy.accepts(&name("news"), EvidenceMethod::PreTicked));
    assert!(policy.accepts(&name("calls"), EvidenceMethod::Checkbox));
}

#[test]
fn an_activity_that_lists_data_twice_is_asked_once() {
    let twice = NEWS.replace("[email]", "[email, email]");
    let policy = sample("V1", "2021-01-01", &[&twice], &[]);
    assert_eq!(policy.activities(&name("email"), &name("news")).len(), 1);
}

#[test]
fn retention_without_data_and_subjects_covers_everything() {
    let mut policy = policy();
    policy.retention.push(Retention {
        data: vec![],
        subjects: vec![],
        processor: None,
        kind: RetentionKind::Maximum,
        after: crate::domain::policy::model::RetentionTrigger::Collection,
        activity_sources: vec![],
        period: jiff::Span::new().years(1),
        ground: String::new(),
        provenance: Provenance::default(),
    });
    let policy = CompiledPolicy::compile(policy).expect("compiles");
    let post = name("post");
    for processor in [None, Some(&post)] {
        let (guest, phone) = (name("guest"), name("phone"));
        assert_eq!(
            policy.retention_maxima(&guest, &phone, processor).count(),
            1
        );
    }
}

#[test]
fn dangling_names_are_found_wherever_names_stand() {
    let found = errors_after(|policy| {
        policy.subject_categories.remove("client");
        policy.processors.remove("post");
        let entry = CollectedEntry {
            data: name("email"),
            contexts: vec![],
            optional: false,
            provenance: Provenance::default(),
        };
        policy.collected.insert(name("client"), vec![entry]);
        policy
            .consent
            .methods
            .insert(name("unheard"), vec![EvidenceMethod::Form]);
    });
    let paths: Vec<_> = found
        .iter()
        .inspect(|(code, _)| assert_eq!(*code, FindingCode::DanglingReference))
        .map(|(_, path)| path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "collected.client",
            "activities[0].subjects[0]",
            "activities[1].subjects[0]",
            "sharing[0].subjects[0]",
            "sharing[0].processor",
            "consent.methods.unheard",
        ]
    );
}

#[test]
fn ten_thousand_activities_compile_and_one_more_do_not() {
    let fill = |count: usize| {
        errors_after(|policy| {
            let activity = policy.activities[0].clone();
            policy.activities = (0..count)
                .map(|index| Activity {
                    id: name(&format!("a{index}")),
                    ..activity.clone()
                })
                .collect();
        })
    };
    assert_eq!(fill(ACTIVITIES_MAX), []);
    assert_eq!(
        fill(ACTIVITIES_MAX + 1),
        [(FindingCode::TooMany, "activities".into())]
    );
}

#[test]
fn a_list_of_the_limit_compiles_and_one_more_does_not() {
    let fill =
        |count| errors_after(|policy| policy.activities[0].data = vec![name("email"); count]);
    assert_eq!(fill(NAMES_MAX), []);
    assert_eq!(
        fill(NAMES_MAX + 1),
        [(FindingCode::TooMany, "activities[0].data".into())]
    );
}

#[test]
fn more_cells_than_the_limit_are_refused_before_they_are_counted_out() {
    let per_activity = NAMES_MAX * NAMES_MAX;
    let found = errors_after(|policy| {
        let mut activity = policy.activities[0].clone();
        activity.subjects = vec![name("client"); NAMES_MAX];
        activity.data = vec![name("email"); NAMES_MAX];
        policy.activities = (0..=CELLS_MAX / per_activity)
            .map(|index| Activity {
                id: name(&format!("a{index}")),
                ..activity.clone()
            })
            .collect();
    });
    assert_eq!(found, [(FindingCode::TooMany, "activities".into())]);
}

#[test]
fn a_text_of_the_limit_compiles_and_one_byte_more_does_not() {
    let write = |bytes| errors_after(|policy| policy.notes = vec!["x".repeat(bytes)]);
    assert_eq!(write(TEXT_BYTES_MAX), []);
    assert_eq!(
        write(TEXT_BYTES_MAX + 1),
        [(FindingCode::TextTooLong, "notes[0]".into())]
    );
}

#[test]
fn texts_that_say_nothing_are_errors() {
    let found = errors_after(|policy| {
        policy.id = " ".into();
        policy.controller.legal_entity = Some(String::new());
        policy
            .processors
            .values_mut()
            .for_each(|entry| entry.safeguard = Some("none stated".into()));
    });
    let paths: Vec<_> = found.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "id",
            "controller.legal_entity",
            "processors.lab.safeguard",
            "processors.post.safeguard"
        ]
    );
}

#[test]
fn countries_and_dates_are_checked() {
    let found = errors_after(|policy| {
        policy
            .processors
            .values_mut()
            .for_each(|entry| entry.country = Some("Usa".into()));
        policy.source.published = Some("24 May".into());
        policy.effective_from += jiff::Span::new().nanoseconds(1);
    });
    let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            FindingCode::DateInvalid,
            FindingCode::DateInvalid,
            FindingCode::CountryInvalid,
            FindingCode::CountryInvalid
        ]
    );
}

#[test]
fn an_unknown_time_zone_is_found_beside_the_other_errors() {
    let found = errors_after(|policy| {
        policy.controller.time_zone = "Mars/Olympus".into();
        policy.id = String::new();
    });
    assert_eq!(
        found,
        [
            (FindingCode::TextEmpty, "id".into()),
            (FindingCode::TimeZoneInvalid, "controller.time_zone".into())
        ]
    );
}
