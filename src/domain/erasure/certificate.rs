//! The certificate of an erasure: what went, what stays and why, who was told and what they answered, as
//! of one instant. No personal data: ids, names of the policy, instants, grounds.
//!
//! Frozen, since whoever verifies one does so without this program: `docs/erasure.md`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Obstacle, record::ErasureRecord};
use crate::domain::{
    id::{ItemId, SubjectRequestId, TaskId},
    name::{DataCategory, SubjectCategory},
    request::ErasureGround,
    task::{Recipient, Task, TaskKind},
};

/// DSSE payload type of a certificate.
pub const CERTIFICATE_TYPE: &str =
    "application/vnd.personal-data-registry.erasure-certificate.v1+json";
/// Most item ids that a certificate lists; its counts are of all.
pub const ITEM_IDS_MAX: usize = 10_000;
/// Most groups of items that a certificate lists of what went, and of what stays.
pub const GROUPS_MAX: usize = 1_000;
/// Most tasks that a certificate lists; its recipients count all.
pub const TASKS_MAX: usize = 500;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureCertificate {
    /// The request that was carried out.
    pub subject_request_id: SubjectRequestId,
    /// As of when the certificate speaks.
    pub issued_at: Timestamp,
    /// Whether everything has come to its end: nothing stays, and every task has ended.
    pub is_final: bool,
    /// Whether everything is listed; if not, the counts are still of all.
    pub is_complete: bool,
    /// Why the person could have it erased (Art. 17(1)).
    pub ground: ErasureGround,
    /// Whether the person as a whole was erased.
    pub whole_subject: bool,
    /// When what could go went.
    pub erased_at: Timestamp,
    /// When the person's key was destroyed; absent: it is not, since some of the data was erased only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_destroyed_at: Option<Timestamp>,
    /// Identifiers that are suppressed.
    pub suppressed_identifiers: u64,
    /// Items that have gone.
    pub erased_items: u64,
    /// Items that stay.
    pub kept_items: u64,
    /// What has gone.
    pub erased: Vec<Erased>,
    /// What stays.
    pub kept: Vec<Kept>,
    /// Everybody who was told, or is told when the items go.
    pub recipients: Vec<Told>,
    /// The tasks by which they were told, oldest first.
    pub tasks: Vec<TaskReport>,
}

/// Items that went together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// The role in which they were collected.
    pub subject_category: SubjectCategory,
    /// What they were.
    pub data_category: DataCategory,
    /// When they went.
    pub erased_at: Timestamp,
    /// How many.
    pub items: u64,
    /// Which; fewer than `items` where not all are listed.
    pub item_ids: Vec<ItemId>,
}

/// Items that stay on the same grounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The role in which they were collected.
    pub subject_category: SubjectCategory,
    /// What they are.
    pub data_category: DataCategory,
    /// Why they stay.
    pub grounds: Vec<Obstacle>,
    /// How many.
    pub items: u64,
    /// Which; fewer than `items` where not all are listed.
    pub item_ids: Vec<ItemId>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Who.
    pub recipient: Recipient,
    /// Of how many items.
    pub items: u64,
    /// By how many tasks.
    pub tasks: u64,
    /// How many of them have ended.
    pub ended: u64,
    /// How many of them ended without the recipient's word.
    pub unconfirmed: u64,
    /// Items that stay with the recipient on the grounds on which they stay here; it is told when they go.
    pub told_later: u64,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskReport {
    /// Its id.
    pub task_id: TaskId,
    /// Who.
    pub recipient: Recipient,
    /// What was to be done.
    pub kind: TaskKind,
    /// Where it stands.
    pub state: String,
    /// How it ended, if it did by somebody's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The recipient's ground for what it keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<String>,
    /// Proof of what was done last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// How many items it is about.
    pub items: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the recipient had hidden the data from use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_at: Option<Timestamp>,
    /// When the recipient expects to have purged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_expected_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl From<&Task> for TaskReport {
    fn from(task: &Task) -> Self {
        Self {
            task_id: task.task_id,
            recipient: task.recipient.clone(),
            kind: task.kind,
            state: task.state_name().as_str().to_owned(),
            outcome: task.outcome().map(|it| it.as_str().to_owned()),
            ground: task.outcome().and_then(|it| it.ground()).map(str::to_owned),
            evidence: task.evidence().to_owned(),
            items: task.item_ids.len() as u64,
            created_at: task.created_at,
            suppressed_at: task.suppression.as_ref().map(|it| it.at),
            purge_expected_at: task.suppression.as_ref().map(|it| it.expected),
            ended_at: task.ended_at(),
        }
    }
}

/// A certificate in the making: the tasks of a large erasure are read in pages.
#[derive(Debug, Default)]
pub struct Recipients {
    told: BTreeMap<Recipient, ToldSoFar>,
    tasks: Vec<TaskReport>,
    is_complete: bool,
    all_ended: bool,
}

#[derive(Debug, Default)]
struct ToldSoFar {
    items: BTreeSet<ItemId>,
    later: BTreeSet<ItemId>,
    tasks: u64,
    ended: u64,
    unconfirmed: u64,
}

impl Recipients {
    /// Nobody yet.
    pub fn new() -> Self {
        Self {
            is_complete: true,
            all_ended: true,
            ..Self::default()
        }
    }

    /// Adds a task, in the order in which they were made. One that asks for no erasure is left out.
    pub fn add(&mut self, task: &Task) {
        if task.kind != TaskKind::Erase {
            return;
        }
        let told = self.told.entry(task.recipient.clone()).or_default();
        told.items.extend(&task.item_ids);
        told.tasks += 1;
        let report = TaskReport::from(task);
        if task.is_ended() {
            told.ended += 1;
            told.unconfirmed += u64::from(report.outcome.is_none());
        } else {
            self.all_ended = false;
        }
        if self.tasks.len() < TASKS_MAX {
            self.tasks.push(report);
        } else {
            self.is_complete = false;
        }
    }

    /// Adds what a recipient is told when the items go.
    pub fn add_later(&mut self, recipient: &Recipient, items: impl IntoIterator<Item = ItemId>) {
        let told = self.told.entry(recipient.clone()).or_default();
        told.later.extend(items);
    }
}

impl ErasureCertificate {
    /// The certificate of an erasure, as of `issued_at`.
    pub fn new(
        record: &ErasureRecord,
        recipients: Recipients,
        key_destroyed_at: Option<Timestamp>,
        issued_at: Timestamp,
    ) -> Self {
        let (mut left, kept_items) = (ITEM_IDS_MAX, record.kept_items());
        let listed = |item_ids: &[ItemId], left: &mut usize| {
            let listed: Vec<_> = item_ids.iter().take(*left).copied().collect();
            *left -= listed.len();
            listed
        };
        let kept = record.kept.iter().take(GROUPS_MAX).map(|it| Kept {
            subject_category: it.subject_category.clone(),
            data_category: it.data_category.clone(),
            grounds: it.grounds.clone(),
            items: it.item_ids.len() as u64,
            item_ids: listed(&it.item_ids, &mut left),
        });
        let kept: Vec<_> = kept.collect();
        let erased = record.erased.iter().take(GROUPS_MAX).map(|it| Erased {
            subject_category: it.subject_category.clone(),
            data_category: it.data_category.clone(),
            erased_at: it.erased_at,
            items: it.item_ids.len() as u64,
            item_ids: listed(&it.item_ids, &mut left),
        });
        let erased: Vec<_> = erased.collect();
        let erased_items = record.erased_items();
        let ids = kept.iter().map(|it| it.item_ids.len());
        let ids: usize = ids.chain(erased.iter().map(|it| it.item_ids.len())).sum();
        let told = recipients.told.into_iter().map(|(recipient, it)| Told {
            recipient,
            items: it.items.len() as u64,
            tasks: it.tasks,
            ended: it.ended,
            unconfirmed: it.unconfirmed,
            told_later: it.later.len() as u64,
        });
        Self {
            subject_request_id: record.subject_request_id,
            issued_at,
            is_final: kept_items == 0 && recipients.all_ended,
            is_complete: recipients.is_complete && ids as u64 == kept_items + erased_items,
            ground: record.ground,
            whole_subject: record.whole_subject,
            erased_at: record.erased_at,
            key_destroyed_at,
            suppressed_identifiers: record.suppressed_identifiers,
            erased_items,
            kept_items,
            erased,
            kept,
            recipients: told.collect(),
            tasks: recipients.tasks,
        }
    }

    /// As it is signed.
    ///
    /// # Panics
    ///
    /// Never: texts, numbers and lists are always JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and lists are always JSON")
    }

    /// Reads a payload whose signature was verified, and holds it against itself: a certificate whose
    /// counts do not fit what it lists, or that calls itself final too early, is none.
    pub fn read(payload: &[u8]) -> Result<Self, CertificateError> {
        let read: Self = serde_json::from_slice(payload)
            .map_err(|error| CertificateError::Unreadable(error.line(), error.column()))?;
        match read.contradiction() {
            Some(what) => Err(CertificateError::Contradiction(what)),
            None => Ok(read),
        }
    }

    fn contradiction(&self) -> Option<&'static str> {
        let counts = |items: u64, ids: &[ItemId]| (ids.len() as u64) <= items;
        let kept = self.kept.iter().map(|it| it.items).sum::<u64>();
        let erased = self.erased.iter().map(|it| it.items).sum::<u64>();
        let tasks = self.recipients.iter().map(|it| it.tasks).sum::<u64>();
        let fits = self.kept.iter().all(|it| counts(it.items, &it.item_ids))
            && self.erased.iter().all(|it| counts(it.items, &it.item_ids));
        if !fits || kept > self.kept_items || erased > self.erased_items {
            return Some("it lists more items than it counts");
        }
        if self.tasks.len() as u64 > tasks {
            return Some("it lists more tasks than it counts");
        }
        let ids = self.kept.iter().map(|it| it.item_ids.len());
        let ids = ids.chain(self.erased.iter().map(|it| it.item_ids.len()));
        let all_ids = ids.sum::<usize>() as u64 == self.kept_items + self.erased_items;
        if self.is_complete && !(all_ids && self.tasks.len() as u64 == tasks) {
            return Some("it calls itself complete and does not list everything");
        }
        let is_open = |it: &Told| it.ended < it.tasks || it.told_later > 0;
        if self.is_final && (self.kept_items > 0 || self.recipients.iter().any(is_open)) {
            return Some("it calls itself final and something has not come to its end");
        }
        None
    }
}

/// Why a payload is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It does not read.
    #[error("it is no erasure certificate: line {0}, column {1}")]
    Unreadable(usize, usize),
    /// It says one thing and another.
    #[error("{0}")]
    Contradiction(&'static str),
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        erasure::record::tests::{at, record},
        task::{Outcome, TaskCause, TaskState},
    };

    fn task(id: u128, recipient: &str, state: TaskState) -> Task {
        Task {
            task_id: TaskId(Uuid::from_u128(id)),
            subject_id: record().subject_id,
            subject_request_id: Some(record().subject_request_id),
            export_id: None,
            recipient: Recipient::Processor(recipient.parse().expect("a name")),
            kind: TaskKind::Erase,
            cause: TaskCause::Request,
            data_categories: Vec::new(),
            item_ids: vec![ItemId(Uuid::from_u128(1)), ItemId(Uuid::from_u128(3))],
            purposes: Vec::new(),
            created_at: at(10),
            begun_at: at(10),
            attempts: 0,
            failure: String::new(),
            suppression: None,
            state,
        }
    }

    fn done() -> TaskState {
        TaskState::Completed {
            at: at(11),
            outcome: Outcome::Partial("tax law".into()),
            evidence: "job 7".into(),
        }
    }

    fn certificate(states: &[TaskState]) -> ErasureCertificate {
        let mut recipients = Recipients::new();
        for (id, state) in (1..).zip(states) {
            recipients.add(&task(id, "aweber", state.clone()));
        }
        ErasureCertificate::new(&record(), recipients, Some(at(11)), at(12))
    }

    #[test]
    fn it_says_what_went_what_stays_and_what_recipients_answered() {
        let certificate = certificate(&[done(), TaskState::Unconfirmed { at: at(12) }]);
        assert_eq!((certificate.erased_items, certificate.kept_items), (2, 2));
        assert!(certificate.is_complete && !certificate.is_final);
        assert_eq!(certificate.kept[0].grounds[0].ground, "tax law");
        let told = &certificate.recipients[0];
        assert_eq!((told.items, told.tasks, told.ended), (2, 2, 2));
        assert_eq!(told.unconfirmed, 1);
        assert_eq!(certificate.tasks[0].ground.as_deref(), Some("tax law"));
        let read = ErasureCertificate::read(certificate.to_json().as_bytes());
        assert_eq!(read, Ok(certificate));
    }

    #[test]
    fn it_is_final_once_nothing_stays_and_every_task_has_ended() {
        let mut record = record();
        record.kept.clear();
        let issue = |state: TaskState| {
            let mut recipients = Recipients::new();
            recipients.add(&task(1, "aweber", state));
            ErasureCertificate::new(&record, recipients, None, at(12)).is_final
        };
        assert!(issue(done()));
        assert!(!issue(TaskState::DeadLetter { at: at(11) }));
        assert!(!certificate(&[done()]).is_final, "something stays");
    }

    #[test]
    fn a_large_one_counts_everything_and_lists_up_to_its_limits() {
        let mut record = record();
        let ids = |count: usize| {
            let ids = (0..count).map(|id| ItemId(Uuid::from_u128(id as u128)));
            ids.collect::<Vec<_>>()
        };
        record.kept.clear();
        record.erased[0].item_ids = ids(ITEM_IDS_MAX);
        let mut recipients = Recipients::new();
        for id in 0..TASKS_MAX {
            recipients.add(&task(id as u128, "aweber", done()));
        }
        let full = ErasureCertificate::new(&record, recipients, None, at(12));
        assert!(full.is_complete);
        assert_eq!(full.tasks.len(), TASKS_MAX);
        record.erased[0].item_ids = ids(ITEM_IDS_MAX + 1);
        let more = ErasureCertificate::new(&record, Recipients::new(), None, at(12));
        assert!(!more.is_complete);
        assert_eq!(more.erased[0].items, ITEM_IDS_MAX as u64 + 1);
        assert_eq!(more.erased[0].item_ids.len(), ITEM_IDS_MAX);
        assert!(ErasureCertificate::read(more.to_json().as_bytes()).is_ok());
        let mut recipients = Recipients::new();
        for id in 0..=TASKS_MAX {
            recipients.add(&task(id as u128, "aweber", done()));
        }
        record.erased[0].item_ids = ids(1);
        let more = ErasureCertificate::new(&record, recipients, None, at(12));
        assert!(!more.is_complete && more.is_final);
        assert_eq!(more.recipients[0].tasks, TASKS_MAX as u64 + 1);
    }

    #[test]
    fn one_that_contradicts_itself_or_says_more_is_refused() {
        let good = certificate(&[TaskState::Waiting { not_before: at(10) }]);
        let refused = |change: &dyn Fn(&mut ErasureCertificate)| {
            let mut bad = good.clone();
            change(&mut bad);
            ErasureCertificate::read(bad.to_json().as_bytes()).expect_err("it is refused")
        };
        for change in [
            &(|it: &mut ErasureCertificate| it.is_final = true) as &dyn Fn(&mut ErasureCertificate),
            &|it| it.erased_items = 1,
            &|it| it.kept[0].items = 1,
            &|it| it.tasks.clear(),
            &|it| it.recipients.clear(),
            &|it| it.erased[0].item_ids.clear(),
        ] {
            let error = refused(change);
            assert!(
                matches!(error, CertificateError::Contradiction(_)),
                "{error}"
            );
        }
        let more = good.to_json().replacen('{', "{\"name\":\"Ada\",", 1);
        let error = ErasureCertificate::read(more.as_bytes()).expect_err("unknown");
        assert!(matches!(error, CertificateError::Unreadable(..)), "{error}");
    }
}
