//! What makes a policy unpublishable: every `ERROR` that a policy of the right shape can have.

use std::{collections::HashMap, fmt::Display};

use jiff::{Span, civil::Date};

use super::{
    finding::{Finding, FindingCode},
    limits,
    model::{AfterCategoryEnd, LawfulBasis, Policy},
    walk,
};
use crate::domain::{
    consent::EvidenceMethod,
    name::{DataCategory, Processor, Purpose, SubjectCategory},
};

/// Every `ERROR` of the policy, but for an unknown time zone. When a limit is exceeded, nothing
/// else is looked at: the other checks cost what the policy's size costs.
pub(super) fn errors(policy: &Policy) -> Vec<Finding> {
    let exceeded = limits::exceeded(policy);
    if !exceeded.is_empty() {
        return exceeded;
    }
    let mut check = Check {
        policy,
        findings: Vec::new(),
    };
    check.head();
    check.catalogues();
    check.collected();
    check.activities();
    check.bases();
    check.sharing();
    check.retention();
    check.consent();
    check.cookies();
    check.inferred();
    check.findings
}

struct Check<'a> {
    policy: &'a Policy,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn error(&mut self, code: FindingCode, path: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::error(code, path, message));
    }

    fn not_blank(&mut self, path: impl Into<String>, text: &str) {
        if text.trim().is_empty() {
            self.error(FindingCode::TextEmpty, path, "must say something");
        }
    }

    /// What is not stated is left out, so that one policy has one form.
    fn stated(&mut self, path: impl Into<String>, text: Option<&str>) {
        if text.is_some_and(|text| text.trim().is_empty() || text == limits::NONE_STATED) {
            self.error(
                FindingCode::TextEmpty,
                path,
                "must say something, or be left out",
            );
        }
    }

    fn not_empty<T>(&mut self, path: String, list: &[T]) {
        if list.is_empty() {
            self.error(FindingCode::ListEmpty, path, "must name at least one");
        }
    }

    fn period(&mut self, path: impl Into<String>, period: &Span) {
        if let Some(problem) = limits::period_problem(period) {
            self.error(FindingCode::PeriodInvalid, path, problem);
        }
    }

    fn known(&mut self, is_known: bool, path: String, name: &impl Display, catalogue: &str) {
        if !is_known {
            let message =
                format!("`{name}` is not in `{catalogue}`; declare it there or correct the name");
            self.error(FindingCode::DanglingReference, path, message);
        }
    }

    fn known_subject(&mut self, path: String, name: &SubjectCategory) {
        let known = self.policy.subject_categories.contains_key(name);
        self.known(known, path, name, "subject_categories");
    }

    fn known_data(&mut self, path: String, name: &DataCategory) {
        self.known(
            self.policy.data_categories.contains_key(name),
            path,
            name,
            "data_categories",
        );
    }

    fn known_purpose(&mut self, path: String, name: &Purpose) {
        self.known(
            self.policy.purposes.contains_key(name),
            path,
            name,
            "purposes",
        );
    }

    fn known_processor(&mut self, path: String, name: &Processor) {
        self.known(
            self.policy.processors.contains_key(name),
            path,
            name,
            "processors",
        );
    }

    fn known_names(&mut self, path: &str, subjects: &[SubjectCategory], data: &[DataCategory]) {
        for (index, name) in subjects.iter().enumerate() {
            self.known_subject(format!("{path}.subjects[{index}]"), name);
        }
        for (index, name) in data.iter().enumerate() {
            self.known_data(format!("{path}.data[{index}]"), name);
        }
    }

    fn head(&mut self) {
        let policy = self.policy;
        self.not_blank("id", &policy.id);
        self.not_blank("controller.name", &policy.controller.name);
        self.not_blank("controller.contact", &policy.controller.contact);
        for (path, text) in [
            ("controller.legal_entity", &policy.controller.legal_entity),
            (
                "controller.data_protection_officer",
                &policy.controller.data_protection_officer,
            ),
            (
                "controller.representative",
                &policy.controller.representative,
            ),
        ] {
            self.stated(path, text.as_deref());
        }
        if !limits::is_kept_exactly(policy.effective_from) {
            self.error(
                FindingCode::DateInvalid,
                "effective_from",
                "must not be finer than microseconds",
            );
        }
        for (path, date) in [
            ("source.published", &policy.source.published),
            ("source.archived", &policy.source.archived),
        ] {
            if date
                .as_ref()
                .is_some_and(|date| date.parse::<Date>().is_err())
            {
                self.error(
                    FindingCode::DateInvalid,
                    path,
                    "must be a date such as 2018-05-24",
                );
            }
        }
    }

    fn catalogues(&mut self) {
        let policy = self.policy;
        for (name, entry) in &policy.subject_categories {
            self.not_blank(format!("subject_categories.{name}.title"), &entry.title);
        }
        for (name, entry) in &policy.data_categories {
            self.not_blank(format!("data_categories.{name}.title"), &entry.title);
        }
        for (name, entry) in &policy.purposes {
            self.not_blank(format!("purposes.{name}.title"), &entry.title);
        }
        for (name, entry) in &policy.processors {
            self.not_blank(format!("processors.{name}.title"), &entry.title);
            self.stated(
                format!("processors.{name}.safeguard"),
                entry.safeguard.as_deref(),
            );
            if entry
                .country
                .as_ref()
                .is_some_and(|code| !is_country_code(code))
            {
                let path = format!("processors.{name}.country");
                self.error(
                    FindingCode::CountryInvalid,
                    path,
                    "must be two capital letters (ISO 3166-1), such as US",
                );
            }
        }
    }

    fn collected(&mut self) {
        for (category, entries) in &self.policy.collected {
            self.known_subject(format!("collected.{category}"), category);
            for (index, entry) in entries.iter().enumerate() {
                self.known_data(format!("collected.{category}[{index}].data"), &entry.data);
            }
        }
    }

    fn activities(&mut self) {
        let mut first = HashMap::new();
        for (index, activity) in self.policy.activities.iter().enumerate() {
            let path = format!("activities[{index}]");
            if let Some(earlier) = first.insert(&activity.id, index) {
                let message =
                    format!("activities[{earlier}] has the same id; ids name one activity each");
                self.error(FindingCode::DuplicateId, format!("{path}.id"), message);
            }
            self.not_empty(format!("{path}.subjects"), &activity.subjects);
            self.not_empty(format!("{path}.data"), &activity.data);
            self.known_names(&path, &activity.subjects, &activity.data);
            self.known_purpose(format!("{path}.purpose"), &activity.purpose);
            self.stated(
                format!("{path}.stated_duration"),
                activity.stated_duration.as_deref(),
            );
            if let AfterCategoryEnd::For(period) = &activity.after_category_end {
                self.period(format!("{path}.after_category_end"), period);
            }
        }
    }

    /// One basis per cell, fixed before processing (Art. 6(1); EDPB 05/2020: no falling back).
    fn bases(&mut self) {
        let mut cells: HashMap<_, (LawfulBasis, usize)> = HashMap::new();
        for (index, activity) in self.policy.activities.iter().enumerate() {
            let Some(basis) = activity.lawful_basis else {
                continue;
            };
            let names = activity
                .subjects
                .iter()
                .flat_map(|s| activity.data.iter().map(move |d| (s, d)));
            let mut clash = None;
            for (subject, data) in names {
                let (other, earlier) = *cells
                    .entry((subject, data, &activity.purpose))
                    .or_insert((basis, index));
                if other != basis {
                    clash = clash.or(Some((subject, data, earlier)));
                }
            }
            if let Some((subject, data, earlier)) = clash {
                let message = format!(
                    "activities[{earlier}] gives another basis to {data} of {subject} for {}; choose one",
                    activity.purpose
                );
                let path = format!("activities[{index}].lawful_basis");
                let finding = Finding::error(FindingCode::TwoBases, path, message);
                self.findings.push(Finding {
                    article: "GDPR Art. 6(1)".into(),
                    ..finding
                });
            }
        }
    }

    fn sharing(&mut self) {
        for (index, sharing) in self.policy.sharing.iter().enumerate() {
            let path = format!("sharing[{index}]");
            self.not_empty(format!("{path}.subjects"), &sharing.subjects);
            self.not_empty(format!("{path}.data"), &sharing.data);
            self.known_names(&path, &sharing.subjects, &sharing.data);
            self.known_purpose(format!("{path}.purpose"), &sharing.purpose);
            self.known_processor(format!("{path}.processor"), &sharing.processor);
        }
    }

    fn retention(&mut self) {
        for (index, rule) in self.policy.retention.iter().enumerate() {
            let path = format!("retention[{index}]");
            self.known_names(&path, &rule.subjects, &rule.data);
            if let Some(processor) = &rule.processor {
                self.known_processor(format!("{path}.processor"), processor);
            }
            self.period(format!("{path}.period"), &rule.period);
        }
    }

    fn consent(&mut self) {
        let consent = &self.policy.consent;
        for (purpose, methods) in &consent.methods {
            let path = format!("consent.methods.{purpose}");
            self.not_empty(path.clone(), methods);
            if methods.contains(&EvidenceMethod::NotStated) {
                self.error(
                    FindingCode::ValueInvalid,
                    path.clone(),
                    "must name ways of consenting; leave the purpose out to accept every one",
                );
            }
            self.known_purpose(path, purpose);
        }
        for (purpose, wordings) in &consent.wording {
            self.known_purpose(format!("consent.wording.{purpose}"), purpose);
            for (locale, wording) in wordings {
                self.not_blank(format!("consent.wording.{purpose}.{locale}"), wording);
            }
        }
        if let Some(period) = &consent.expires_after {
            self.period("consent.expires_after", period);
        }
    }

    fn cookies(&mut self) {
        for (index, cookie) in self.policy.cookies.iter().enumerate() {
            self.known_data(format!("cookies[{index}].data"), &cookie.data);
            self.known_purpose(format!("cookies[{index}].purpose"), &cookie.purpose);
        }
    }

    fn inferred(&mut self) {
        let own = ("inferred".to_owned(), &self.policy.inferred, walk::POLICY);
        let entries = walk::entries(self.policy);
        let lists = entries.iter().map(|entry| {
            (
                format!("{}.inferred", entry.path),
                &entry.provenance.inferred,
                entry.fields,
            )
        });
        for (path, inferred, fields) in lists.chain([own]) {
            for (index, field) in inferred.iter().enumerate() {
                if !fields.contains(&field.as_str()) {
                    let message = format!(
                        "`{field}` is not a field here; fields are {}",
                        fields.join(", ")
                    );
                    self.error(
                        FindingCode::InferredFieldUnknown,
                        format!("{path}[{index}]"),
                        message,
                    );
                }
            }
        }
    }
}

fn is_country_code(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
