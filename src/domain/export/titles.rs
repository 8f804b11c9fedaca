//! Titles of the policy's names: of the version in force, else of the latest that has one.

use crate::domain::{
    name::{DataCategory, Processor, Purpose, SubjectCategory},
    policy::{compile::CompiledPolicy, history::PolicyHistory, model::ProcessorEntry},
};

use super::model::Named;

/// The versions, the most telling one first.
#[derive(Clone)]
pub(super) struct Titles<'a> {
    versions: Vec<&'a CompiledPolicy>,
}

impl<'a> Titles<'a> {
    pub(super) fn new(policies: &'a PolicyHistory, in_force: &'a CompiledPolicy) -> Self {
        let others = policies.versions().iter().rev().map(AsRef::as_ref);
        Self {
            versions: std::iter::once(in_force).chain(others).collect(),
        }
    }

    pub(super) fn data(&self, name: &DataCategory) -> Named {
        let title = self.first(|policy| policy.data_category(name));
        named(name.as_str(), title.map(|entry| entry.title.as_str()))
    }

    pub(super) fn role(&self, name: &SubjectCategory) -> Named {
        let title = self.first(|policy| policy.subject_category(name));
        named(name.as_str(), title.map(|entry| entry.title.as_str()))
    }

    pub(super) fn role_definition(&self, name: &SubjectCategory) -> String {
        self.first(|policy| policy.subject_category(name))
            .map(|entry| entry.definition.clone())
            .unwrap_or_default()
    }

    pub(super) fn purpose(&self, name: &Purpose) -> Named {
        let title = self.first(|policy| policy.purpose(name));
        named(name.as_str(), title.map(|entry| entry.title.as_str()))
    }

    pub(super) fn recipient(&self, name: &Processor) -> Named {
        let entry = self.recipient_entry(name);
        named(name.as_str(), entry.map(|entry| entry.title.as_str()))
    }

    pub(super) fn recipient_entry(&self, name: &Processor) -> Option<&'a ProcessorEntry> {
        self.first(|policy| policy.processor(name))
    }

    pub(super) fn special(&self, name: &DataCategory) -> Option<String> {
        self.first(|policy| policy.data_category(name))?
            .special
            .clone()
    }

    fn first<T>(&self, find: impl Fn(&'a CompiledPolicy) -> Option<T>) -> Option<T> {
        self.versions.iter().find_map(|policy| find(policy))
    }
}

fn named(name: &str, title: Option<&str>) -> Named {
    let title = title.filter(|title| !title.is_empty()).unwrap_or(name);
    Named {
        name: name.to_owned(),
        title: title.to_owned(),
    }
}
