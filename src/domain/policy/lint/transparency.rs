//! What a person must be told (Art. 13): who is responsible, how long data is kept, which rights
//! there are.

use std::collections::BTreeMap;

use super::Lint;
use crate::domain::{
    name::{DataCategory, SubjectCategory},
    policy::{
        finding::{FindingCode, Severity},
        model::{Policy, RetentionKind, Right},
    },
};

/// Every right that the text must mention, its name, and where the law says so.
const RIGHTS: [(Right, &str, &str); 8] = [
    (Right::Copy, "access to a copy", "GDPR Art. 13(2)(b), 15"),
    (Right::Delete, "erasure", "GDPR Art. 13(2)(b), 17"),
    (
        Right::WithdrawConsent,
        "withdrawal of consent",
        "GDPR Art. 7(3), 13(2)(c)",
    ),
    (Right::Rectify, "rectification", "GDPR Art. 13(2)(b), 16"),
    (Right::Restrict, "restriction", "GDPR Art. 13(2)(b), 18"),
    (Right::Object, "objection", "GDPR Art. 13(2)(b), 21"),
    (Right::Portability, "portability", "GDPR Art. 13(2)(b), 20"),
    (
        Right::Complain,
        "complain to a supervisory authority",
        "GDPR Art. 13(2)(d), 77",
    ),
];

impl Lint<'_> {
    pub(super) fn transparency(&mut self) {
        self.controller();
        self.time_limits();
        self.rights();
        if self.policy.security_measures.is_empty() {
            let code = (Severity::Warning, FindingCode::SecurityMeasuresMissing);
            let message = "no security measures are described; describe them in general terms";
            self.find(code, "security_measures", "GDPR Art. 30(1)(g), 32", message);
        }
    }

    fn controller(&mut self) {
        if self.policy.controller.legal_entity.is_none() {
            let code = (Severity::Defect, FindingCode::LegalEntityMissing);
            let message = "no legal entity is named as the controller; name it";
            self.find(
                code,
                "controller.legal_entity",
                "GDPR Art. 4(7), 13(1)(a)",
                message,
            );
        }
    }

    fn time_limits(&mut self) {
        for (data, unlimited) in unlimited(self.policy) {
            let processors: Vec<_> = self
                .policy
                .retention
                .iter()
                .filter(|rule| {
                    rule.kind == RetentionKind::Maximum
                        && (rule.data.is_empty() || rule.data.contains(data))
                })
                .filter_map(|rule| rule.processor.as_ref().map(AsRef::as_ref))
                .collect();
            let elsewhere = match processors.as_slice() {
                [] => String::new(),
                named => format!(" but at {}", named.join(", ")),
            };
            let subjects: Vec<&str> = unlimited.into_iter().map(AsRef::as_ref).collect();
            let message = format!(
                "it is not said how long {data} of {} is kept{elsewhere}; state a period or how it is determined",
                subjects.join(", ")
            );
            let code = (Severity::Defect, FindingCode::RetentionMissing);
            self.find(
                code,
                format!("data_categories.{data}"),
                "GDPR Art. 5(1)(e), 13(2)(a)",
                message,
            );
        }
    }

    fn rights(&mut self) {
        for (right, name, article) in RIGHTS {
            if !self.policy.rights.stated.contains(&right) {
                let code = (Severity::Defect, FindingCode::RightNotMentioned);
                let message = format!("the right to {name} is not mentioned; mention it");
                self.find(code, "rights.stated", article, message);
            }
        }
        if self.policy.rights.channel.trim().is_empty() {
            let code = (Severity::Warning, FindingCode::RightsChannelMissing);
            let message = "it is not said where rights are exercised; name an address";
            self.find(code, "rights.channel", "GDPR Art. 12(2)", message);
        }
    }
}

/// What is collected and has no ceiling that holds for the controller itself, and of whom.
fn unlimited(policy: &Policy) -> BTreeMap<&DataCategory, Vec<&SubjectCategory>> {
    let mut unlimited = BTreeMap::<_, Vec<_>>::new();
    for (category, entries) in &policy.collected {
        for entry in entries
            .iter()
            .filter(|entry| !is_limited(policy, category, &entry.data))
        {
            let subjects = unlimited.entry(&entry.data).or_default();
            if !subjects.contains(&category) {
                subjects.push(category);
            }
        }
    }
    unlimited
}

fn is_limited(policy: &Policy, category: &SubjectCategory, data: &DataCategory) -> bool {
    policy.retention.iter().any(|rule| {
        rule.kind == RetentionKind::Maximum
            && rule.processor.is_none()
            && (rule.data.is_empty() || rule.data.contains(data))
            && (rule.subjects.is_empty() || rule.subjects.contains(category))
    })
}
