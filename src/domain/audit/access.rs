//! Who has seen what of whom: the question behind a breach (Art. 33(3)).

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::{Action, Chore};

/// What the answer to an action tells of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gives {
    /// Nothing of anybody, or what the caller has just said itself.
    Nothing,
    /// Something about a person, and no value of theirs: decisions, states, ids, pseudonyms.
    Facts,
    /// Values: items, identifiers, what people said and how it is proved.
    Content,
}

impl Action {
    /// What its answer tells of people. Every action stands here: one that is not classified does not
    /// compile.
    pub fn gives(self) -> Gives {
        match self {
            Self::FetchRecords
            | Self::GetSubject
            // Their answers show the person as they stand then, identifiers included.
            | Self::LinkIdentifier
            | Self::UnlinkIdentifier
            | Self::MergeSubjects
            | Self::AddSubjectCategory
            | Self::EndSubjectCategory
            | Self::ListConsents
            | Self::GetConsentReceipt
            | Self::ListDisclosures
            | Self::LeaseTasks
            | Self::DownloadExport => Gives::Content,
            Self::CheckPurpose
            | Self::BatchCheckPurpose
            | Self::StreamCheckPurpose
            | Self::ListLawfulPurposes
            | Self::ListLawfulSubjects
            | Self::RecordDisclosure
            | Self::BatchRecordDisclosure
            | Self::GetRequest
            | Self::ListRequests
            | Self::PreviewErasure
            | Self::GetErasureCertificate
            | Self::GetTask
            | Self::ListTasks
            | Self::ListLegalHolds
            | Self::PreviewPurge
            | Self::WatchEvents
            | Self::ListAuditEntries
            | Self::GetDecision
            | Self::GetInclusionProof
            | Self::ExportAuditLog => Gives::Facts,
            Self::PublishPolicy
            | Self::GetPolicy
            | Self::ListPolicies
            | Self::GetConsentForm
            | Self::GetProcessingRecord
            | Self::RegisterCollection
            | Self::ImportCollections
            | Self::RecordActivity
            | Self::RecordConsent
            | Self::WithdrawConsent
            | Self::IssueWithdrawalToken
            | Self::CorrectRecord
            | Self::DeleteRecords
            | Self::CreateRequest
            | Self::VerifyIdentity
            | Self::DoubtIdentity
            | Self::ExtendRequest
            | Self::RejectRequest
            | Self::CancelRequest
            | Self::AnswerRequest
            | Self::DecideObjection
            | Self::LiftRestriction
            | Self::RenewLease
            | Self::CompleteTask
            | Self::FailTask
            | Self::ParkTask
            | Self::RetryTask
            | Self::ResolveTask
            | Self::PlaceLegalHold
            | Self::ReleaseLegalHold
            | Self::GetCheckpoint
            | Self::GetConsistencyProof => Gives::Nothing,
        }
    }
}

impl Chore {
    /// Whether it reads people's values, as it does for a package of theirs.
    pub fn reads_content(self) -> bool {
        match self {
            Self::BuildExport => true,
            Self::AdvanceRequest
            | Self::CompleteErasure
            | Self::PurgeItems
            | Self::ExpireExport
            | Self::GiveUpTask
            | Self::Restore => false,
        }
    }
}

/// The names, as the log has them, of everything that reads people's values.
pub fn content_readers() -> Vec<&'static str> {
    let actions = Action::ALL.iter().copied();
    let actions = actions.filter(|action| action.gives() == Gives::Content);
    let chores = Chore::ALL.iter().copied().filter(|it| it.reads_content());
    let actions = actions.map(Action::name);
    actions.chain(chores.map(Chore::name)).collect()
}

/// One reading, as an entry of the log tells of it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The service that read.
    pub caller: String,
    /// What it did.
    pub action: String,
    /// Which data categories.
    pub data_categories: Vec<String>,
    /// Whose: the pseudonym; empty where there is none.
    pub subject: String,
    /// How many items.
    pub items: u64,
    /// When.
    pub at: Timestamp,
}

/// Who read what: a service, what it did, and which data categories together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// The service.
    pub caller: String,
    /// What it did.
    pub action: String,
    /// Which data categories, in order.
    pub data_categories: Vec<String>,
}

/// How much a reader has read.
#[derive(Clone, Debug)]
pub struct Tally {
    subjects: HashSet<String>,
    /// Entries in the log.
    pub readings: u64,
    /// Items read; one that was read twice counts twice.
    pub items: u64,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
}

impl Tally {
    /// How many people it concerns, by their pseudonyms.
    pub fn subjects(&self) -> usize {
        self.subjects.len()
    }
}

/// Everything that was read in a span of time.
#[derive(Clone, Debug, Default)]
pub struct AccessReport {
    tallies: BTreeMap<Reader, Tally>,
    subjects: HashSet<String>,
}

impl AccessReport {
    /// Counts one reading.
    pub fn add(&mut self, reading: Reading) {
        let Reading {
            caller,
            action,
            mut data_categories,
            subject,
            items,
            at,
        } = reading;
        data_categories.sort_unstable();
        data_categories.dedup();
        let reader = Reader {
            caller,
            action,
            data_categories,
        };
        let tally = self.tallies.entry(reader).or_insert_with(|| Tally {
            subjects: HashSet::new(),
            readings: 0,
            items: 0,
            first: at,
            last: at,
        });
        tally.readings += 1;
        tally.items += items;
        (tally.first, tally.last) = (tally.first.min(at), tally.last.max(at));
        if !subject.is_empty() {
            tally.subjects.insert(subject.clone());
            self.subjects.insert(subject);
        }
    }

    /// Who read how much, in the order of services, actions and categories.
    pub fn tallies(&self) -> impl Iterator<Item = (&Reader, &Tally)> {
        self.tallies.iter()
    }

    /// How many people it concerns in all: one may stand in several tallies.
    pub fn subjects(&self) -> usize {
        self.subjects.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(caller: &str, subject: &str, data: &[&str], at: &str) -> Reading {
        Reading {
            caller: caller.into(),
            action: "FetchRecords".into(),
            data_categories: data.iter().map(ToString::to_string).collect(),
            subject: subject.into(),
            items: 2,
            at: at.parse().unwrap(),
        }
    }

    #[test]
    fn what_gives_out_values_is_named_as_the_log_names_it() {
        let names = content_readers();
        for name in [
            "FetchRecords",
            "LeaseTasks",
            "DownloadExport",
            "BuildExport",
            "ListConsents",
            "GetConsentReceipt",
            "GetSubject",
            "ListDisclosures",
            "LinkIdentifier",
            "UnlinkIdentifier",
            "MergeSubjects",
            "AddSubjectCategory",
            "EndSubjectCategory",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        assert_eq!(names.len(), 13);
    }

    #[test]
    fn people_are_counted_once_however_often_their_data_was_read() {
        let mut report = AccessReport::default();
        report.add(reading("shop", "A", &["b", "a"], "2026-06-01T12:00:00Z"));
        report.add(reading(
            "shop",
            "A",
            &["a", "b", "a"],
            "2026-06-01T10:00:00Z",
        ));
        report.add(reading("shop", "B", &["a", "b"], "2026-06-01T11:00:00Z"));
        report.add(reading("shop", "A", &["a"], "2026-06-01T11:00:00Z"));
        report.add(reading("desk", "", &[], "2026-06-01T11:00:00Z"));
        let tallies: Vec<_> = report.tallies().collect();
        assert_eq!(tallies.len(), 3);
        let (reader, tally) = tallies[2];
        assert_eq!(reader.data_categories, ["a", "b"]);
        assert_eq!((tally.subjects(), tally.readings, tally.items), (2, 3, 6));
        assert_eq!(tally.first, "2026-06-01T10:00:00Z".parse().unwrap());
        assert_eq!(tally.last, "2026-06-01T12:00:00Z".parse().unwrap());
        assert_eq!(tallies[0].1.subjects(), 0);
        assert_eq!(report.subjects(), 2);
    }
}
