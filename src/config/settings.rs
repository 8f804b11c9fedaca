//! What was found in the file and in the variables, before it means anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    str::FromStr,
    time::Duration,
};

use jiff::SignedDuration;
use toml::{Table, Value};

use super::Problem;

/// Where every variable of the registry begins.
const PREFIX: &str = "PDR_";

/// Variables of the command line: they say where a server is, not what it is.
const COMMAND_LINE: [&str; 6] = [
    "PDR_ADDRESS",
    "PDR_CA",
    "PDR_CONFIG",
    "PDR_DATA_DIR",
    "PDR_OUTPUT",
    "PDR_TOKEN_FILE",
];

/// Where the variables of the tests begin.
const TESTS_PREFIX: &str = "PDR_TEST_";

/// Section and key.
type Name = (String, String);

/// Every setting that was found, and the problems so far.
pub(super) struct Settings {
    file: String,
    in_file: BTreeMap<Name, Value>,
    in_variables: BTreeMap<Name, String>,
    asked: BTreeSet<Name>,
    problems: Vec<Problem>,
}

impl Settings {
    /// Gathers the settings of a file's text and of the variables; what is wrong with either is
    /// kept as a problem.
    pub(super) fn gather(
        file: &str,
        text: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut settings = Self {
            file: file.to_owned(),
            in_file: BTreeMap::new(),
            in_variables: BTreeMap::new(),
            asked: BTreeSet::new(),
            problems: Vec::new(),
        };
        settings.gather_file(text);
        for (name, value) in variables {
            settings.gather_variable(&name, value);
        }
        settings
    }

    /// The settings of one section.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        Section {
            settings: self,
            name,
        }
    }

    /// Every problem, sorted; what nobody asked for is one.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        let unknown = |name: &&Name| !self.asked.contains(*name);
        let keys = self.in_file.keys().filter(unknown).map(|(section, key)| {
            let place = format!("{}: {section}.{key}", self.file);
            Problem::new(place, "is not a key of the registry")
        });
        let variables = self
            .in_variables
            .keys()
            .filter(unknown)
            .map(|name| Problem::new(variable(name), "is not a variable of the registry"));
        let unknown: Vec<Problem> = keys.chain(variables).collect();
        self.problems.extend(unknown);
        self.problems.sort();
        self.problems
    }

    fn gather_file(&mut self, text: &str) {
        match text.parse::<Table>() {
            Ok(sections) => {
                for (section, keys) in sections {
                    self.gather_section(&section, keys);
                }
            }
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                let line = 1 + text
                    .bytes()
                    .take(start)
                    .filter(|byte| *byte == b'\n')
                    .count();
                let place = format!("{}: line {line}", self.file);
                self.problems.push(Problem::new(place, error.message()));
            }
        }
    }

    fn gather_section(&mut self, section: &str, keys: Value) {
        let Value::Table(keys) = keys else {
            let place = format!("{}: {section}", self.file);
            self.problems.push(Problem::new(place, "must be a section"));
            return;
        };
        for (key, value) in keys {
            self.in_file.insert((section.to_owned(), key), value);
        }
    }

    fn gather_variable(&mut self, name: &OsString, value: OsString) {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            return;
        };
        if COMMAND_LINE.contains(&name) || name.starts_with(TESTS_PREFIX) {
            return;
        }
        let lower = name[PREFIX.len()..].to_ascii_lowercase();
        let split = lower
            .split_once('_')
            .filter(|_| *name == name.to_ascii_uppercase());
        match (split, value.into_string()) {
            (Some((section, key)), Ok(value)) => {
                self.in_variables
                    .insert((section.to_owned(), key.to_owned()), value);
            }
            (Some(_), Err(_)) => self.problems.push(Problem::new(name, "must be UTF-8")),
            (None, _) => {
                self.problems
                    .push(Problem::new(name, "is not a variable of the registry"));
            }
        }
    }
}

/// The settings of one section. What cannot be read is noted as a problem and stands in as the
/// default: a configuration with problems is never used.
pub(super) struct Section<'a> {
    settings: &'a mut Settings,
    name: &'static str,
}

impl Section<'_> {
    /// A text that may be absent.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let name = self.named(key);
        self.settings.asked.insert(name.clone());
        if let Some(value) = self.settings.in_variables.get(&name) {
            return Some(value.clone());
        }
        let text = match self.settings.in_file.get(&name)? {
            Value::String(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        if text.is_none() {
            self.problem(key, "must be text");
        }
        text
    }

    /// A list of texts, empty when it is absent: a list in the file, separated by commas in the variable.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        let name = self.named(key);
        self.settings.asked.insert(name.clone());
        if let Some(value) = self.settings.in_variables.get(&name) {
            let entries = value.split(',').map(str::trim);
            let entries = entries.filter(|entry| !entry.is_empty());
            return entries.map(str::to_owned).collect();
        }
        let Some(value) = self.settings.in_file.get(&name) else {
            return Vec::new();
        };
        let entries = value.as_array().and_then(|entries| {
            let texts = entries.iter().map(|entry| match entry {
                Value::String(text) => Some(text.clone()),
                Value::Datetime(date) => Some(date.to_string()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>()
        });
        entries.unwrap_or_else(|| {
            self.problem(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(&mut self, key: &'static str) -> String {
        let text = self.text(key);
        if text.is_none() && !self.is_set(key) {
            self.problem(key, "is required");
        }
        if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
            self.problem(key, "must not be empty");
        }
        text.unwrap_or_default()
    }

    /// A value that its type reads; `must` says what it must be.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &'static str, default: T, must: &str) -> T {
        let Some(text) = self.text(key) else {
            return default;
        };
        text.parse().unwrap_or_else(|_| {
            self.problem(key, must);
            default
        })
    }

    /// A number within limits, both included.
    pub(super) fn number(&mut self, key: &'static str, default: u32, limits: [u32; 2]) -> u32 {
        let [least, most] = limits;
        let range = format!("must be a number from {least} to {most}");
        let number = self.parsed(key, default, &range);
        if number < least || number > most {
            self.problem(key, range);
        }
        number
    }

    /// A duration such as `30s` within limits, both included.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        limits: [Duration; 2],
    ) -> Duration {
        let Some(text) = self.text(key) else {
            return default;
        };
        let read = text
            .parse::<SignedDuration>()
            .ok()
            .and_then(|read| read.try_into().ok());
        match read {
            Some(duration) if limits[0] <= duration && duration <= limits[1] => duration,
            _ => {
                let [least, most] = limits.map(|limit| {
                    SignedDuration::try_from(limit)
                        .map_or_else(|_| String::new(), |limit| format!("{limit:#}"))
                });
                self.problem(
                    key,
                    format!("must be a duration from {least} to {most}, such as 30s"),
                );
                default
            }
        }
    }

    /// Whether the key or its variable is there, whatever it says.
    pub(super) fn is_set(&self, key: &'static str) -> bool {
        let name = self.named(key);
        self.settings.in_variables.contains_key(&name) || self.settings.in_file.contains_key(&name)
    }

    /// Notes a problem with a key.
    pub(super) fn problem(&mut self, key: &'static str, what: impl Into<String>) {
        let name = self.named(key);
        let place = if self.settings.in_variables.contains_key(&name) {
            variable(&name)
        } else if self.settings.in_file.contains_key(&name) {
            format!("{}: {}.{key}", self.settings.file, self.name)
        } else {
            format!("{}.{key} ({})", self.name, variable(&name))
        };
        self.settings.problems.push(Problem::new(place, what));
    }

    fn named(&self, key: &str) -> Name {
        (self.name.to_owned(), key.to_owned())
    }
}

fn variable((section, key): &Name) -> String {
    format!("{PREFIX}{section}_{key}").to_ascii_uppercase()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The keys that reading asks for.
    pub fn asked_keys(read: impl FnOnce(&mut Settings)) -> BTreeSet<Name> {
        let mut settings = Settings::gather("", "", []);
        read(&mut settings);
        settings.asked
    }

    fn number(text: &str) -> Vec<String> {
        let mut settings = Settings::gather("f", &format!("[s]\nn = {text}"), []);
        settings.section("s").number("n", 5, [1, 10]);
        settings
            .into_problems()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_limits_of_a_number_are_allowed_and_one_past_them_is_not() {
        assert!(number("1").is_empty() && number("10").is_empty() && number("\"7\"").is_empty());
        for text in ["0", "11", "-1", "\"\"", "99999999999"] {
            assert_eq!(
                number(text),
                ["f: s.n: must be a number from 1 to 10"],
                "{text}"
            );
        }
    }

    fn duration(text: &str) -> Vec<String> {
        let mut settings = Settings::gather("f", &format!("[s]\nd = \"{text}\""), []);
        let limits = [Duration::from_secs(1), Duration::from_mins(1)];
        settings.section("s").duration("d", limits[0], limits);
        settings
            .into_problems()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_limits_of_a_duration_are_allowed_and_one_past_them_is_not() {
        assert!(
            duration("1s").is_empty() && duration("60s").is_empty() && duration("1m").is_empty()
        );
        for text in ["0s", "999ms", "61s", "1", "P1M", "soon"] {
            let found = duration(text);
            assert_eq!(
                found,
                ["f: s.d: must be a duration from 1s to 1m, such as 30s"],
                "{text}"
            );
        }
    }

    #[test]
    fn variables_of_others_and_of_the_command_line_are_left_alone() {
        let variables = [("HOME", "/"), ("PDR_ADDRESS", "x"), ("PDRX", "x")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        assert!(
            Settings::gather("", "", variables)
                .into_problems()
                .is_empty()
        );
    }

    #[test]
    fn a_variable_in_lower_case_is_none_of_ours() {
        let settings = Settings::gather("", "", [("PDR_log_level".into(), "info".into())]);
        assert_eq!(settings.into_problems().len(), 1);
    }
}
