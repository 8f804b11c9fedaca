//! How much a policy may hold. Each is far above what a policy for people to read can need, and
//! low enough that checking one stays cheap.

use jiff::{Span, Timestamp};

use super::{
    finding::{Finding, FindingCode},
    model::Policy,
    walk,
};

/// Longest policy file, in bytes.
pub const POLICY_BYTES_MAX: usize = 1024 * 1024;
/// Most entries of one catalogue (data categories, purposes, …).
pub const CATALOGUE_ENTRIES_MAX: usize = 1_000;
/// Most entries of `collected`, per subject category.
pub const COLLECTED_ENTRIES_MAX: usize = 1_000;
/// Most processing activities.
pub const ACTIVITIES_MAX: usize = 10_000;
/// Most sharing statements.
pub const SHARING_MAX: usize = 10_000;
/// Most retention rules: every check reads all of them.
pub const RETENTION_RULES_MAX: usize = 1_000;
/// Most names in one list of an entry.
pub const NAMES_MAX: usize = 256;
/// Most lines in `cookies`, `claims`, `notes`, `security_measures`.
pub const LINES_MAX: usize = 1_000;
/// Most (subject category, data category, purpose) cells over all activities, and most
/// (…, processor) cells over all sharing statements.
pub const CELLS_MAX: usize = 1_000_000;
/// Longest text of any kind (title, note, wording), in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Longest period, in years.
pub const PERIOD_YEARS_MAX: i64 = 100;

/// What a file may write where the text states nothing.
pub(super) const NONE_STATED: &str = "none stated";

/// Whether an instant survives being kept in whole microseconds.
pub(super) fn is_kept_exactly(instant: Timestamp) -> bool {
    instant.subsec_nanosecond() % 1_000 == 0
}

/// A period is of calendar units, longer than nothing, and at most [`PERIOD_YEARS_MAX`] years.
/// Hours and finer units are refused: a promise such as "2 years" is counted in the controller's
/// calendar, and nothing here expires within a day.
pub(super) fn period_problem(period: &Span) -> Option<&'static str> {
    let finer = period.get_hours() != 0
        || period.get_minutes() != 0
        || period.get_seconds() != 0
        || period.get_milliseconds() != 0
        || period.get_microseconds() != 0
        || period.get_nanoseconds() != 0;
    if finer {
        return Some("must be of years, months, weeks or days, such as P2Y or P30D");
    }
    if !period.is_positive() {
        return Some("must be longer than nothing, such as P2Y or P30D");
    }
    let years = i64::from(period.get_years())
        + i64::from(period.get_months()) / 12
        + i64::from(period.get_weeks()) / 52
        + i64::from(period.get_days()) / 365;
    (years >= PERIOD_YEARS_MAX).then_some("must be shorter than 100 years")
}

/// Finds every list and text that is longer than its limit.
pub(super) fn exceeded(policy: &Policy) -> Vec<Finding> {
    let mut limits = Limits::default();
    limits.catalogues(policy);
    limits.statements(policy);
    limits.cells(policy);
    limits.texts(policy);
    limits.findings
}

#[derive(Default)]
struct Limits {
    findings: Vec<Finding>,
}

impl Limits {
    fn count(&mut self, path: &str, count: usize, most: usize) {
        if count > most {
            let message = format!("has {count} entries; at most {most} are allowed");
            self.findings
                .push(Finding::error(FindingCode::TooMany, path, message));
        }
    }

    fn text(&mut self, path: &str, text: &str, most: usize) {
        if text.len() > most {
            let message = format!("has {} bytes; at most {most} are allowed", text.len());
            self.findings
                .push(Finding::error(FindingCode::TextTooLong, path, message));
        }
    }

    fn catalogues(&mut self, policy: &Policy) {
        for (path, count) in [
            ("subject_categories", policy.subject_categories.len()),
            ("identifier_types", policy.identifier_types.len()),
            ("data_categories", policy.data_categories.len()),
            ("purposes", policy.purposes.len()),
            ("processors", policy.processors.len()),
            ("collected", policy.collected.len()),
            ("consent.methods", policy.consent.methods.len()),
            ("consent.wording", policy.consent.wording.len()),
        ] {
            self.count(path, count, CATALOGUE_ENTRIES_MAX);
        }
        for (path, count) in [
            ("cookies", policy.cookies.len()),
            ("claims", policy.claims.len()),
            ("notes", policy.notes.len()),
            ("security_measures", policy.security_measures.len()),
            ("rights.stated", policy.rights.stated.len()),
        ] {
            self.count(path, count, LINES_MAX);
        }
    }

    fn statements(&mut self, policy: &Policy) {
        self.count("activities", policy.activities.len(), ACTIVITIES_MAX);
        self.count("sharing", policy.sharing.len(), SHARING_MAX);
        self.count("retention", policy.retention.len(), RETENTION_RULES_MAX);
        for (category, entries) in &policy.collected {
            self.count(
                &format!("collected.{category}"),
                entries.len(),
                COLLECTED_ENTRIES_MAX,
            );
            for (index, entry) in entries.iter().enumerate() {
                let path = format!("collected.{category}[{index}].contexts");
                self.count(&path, entry.contexts.len(), NAMES_MAX);
            }
        }
        for (index, activity) in policy.activities.iter().enumerate() {
            self.count(
                &format!("activities[{index}].subjects"),
                activity.subjects.len(),
                NAMES_MAX,
            );
            self.count(
                &format!("activities[{index}].data"),
                activity.data.len(),
                NAMES_MAX,
            );
            self.count(
                &format!("activities[{index}].contexts"),
                activity.contexts.len(),
                NAMES_MAX,
            );
        }
        for (index, sharing) in policy.sharing.iter().enumerate() {
            self.count(
                &format!("sharing[{index}].subjects"),
                sharing.subjects.len(),
                NAMES_MAX,
            );
            self.count(
                &format!("sharing[{index}].data"),
                sharing.data.len(),
                NAMES_MAX,
            );
        }
        for (index, rule) in policy.retention.iter().enumerate() {
            self.count(
                &format!("retention[{index}].data"),
                rule.data.len(),
                NAMES_MAX,
            );
            self.count(
                &format!("retention[{index}].subjects"),
                rule.subjects.len(),
                NAMES_MAX,
            );
            let path = format!("retention[{index}].activity_sources");
            self.count(&path, rule.activity_sources.len(), NAMES_MAX);
        }
    }

    fn cells(&mut self, policy: &Policy) {
        let activities = policy
            .activities
            .iter()
            .map(|a| a.subjects.len() * a.data.len())
            .sum();
        let sharing = policy
            .sharing
            .iter()
            .map(|s| s.subjects.len() * s.data.len())
            .sum();
        self.count("activities", activities, CELLS_MAX);
        self.count("sharing", sharing, CELLS_MAX);
    }

    fn texts(&mut self, policy: &Policy) {
        for (path, text) in walk::texts(policy) {
            self.text(&path, text, TEXT_BYTES_MAX);
        }
        for entry in walk::entries(policy) {
            let path = format!("{}.inferred", entry.path);
            self.count(&path, entry.provenance.inferred.len(), NAMES_MAX);
        }
        self.count("inferred", policy.inferred.len(), NAMES_MAX);
    }
}
