//! Whom a command is about.

use anyhow::{Context, Result, bail};

use crate::proto::v1::{Identifier, SubjectRef, subject_ref};

/// Whom a command is about.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Person {
    /// An identifier, as type=value: email=ada@example.com.
    #[arg(long, value_name = "TYPE=VALUE")]
    identifier: Option<String>,
    /// The subject's id.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
}

impl Person {
    /// The person, as the contract names one.
    pub(super) fn reference(&self) -> Result<SubjectRef> {
        match (&self.identifier, &self.subject) {
            (Some(identifier), _) => Ok(by_identifier(parse_identifier(identifier)?)),
            (None, Some(subject)) => Ok(by_id(subject)),
            (None, None) => bail!("say whom it is about with --identifier or --subject"),
        }
    }
}

/// Reads a person named in one word: `type=value`, or a subject's id.
pub(super) fn parse_person(text: &str) -> Result<SubjectRef> {
    if text.contains('=') {
        Ok(by_identifier(parse_identifier(text)?))
    } else {
        Ok(by_id(text))
    }
}

/// Reads `type=value`.
pub(super) fn parse_identifier(text: &str) -> Result<Identifier> {
    let (kind, value) = text
        .split_once('=')
        .context("an identifier is written type=value: email=ada@example.com")?;
    Ok(Identifier {
        r#type: kind.to_owned(),
        value: value.to_owned(),
    })
}

/// The person that an identifier leads to.
pub(super) fn by_identifier(identifier: Identifier) -> SubjectRef {
    SubjectRef {
        r#ref: Some(subject_ref::Ref::Identifier(identifier)),
    }
}

/// The person of a subject's id.
pub(super) fn by_id(subject_id: &str) -> SubjectRef {
    SubjectRef {
        r#ref: Some(subject_ref::Ref::SubjectId(subject_id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_an_equals_sign_and_a_type_may_not() {
        let read = parse_identifier("shop_user=a=b").unwrap();
        assert_eq!(
            (read.r#type.as_str(), read.value.as_str()),
            ("shop_user", "a=b")
        );
        let refused = parse_identifier("ada@example.com").unwrap_err().to_string();
        assert!(refused.contains("type=value"), "{refused}");
    }
}
