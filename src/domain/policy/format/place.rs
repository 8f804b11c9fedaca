//! Reads nodes as values: each method says what a node must be, and notes a finding when it is
//! something else.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::Display,
    str::FromStr,
};

use jiff::Span;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error},
};

use super::{
    node::{Entry, Node, Value},
    positions::join,
};
use crate::domain::policy::finding::{Finding, FindingCode};

/// All findings of one reading.
pub(super) type Findings = RefCell<Vec<Finding>>;

/// A node and its field path.
pub(super) struct Place<'a> {
    pub node: &'a Node,
    pub path: String,
    pub findings: &'a Findings,
}

impl<'a> Place<'a> {
    /// Notes a finding here.
    fn note(&self, code: FindingCode, message: impl Into<String>) {
        let finding = Finding::error(code, &self.path, message);
        let position = self.node.position;
        self.findings.borrow_mut().push(Finding {
            position,
            ..finding
        });
    }

    /// Notes a finding here. `None`, so that a reader can end with it.
    pub fn refuse<T>(&self, code: FindingCode, message: impl Into<String>) -> Option<T> {
        self.note(code, message);
        None
    }

    pub fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number => {
                self.refuse(FindingCode::ValueInvalid, "must be text; put it in quotes")
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.refuse(FindingCode::ValueInvalid, "must be text")
            }
        }
    }

    pub fn flag(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(flag) => Some(*flag),
            _ => self.refuse(FindingCode::ValueInvalid, "must be true or false"),
        }
    }

    pub fn name<T: FromStr<Err: Display>>(&self) -> Option<T> {
        let text = self.text()?;
        text.parse().map_or_else(
            |problem: T::Err| self.refuse(FindingCode::ValueInvalid, problem.to_string()),
            Some,
        )
    }

    pub fn names<T: FromStr<Err: Display>>(&self) -> Option<Vec<T>> {
        self.list(Place::name)
    }

    pub fn texts(&self) -> Option<Vec<String>> {
        self.list(Place::text)
    }

    /// One of the words of an enum.
    pub fn choice<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        let text = self.text()?;
        T::deserialize(IntoDeserializer::<Error>::into_deserializer(text.as_str())).map_or_else(
            |problem| self.refuse(FindingCode::ValueInvalid, problem.to_string()),
            Some,
        )
    }

    pub fn choices<T: for<'de> Deserialize<'de>>(&self) -> Option<Vec<T>> {
        self.list(Place::choice)
    }

    /// An ISO 8601 period. Whether it is a sensible one is a check of the policy.
    pub fn period(&self) -> Option<Span> {
        let text = self.text()?;
        let span = text
            .starts_with(['P', '-'])
            .then(|| text.parse().ok())
            .flatten();
        span.or_else(|| {
            let message =
                "must be an ISO 8601 period of years, months, weeks or days, such as P2Y or P30D";
            self.refuse(FindingCode::PeriodInvalid, message)
        })
    }

    pub fn list<T>(&self, read: impl Fn(&Place<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(nodes) = &self.node.value else {
            return self.refuse(
                FindingCode::ValueInvalid,
                "must be a list; write [] for none",
            );
        };
        let places = nodes.iter().enumerate().map(|(index, node)| {
            let path = format!("{}[{index}]", self.path);
            Place {
                node,
                path,
                findings: self.findings,
            }
        });
        Some(places.filter_map(|place| read(&place)).collect())
    }

    pub fn map<K, T>(&self, read: impl Fn(&Place<'a>) -> Option<T>) -> Option<BTreeMap<K, T>>
    where
        K: FromStr<Err: Display> + Ord,
    {
        let mut map = BTreeMap::new();
        for entry in self.entries()? {
            let place = self.below(entry);
            match entry.key.parse::<K>() {
                Ok(key) => map.extend(read(&place).map(|value| (key, value))),
                Err(problem) => {
                    place.note(FindingCode::ValueInvalid, format!("the name {problem}"));
                }
            }
        }
        Some(map)
    }

    /// Reads a mapping with known keys, and notes those that are not known.
    pub fn fields<T>(&self, read: impl Fn(&Fields<'a>) -> Option<T>) -> Option<T> {
        let entries = self.entries()?;
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| (entry, Cell::new(false)))
            .collect();
        let fields = Fields {
            place: self.here(),
            entries,
        };
        let value = read(&fields);
        fields.refuse_unread();
        value
    }

    fn entries(&self) -> Option<&'a [Entry]> {
        let Value::Map(entries) = &self.node.value else {
            return self.refuse(
                FindingCode::ValueInvalid,
                "must be a mapping of keys to values",
            );
        };
        let mut keys = std::collections::HashSet::new();
        for entry in entries
            .iter()
            .filter(|entry| !keys.insert(entry.key.as_str()))
        {
            let message = format!("`{}` stands here twice; keep one", entry.key);
            let path = join(&self.path, &entry.key);
            let finding = Finding::error(FindingCode::DuplicateKey, path, message);
            self.findings.borrow_mut().push(Finding {
                position: entry.key_position,
                ..finding
            });
        }
        Some(entries)
    }

    fn below(&self, entry: &'a Entry) -> Place<'a> {
        let path = join(&self.path, &entry.key);
        Place {
            node: &entry.node,
            path,
            findings: self.findings,
        }
    }

    fn here(&self) -> Place<'a> {
        Place {
            node: self.node,
            path: self.path.clone(),
            findings: self.findings,
        }
    }
}

/// A mapping with known keys, while it is read.
pub(super) struct Fields<'a> {
    place: Place<'a>,
    /// Each with whether it was asked for.
    entries: Vec<(&'a Entry, Cell<bool>)>,
}

impl<'a> Fields<'a> {
    /// A key that must be there.
    pub fn required<T>(&self, key: &str, read: impl Fn(&Place<'a>) -> Option<T>) -> Option<T> {
        match self.find(key) {
            Some(place) => read(&place),
            None => self
                .place
                .refuse(FindingCode::MissingKey, format!("`{key}` is missing")),
        }
    }

    /// A key that may be absent or null: `None`, as is one that cannot be read.
    pub fn optional<T>(&self, key: &str, read: impl Fn(&Place<'a>) -> Option<T>) -> Option<T> {
        self.find(key).and_then(|place| read(&place))
    }

    /// As `optional`, with nothing said standing for the type's own nothing.
    pub fn or_default<T: Default>(&self, key: &str, read: impl Fn(&Place<'a>) -> Option<T>) -> T {
        self.optional(key, read).unwrap_or_default()
    }

    fn find(&self, key: &str) -> Option<Place<'a>> {
        let mut found = None;
        for (entry, read) in self.entries.iter().filter(|(entry, _)| entry.key == key) {
            read.set(true);
            found = Some(self.place.below(entry));
        }
        found.filter(|place| !matches!(place.node.value, Value::Null))
    }

    fn refuse_unread(&self) {
        for (entry, _) in self.entries.iter().filter(|(_, read)| !read.get()) {
            let message = format!("`{}` is not a key that may stand here", entry.key);
            let path = join(&self.place.path, &entry.key);
            let finding = Finding::error(FindingCode::UnknownKey, path, message);
            self.place.findings.borrow_mut().push(Finding {
                position: entry.key_position,
                ..finding
            });
        }
    }
}
