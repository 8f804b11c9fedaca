//! Who is meant: references to subjects, and identifiers.

use super::{Parse, Parsed, limits::IDENTIFIER_VALUE_BYTES_MAX};
use crate::{
    domain::{
        identifier::IdentifierValue,
        subject_ref::{Identifier, SubjectRef},
    },
    proto::v1::{self, subject_ref::Ref},
};

impl Parse {
    /// The subject that a call is about. Whether an identifier's value suits its type, only the policy
    /// can tell.
    pub fn subject(&mut self, field: &str, subject: Option<v1::SubjectRef>) -> Parsed<SubjectRef> {
        self.required(field, subject, |parse, subject| match subject.r#ref {
            Some(Ref::SubjectId(id)) => parse.id("subject_id", &id).map(SubjectRef::Id),
            Some(Ref::Identifier(identifier)) => parse
                .within("identifier", |parse| parse.identifier(identifier))
                .map(SubjectRef::Identifier),
            None => Err(parse.refuse("", "must have a subject_id or an identifier")),
        })
    }

    /// An identifier.
    pub fn identifier(&mut self, identifier: v1::Identifier) -> Parsed<Identifier> {
        let identifier_type = self.name("type", &identifier.r#type);
        let value = self.text("value", identifier.value, IDENTIFIER_VALUE_BYTES_MAX);
        let value = match value {
            Ok(value) if value.trim().is_empty() => Err(self.refuse("value", "must not be empty")),
            value => value,
        };
        Ok(Identifier {
            identifier_type: identifier_type?,
            value: IdentifierValue::new(value?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Violations;

    fn subject(reference: impl Into<Option<Ref>>) -> Result<SubjectRef, Violations> {
        let mut parse = Parse::new();
        let read = parse.subject(
            "subject",
            Some(v1::SubjectRef {
                r#ref: reference.into(),
            }),
        );
        parse.finish(|| read)
    }

    fn identifier(kind: &str, value: &str) -> Ref {
        Ref::Identifier(v1::Identifier {
            r#type: kind.into(),
            value: value.into(),
        })
    }

    fn fields(violations: &Violations) -> Vec<&str> {
        violations.iter().map(|one| one.field.as_str()).collect()
    }

    #[test]
    fn a_subject_is_named_by_id_or_by_identifier() {
        let id = "018f0000-0000-7000-8000-000000000001";
        let by_id = subject(Ref::SubjectId(id.into())).unwrap();
        assert_eq!(by_id, SubjectRef::Id(id.parse().unwrap()));
        let by_identifier = subject(identifier("email", "ada@example.org")).unwrap();
        assert!(matches!(by_identifier, SubjectRef::Identifier(_)));
    }

    #[test]
    fn a_reference_to_nobody_is_refused() {
        assert_eq!(fields(&subject(None).unwrap_err()), ["subject"]);
        let nobody = subject(Ref::SubjectId(String::new())).unwrap_err();
        assert_eq!(fields(&nobody), ["subject.subject_id"]);
    }

    #[test]
    fn type_and_value_of_an_identifier_are_judged_together() {
        let violations = subject(identifier("E Mail", " \u{a0}")).unwrap_err();
        assert_eq!(
            fields(&violations),
            ["subject.identifier.type", "subject.identifier.value"]
        );
        let too_long = "x".repeat(IDENTIFIER_VALUE_BYTES_MAX + 1);
        assert!(subject(identifier("email", &too_long)).is_err());
        assert!(subject(identifier("email", "a\0@example.org")).is_err());
    }

    #[test]
    fn no_violation_repeats_the_value() {
        let violations = subject(identifier("email", "ada\0lovelace")).unwrap_err();
        assert!(!format!("{violations:?}").contains("lovelace"));
    }
}
