//! The record of processing activities (Art. 30(1)), read off a policy.
//!
//! It says what the policy says and names what it does not say: a `None` is "not stated", and
//! `gaps` has each one as a sentence.

use std::{collections::BTreeSet, fmt::Display};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    compile::CompiledPolicy,
    lint::is_transfer,
    model::{
        Activity, AfterCategoryEnd, LawfulBasis, Policy, ProcessorEntry, RecipientRole, Retention,
        RetentionKind, RetentionTrigger,
    },
};
use crate::domain::name::{ActivityId, DataCategory, PolicyVersion, Processor, SubjectCategory};

/// How a gap is printed.
pub const NOT_STATED: &str = "not stated";

/// The record of one policy version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessingRecord {
    /// The policy's id.
    pub policy_id: String,
    /// Its version.
    pub policy_version: PolicyVersion,
    /// From when it can be in force.
    pub effective_from: Timestamp,
    /// Who is responsible (Art. 30(1)(a)).
    pub controller: ControllerRecord,
    /// One entry per activity, in file order.
    pub activities: Vec<ActivityRecord>,
    /// How data is protected (Art. 30(1)(g)).
    pub security_measures: Vec<String>,
    /// What Art. 30(1) asks for and the policy as a whole does not state.
    pub gaps: Vec<String>,
}

/// The controller and its contacts (Art. 30(1)(a)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ControllerRecord {
    /// Its name.
    pub name: String,
    /// The legal entity.
    pub legal_entity: Option<String>,
    /// Where people write to.
    pub contact: String,
    /// The representative in the Union.
    pub representative: Option<String>,
    /// The data protection officer.
    pub data_protection_officer: Option<String>,
}

/// One processing activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivityRecord {
    /// Its id.
    pub activity: ActivityId,
    /// The purpose (Art. 30(1)(b)).
    pub purpose: NamedEntry,
    /// The lawful basis.
    pub lawful_basis: Option<LawfulBasis>,
    /// Whether the transcriber inferred it.
    pub lawful_basis_inferred: bool,
    /// Categories of data subjects (Art. 30(1)(c)).
    pub subject_categories: Vec<NamedEntry>,
    /// Categories of personal data (Art. 30(1)(c)).
    pub data_categories: Vec<NamedEntry>,
    /// Those of them that are special categories (Art. 9), with their condition; "": not stated.
    pub special_categories: Vec<NamedEntry>,
    /// Recipients (Art. 30(1)(d)), with transfers (Art. 30(1)(e)).
    pub recipients: Vec<RecipientRecord>,
    /// Time limits for erasure (Art. 30(1)(f)).
    pub erasure_limits: Vec<ErasureLimit>,
    /// What the text says on how long, in words.
    pub stated_duration: Option<String>,
    /// What happens when a person leaves the category: `stops`, `continues` or a period.
    pub after_category_end: String,
    /// What Art. 30(1) asks for and the policy does not state of this activity.
    pub gaps: Vec<String>,
}

/// A name of the policy, with its title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedEntry {
    /// The name.
    pub name: String,
    /// Its title.
    pub title: String,
}

/// A recipient of an activity's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipientRecord {
    /// Its name.
    pub processor: Processor,
    /// Its title.
    pub title: String,
    /// What it does; "": not stated.
    pub service: String,
    /// Its part.
    pub role: RecipientRole,
    /// What it receives.
    pub data_categories: Vec<NamedEntry>,
    /// Where it processes.
    pub country: Option<String>,
    /// Whether that is outside of the European Economic Area; `None`: not known.
    pub third_country: Option<bool>,
    /// The safeguard of the transfer.
    pub safeguard: Option<String>,
}

/// A time limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErasureLimit {
    /// For which data; empty: all.
    pub data_categories: Vec<NamedEntry>,
    /// Of whom; empty: everyone.
    pub subject_categories: Vec<NamedEntry>,
    /// At whom; `None`: everywhere.
    pub processor: Option<Processor>,
    /// Whether it is a ceiling, or a floor that a law sets.
    pub kind: RetentionKind,
    /// How long: an ISO 8601 period.
    pub period: String,
    /// From when.
    pub after: RetentionTrigger,
    /// The law that a floor rests on; "": not stated.
    pub ground: String,
}

/// Reads the record off a policy.
pub fn processing_record(compiled: &CompiledPolicy) -> ProcessingRecord {
    let policy = compiled.policy();
    let activities = policy
        .activities
        .iter()
        .map(|activity| activity_record(policy, activity));
    ProcessingRecord {
        policy_id: policy.id.clone(),
        policy_version: policy.version.clone(),
        effective_from: policy.effective_from,
        controller: controller_record(policy),
        activities: activities.collect(),
        security_measures: policy.security_measures.clone(),
        gaps: policy_gaps(policy),
    }
}

fn controller_record(policy: &Policy) -> ControllerRecord {
    let controller = &policy.controller;
    ControllerRecord {
        name: controller.name.clone(),
        legal_entity: controller.legal_entity.clone(),
        contact: controller.contact.clone(),
        representative: controller.representative.clone(),
        data_protection_officer: controller.data_protection_officer.clone(),
    }
}

fn policy_gaps(policy: &Policy) -> Vec<String> {
    let controller = &policy.controller;
    let stated = [
        (
            "legal entity of the controller",
            controller.legal_entity.is_some(),
        ),
        (
            "representative in the Union (Art. 27)",
            controller.representative.is_some(),
        ),
        (
            "data protection officer (Art. 37)",
            controller.data_protection_officer.is_some(),
        ),
        (
            "security measures (Art. 32)",
            !policy.security_measures.is_empty(),
        ),
    ];
    stated
        .into_iter()
        .filter(|(_, is_stated)| !is_stated)
        .map(|(what, _)| gap(what))
        .collect()
}

fn activity_record(policy: &Policy, activity: &Activity) -> ActivityRecord {
    let recipients = recipients(policy, activity);
    let limits: Vec<_> = policy
        .retention
        .iter()
        .filter(|rule| concerns(rule, activity, &recipients))
        .collect();
    ActivityRecord {
        activity: activity.id.clone(),
        purpose: NamedEntry::new(
            &activity.purpose,
            policy
                .purposes
                .get(&activity.purpose)
                .map(|entry| &entry.title),
        ),
        lawful_basis: activity.lawful_basis,
        lawful_basis_inferred: activity
            .provenance
            .inferred
            .iter()
            .any(|field| field == "lawful_basis"),
        subject_categories: subject_entries(policy, &activity.subjects),
        data_categories: data_entries(policy, &activity.data),
        special_categories: special_categories(policy, activity),
        erasure_limits: limits
            .iter()
            .map(|rule| erasure_limit(policy, rule))
            .collect(),
        stated_duration: activity.stated_duration.clone(),
        after_category_end: match &activity.after_category_end {
            AfterCategoryEnd::Stops => "stops".into(),
            AfterCategoryEnd::Continues => "continues".into(),
            AfterCategoryEnd::For(period) => period.to_string(),
        },
        gaps: activity_gaps(activity, &recipients, &limits),
        recipients,
    }
}

fn activity_gaps(
    activity: &Activity,
    recipients: &[RecipientRecord],
    limits: &[&Retention],
) -> Vec<String> {
    let mut gaps = Vec::new();
    if activity.lawful_basis.is_none() {
        gaps.push(gap("lawful basis"));
    }
    for recipient in recipients {
        if recipient.country.is_none() {
            gaps.push(gap(&format!("country of {}", recipient.processor)));
        } else if recipient.third_country == Some(true) && recipient.safeguard.is_none() {
            gaps.push(gap(&format!(
                "safeguard of the transfer to {}",
                recipient.processor
            )));
        }
    }
    let unlimited = activity.data.iter().filter(|data| {
        !activity.subjects.iter().all(|category| {
            limits.iter().any(|rule| {
                rule.kind == RetentionKind::Maximum
                    && rule.processor.is_none()
                    && (rule.data.is_empty() || rule.data.contains(data))
                    && (rule.subjects.is_empty() || rule.subjects.contains(category))
            })
        })
    });
    gaps.extend(unlimited.map(|data| gap(&format!("time limit for erasure of {data}"))));
    gaps
}

fn gap(what: &str) -> String {
    format!("{what}: {NOT_STATED}")
}

fn recipients(policy: &Policy, activity: &Activity) -> Vec<RecipientRecord> {
    let sharing = policy.sharing.iter().filter(|sharing| {
        sharing.purpose == activity.purpose
            && sharing
                .subjects
                .iter()
                .any(|category| activity.subjects.contains(category))
            && sharing.data.iter().any(|data| activity.data.contains(data))
    });
    let sharing: Vec<_> = sharing.collect();
    let named: BTreeSet<_> = sharing.iter().map(|sharing| &sharing.processor).collect();
    let records = named.into_iter().filter_map(|name| {
        let received = activity.data.iter().filter(|data| {
            sharing
                .iter()
                .any(|sharing| sharing.processor == *name && sharing.data.contains(data))
        });
        let received: Vec<_> = received.cloned().collect();
        let data_categories = data_entries(policy, &received);
        Some(recipient_record(
            name,
            policy.processors.get(name)?,
            data_categories,
        ))
    });
    records.collect()
}

fn recipient_record(
    name: &Processor,
    entry: &ProcessorEntry,
    data_categories: Vec<NamedEntry>,
) -> RecipientRecord {
    RecipientRecord {
        processor: name.clone(),
        title: entry.title.clone(),
        service: entry.service.clone(),
        role: entry.role,
        data_categories,
        country: entry.country.clone(),
        third_country: entry.country.is_some().then(|| is_transfer(entry)),
        safeguard: entry.safeguard.clone(),
    }
}

fn concerns(rule: &Retention, activity: &Activity, recipients: &[RecipientRecord]) -> bool {
    let data = rule.data.is_empty() || rule.data.iter().any(|data| activity.data.contains(data));
    let subjects = rule.subjects.is_empty()
        || rule
            .subjects
            .iter()
            .any(|category| activity.subjects.contains(category));
    let processor = rule.processor.as_ref().is_none_or(|name| {
        recipients
            .iter()
            .any(|recipient| recipient.processor == *name)
    });
    data && subjects && processor
}

fn erasure_limit(policy: &Policy, rule: &Retention) -> ErasureLimit {
    ErasureLimit {
        data_categories: data_entries(policy, &rule.data),
        subject_categories: subject_entries(policy, &rule.subjects),
        processor: rule.processor.clone(),
        kind: rule.kind,
        period: rule.period.to_string(),
        after: rule.after,
        ground: rule.ground.clone(),
    }
}

fn special_categories(policy: &Policy, activity: &Activity) -> Vec<NamedEntry> {
    let special = activity.data.iter().filter_map(|data| {
        let condition = policy.data_categories.get(data)?.special.as_ref()?;
        Some(NamedEntry {
            name: data.to_string(),
            title: condition.clone(),
        })
    });
    special.collect()
}

fn subject_entries(policy: &Policy, names: &[SubjectCategory]) -> Vec<NamedEntry> {
    let title = |name| {
        policy
            .subject_categories
            .get(name)
            .map(|entry| &entry.title)
    };
    names
        .iter()
        .map(|name| NamedEntry::new(name, title(name)))
        .collect()
}

fn data_entries(policy: &Policy, names: &[DataCategory]) -> Vec<NamedEntry> {
    let title = |name| policy.data_categories.get(name).map(|entry| &entry.title);
    names
        .iter()
        .map(|name| NamedEntry::new(name, title(name)))
        .collect()
}

impl NamedEntry {
    fn new(name: &impl Display, title: Option<&String>) -> Self {
        let name = name.to_string();
        Self {
            title: title.cloned().unwrap_or_else(|| name.clone()),
            name,
        }
    }
}

#[cfg(test)]
mod tests;
