//! Violations: what is wrong with an input, field by field, all of it at once.

use std::fmt::Display;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, as in `items[3].data_category`.
    pub field: String,
    /// The rule and what to do. Never the offending value: it may be personal data.
    pub description: String,
}

/// Every broken rule of one input. Empty: the input is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a broken rule.
    pub fn add(&mut self, field: impl Into<String>, description: impl Display) {
        self.0.push(Violation {
            field: field.into(),
            description: description.to_string(),
        });
    }

    /// One broken rule alone.
    pub fn one(field: impl Into<String>, description: impl Display) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Adds another list, its fields put under `prefix`.
    pub fn nest(&mut self, prefix: &str, other: Self) {
        self.0
            .extend(other.0.into_iter().map(|violation| Violation {
                field: format!("{prefix}.{}", violation.field),
                description: violation.description,
            }));
    }

    /// Adds another list as it stands.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much is wrong.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }

    /// `value` when nothing is wrong, else the list.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
