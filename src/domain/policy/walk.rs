//! Visits every entry and every text of a policy, each with its field path.

use super::model::{Policy, Provenance};

/// An entry that says where it rests in the text.
pub(super) struct Entry<'a> {
    /// Its field path.
    pub path: String,
    /// Where it rests.
    pub provenance: &'a Provenance,
    /// The fields that `inferred` may name.
    pub fields: &'static [&'static str],
}

const CONTROLLER: &[&str] = &[
    "name",
    "legal_entity",
    "contact",
    "time_zone",
    "data_protection_officer",
    "representative",
];
const SUBJECT_CATEGORY: &[&str] = &["title", "definition"];
const IDENTIFIER_TYPE: &[&str] = &["kind", "normalise"];
const DATA_CATEGORY: &[&str] = &["title", "special"];
const PURPOSE: &[&str] = &["title", "direct_marketing"];
const PROCESSOR: &[&str] = &["title", "service", "role", "country", "safeguard"];
const COLLECTED: &[&str] = &["data", "contexts", "optional"];
const ACTIVITY: &[&str] = &[
    "id",
    "subjects",
    "data",
    "contexts",
    "purpose",
    "lawful_basis",
    "also_requires",
    "under_restriction",
    "stated_duration",
    "after_category_end",
];
const SHARING: &[&str] = &["subjects", "data", "purpose", "processor"];
const RETENTION: &[&str] = &[
    "data",
    "subjects",
    "processor",
    "kind",
    "after",
    "activity_sources",
    "period",
    "ground",
];
const CONSENT: &[&str] = &["methods", "expires_after", "wording"];
const COOKIE: &[&str] = &["name", "data", "purpose"];
const RIGHTS: &[&str] = &["channel", "stated"];
const CLAIM: &[&str] = &["kind"];
/// The fields of the policy itself that `inferred` may name.
pub(super) const POLICY: &[&str] = &[
    "id",
    "version",
    "effective_from",
    "source",
    "security_measures",
];

/// Every entry, in the order of the file format.
pub(super) fn entries(policy: &Policy) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut add = |path: String, provenance, fields| {
        entries.push(Entry {
            path,
            provenance,
            fields,
        });
    };
    add(
        "controller".into(),
        &policy.controller.provenance,
        CONTROLLER,
    );
    add_catalogues(policy, &mut add);
    for (category, collected) in &policy.collected {
        for (index, entry) in collected.iter().enumerate() {
            add(
                format!("collected.{category}[{index}]"),
                &entry.provenance,
                COLLECTED,
            );
        }
    }
    for (index, activity) in policy.activities.iter().enumerate() {
        add(
            format!("activities[{index}]"),
            &activity.provenance,
            ACTIVITY,
        );
    }
    for (index, sharing) in policy.sharing.iter().enumerate() {
        add(format!("sharing[{index}]"), &sharing.provenance, SHARING);
    }
    for (index, rule) in policy.retention.iter().enumerate() {
        add(format!("retention[{index}]"), &rule.provenance, RETENTION);
    }
    add("consent".into(), &policy.consent.provenance, CONSENT);
    for (index, cookie) in policy.cookies.iter().enumerate() {
        add(format!("cookies[{index}]"), &cookie.provenance, COOKIE);
    }
    add("rights".into(), &policy.rights.provenance, RIGHTS);
    for (index, claim) in policy.claims.iter().enumerate() {
        add(format!("claims[{index}]"), &claim.provenance, CLAIM);
    }
    entries
}

/// The named entries: who, how recognised, what, why, with whom.
fn add_catalogues<'a>(
    policy: &'a Policy,
    add: &mut impl FnMut(String, &'a Provenance, &'static [&'static str]),
) {
    for (name, entry) in &policy.subject_categories {
        add(
            format!("subject_categories.{name}"),
            &entry.provenance,
            SUBJECT_CATEGORY,
        );
    }
    for (name, entry) in &policy.identifier_types {
        add(
            format!("identifier_types.{name}"),
            &entry.provenance,
            IDENTIFIER_TYPE,
        );
    }
    for (name, entry) in &policy.data_categories {
        add(
            format!("data_categories.{name}"),
            &entry.provenance,
            DATA_CATEGORY,
        );
    }
    for (name, entry) in &policy.purposes {
        add(format!("purposes.{name}"), &entry.provenance, PURPOSE);
    }
    for (name, entry) in &policy.processors {
        add(format!("processors.{name}"), &entry.provenance, PROCESSOR);
    }
}

/// Every free text with its field path.
pub(super) fn texts(policy: &Policy) -> Vec<(String, &str)> {
    let mut texts = statement_texts(policy);
    texts.extend(catalogue_texts(policy));
    for entry in entries(policy) {
        let (path, provenance) = (entry.path, entry.provenance);
        texts.push((format!("{path}.section"), provenance.section.as_str()));
        texts.push((format!("{path}.note"), provenance.note.as_str()));
        for (index, field) in provenance.inferred.iter().enumerate() {
            texts.push((format!("{path}.inferred[{index}]"), field.as_str()));
        }
    }
    texts
}

fn catalogue_texts(policy: &Policy) -> Vec<(String, &str)> {
    let mut texts = Vec::new();
    let mut add = |path: String, text| texts.push((path, text));
    for (name, entry) in &policy.subject_categories {
        add(
            format!("subject_categories.{name}.title"),
            entry.title.as_str(),
        );
        add(
            format!("subject_categories.{name}.definition"),
            entry.definition.as_str(),
        );
    }
    for (name, entry) in &policy.data_categories {
        add(
            format!("data_categories.{name}.title"),
            entry.title.as_str(),
        );
        add(
            format!("data_categories.{name}.special"),
            entry.special.as_deref().unwrap_or_default(),
        );
    }
    for (name, entry) in &policy.purposes {
        add(format!("purposes.{name}.title"), entry.title.as_str());
    }
    for (name, entry) in &policy.processors {
        add(format!("processors.{name}.title"), entry.title.as_str());
        add(format!("processors.{name}.service"), entry.service.as_str());
        add(
            format!("processors.{name}.safeguard"),
            entry.safeguard.as_deref().unwrap_or_default(),
        );
    }
    texts
}

fn statement_texts(policy: &Policy) -> Vec<(String, &str)> {
    let controller = &policy.controller;
    let mut texts = vec![
        ("id".into(), policy.id.as_str()),
        ("controller.name".into(), controller.name.as_str()),
        ("controller.contact".into(), controller.contact.as_str()),
        (
            "controller.legal_entity".into(),
            controller.legal_entity.as_deref().unwrap_or_default(),
        ),
        (
            "controller.data_protection_officer".into(),
            controller
                .data_protection_officer
                .as_deref()
                .unwrap_or_default(),
        ),
        (
            "controller.representative".into(),
            controller.representative.as_deref().unwrap_or_default(),
        ),
        ("source.title".into(), policy.source.title.as_str()),
        ("rights.channel".into(), policy.rights.channel.as_str()),
    ];
    let mut add = |path: String, text| texts.push((path, text));
    for (category, collected) in &policy.collected {
        for (index, entry) in collected.iter().enumerate() {
            for (place, context) in entry.contexts.iter().enumerate() {
                add(
                    format!("collected.{category}[{index}].contexts[{place}]"),
                    context.as_str(),
                );
            }
        }
    }
    for (index, activity) in policy.activities.iter().enumerate() {
        let duration = activity.stated_duration.as_deref().unwrap_or_default();
        add(format!("activities[{index}].stated_duration"), duration);
        for (place, context) in activity.contexts.iter().enumerate() {
            add(
                format!("activities[{index}].contexts[{place}]"),
                context.as_str(),
            );
        }
    }
    for (index, rule) in policy.retention.iter().enumerate() {
        add(format!("retention[{index}].ground"), rule.ground.as_str());
    }
    for (purpose, wordings) in &policy.consent.wording {
        for (locale, wording) in wordings {
            add(
                format!("consent.wording.{purpose}.{locale}"),
                wording.as_str(),
            );
        }
    }
    for (index, cookie) in policy.cookies.iter().enumerate() {
        add(format!("cookies[{index}].name"), cookie.name.as_str());
    }
    for (index, measure) in policy.security_measures.iter().enumerate() {
        add(format!("security_measures[{index}]"), measure.as_str());
    }
    for (index, note) in policy.notes.iter().enumerate() {
        add(format!("notes[{index}]"), note.as_str());
    }
    texts
}
