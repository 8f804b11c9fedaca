//! Purpose limitation: what is collected, shared or kept in a cookie needs a stated purpose
//! (Art. 5(1)(b), 13(1)(c)).

use std::collections::{HashMap, HashSet};

use super::Lint;
use crate::domain::{
    name::{DataCategory, Purpose, SubjectCategory},
    policy::{
        finding::{FindingCode, Severity},
        model::{Activity, CollectedEntry, Policy},
    },
};

const PURPOSE_LIMITATION: &str = "GDPR Art. 5(1)(b), 13(1)(c)";

type ByData<'a> = HashMap<(&'a SubjectCategory, &'a DataCategory), Vec<&'a Activity>>;

impl Lint<'_> {
    pub(super) fn purposes(&mut self) {
        let activities = by_data(self.policy);
        for (category, entries) in &self.policy.collected {
            for (index, entry) in entries.iter().enumerate() {
                let path = format!("collected.{category}[{index}]");
                self.collected(&path, category, entry, &activities);
            }
        }
        self.uncollected();
        self.sharing(&activities);
        self.cookies();
        self.unused();
    }

    fn collected(
        &mut self,
        path: &str,
        category: &SubjectCategory,
        entry: &CollectedEntry,
        activities: &ByData<'_>,
    ) {
        let data = &entry.data;
        let Some(activities) = activities.get(&(category, data)) else {
            let message = format!(
                "{data} is collected from {category} and no activity says what for; state a purpose or stop collecting it"
            );
            let code = (Severity::Defect, FindingCode::CollectedWithoutPurpose);
            return self.find(code, path, PURPOSE_LIMITATION, message);
        };
        for (index, context) in entry.contexts.iter().enumerate() {
            if !activities
                .iter()
                .any(|activity| covers_context(activity, context))
            {
                let message = format!(
                    "{data} is collected from {category} in {context} and no activity says what for; state a purpose or stop collecting it there"
                );
                let code = (Severity::Defect, FindingCode::ContextWithoutPurpose);
                self.find(
                    code,
                    format!("{path}.contexts[{index}]"),
                    PURPOSE_LIMITATION,
                    message,
                );
            }
        }
    }

    /// An activity on data that nobody declares to collect: a registration of it is refused, so
    /// the activity can never be carried out.
    fn uncollected(&mut self) {
        let collected = collected_names(self.policy);
        for (index, activity) in self.policy.activities.iter().enumerate() {
            for (place, data) in activity.data.iter().enumerate() {
                let missing = activity
                    .subjects
                    .iter()
                    .find(|category| !collected.contains(&(*category, data)));
                if let Some(category) = missing {
                    let message = format!(
                        "{data} is not declared as collected from {category}; add it to `collected` or leave it out here"
                    );
                    let code = (Severity::Warning, FindingCode::ActivityWithoutCollection);
                    let path = format!("activities[{index}].data[{place}]");
                    self.find(code, path, "GDPR Art. 13(1)(c), 14(1)(d)", message);
                }
            }
        }
    }

    fn sharing(&mut self, activities: &ByData<'_>) {
        for (index, sharing) in self.policy.sharing.iter().enumerate() {
            for category in &sharing.subjects {
                for data in sharing
                    .data
                    .iter()
                    .filter(|data| !has_purpose(activities, category, data, &sharing.purpose))
                {
                    let message = format!(
                        "{} receives {data} of {category} for {}, which no activity declares for them; nothing is permitted by it: add the activity or drop the sharing",
                        sharing.processor, sharing.purpose
                    );
                    let code = (Severity::Defect, FindingCode::SharingWithoutActivity);
                    self.find(
                        code,
                        format!("sharing[{index}]"),
                        "GDPR Art. 5(1)(b), 6(1)",
                        message,
                    );
                }
            }
        }
    }

    fn cookies(&mut self) {
        for (index, cookie) in self.policy.cookies.iter().enumerate() {
            let declared = self.policy.activities.iter().any(|activity| {
                activity.purpose == cookie.purpose && activity.data.contains(&cookie.data)
            });
            if !declared {
                let message = format!(
                    "a cookie holds {} for {}, which no activity declares; add the activity or drop the cookie",
                    cookie.data, cookie.purpose
                );
                let code = (Severity::Defect, FindingCode::CookieWithoutActivity);
                let article = "ePrivacy Directive Art. 5(3), GDPR Art. 5(1)(b)";
                self.find(code, format!("cookies[{index}]"), article, message);
            }
        }
    }

    fn unused(&mut self) {
        let policy = self.policy;
        let subjects: HashSet<_> = policy
            .activities
            .iter()
            .flat_map(|activity| &activity.subjects)
            .chain(policy.collected.keys())
            .collect();
        let data: HashSet<_> = policy
            .activities
            .iter()
            .flat_map(|activity| &activity.data)
            .chain(policy.collected.values().flatten().map(|entry| &entry.data))
            .chain(policy.cookies.iter().map(|cookie| &cookie.data))
            .collect();
        let purposes: HashSet<_> = policy
            .activities
            .iter()
            .map(|activity| &activity.purpose)
            .chain(policy.sharing.iter().map(|sharing| &sharing.purpose))
            .chain(policy.cookies.iter().map(|cookie| &cookie.purpose))
            .collect();
        let processors: HashSet<_> = policy
            .sharing
            .iter()
            .map(|sharing| &sharing.processor)
            .collect();
        self.unused_of(
            "subject_categories",
            policy.subject_categories.keys(),
            &subjects,
        );
        self.unused_of("data_categories", policy.data_categories.keys(), &data);
        self.unused_of("purposes", policy.purposes.keys(), &purposes);
        self.unused_of("processors", policy.processors.keys(), &processors);
    }

    fn unused_of<'n, N>(
        &mut self,
        catalogue: &str,
        names: impl Iterator<Item = &'n N>,
        used: &HashSet<&N>,
    ) where
        N: std::fmt::Display + std::hash::Hash + Eq + 'n,
    {
        for name in names.filter(|name| !used.contains(name)) {
            let message = format!("{name} is declared and used by nothing; use it or leave it out");
            let code = (Severity::Warning, FindingCode::NeverUsed);
            self.find(code, format!("{catalogue}.{name}"), "", message);
        }
    }
}

fn by_data(policy: &Policy) -> ByData<'_> {
    let mut by_data = ByData::new();
    for activity in &policy.activities {
        for category in &activity.subjects {
            for data in &activity.data {
                by_data.entry((category, data)).or_default().push(activity);
            }
        }
    }
    by_data
}

fn collected_names(policy: &Policy) -> HashSet<(&SubjectCategory, &DataCategory)> {
    let entries = policy.collected.iter();
    entries
        .flat_map(|(category, entries)| entries.iter().map(move |entry| (category, &entry.data)))
        .collect()
}

fn covers_context(activity: &Activity, context: &String) -> bool {
    activity.contexts.is_empty() || activity.contexts.contains(context)
}

fn has_purpose(
    activities: &ByData<'_>,
    category: &SubjectCategory,
    data: &DataCategory,
    purpose: &Purpose,
) -> bool {
    activities.get(&(category, data)).is_some_and(|activities| {
        activities
            .iter()
            .any(|activity| activity.purpose == *purpose)
    })
}
