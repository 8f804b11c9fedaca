//! The policy as canonical JSON: the file format, with everything that says nothing left out and
//! keys in byte order. Equal policies have equal texts, so a hash of the text names the policy.
//! A field that is added to the format later is left out where it is not used, so that hashes of
//! older versions stay.

use std::{collections::BTreeMap, fmt::Display};

use serde::Serialize;
use serde_json::Value;

use crate::domain::policy::{
    limits::NONE_STATED,
    model::{
        Activity, AfterCategoryEnd, Claim, CollectedEntry, ConsentRules, Controller, Cookie,
        DataCategoryEntry, IdentifierTypeEntry, Policy, ProcessorEntry, Provenance, PurposeEntry,
        Retention, Rights, Sharing, SourceText, SubjectCategoryEntry,
    },
};

/// Writes the canonical form. `from_json` reads it back to an equal policy, for any policy that
/// compiles.
pub fn to_json(policy: &Policy) -> String {
    policy_document(policy)
        .0
        .map_or_else(|| "{}".to_owned(), |value| value.to_string())
}

/// A value, or nothing where there is nothing to say.
struct Node(Option<Value>);

/// A mapping in the making. `BTreeMap` gives the byte order, whatever order `serde_json` keeps.
#[derive(Default)]
struct Document(BTreeMap<String, Value>);

impl Document {
    fn with(mut self, key: &str, node: Node) -> Self {
        if let Some(value) = node.0 {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    fn with_provenance(self, provenance: &Provenance) -> Self {
        self.with("section", text(&provenance.section))
            .with("inferred", texts(&provenance.inferred))
            .with("note", text(&provenance.note))
    }

    /// The mapping as an entry of a list or a catalogue: there also when it is empty.
    fn entry(self) -> Value {
        self.0.into_iter().collect()
    }

    /// The mapping as a field: left out when it is empty.
    fn field(self) -> Node {
        Node((!self.0.is_empty()).then(|| self.entry()))
    }
}

fn text(text: &str) -> Node {
    Node((!text.is_empty()).then(|| Value::from(text)))
}

fn optional(text: Option<&String>) -> Node {
    Node(text.map(|text| Value::from(text.as_str())))
}

fn flag(flag: bool) -> Node {
    Node(flag.then_some(Value::Bool(true)))
}

fn name(name: &impl Display) -> Node {
    Node(Some(Value::String(name.to_string())))
}

fn texts<T: Display>(texts: &[T]) -> Node {
    list(texts, |text| Value::String(text.to_string()))
}

/// A unit variant of an enum: its word. Those of the model always have one.
fn choice(choice: &impl Serialize) -> Node {
    Node(serde_json::to_value(choice).ok())
}

fn list<T>(entries: &[T], write: impl Fn(&T) -> Value) -> Node {
    Node((!entries.is_empty()).then(|| entries.iter().map(write).collect()))
}

fn map<K: Display, T>(entries: &BTreeMap<K, T>, write: impl Fn(&T) -> Value) -> Node {
    let written = entries
        .iter()
        .map(|(key, entry)| (key.to_string(), write(entry)));
    Document(written.collect()).field()
}

fn policy_document(policy: &Policy) -> Node {
    Document::default()
        .with("id", text(&policy.id))
        .with("version", name(&policy.version))
        .with("effective_from", name(&policy.effective_from))
        .with("controller", controller(&policy.controller))
        .with("source", source(&policy.source))
        .with(
            "subject_categories",
            map(&policy.subject_categories, subject_category),
        )
        .with(
            "identifier_types",
            map(&policy.identifier_types, identifier_type),
        )
        .with(
            "data_categories",
            map(&policy.data_categories, data_category),
        )
        .with("purposes", map(&policy.purposes, purpose))
        .with("processors", map(&policy.processors, processor))
        .with(
            "collected",
            map(&policy.collected, |entries| {
                entries.iter().map(collected).collect()
            }),
        )
        .with("activities", list(&policy.activities, activity))
        .with("sharing", list(&policy.sharing, sharing))
        .with("retention", list(&policy.retention, retention))
        .with("consent", consent(&policy.consent))
        .with("cookies", list(&policy.cookies, cookie))
        .with("rights", rights(&policy.rights))
        .with("security_measures", texts(&policy.security_measures))
        .with("claims", list(&policy.claims, claim))
        .with("inferred", texts(&policy.inferred))
        .with("notes", texts(&policy.notes))
        .field()
}

fn controller(controller: &Controller) -> Node {
    Document::default()
        .with("name", text(&controller.name))
        .with("legal_entity", optional(controller.legal_entity.as_ref()))
        .with("contact", text(&controller.contact))
        .with("time_zone", text(&controller.time_zone))
        .with(
            "data_protection_officer",
            optional(controller.data_protection_officer.as_ref()),
        )
        .with(
            "representative",
            optional(controller.representative.as_ref()),
        )
        .with_provenance(&controller.provenance)
        .field()
}

fn source(source: &SourceText) -> Node {
    Document::default()
        .with("title", text(&source.title))
        .with("published", optional(source.published.as_ref()))
        .with("archived", optional(source.archived.as_ref()))
        .field()
}

fn subject_category(entry: &SubjectCategoryEntry) -> Value {
    Document::default()
        .with("title", text(&entry.title))
        .with("definition", text(&entry.definition))
        .with_provenance(&entry.provenance)
        .entry()
}

fn identifier_type(entry: &IdentifierTypeEntry) -> Value {
    Document::default()
        .with("kind", choice(&entry.kind))
        .with("normalise", choice(&entry.normalise))
        .with_provenance(&entry.provenance)
        .entry()
}

fn data_category(entry: &DataCategoryEntry) -> Value {
    let special = entry.special.as_deref().map(|condition| match condition {
        "" => Value::from(NONE_STATED),
        condition => Value::from(condition),
    });
    Document::default()
        .with("title", text(&entry.title))
        .with("special", Node(special))
        .with_provenance(&entry.provenance)
        .entry()
}

fn purpose(entry: &PurposeEntry) -> Value {
    Document::default()
        .with("title", text(&entry.title))
        .with("direct_marketing", flag(entry.direct_marketing))
        .with_provenance(&entry.provenance)
        .entry()
}

fn processor(entry: &ProcessorEntry) -> Value {
    Document::default()
        .with("title", text(&entry.title))
        .with("service", text(&entry.service))
        .with("role", choice(&entry.role))
        .with("country", optional(entry.country.as_ref()))
        .with("safeguard", optional(entry.safeguard.as_ref()))
        .with_provenance(&entry.provenance)
        .entry()
}

fn collected(entry: &CollectedEntry) -> Value {
    Document::default()
        .with("data", name(&entry.data))
        .with("contexts", texts(&entry.contexts))
        .with("optional", flag(entry.optional))
        .with_provenance(&entry.provenance)
        .entry()
}

fn activity(activity: &Activity) -> Value {
    let after_category_end = match &activity.after_category_end {
        AfterCategoryEnd::Stops => Node(None),
        AfterCategoryEnd::Continues => text("continues"),
        AfterCategoryEnd::For(period) => name(period),
    };
    Document::default()
        .with("id", name(&activity.id))
        .with("subjects", texts(&activity.subjects))
        .with("data", texts(&activity.data))
        .with("contexts", texts(&activity.contexts))
        .with("purpose", name(&activity.purpose))
        .with(
            "lawful_basis",
            Node(activity.lawful_basis.and_then(|basis| choice(&basis).0)),
        )
        .with(
            "also_requires",
            text(if activity.also_requires_consent {
                "consent"
            } else {
                ""
            }),
        )
        .with(
            "under_restriction",
            Node(activity.under_restriction.and_then(|why| choice(&why).0)),
        )
        .with(
            "stated_duration",
            optional(activity.stated_duration.as_ref()),
        )
        .with("after_category_end", after_category_end)
        .with_provenance(&activity.provenance)
        .entry()
}

fn sharing(sharing: &Sharing) -> Value {
    Document::default()
        .with("subjects", texts(&sharing.subjects))
        .with("data", texts(&sharing.data))
        .with("purpose", name(&sharing.purpose))
        .with("processor", name(&sharing.processor))
        .with_provenance(&sharing.provenance)
        .entry()
}

fn retention(rule: &Retention) -> Value {
    Document::default()
        .with("data", texts(&rule.data))
        .with("subjects", texts(&rule.subjects))
        .with(
            "processor",
            Node(
                rule.processor
                    .as_ref()
                    .and_then(|processor| name(processor).0),
            ),
        )
        .with("kind", choice(&rule.kind))
        .with("after", choice(&rule.after))
        .with("activity_sources", texts(&rule.activity_sources))
        .with("period", name(&rule.period))
        .with("ground", text(&rule.ground))
        .with_provenance(&rule.provenance)
        .entry()
}

fn consent(rules: &ConsentRules) -> Node {
    let methods = map(&rules.methods, |methods| {
        methods
            .iter()
            .filter_map(|method| choice(method).0)
            .collect()
    });
    let wording = map(&rules.wording, |wordings| {
        map(wordings, |wording| Value::from(wording.as_str()))
            .0
            .unwrap_or_else(|| Document::default().entry())
    });
    Document::default()
        .with("methods", methods)
        .with(
            "expires_after",
            Node(
                rules
                    .expires_after
                    .as_ref()
                    .and_then(|period| name(period).0),
            ),
        )
        .with("wording", wording)
        .with_provenance(&rules.provenance)
        .field()
}

fn cookie(cookie: &Cookie) -> Value {
    Document::default()
        .with("name", text(&cookie.name))
        .with("data", name(&cookie.data))
        .with("purpose", name(&cookie.purpose))
        .with_provenance(&cookie.provenance)
        .entry()
}

fn rights(rights: &Rights) -> Node {
    Document::default()
        .with("channel", text(&rights.channel))
        .with(
            "stated",
            list(&rights.stated, |right| choice(right).0.unwrap_or_default()),
        )
        .with_provenance(&rights.provenance)
        .field()
}

fn claim(claim: &Claim) -> Value {
    Document::default()
        .with("kind", choice(&claim.kind))
        .with_provenance(&claim.provenance)
        .entry()
}
