//! What a sweep at an instant would do, without doing it: the same plans, counted.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::plan_page;
use crate::{
    app::{
        error::Error,
        registry::{Registry, in_force},
    },
    domain::{
        audit::Action,
        caller::Caller,
        id::SubjectId,
        name::{DataCategory, PolicyVersion, Processor, SubjectCategory},
        retention::purge::{Purge, PurgePlan, PurgeReason},
    },
};

/// How many years ahead a preview may look.
pub const AS_OF_YEARS_MAX: i64 = 10;
/// Examples when the caller does not say how many.
pub const SAMPLE_DEFAULT: usize = 20;
/// Most examples.
pub const SAMPLE_MAX: usize = 100;

/// Asks what would go.
#[derive(Clone, Copy, Debug)]
pub struct PreviewPurge {
    /// At which instant; `None`: now.
    pub as_of: Option<Timestamp>,
    /// Examples wanted.
    pub sample_size: usize,
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PurgeCount {
    /// What goes.
    pub data_category: DataCategory,
    /// The role in which it was collected.
    pub subject_category: SubjectCategory,
    /// Why.
    pub reason: PurgeReason,
    /// The rule.
    pub rule: String,
    /// The processor that is told.
    pub processor: Option<Processor>,
}

/// What would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgePreview {
    /// How many items, by what and why.
    pub counts: BTreeMap<PurgeCount, u64>,
    /// Examples.
    pub sample: Vec<(SubjectId, Purge)>,
    /// Subjects of whom something goes.
    pub subjects: u64,
    /// Items that go here.
    pub items: u64,
    /// Items whose time has run out and that stay, since a hold or a restriction keeps them.
    pub held_items: u64,
    /// The instant.
    pub as_of: Timestamp,
    /// The policy in force then.
    pub policy_version: PolicyVersion,
}

impl Registry {
    /// What a sweep at an instant would do. Subjects are looked at page by page, each page as it is
    /// committed then.
    pub async fn preview_purge(
        &self,
        caller: &Caller,
        preview: PreviewPurge,
    ) -> Result<PurgePreview, Error> {
        let mut after = None;
        let mut counted: Option<PurgePreview> = None;
        loop {
            let view = self.view(caller, Action::PreviewPurge, None).await?;
            let counted = if let Some(counted) = &mut counted {
                counted
            } else {
                let as_of = instant(preview.as_of, view.now())?;
                let policy = in_force(&view.policies, as_of)?;
                counted.insert(nothing(as_of, policy.version().clone()))
            };
            let as_of = counted.as_of;
            let page = plan_page(&view.snapshot, &view.policies, after, as_of).await?;
            view.snapshot.close().await?;
            for (subject, plan) in page.plans {
                counted.count(subject, plan, preview.sample_size);
            }
            after = page.last;
            if page.is_last {
                return Ok(counted.clone());
            }
            if self.stopping.is_cancelled() {
                return Err(Error::Stopping);
            }
        }
    }
}

fn instant(as_of: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Error> {
    let as_of = as_of.unwrap_or(now);
    let latest = now
        .to_zoned_datetime(TimeZone::UTC)
        .checked_add(AS_OF_YEARS_MAX.years())
        .map_or(Timestamp::MAX, |latest| latest.timestamp());
    if as_of < now {
        return Err(Error::invalid("as_of", "must not be earlier than now"));
    }
    if as_of > latest {
        return Err(Error::invalid(
            "as_of",
            "must not be more than ten years ahead",
        ));
    }
    Ok(as_of)
}

fn nothing(as_of: Timestamp, policy_version: PolicyVersion) -> PurgePreview {
    PurgePreview {
        counts: BTreeMap::new(),
        sample: Vec::new(),
        subjects: 0,
        items: 0,
        held_items: 0,
        as_of,
        policy_version,
    }
}

impl PurgePreview {
    fn count(&mut self, subject: SubjectId, plan: PurgePlan, sample_size: usize) {
        self.held_items += plan.held.len() as u64;
        self.subjects += u64::from(!plan.due.is_empty());
        for purge in plan.due {
            self.items += u64::from(purge.processor.is_none());
            let key = PurgeCount {
                data_category: purge.item.data_category.clone(),
                subject_category: purge.item.subject_category.clone(),
                reason: purge.reason,
                rule: purge.rule.clone(),
                processor: purge.processor.clone(),
            };
            *self.counts.entry(key).or_default() += 1;
            if self.sample.len() < sample_size {
                self.sample.push((subject, purge));
            }
        }
    }
}
