//! Messages to domain values. Everything that is wrong with a message is collected, each with the
//! path of its field, and refused together; behind this point the types are the proof.
//!
//! ```
//! # use registry::{domain::{name::Purpose, violation::Violations}, grpc::parse::Parse};
//! fn parse(purpose: &str, request_id: &str) -> Result<(Purpose, Option<uuid::Uuid>), Violations> {
//!     let mut parse = Parse::new();
//!     let purpose = parse.name("purpose", purpose);
//!     let request_id = parse.request_id(request_id);
//!     parse.finish(|| Ok((purpose?, request_id?)))
//! }
//! assert!(parse("newsletter", "").is_ok());
//! assert_eq!(parse("", "not a uuid").unwrap_err().len(), 2);
//! ```

pub mod limits;

mod consent;
mod content;
mod lists;
mod scalars;
mod subject;
mod unjudged;

use std::fmt::Display;

use crate::{app::unjudged::Unjudged, domain::violation::Violations};

pub use scalars::Page;

/// Reads one message and notes what is wrong with it.
#[derive(Debug, Default)]
pub struct Parse {
    violations: Violations,
    unjudged: Unjudged,
    prefix: String,
}

/// Proof that a violation was noted: the value is missing for a reason that the caller will see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported(());

/// A value, or proof that what is wrong with it was noted.
pub type Parsed<T> = Result<T, Reported>;

impl Parse {
    /// Begins with a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a field breaks a rule. The text never repeats the value.
    pub fn refuse(&mut self, field: &str, description: impl Display) -> Reported {
        let path = self.path(field);
        self.violations.add(path, description);
        Reported(())
    }

    /// Notes the rules that a message breaks as a whole, under paths of their own.
    pub fn refuse_all(&mut self, violations: Violations) {
        self.violations.extend(violations);
    }

    fn path(&self, field: &str) -> String {
        match (self.prefix.is_empty(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}.{field}", self.prefix),
        }
    }

    /// Reads a message inside of this one: the paths of its fields begin with `field`.
    pub fn within<T>(&mut self, field: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.prefix.len();
        if outer > 0 {
            self.prefix.push('.');
        }
        self.prefix.push_str(field);
        let value = read(self);
        self.prefix.truncate(outer);
        value
    }

    /// A message inside of this one that must be there.
    pub fn required<M, T>(
        &mut self,
        field: &str,
        message: Option<M>,
        read: impl FnOnce(&mut Self, M) -> Parsed<T>,
    ) -> Parsed<T> {
        match message {
            Some(message) => self.within(field, |parse| read(parse, message)),
            None => Err(self.refuse(field, "is required")),
        }
    }

    /// The value, or everything that is wrong. A value is given only when nothing is.
    pub fn finish<T>(self, build: impl FnOnce() -> Parsed<T>) -> Result<T, Violations> {
        if !self.violations.is_empty() {
            return Err(self.violations);
        }
        // Without violations nothing has made a `Reported`; should one come from elsewhere, refuse.
        build().map_err(|Reported(())| Violations::one("", "is not valid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(violations: &Violations) -> Vec<&str> {
        violations.iter().map(|one| one.field.as_str()).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_path() {
        let mut parse = Parse::new();
        let outer = parse.refuse("purpose", "bad");
        parse.within("items[3]", |parse| {
            parse.refuse("data_category", "bad");
            parse.within("content", |parse| parse.refuse("text", "bad"));
            parse.refuse("", "bad as a whole")
        });
        parse.refuse("processor", "bad");
        let violations = parse.finish(|| Err::<(), _>(outer)).unwrap_err();
        assert_eq!(
            fields(&violations),
            [
                "purpose",
                "items[3].data_category",
                "items[3].content.text",
                "items[3]",
                "processor"
            ]
        );
    }

    #[test]
    fn a_violation_beside_good_values_refuses_them_all() {
        let mut parse = Parse::new();
        parse.refuse("processor", "bad");
        assert!(parse.finish(|| Ok(())).is_err());
    }

    #[test]
    fn a_message_that_is_missing_is_named() {
        let mut parse = Parse::new();
        let missing = parse.required("subject", None::<()>, |_, ()| Ok(()));
        let violations = parse.finish(|| missing).unwrap_err();
        assert_eq!(fields(&violations), ["subject"]);
    }
}
