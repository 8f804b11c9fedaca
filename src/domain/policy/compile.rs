//! A checked policy with indexes: the only form in which a policy answers questions.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    check,
    finding::{Finding, FindingCode},
    model::{
        Activity, DataCategoryEntry, IdentifierTypeEntry, LawfulBasis, Policy, ProcessorEntry,
        PurposeEntry, Retention, RetentionKind, SubjectCategoryEntry,
    },
};
use crate::domain::{
    consent::EvidenceMethod,
    name::{
        ActivityId, DataCategory, IdentifierType, PolicyVersion, Processor, Purpose,
        SubjectCategory,
    },
};

type ByUse<T> = HashMap<DataCategory, HashMap<Purpose, T>>;
type Recipients = HashMap<Processor, HashSet<SubjectCategory>>;

/// A policy without `ERROR` findings, indexed. Cheap to clone behind an `Arc`, never changed.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    policy: Arc<Policy>,
    time_zone: TimeZone,
    by_id: HashMap<ActivityId, Arc<Activity>>,
    by_use: ByUse<Vec<Arc<Activity>>>,
    recipients: ByUse<Recipients>,
    collected: HashMap<SubjectCategory, HashSet<DataCategory>>,
}

impl CompiledPolicy {
    /// Checks a policy and indexes it. The error holds every `ERROR` finding, and no others.
    pub fn compile(policy: Policy) -> Result<Self, Vec<Finding>> {
        let mut findings = check::errors(&policy);
        let Ok(time_zone) = TimeZone::get(&policy.controller.time_zone) else {
            findings.push(Finding::error(
                FindingCode::TimeZoneInvalid,
                "controller.time_zone",
                "is not an IANA time zone that is known here; write one such as UTC or Europe/Berlin",
            ));
            return Err(findings);
        };
        if !findings.is_empty() {
            return Err(findings);
        }
        Ok(Self::index(policy, time_zone))
    }

    fn index(policy: Policy, time_zone: TimeZone) -> Self {
        let activities: Vec<_> = policy.activities.iter().cloned().map(Arc::new).collect();
        Self {
            time_zone,
            by_use: index_uses(&activities),
            by_id: activities
                .into_iter()
                .map(|activity| (activity.id.clone(), activity))
                .collect(),
            recipients: index_recipients(&policy),
            collected: index_collected(&policy),
            policy: Arc::new(policy),
        }
    }

    /// The policy as written.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The version's name.
    pub fn version(&self) -> &PolicyVersion {
        &self.policy.version
    }

    /// From when it can be in force.
    pub fn effective_from(&self) -> Timestamp {
        self.policy.effective_from
    }

    /// The controller's time zone, in which calendar periods are counted.
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The catalogue entry of a purpose.
    pub fn purpose(&self, purpose: &Purpose) -> Option<&PurposeEntry> {
        self.policy.purposes.get(purpose)
    }

    /// The catalogue entry of a data category.
    pub fn data_category(&self, data: &DataCategory) -> Option<&DataCategoryEntry> {
        self.policy.data_categories.get(data)
    }

    /// The catalogue entry of a processor.
    pub fn processor(&self, processor: &Processor) -> Option<&ProcessorEntry> {
        self.policy.processors.get(processor)
    }

    /// The catalogue entry of a subject category.
    pub fn subject_category(&self, category: &SubjectCategory) -> Option<&SubjectCategoryEntry> {
        self.policy.subject_categories.get(category)
    }

    /// The catalogue entry of an identifier type.
    pub fn identifier_type(
        &self,
        identifier_type: &IdentifierType,
    ) -> Option<&IdentifierTypeEntry> {
        self.policy.identifier_types.get(identifier_type)
    }

    /// Every activity that covers this data for this purpose, in file order, also those without a
    /// lawful basis.
    pub fn activities(&self, data: &DataCategory, purpose: &Purpose) -> &[Arc<Activity>] {
        self.by_use
            .get(data)
            .and_then(|uses| uses.get(purpose))
            .map_or(&[], Vec::as_slice)
    }

    /// The activity with this id.
    pub fn activity(&self, id: &ActivityId) -> Option<&Arc<Activity>> {
        self.by_id.get(id)
    }

    /// The lawful basis of a cell. There is at most one: two are an `ERROR`.
    pub fn basis(
        &self,
        category: &SubjectCategory,
        data: &DataCategory,
        purpose: &Purpose,
    ) -> Option<LawfulBasis> {
        self.activities(data, purpose)
            .iter()
            .filter(|activity| activity.subjects.contains(category))
            .find_map(|activity| activity.lawful_basis)
    }

    /// Whether a sharing statement names this processor for this cell. It permits nothing by itself.
    pub fn shares(
        &self,
        category: &SubjectCategory,
        data: &DataCategory,
        purpose: &Purpose,
        processor: &Processor,
    ) -> bool {
        self.recipients
            .get(data)
            .and_then(|uses| uses.get(purpose)?.get(processor))
            .is_some_and(|categories| categories.contains(category))
    }

    /// Every processor that a sharing statement names for this cell, in no order.
    pub fn recipients(
        &self,
        category: &SubjectCategory,
        data: &DataCategory,
        purpose: &Purpose,
    ) -> impl Iterator<Item = &Processor> {
        let named = self.recipients.get(data).and_then(|uses| uses.get(purpose));
        let named = named.into_iter().flatten();
        named.filter_map(|(processor, categories)| {
            categories.contains(category).then_some(processor)
        })
    }

    /// Whether this data is declared as collected from people of this category.
    pub fn collects(&self, category: &SubjectCategory, data: &DataCategory) -> bool {
        self.collected
            .get(category)
            .is_some_and(|collected| collected.contains(data))
    }

    /// The ceilings on keeping this data of people of this category. Rules with a processor count
    /// only when that processor is named.
    pub fn retention_maxima<'a>(
        &'a self,
        category: &SubjectCategory,
        data: &DataCategory,
        processor: Option<&Processor>,
    ) -> impl Iterator<Item = &'a Retention> {
        self.policy.retention.iter().filter(move |rule| {
            rule.kind == RetentionKind::Maximum
                && (rule.data.is_empty() || rule.data.contains(data))
                && (rule.subjects.is_empty() || rule.subjects.contains(category))
                && (rule.processor.is_none() || rule.processor.as_ref() == processor)
        })
    }

    /// Whether consent to this purpose may be given in this way. What is no affirmative act never
    /// counts (EDPB 05/2020, CJEU C-673/17), whatever the policy lists.
    pub fn accepts(&self, purpose: &Purpose, method: EvidenceMethod) -> bool {
        is_affirmative(method)
            && self
                .policy
                .consent
                .methods
                .get(purpose)
                .is_none_or(|methods| methods.contains(&method))
    }
}

/// Whether a way of saying yes is an affirmative act (Art. 4(11)). `IMPORTED` points to one, if it
/// has a reference; that is for the decision to see.
pub(super) fn is_affirmative(method: EvidenceMethod) -> bool {
    match method {
        EvidenceMethod::Checkbox
        | EvidenceMethod::Form
        | EvidenceMethod::DoubleOptIn
        | EvidenceMethod::Signature
        | EvidenceMethod::Oral
        | EvidenceMethod::Imported => true,
        EvidenceMethod::ImpliedByUse | EvidenceMethod::PreTicked | EvidenceMethod::NotStated => {
            false
        }
    }
}

fn index_uses(activities: &[Arc<Activity>]) -> ByUse<Vec<Arc<Activity>>> {
    let mut by_use = ByUse::<Vec<Arc<Activity>>>::new();
    for activity in activities {
        let distinct: HashSet<_> = activity.data.iter().collect();
        for data in distinct {
            let uses = by_use.entry(data.clone()).or_default();
            uses.entry(activity.purpose.clone())
                .or_default()
                .push(Arc::clone(activity));
        }
    }
    by_use
}

fn index_recipients(policy: &Policy) -> ByUse<Recipients> {
    let mut recipients = ByUse::<Recipients>::new();
    for sharing in &policy.sharing {
        for data in &sharing.data {
            let uses = recipients.entry(data.clone()).or_default();
            let named = uses.entry(sharing.purpose.clone()).or_default();
            let categories = named.entry(sharing.processor.clone()).or_default();
            categories.extend(sharing.subjects.iter().cloned());
        }
    }
    recipients
}

fn index_collected(policy: &Policy) -> HashMap<SubjectCategory, HashSet<DataCategory>> {
    let names = policy.collected.iter().map(|(category, entries)| {
        (
            category.clone(),
            entries.iter().map(|entry| entry.data.clone()).collect(),
        )
    });
    names.collect()
}

#[cfg(test)]
mod tests;
