//! Reads nodes as values: each method says what a node must be, and notes a problem when it is
//! something else.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    str::FromStr,
    time::Duration,
};

use super::{
    node::{Entry, Node, Value},
    problem::Problem,
};

/// All problems of one reading.
pub(super) type Problems = RefCell<Vec<Problem>>;

/// A node and its field path.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub node: &'a Node,
    pub path: String,
    pub problems: &'a Problems,
}

impl<'a> Place<'a> {
    /// Notes a problem here. `None`, so that a reader can end with it.
    pub fn refuse<T>(&self, what: impl Into<String>) -> Option<T> {
        self.problems.borrow_mut().push(Problem {
            position: self.node.position,
            path: self.path.clone(),
            what: what.into(),
        });
        None
    }

    pub fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) => Some(text.trim().to_owned()),
            Value::Number(_) | Value::Bool(_) => self.refuse("must be text; put it in quotes"),
            _ => self.refuse("must be text"),
        }
    }

    /// A text with something in it, of at most `most` bytes.
    pub fn words(&self, most: usize) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() || text.len() > most {
            return self.refuse(format!("must have 1 to {most} bytes"));
        }
        Some(text)
    }

    pub fn flag(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(flag) => Some(*flag),
            _ => self.refuse("must be true or false"),
        }
    }

    /// A whole number within limits, both included.
    pub fn number(&self, least: u32, most: u32) -> Option<u32> {
        match &self.node.value {
            Value::Number(number) => u32::try_from(*number)
                .ok()
                .filter(|number| (least..=most).contains(number)),
            _ => None,
        }
        .or_else(|| self.refuse(format!("must be a number from {least} to {most}")))
    }

    /// A duration such as `30s`, `5m`, `72h` or `90d`, within limits, both included.
    pub fn duration(&self, least: Duration, most: Duration) -> Option<Duration> {
        let text = self.text()?;
        let Some(duration) = duration(&text) else {
            return self.refuse("must be a duration such as 30s, 5m, 72h or 90d");
        };
        if duration < least || duration > most {
            let (least, most) = (least.as_secs(), most.as_secs());
            return self.refuse(format!("must last {least} to {most} seconds"));
        }
        Some(duration)
    }

    pub fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.text()?
            .parse()
            .map_or_else(|problem: T::Err| self.refuse(problem.to_string()), Some)
    }

    pub fn list<T>(&self, read: impl Fn(&Place<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(nodes) = &self.node.value else {
            return self.refuse("must be a list; write [] for none");
        };
        let places = nodes.iter().enumerate().map(|(index, node)| Place {
            node,
            path: format!("{}[{index}]", self.path),
            problems: self.problems,
        });
        Some(places.filter_map(|place| read(&place)).collect())
    }

    /// A list, or one element that stands for a list of it.
    pub fn one_or_more<T>(&self, read: impl Fn(&Place<'a>) -> Option<T>) -> Option<Vec<T>> {
        match &self.node.value {
            Value::List(_) => self.list(read),
            _ => read(self).map(|one| vec![one]),
        }
    }

    /// The entries of a mapping, in file order; what cannot be read is left out.
    pub fn entries<T>(
        &self,
        read: impl Fn(&str, &Place<'a>) -> Option<T>,
    ) -> Option<Vec<(String, T)>> {
        let entries = self.raw_entries()?.iter();
        let read = |entry: &'a Entry| {
            let value = read(&entry.key, &self.below(entry))?;
            Some((entry.key.clone(), value))
        };
        Some(entries.filter_map(read).collect())
    }

    /// Reads a mapping with known keys, and notes those that are not known.
    pub fn fields<T>(&self, read: impl FnOnce(&Fields<'a>) -> Option<T>) -> Option<T> {
        let entries = self.raw_entries()?.iter();
        let fields = Fields {
            place: self.clone(),
            entries: entries.map(|entry| (entry, Cell::new(false))).collect(),
        };
        let value = read(&fields);
        fields.refuse_unread();
        value
    }

    fn raw_entries(&self) -> Option<&'a [Entry]> {
        let Value::Map(entries) = &self.node.value else {
            return self.refuse("must be a mapping of keys to values");
        };
        let mut keys = std::collections::HashSet::new();
        for entry in entries.iter().filter(|entry| !keys.insert(&entry.key)) {
            self.problems.borrow_mut().push(Problem {
                position: entry.position,
                path: join(&self.path, &entry.key),
                what: "stands here twice; keep one".to_owned(),
            });
        }
        Some(entries)
    }

    fn below(&self, entry: &'a Entry) -> Place<'a> {
        Place {
            node: &entry.node,
            path: join(&self.path, &entry.key),
            problems: self.problems,
        }
    }
}

/// A mapping with known keys, while it is read.
pub(super) struct Fields<'a> {
    pub place: Place<'a>,
    /// Each with whether it was asked for.
    entries: Vec<(&'a Entry, Cell<bool>)>,
}

impl<'a> Fields<'a> {
    /// A key that must be there.
    pub fn required<T>(&self, key: &str, read: impl FnOnce(&Place<'a>) -> Option<T>) -> Option<T> {
        match self.find(key) {
            Some(place) => read(&place),
            None => self.place.refuse(format!("`{key}` is missing")),
        }
    }

    /// A key that may be absent or null: `None`, as is one that cannot be read.
    pub fn optional<T>(&self, key: &str, read: impl FnOnce(&Place<'a>) -> Option<T>) -> Option<T> {
        self.find(key).and_then(|place| read(&place))
    }

    /// As `optional`, with nothing said standing for the type's own nothing.
    pub fn or_default<T: Default>(
        &self,
        key: &str,
        read: impl FnOnce(&Place<'a>) -> Option<T>,
    ) -> T {
        self.optional(key, read).unwrap_or_default()
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(entry, _)| entry.key == key)
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
            self.place.problems.borrow_mut().push(Problem {
                position: entry.position,
                path: join(&self.place.path, &entry.key),
                what: "is not a key that may stand here".to_owned(),
            });
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number: u32 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
