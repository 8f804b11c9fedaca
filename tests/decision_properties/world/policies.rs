//! Generated policies: versions that differ in a part of their cells, or not at all.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Span;
use proptest::{collection::vec, option, prelude::*};
use registry::domain::{
    consent::EvidenceMethod,
    name::{DataCategory, Processor, Purpose, SubjectCategory},
    policy::{
        compile::CompiledPolicy,
        history::PolicyHistory,
        model::{
            Activity, AfterCategoryEnd, ConsentRules, Controller, DataCategoryEntry, LawfulBasis,
            Policy, ProcessorEntry, Provenance, PurposeEntry, RecipientRole, Retention,
            RetentionKind, RetentionTrigger, Rights, Sharing, SourceText, SubjectCategoryEntry,
            UnderRestriction,
        },
    },
};

use super::{
    CATEGORIES, DATA, PROCESSORS, PURPOSES, SOURCES, VERSIONS, any_method, any_period, day,
    mostly_none, name, one_of, some_of,
};

const VERSIONS_MAX: usize = 3;
const CELLS: usize = CATEGORIES.len() * DATA.len() * PURPOSES.len();

/// Versions, ascending.
pub(super) fn any_policies() -> impl Strategy<Value = Vec<Policy>> {
    vec(any_policy_seed(), 1..=VERSIONS_MAX).prop_map(policies)
}

/// What one version is made from. The bases are drawn per cell, since a cell has but one.
#[derive(Clone, Debug)]
struct PolicySeed {
    bases: Vec<Option<LawfulBasis>>,
    like_the_one_before: bool,
    activities: Vec<Activity>,
    sharing: Vec<Sharing>,
    retention: Vec<Retention>,
    direct_marketing: bool,
    roles: [RecipientRole; 2],
    methods: Option<Vec<EvidenceMethod>>,
    expires_after: Option<Span>,
    berlin: bool,
    grid_days_before: i64,
}

fn any_policy_seed() -> impl Strategy<Value = PolicySeed> {
    let rules = (
        vec(any_basis(), CELLS),
        vec(any_activity(), 4..12),
        vec(any_sharing(), 2..9),
        vec(any_retention(), 0..4),
    );
    let method = any_method();
    let details = (
        any::<bool>(),
        any::<bool>(),
        [any_role(), any_role()],
        option::weighted(0.2, vec(method, 1..4)),
        option::weighted(0.3, any_period()),
        any::<bool>(),
        1..=7_i64,
    );
    (rules, details).prop_map(
        |(
            (bases, activities, sharing, retention),
            (like, marketing, roles, methods, expires, berlin, days),
        )| {
            PolicySeed {
                bases,
                like_the_one_before: like,
                activities,
                sharing,
                retention,
                direct_marketing: marketing,
                roles,
                methods,
                expires_after: expires,
                berlin,
                grid_days_before: days,
            }
        },
    )
}

fn any_basis() -> impl Strategy<Value = Option<LawfulBasis>> {
    prop_oneof![
        1 => Just(None),
        8 => Just(Some(LawfulBasis::Consent)),
        2 => Just(Some(LawfulBasis::Contract)),
        1 => Just(Some(LawfulBasis::LegalObligation)),
        1 => Just(Some(LawfulBasis::PublicTask)),
        3 => Just(Some(LawfulBasis::LegitimateInterests)),
    ]
}

fn any_role() -> impl Strategy<Value = RecipientRole> {
    prop_oneof![
        Just(RecipientRole::Processor),
        Just(RecipientRole::Controller)
    ]
}

fn any_activity() -> impl Strategy<Value = Activity> {
    let after_category_end = prop_oneof![
        3 => Just(AfterCategoryEnd::Stops),
        1 => Just(AfterCategoryEnd::Continues),
        1 => any_period().prop_map(AfterCategoryEnd::For),
    ];
    (
        some_of(&CATEGORIES, 1),
        some_of(&DATA, 1),
        one_of(&PURPOSES),
        prop::bool::weighted(0.15),
        option::weighted(0.15, Just(UnderRestriction::LegalClaims)),
        after_category_end,
    )
        .prop_map(
            |(subjects, data, purpose, also_requires_consent, under_restriction, after)| Activity {
                id: name("numbered-later"),
                subjects,
                data,
                contexts: Vec::new(),
                purpose,
                lawful_basis: None,
                also_requires_consent,
                under_restriction,
                stated_duration: None,
                after_category_end: after,
                provenance: Provenance::default(),
            },
        )
}

fn any_sharing() -> impl Strategy<Value = Sharing> {
    (
        some_of(&CATEGORIES, 1),
        some_of(&DATA, 1),
        one_of(&PURPOSES),
        one_of(&PROCESSORS),
    )
        .prop_map(|(subjects, data, purpose, processor)| Sharing {
            subjects,
            data,
            purpose,
            processor,
            provenance: Provenance::default(),
        })
}

fn any_retention() -> impl Strategy<Value = Retention> {
    let after = prop_oneof![
        Just(RetentionTrigger::Collection),
        Just(RetentionTrigger::LastActivity),
        Just(RetentionTrigger::CategoryEnd),
        Just(RetentionTrigger::ConsentWithdrawal),
    ];
    let kind =
        prop_oneof![4 => Just(RetentionKind::Maximum), 1 => Just(RetentionKind::LegalMinimum)];
    (
        mostly_none(&DATA),
        mostly_none(&CATEGORIES),
        option::weighted(0.3, one_of(&PROCESSORS)),
        kind,
        after,
        mostly_none(&SOURCES),
        any_period(),
    )
        .prop_map(
            |(data, subjects, processor, kind, after, activity_sources, period)| Retention {
                data,
                subjects,
                processor,
                kind,
                after,
                activity_sources,
                period,
                ground: String::new(),
                provenance: Provenance::default(),
            },
        )
}

/// Versions in ascending order; the last one may lie ahead of `now`, and so may the first.
fn policies(seeds: Vec<PolicySeed>) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    let mut begins = -3;
    for (index, seed) in seeds.into_iter().enumerate() {
        let copied = policies
            .last()
            .filter(|_| seed.like_the_one_before)
            .cloned();
        begins += seed.grid_days_before;
        let mut policy = copied.unwrap_or_else(|| policy(&seed));
        for (processor, role) in PROCESSORS.iter().zip(seed.roles) {
            let entry = policy.processors.get_mut(*processor);
            entry.expect("in every catalogue").role = role;
        }
        policy.version = name(VERSIONS[index]);
        policy.effective_from = day(begins);
        policies.push(policy);
    }
    policies
}

fn policy(seed: &PolicySeed) -> Policy {
    let entry = Provenance::default;
    let processor = |text: &&str| {
        let entry = ProcessorEntry {
            title: (*text).into(),
            service: String::new(),
            role: RecipientRole::Processor,
            country: None,
            safeguard: None,
            provenance: entry(),
        };
        (name::<Processor>(text), entry)
    };
    let purpose = |text: &&str| {
        let entry = PurposeEntry {
            title: (*text).into(),
            direct_marketing: seed.direct_marketing && *text == PURPOSES[0],
            provenance: entry(),
        };
        (name::<Purpose>(text), entry)
    };
    let data = |text: &&str| {
        let entry = DataCategoryEntry {
            title: (*text).into(),
            special: None,
            provenance: entry(),
        };
        (name::<DataCategory>(text), entry)
    };
    let category = |text: &&str| {
        let entry = SubjectCategoryEntry {
            title: (*text).into(),
            definition: String::new(),
            provenance: entry(),
        };
        (name::<SubjectCategory>(text), entry)
    };
    let methods = seed.methods.iter().cloned();
    Policy {
        id: "generated".into(),
        version: name(VERSIONS[0]),
        effective_from: day(0),
        controller: controller(seed.berlin),
        source: SourceText::default(),
        subject_categories: CATEGORIES.iter().map(category).collect(),
        identifier_types: BTreeMap::new(),
        data_categories: DATA.iter().map(data).collect(),
        purposes: PURPOSES.iter().map(purpose).collect(),
        processors: PROCESSORS.iter().map(processor).collect(),
        collected: BTreeMap::new(),
        activities: activities(seed),
        sharing: seed.sharing.clone(),
        retention: seed.retention.clone(),
        consent: ConsentRules {
            methods: methods.map(|list| (name(PURPOSES[0]), list)).collect(),
            expires_after: seed.expires_after,
            wording: BTreeMap::new(),
            provenance: entry(),
        },
        cookies: Vec::new(),
        rights: Rights::default(),
        security_measures: Vec::new(),
        claims: Vec::new(),
        inferred: Vec::new(),
        notes: Vec::new(),
    }
}

fn controller(berlin: bool) -> Controller {
    Controller {
        name: "Generated".into(),
        legal_entity: None,
        contact: "office@example.test".into(),
        time_zone: if berlin { "Europe/Berlin" } else { "UTC" }.into(),
        data_protection_officer: None,
        representative: None,
        provenance: Provenance::default(),
    }
}

/// An activity keeps its shape where all of its cells have one basis, and is split otherwise.
fn activities(seed: &PolicySeed) -> Vec<Activity> {
    let mut activities = Vec::new();
    for whole in &seed.activities {
        let mut parts = Vec::new();
        for category in &whole.subjects {
            for data in &whole.data {
                let mut part = whole.clone();
                part.subjects = vec![category.clone()];
                part.data = vec![data.clone()];
                part.lawful_basis = seed.bases[cell(category, data, &whole.purpose)];
                parts.push(part);
            }
        }
        if parts
            .iter()
            .all(|part| part.lawful_basis == parts[0].lawful_basis)
        {
            let mut whole = whole.clone();
            whole.lawful_basis = parts[0].lawful_basis;
            parts = vec![whole];
        }
        activities.append(&mut parts);
    }
    for (index, activity) in activities.iter_mut().enumerate() {
        activity.id = name(&format!("activity-{index}"));
    }
    activities
}

fn cell(category: &SubjectCategory, data: &DataCategory, purpose: &Purpose) -> usize {
    let place = |texts: &[&str; 2], text: &str| usize::from(texts[1] == text);
    place(&CATEGORIES, category.as_str())
        + 2 * place(&DATA, data.as_str())
        + 4 * place(&PURPOSES, purpose.as_str())
}

/// The same, compiled.
pub(super) fn history(policies: &[Policy]) -> PolicyHistory {
    let compile = |policy: &Policy| {
        let compiled = CompiledPolicy::compile(policy.clone());
        Arc::new(compiled.unwrap_or_else(|findings| panic!("generated badly: {findings:?}")))
    };
    PolicyHistory::new(policies.iter().map(compile).collect())
}
