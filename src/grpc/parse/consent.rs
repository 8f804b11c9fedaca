//! Statements about consent, and the proof that goes with them.

use super::{
    Parse, Parsed,
    limits::{
        COLLECTED_BY_BYTES_MAX, LOCALE_BYTES_MAX, PROCESSORS_MAX, PURPOSES_MAX,
        REFERENCE_BYTES_MAX, WORDING_BYTES_MAX,
    },
};
use crate::{
    domain::consent::{
        EvidenceMethod,
        statement::{ConsentStatement, StatedEvidence},
    },
    proto::v1,
};

impl Parse {
    /// One answer to one question.
    pub fn consent_statement(
        &mut self,
        statement: v1::ConsentStatement,
    ) -> Parsed<ConsentStatement> {
        let purposes = self.names("purposes", statement.purposes, PURPOSES_MAX);
        let purposes = self.some("purposes", purposes);
        let processors = self.names("processors", statement.processors, PROCESSORS_MAX);
        let choice = self.consent_choice(statement.choice);
        let evidence = self.evidence("evidence", statement.evidence);
        let occurred_at = self.instant("occurred_at", statement.occurred_at);
        let expires_at = self.instant("expires_at", statement.expires_at);
        Ok(ConsentStatement {
            purposes: purposes?,
            processors: processors?,
            choice: choice?,
            evidence: evidence?,
            occurred_at: occurred_at?,
            expires_at: expires_at?,
        })
    }

    /// A proof, which may be left out: whether it has to be there depends on what was said.
    pub fn evidence(
        &mut self,
        field: &str,
        evidence: Option<v1::Evidence>,
    ) -> Parsed<StatedEvidence> {
        let Some(evidence) = evidence else {
            return Ok(StatedEvidence::by(EvidenceMethod::NotStated));
        };
        self.within(field, |parse| parse.stated_evidence(evidence))
    }

    fn stated_evidence(&mut self, evidence: v1::Evidence) -> Parsed<StatedEvidence> {
        let method = self.evidence_method(evidence.method);
        let policy_version = self.optional_name("policy_version", &evidence.policy_version);
        let wording = self.text("wording", evidence.wording, WORDING_BYTES_MAX);
        let locale = self.text("locale", evidence.locale, LOCALE_BYTES_MAX);
        let reference = self.text("reference", evidence.reference, REFERENCE_BYTES_MAX);
        let collected_by = self.text(
            "collected_by",
            evidence.collected_by,
            COLLECTED_BY_BYTES_MAX,
        );
        let given_by = self.given_by(evidence.given_by);
        Ok(StatedEvidence {
            method: method?,
            policy_version: policy_version?,
            wording: wording?,
            locale: locale?,
            reference: reference?,
            collected_by: collected_by?,
            given_by: given_by?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Violations;

    fn statement() -> v1::ConsentStatement {
        v1::ConsentStatement {
            purposes: vec!["newsletter".into()],
            choice: v1::ConsentChoice::Given.into(),
            evidence: Some(v1::Evidence {
                method: v1::EvidenceMethod::Checkbox.into(),
                ..v1::Evidence::default()
            }),
            ..v1::ConsentStatement::default()
        }
    }

    fn read(statement: v1::ConsentStatement) -> Result<ConsentStatement, Violations> {
        let mut parse = Parse::new();
        let read = parse.consent_statement(statement);
        parse.finish(|| read)
    }

    fn refused(statement: v1::ConsentStatement) -> Vec<String> {
        let violations = read(statement).unwrap_err();
        violations.iter().map(|one| one.field.clone()).collect()
    }

    #[test]
    fn a_statement_needs_a_purpose_and_a_choice() {
        assert_eq!(
            refused(v1::ConsentStatement::default()),
            ["purposes", "choice"]
        );
    }

    #[test]
    fn a_purpose_is_spoken_of_once() {
        let mut twice = statement();
        twice.purposes.push("newsletter".into());
        assert_eq!(refused(twice), ["purposes[1]"]);
    }

    #[test]
    fn a_statement_without_proof_says_so() {
        let bare = v1::ConsentStatement {
            evidence: None,
            ..statement()
        };
        let read = read(bare).unwrap();
        assert_eq!(read.evidence.method, EvidenceMethod::NotStated);
    }

    #[test]
    fn the_texts_of_a_proof_keep_to_their_limits() {
        let with = |change: fn(&mut v1::Evidence)| {
            let mut statement = statement();
            change(statement.evidence.as_mut().unwrap());
            statement
        };
        assert!(read(with(|it| it.wording = "x".repeat(WORDING_BYTES_MAX))).is_ok());
        assert_eq!(
            refused(with(|it| {
                it.wording = "x".repeat(WORDING_BYTES_MAX + 1);
                it.locale = "x".repeat(LOCALE_BYTES_MAX + 1);
                it.reference = "x".repeat(REFERENCE_BYTES_MAX + 1);
                it.collected_by = "x".repeat(COLLECTED_BY_BYTES_MAX + 1);
                it.policy_version = "no version".into();
            })),
            [
                "evidence.policy_version",
                "evidence.wording",
                "evidence.locale",
                "evidence.reference",
                "evidence.collected_by",
            ]
        );
    }

    #[test]
    fn a_withdrawal_has_a_call_of_its_own_and_the_refusal_names_it() {
        let mut withdrawn = statement();
        withdrawn.choice = v1::ConsentChoice::Withdrawn.into();
        let violations = read(withdrawn).unwrap_err();
        let violation = violations.iter().next().unwrap();
        assert_eq!(violation.field, "choice");
        assert!(violation.description.contains("WithdrawConsent"));
    }
}
