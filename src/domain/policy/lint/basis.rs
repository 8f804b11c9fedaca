//! Lawfulness: every activity needs a lawful basis that the text states (Art. 6(1), 13(1)(c)),
//! consent must be consent (Art. 4(11), 7), and special categories need a condition (Art. 9(2)).

use super::Lint;
use crate::domain::policy::{
    compile::is_affirmative,
    finding::{FindingCode, Severity},
    model::{ClaimKind, LawfulBasis, RetentionKind, RetentionTrigger},
};

const CONSENT_IS_AN_ACT: &str = "GDPR Art. 4(11), 7(1); EDPB Guidelines 05/2020; CJEU C-673/17";

impl Lint<'_> {
    pub(super) fn bases(&mut self) {
        self.activities_without_basis();
        self.special_categories();
        self.claims();
        self.consent_methods();
        self.consent_without_end();
        self.retention_rules();
    }

    fn activities_without_basis(&mut self) {
        for (index, activity) in self.policy.activities.iter().enumerate() {
            let path = format!("activities[{index}].lawful_basis");
            if activity.lawful_basis.is_none() {
                let message = format!(
                    "{} has no lawful basis, so it permits nothing; state one",
                    activity.id
                );
                let code = (Severity::Defect, FindingCode::BasisMissing);
                self.find(code, path, "GDPR Art. 6(1), 13(1)(c)", message);
            } else if is_inferred(&activity.provenance.inferred, "lawful_basis") {
                let message = format!(
                    "the text states no lawful basis for {}, the transcriber inferred one; state it in the text",
                    activity.id
                );
                let code = (Severity::Defect, FindingCode::BasisInferred);
                self.find(code, path, "GDPR Art. 13(1)(c)", message);
            }
        }
    }

    fn special_categories(&mut self) {
        for (name, entry) in &self.policy.data_categories {
            if entry
                .special
                .as_deref()
                .is_some_and(|condition| condition.trim().is_empty())
            {
                let message = format!(
                    "{name} is a special category and no condition of Art. 9(2) is named; name it or stop processing it"
                );
                let code = (Severity::Defect, FindingCode::SpecialWithoutCondition);
                self.find(
                    code,
                    format!("data_categories.{name}.special"),
                    "GDPR Art. 9(1), 9(2)",
                    message,
                );
            }
        }
    }

    fn claims(&mut self) {
        for (index, claim) in self.policy.claims.iter().enumerate() {
            match claim.kind {
                ClaimKind::ConsentByUse => self.find(
                    (Severity::Defect, FindingCode::ConsentByUse),
                    format!("claims[{index}]"),
                    CONSENT_IS_AN_ACT,
                    "the text takes continued use for consent; that is no consent and permits nothing: ask, and record the answer",
                ),
            }
        }
    }

    fn consent_methods(&mut self) {
        for (purpose, methods) in &self.policy.consent.methods {
            for (index, method) in methods
                .iter()
                .enumerate()
                .filter(|(_, method)| !is_affirmative(**method))
            {
                let message =
                    format!("{method:?} is no affirmative act and is never accepted; leave it out");
                let code = (Severity::Defect, FindingCode::ConsentMethodNotAffirmative);
                self.find(
                    code,
                    format!("consent.methods.{purpose}[{index}]"),
                    CONSENT_IS_AN_ACT,
                    message,
                );
            }
        }
    }

    fn consent_without_end(&mut self) {
        let asks = self.policy.activities.iter().any(|activity| {
            activity.also_requires_consent || activity.lawful_basis == Some(LawfulBasis::Consent)
        });
        if asks && self.policy.consent.expires_after.is_none() {
            self.find(
                (Severity::Note, FindingCode::ConsentNeverExpires),
                "consent.expires_after",
                "EDPB Guidelines 05/2020",
                "no statement says how long a consent lasts: it stands until it is withdrawn; consider asking anew after some time",
            );
        }
    }

    fn retention_rules(&mut self) {
        for (index, rule) in self.policy.retention.iter().enumerate() {
            if rule.kind == RetentionKind::LegalMinimum && rule.ground.trim().is_empty() {
                let code = (Severity::Defect, FindingCode::RetentionWithoutGround);
                let message = "data is kept against a wish to erase it and no law is named; name it in `ground`";
                self.find(
                    code,
                    format!("retention[{index}].ground"),
                    "GDPR Art. 17(3)(b)",
                    message,
                );
            }
            if rule.after != RetentionTrigger::LastActivity && !rule.activity_sources.is_empty() {
                let code = (Severity::Warning, FindingCode::ActivitySourcesIgnored);
                let message = "activity sources count only with `after: last_activity`; leave them out or change `after`";
                self.find(
                    code,
                    format!("retention[{index}].activity_sources"),
                    "",
                    message,
                );
            }
        }
    }
}

fn is_inferred(inferred: &[String], field: &str) -> bool {
    inferred.iter().any(|name| name == field)
}
