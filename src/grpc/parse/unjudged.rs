//! What only the registry can judge. The use case does, if nothing else is wrong; otherwise it is asked
//! here, so that the caller hears everything at once.

use jiff::Timestamp;

use super::{Parse, Parsed};
use crate::{
    app::{Error, Registry, unjudged::Unjudged},
    domain::{
        audit::Action,
        caller::Caller,
        name::{DataCategory, Purpose},
        subject_ref::SubjectRef,
    },
    proto::v1,
};

impl Parse {
    /// A list of at most `count_max` purposes, each once, that some published policy knows.
    pub fn known_purposes(
        &mut self,
        field: &str,
        names: Vec<String>,
        count_max: usize,
    ) -> Parsed<Vec<Purpose>> {
        self.names_noted(field, names, count_max, Unjudged::purpose)
    }

    /// A list of at most `count_max` data categories, each once, that some published policy knows.
    pub fn known_data_categories(
        &mut self,
        field: &str,
        names: Vec<String>,
        count_max: usize,
    ) -> Parsed<Vec<DataCategory>> {
        self.names_noted(field, names, count_max, Unjudged::data_category)
    }

    /// The person that a call is about, whose identifier is one by the policy in force.
    pub fn known_subject(
        &mut self,
        field: &str,
        subject: Option<v1::SubjectRef>,
    ) -> Parsed<SubjectRef> {
        let subject = self.subject(field, subject)?;
        let path = self.path(field);
        self.unjudged.subject(&path, &subject);
        Ok(subject)
    }

    /// An instant that has been, which may be left out.
    pub fn past(
        &mut self,
        field: &str,
        at: Option<prost_types::Timestamp>,
    ) -> Parsed<Option<Timestamp>> {
        let at = self.instant(field, at)?;
        if let Some(at) = at {
            let path = self.path(field);
            self.unjudged.past(&path, at);
        }
        Ok(at)
    }

    /// As [`Parse::finish`]. When something is wrong, the registry says what else is.
    pub async fn finish_judged<T>(
        mut self,
        registry: &Registry,
        (caller, action): (&Caller, Action),
        build: impl FnOnce() -> Parsed<T>,
    ) -> Result<T, Error> {
        let unjudged = std::mem::take(&mut self.unjudged);
        let violations = match self.finish(build) {
            Ok(value) => return Ok(value),
            Err(violations) => violations,
        };
        Err(registry.refuse(caller, action, violations, &unjudged).await)
    }
}
