//! What the law finds missing in a policy that is otherwise well-formed. Each finding has a
//! stable code, a place and the article it rests on.
//!
//! `DEFECT`: the law is broken as far as the text goes. `WARNING`: likely a mistake of the policy,
//! or a thing that the law asks for and that may stand elsewhere. `NOTE`: good to know. An
//! inferred field is what the transcriber says, not the text: lint looks at the text.

mod basis;
mod purpose;
mod recipient;
mod transparency;

use super::{
    compile::CompiledPolicy,
    finding::{Finding, FindingCode, Severity},
    model::Policy,
};

/// Everything that lint finds, worst first, then in the order of the file format.
pub fn lint(policy: &CompiledPolicy) -> Vec<Finding> {
    let mut lint = Lint {
        policy: policy.policy(),
        findings: Vec::new(),
    };
    lint.purposes();
    lint.bases();
    lint.recipients();
    lint.transparency();
    lint.findings.sort_by_key(|finding| finding.severity);
    lint.findings
}

pub(in crate::domain) use recipient::is_transfer;

struct Lint<'a> {
    policy: &'a Policy,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn find(
        &mut self,
        (severity, code): (Severity, FindingCode),
        field_path: impl Into<String>,
        article: &str,
        message: impl Into<String>,
    ) {
        self.findings.push(Finding {
            code,
            severity,
            field_path: field_path.into(),
            article: article.into(),
            message: message.into(),
            position: None,
        });
    }
}

#[cfg(test)]
mod tests;
