//! What of a message only the registry can judge: names, by the published policies; identifiers, by the
//! policy in force; instants, by the registry's clock. The use cases ask it in their own state. A message
//! that is refused anyway is asked about as well, so that everything that is wrong with it is said at once.

use jiff::Timestamp;

use super::{Error, Registry, registry::AHEAD_MAX, resolve::declared};
use crate::domain::{
    audit::Action,
    caller::Caller,
    name::{DataCategory, Purpose},
    policy::history::PolicyHistory,
    subject_ref::{Identifier, SubjectRef},
    violation::Violations,
};

/// Values that could be read, each with the path of its field.
#[derive(Clone, Debug, Default)]
pub struct Unjudged {
    purposes: Vec<(String, Purpose)>,
    data_categories: Vec<(String, DataCategory)>,
    identifiers: Vec<(String, Identifier)>,
    pasts: Vec<(String, Timestamp)>,
}

impl Unjudged {
    /// A purpose of any published version: people ask about what was collected under older ones, too.
    pub fn purpose(&mut self, field: String, purpose: Purpose) {
        self.purposes.push((field, purpose));
    }

    /// A data category of any published version.
    pub fn data_category(&mut self, field: String, data_category: DataCategory) {
        self.data_categories.push((field, data_category));
    }

    /// A person, who may be named by an identifier.
    pub fn subject(&mut self, field: &str, subject: &SubjectRef) {
        if let SubjectRef::Identifier(identifier) = subject {
            let field = format!("{field}.identifier");
            self.identifiers.push((field, identifier.clone()));
        }
    }

    /// An instant that has been.
    pub fn past(&mut self, field: &str, at: Timestamp) {
        self.pasts.push((field.to_owned(), at));
    }

    /// What is wrong with them.
    pub(super) fn judge(&self, policies: &PolicyHistory, now: Timestamp) -> Violations {
        let mut violations = Violations::default();
        for (field, data) in &self.data_categories {
            if !policies.knows_data_category(data) {
                violations.add(field, "is no data category of any published policy version");
            }
        }
        for (field, purpose) in &self.purposes {
            if !policies.knows_purpose(purpose) {
                violations.add(field, "is no purpose of any published policy version");
            }
        }
        if let Some(policy) = policies.in_force(now) {
            for (field, identifier) in &self.identifiers {
                declared(policy, identifier, field, &mut violations);
            }
        }
        for (field, at) in &self.pasts {
            if at.duration_since(now) > AHEAD_MAX {
                violations.add(
                    field,
                    "must not be more than five minutes ahead of the registry's clock",
                );
            }
        }
        violations
    }
}

impl Registry {
    /// Refuses a message in which `violations` were found, and says what else is wrong with it.
    pub async fn refuse(
        &self,
        caller: &Caller,
        action: Action,
        mut violations: Violations,
        unjudged: &Unjudged,
    ) -> Error {
        match self.view(caller, action, None).await {
            Ok(view) => violations.extend(unjudged.judge(&view.policies, view.now())),
            Err(error @ (Error::ScopeMissing(_) | Error::TokenExpired)) => return error,
            // The message is no better for it: the caller is told what is known.
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(%error, "a refused message could not be judged as a whole");
            }
        }
        violations.into()
    }
}
