//! The rows of a sight: each person is one, with what other tables have of them as records in arrays.

use sea_orm::sqlx::{self, FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    domain::{
        id::SubjectId,
        item::ItemState,
        membership::{MembershipFact, fold},
        revision::Revision,
        subject::{Items, SubjectState},
    },
    store::{
        consent, error::StoreError, instant, item, membership, rows::name, state::KnownSubject,
    },
};

/// Rows of one table that are seen of a person at most; the statement reads one more, to tell who has more.
const ROWS_MAX: usize = 256;

/// A person, as the statement gives them.
pub(super) struct SeenRow {
    pub(super) now: i64,
    pub(super) versions: i64,
    pub(super) published_at: Option<i64>,
    pub(super) policy_revision: Option<i64>,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) subject_id: Uuid,
    pub(super) revision: Option<i64>,
    pub(super) is_common: bool,
    pub(super) memberships: Option<Vec<MembershipRecord>>,
    pub(super) items: Option<Vec<ItemRecord>>,
    pub(super) consents: Option<Vec<ConsentRecord>>,
    pub(super) activity: Option<Vec<(String, i64)>>,
}

type MembershipRecord = (Uuid, String, bool, i64, i64);
type ItemRecord = (
    Uuid,
    String,
    String,
    String,
    i64,
    String,
    String,
    Option<String>,
);
type ConsentRecord = (
    Uuid,
    String,
    String,
    String,
    String,
    bool,
    String,
    (i64, i64, Option<i64>),
);

impl FromRow<'_, PgRow> for SeenRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            now: row.try_get("now")?,
            versions: row.try_get("versions")?,
            published_at: row.try_get("published_at")?,
            policy_revision: row.try_get("policy_revision")?,
            hash: row.try_get("hash")?,
            subject_id: row.try_get("subject_id")?,
            revision: row.try_get("revision")?,
            is_common: row.try_get("is_common")?,
            memberships: row.try_get("memberships")?,
            items: row.try_get("items")?,
            consents: row.try_get("consents")?,
            activity: row.try_get("activity")?,
        })
    }
}

impl SeenRow {
    /// Whether all of it is here.
    pub(super) fn is_whole(&self) -> bool {
        self.is_common
            && self
                .memberships
                .as_ref()
                .is_none_or(|rows| rows.len() <= ROWS_MAX)
            && self
                .items
                .as_ref()
                .is_none_or(|rows| rows.len() <= ROWS_MAX)
            && self
                .consents
                .as_ref()
                .is_none_or(|rows| rows.len() <= ROWS_MAX)
            && self
                .activity
                .as_ref()
                .is_none_or(|rows| rows.len() <= ROWS_MAX)
    }

    pub(super) fn known(self) -> Result<Option<KnownSubject>, StoreError> {
        let Some(revision) = self.revision else {
            return Ok(None);
        };
        let facts = self.memberships.unwrap_or_default().into_iter();
        let facts: Result<Vec<MembershipFact>, _> =
            facts.map(|fact| membership_fact(fact).try_into()).collect();
        let items = self.items.unwrap_or_default().into_iter();
        let items: Result<Vec<_>, _> = items
            .map(|item| item_row(self.subject_id, item).try_into())
            .collect();
        let consents = self.consents.unwrap_or_default().into_iter();
        let consents = consents.map(|consent| consent_row(self.subject_id, consent).try_into());
        let activity = self
            .activity
            .unwrap_or_default()
            .into_iter()
            .map(|(source, at)| {
                let at = instant("activity", "last_at", self.subject_id, at)?;
                Ok::<_, StoreError>((name("activity", "source", self.subject_id, &source)?, at))
            });
        let mut items = items?;
        items.sort_unstable_by_key(|item: &ItemState| item.item_id);
        let state = SubjectState {
            subject_id: SubjectId(self.subject_id),
            erased_at: None,
            memberships: fold(&facts?),
            items: Items::from(items),
            consents: consents.collect::<Result<_, _>>()?,
            objections: Vec::new(),
            restrictions: Vec::new(),
            last_activity: activity.collect::<Result<_, _>>()?,
        };
        let revision = Revision::after_event(revision);
        Ok(Some(KnownSubject { state, revision }))
    }
}

fn membership_fact(
    (fact_id, subject_category, began, occurred_at, recorded_at): MembershipRecord,
) -> membership::FactRow {
    membership::FactRow {
        fact_id,
        subject_category,
        began,
        occurred_at,
        recorded_at,
    }
}

fn item_row(subject_id: Uuid, record: ItemRecord) -> item::StateRow {
    let (
        item_id,
        subject_category,
        data_category,
        source,
        collected_at,
        policy_version,
        purposes,
        retained_for,
    ) = record;
    item::StateRow {
        subject_id,
        item_id,
        subject_category,
        data_category,
        source,
        collected_at,
        policy_version,
        purposes,
        retained_for,
    }
}

fn consent_row(subject_id: Uuid, record: ConsentRecord) -> consent::FactRow {
    let (consent_id, purpose, processors, choice, method, has_reference, policy_version, at) =
        record;
    let (occurred_at, recorded_at, expires_at) = at;
    consent::FactRow {
        subject_id,
        consent_id,
        purpose,
        processors,
        choice,
        method,
        has_reference,
        policy_version,
        occurred_at,
        recorded_at,
        expires_at,
    }
}
