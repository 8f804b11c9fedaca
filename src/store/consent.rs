//! Consent facts: appended, never changed. The texts of their evidence are sealed under the
//! subject's key; the decision does without them.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    as_of::Kept,
    error::StoreError,
    name_list,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
    vault::At,
};
use crate::domain::{
    as_of::Recorded,
    consent::{ConsentChoice, ConsentFact, ConsentRecord, Evidence, EvidenceMethod, GivenBy},
    id::{ConsentId, SubjectId},
    name::Purpose,
};

const TABLE: &str = "consents";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "consents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub consent_id: Uuid,
        pub purpose: String,
        pub processors: String,
        pub choice: String,
        pub method: String,
        pub has_reference: bool,
        pub given_by: String,
        pub policy_version: String,
        pub texts_sealed: Option<Vec<u8>>,
        pub occurred_at: i64,
        pub recorded_at: i64,
        pub recorded_by: String,
        pub expires_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A row without its texts, and without what the decision does not ask.
#[derive(FromQueryResult)]
pub(super) struct FactRow {
    pub(super) subject_id: Uuid,
    pub(super) consent_id: Uuid,
    pub(super) purpose: String,
    pub(super) processors: String,
    pub(super) choice: String,
    pub(super) method: String,
    pub(super) has_reference: bool,
    pub(super) policy_version: String,
    pub(super) occurred_at: i64,
    pub(super) recorded_at: i64,
    pub(super) expires_at: Option<i64>,
}

/// The sealed part of a fact.
#[derive(Default, Serialize, Deserialize)]
struct Texts {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    wording: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    locale: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reference: String,
    /// Empty: the service that recorded the fact.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    collected_by: String,
}

/// Where a fact stands in a subject's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentPlace {
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its id: it decides between facts that were recorded together.
    pub consent_id: ConsentId,
}

impl Session {
    /// Every consent fact of these subjects, for the decision. A subject without one is left out.
    pub async fn list_consent_facts(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<ConsentFact>>, StoreError> {
        let mut facts: HashMap<SubjectId, Vec<ConsentFact>> = HashMap::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows: Vec<FactRow> = row::Entity::find()
                .select_only()
                .columns([
                    row::Column::SubjectId,
                    row::Column::ConsentId,
                    row::Column::Purpose,
                    row::Column::Processors,
                    row::Column::Choice,
                    row::Column::Method,
                    row::Column::HasReference,
                    row::Column::PolicyVersion,
                    row::Column::OccurredAt,
                    row::Column::RecordedAt,
                    row::Column::ExpiresAt,
                ])
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .into_model()
                .all(self.connection()?)
                .await?;
            for row in rows {
                let subject = SubjectId(row.subject_id);
                facts.entry(subject).or_default().push(row.try_into()?);
            }
        }
        Ok(facts)
    }

    /// The same facts, with the row of each.
    pub(super) async fn list_recorded_consents(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Recorded<ConsentFact>>>, StoreError> {
        let facts = self.list_consent_facts(subjects).await?;
        let recorded = |fact: ConsentFact| Recorded {
            row_id: fact.consent_id.0,
            recorded_at: fact.recorded_at,
            value: fact,
        };
        let listed = facts
            .into_iter()
            .map(|(subject, facts)| (subject, facts.into_iter().map(recorded).collect()));
        Ok(listed.collect())
    }

    /// A subject's history, latest recorded first, behind `after`; `purposes` empty: of all.
    pub async fn list_consents(
        &self,
        subject: SubjectId,
        purposes: &[Purpose],
        after: Option<ConsentPlace>,
        limit: u64,
    ) -> Result<Vec<ConsentRecord>, StoreError> {
        let mut query = row::Entity::find().filter(row::Column::SubjectId.eq(subject.0));
        if !purposes.is_empty() {
            query = query.filter(row::Column::Purpose.is_in(purposes.iter().map(Purpose::as_str)));
        }
        if let Some(place) = after {
            query = query.filter(behind(place));
        }
        let rows = query
            .order_by_desc(row::Column::RecordedAt)
            .order_by_desc(row::Column::ConsentId)
            .limit(limit)
            .all(self.connection()?)
            .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            records.push(self.consent_record(row).await?);
        }
        Ok(records)
    }

    /// One fact of a subject.
    pub async fn find_consent(
        &self,
        subject: SubjectId,
        consent: ConsentId,
    ) -> Result<Option<ConsentRecord>, StoreError> {
        let row = row::Entity::find_by_id((subject.0, consent.0))
            .one(self.connection()?)
            .await?;
        match row {
            Some(row) => Ok(Some(self.consent_record(row).await?)),
            None => Ok(None),
        }
    }

    async fn consent_record(&self, row: row::Model) -> Result<ConsentRecord, StoreError> {
        let texts = self.open_texts(&row).await?;
        record(row, texts)
    }

    async fn open_texts(&self, row: &row::Model) -> Result<Texts, StoreError> {
        let Some(sealed) = &row.texts_sealed else {
            return Ok(Texts::default());
        };
        let place = texts_at(SubjectId(row.subject_id), ConsentId(row.consent_id));
        let Some(plain) = self.open_unless_destroyed(place, sealed).await? else {
            return Ok(Texts::default());
        };
        serde_json::from_slice(&plain)
            .map_err(|error| corrupt("texts_sealed", row.consent_id, error.to_string()))
    }

    async fn consent_row(&self, record: &ConsentRecord) -> Result<row::ActiveModel, StoreError> {
        let ConsentRecord {
            subject_id,
            consent_id,
            purpose,
            processors,
            choice,
            evidence,
            occurred_at,
            recorded_at,
            recorded_by,
            expires_at,
        } = record;
        let texts = Texts::of(evidence, recorded_by.as_str());
        Ok(row::ActiveModel {
            subject_id: Set(subject_id.0),
            consent_id: Set(consent_id.0),
            purpose: Set(purpose.as_str().to_owned()),
            processors: Set(name_list::write(processors)),
            choice: Set(choice.as_str().to_owned()),
            method: Set(evidence.method.as_str().to_owned()),
            has_reference: Set(!evidence.reference.is_empty()),
            given_by: Set(evidence.given_by.as_str().to_owned()),
            policy_version: Set(evidence.policy_version.as_str().to_owned()),
            texts_sealed: Set(self.seal_texts(*subject_id, *consent_id, &texts).await?),
            occurred_at: Set(occurred_at.as_microsecond()),
            recorded_at: Set(recorded_at.as_microsecond()),
            recorded_by: Set(recorded_by.as_str().to_owned()),
            expires_at: Set(expires_at.map(Timestamp::as_microsecond)),
        })
    }

    async fn seal_texts(
        &self,
        subject: SubjectId,
        consent: ConsentId,
        texts: &Texts,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if texts.is_empty() {
            return Ok(None);
        }
        let plain = serde_json::to_vec(texts)
            .map(Zeroizing::new)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(Some(self.seal(texts_at(subject, consent), &plain).await?))
    }
}

impl Tx {
    /// Appends facts.
    pub async fn append_consents(&mut self, records: &[ConsentRecord]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            rows.push(self.consent_row(record).await?);
        }
        self.insert_rows(rows).await
    }

    /// Gives the facts of one subject to another, their texts sealed anew. For a merge: the ids and
    /// times of the facts stay. Lock both subjects first.
    pub async fn move_consents(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.keep_past_before_move(from, into, Kept::Consents)
            .await?;
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(from.0))
            .all(self.connection()?)
            .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let record = self.consent_record(row).await?;
            records.push(ConsentRecord {
                subject_id: into,
                ..record
            });
        }
        row::Entity::delete_many()
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        self.append_consents(&records).await
    }
}

fn texts_at(subject: SubjectId, consent: ConsentId) -> At {
    At {
        table: TABLE,
        subject,
        row: consent.0,
        column: "texts_sealed",
    }
}

/// What comes later in the order of a history: the latest recorded is first.
fn behind(place: ConsentPlace) -> Condition {
    let recorded_at = place.recorded_at.as_microsecond();
    Condition::any()
        .add(row::Column::RecordedAt.lt(recorded_at))
        .add(
            Condition::all()
                .add(row::Column::RecordedAt.eq(recorded_at))
                .add(row::Column::ConsentId.lt(place.consent_id.0)),
        )
}

impl Texts {
    fn of(evidence: &Evidence, recorded_by: &str) -> Self {
        let collected_by = Some(&evidence.collected_by).filter(|by| *by != recorded_by);
        Self {
            wording: evidence.wording.clone(),
            locale: evidence.locale.clone(),
            reference: evidence.reference.clone(),
            collected_by: collected_by.cloned().unwrap_or_default(),
        }
    }

    fn is_empty(&self) -> bool {
        let Self {
            wording,
            locale,
            reference,
            collected_by,
        } = self;
        [wording, locale, reference, collected_by]
            .into_iter()
            .all(String::is_empty)
    }
}

fn record(row: row::Model, texts: Texts) -> Result<ConsentRecord, StoreError> {
    let row::Model {
        subject_id,
        consent_id,
        purpose,
        processors,
        choice,
        method,
        has_reference: _,
        given_by,
        policy_version,
        texts_sealed: _,
        occurred_at,
        recorded_at,
        recorded_by,
        expires_at,
    } = row;
    let collected_by = match texts.collected_by {
        by if by.is_empty() => recorded_by.clone(),
        by => by,
    };
    Ok(ConsentRecord {
        subject_id: SubjectId(subject_id),
        consent_id: ConsentId(consent_id),
        purpose: name(TABLE, "purpose", consent_id, &purpose)?,
        processors: listed("processors", consent_id, &processors)?,
        choice: named("choice", consent_id, ConsentChoice::named(&choice))?,
        evidence: Evidence {
            method: named("method", consent_id, EvidenceMethod::named(&method))?,
            policy_version: name(TABLE, "policy_version", consent_id, &policy_version)?,
            wording: texts.wording,
            locale: texts.locale,
            reference: texts.reference,
            collected_by,
            given_by: named("given_by", consent_id, GivenBy::named(&given_by))?,
        },
        occurred_at: super::instant(TABLE, "occurred_at", consent_id, occurred_at)?,
        recorded_at: super::instant(TABLE, "recorded_at", consent_id, recorded_at)?,
        recorded_by: name(TABLE, "recorded_by", consent_id, &recorded_by)?,
        expires_at: expires_at
            .map(|at| super::instant(TABLE, "expires_at", consent_id, at))
            .transpose()?,
    })
}

impl TryFrom<FactRow> for ConsentFact {
    type Error = StoreError;

    fn try_from(row: FactRow) -> Result<Self, StoreError> {
        let FactRow {
            subject_id: _,
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
        } = row;
        Ok(Self {
            consent_id: ConsentId(consent_id),
            purpose: name(TABLE, "purpose", consent_id, &purpose)?,
            processors: listed("processors", consent_id, &processors)?,
            choice: named("choice", consent_id, ConsentChoice::named(&choice))?,
            method: named("method", consent_id, EvidenceMethod::named(&method))?,
            has_reference,
            policy_version: name(TABLE, "policy_version", consent_id, &policy_version)?,
            occurred_at: super::instant(TABLE, "occurred_at", consent_id, occurred_at)?,
            recorded_at: super::instant(TABLE, "recorded_at", consent_id, recorded_at)?,
            expires_at: expires_at
                .map(|at| super::instant(TABLE, "expires_at", consent_id, at))
                .transpose()?,
        })
    }
}

fn listed<N: std::str::FromStr>(
    column: &'static str,
    row: Uuid,
    text: &str,
) -> Result<Vec<N>, StoreError> {
    name_list::read(text).ok_or_else(|| corrupt(column, row, "is no list of names".into()))
}

fn named<N>(column: &'static str, row: Uuid, value: Option<N>) -> Result<N, StoreError> {
    value.ok_or_else(|| corrupt(column, row, "is not a known value".into()))
}

fn corrupt(column: &'static str, row: Uuid, reason: String) -> StoreError {
    StoreError::Corrupt {
        table: TABLE,
        column,
        row: row.to_string(),
        reason,
    }
}
