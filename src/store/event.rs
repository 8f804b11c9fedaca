//! The outbox: events are written in the transaction of the change they tell of, and get their place
//! in the global order once they are committed.

use std::ops::Range;

use jiff::SignedDuration;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use super::{
    columns::insertion,
    dialect::Dialect,
    error::StoreError,
    name_list,
    rows::ROWS_MAX,
    session::{Session, Tx},
};
use crate::domain::{
    event::{Event, EventKind},
    id::{EventId, SubjectId},
    name::Processor,
    revision::Revision,
};

/// The advisory lock of whoever places events.
const PLACING_LOCK: i64 = 0x7064_725f_6576_6e74;
/// Events placed in one transaction at most.
pub const PLACED_MAX: u64 = 1_000;
/// Events let go of in one transaction at most.
pub const TRIMMED_MAX: u64 = 2_000;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub event_id: Uuid,
        pub position: Option<i64>,
        pub kind: String,
        pub subject_id: Option<Uuid>,
        pub processors: String,
        pub document: String,
        pub recorded_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event in its place.
#[derive(Clone, Debug)]
pub struct PlacedEvent {
    /// Its id.
    pub event_id: EventId,
    /// Its place in the global order; places are never skipped.
    pub position: i64,
    /// The state that the change led to.
    pub revision: Revision,
    /// When it was recorded.
    pub recorded_at: jiff::Timestamp,
    /// The event.
    pub event: Event,
}

impl Session {
    /// Placed events after the first of `places` and up to the last, in order, `limit` at most. `kinds`
    /// empty: all. `processors` empty: all; else those events that name one of them or none.
    pub async fn list_events(
        &self,
        places: Range<i64>,
        kinds: &[EventKind],
        processors: &[Processor],
        limit: u64,
    ) -> Result<Vec<PlacedEvent>, StoreError> {
        let mut query = row::Entity::find()
            .filter(row::Column::Position.gt(places.start))
            .filter(row::Column::Position.lte(places.end));
        if !kinds.is_empty() {
            query = query.filter(row::Column::Kind.is_in(kinds.iter().map(|kind| kind.as_str())));
        }
        if !processors.is_empty() {
            query = query.filter(
                name_list::has_any(row::Column::Processors, processors)
                    .add(row::Column::Processors.eq("")),
            );
        }
        let rows = query
            .order_by_asc(row::Column::Position)
            .limit(limit)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(PlacedEvent::try_from).collect()
    }

    /// Whether a committed event waits for its place.
    pub async fn has_unplaced_events(&self) -> Result<bool, StoreError> {
        let waiting: Option<i64> = row::Entity::find()
            .select_only()
            .column(row::Column::Seq)
            .filter(row::Column::Position.is_null())
            .limit(1)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(waiting.is_some())
    }

    /// The last place given.
    pub async fn last_event_position(&self) -> Result<i64, StoreError> {
        let last: Option<Option<i64>> = row::Entity::find()
            .select_only()
            .column_as(row::Column::Position.max(), "last")
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(last.flatten().unwrap_or(0))
    }

    /// The first place that is still kept, if any event is.
    pub async fn first_event_position(&self) -> Result<Option<i64>, StoreError> {
        let first: Option<Option<i64>> = row::Entity::find()
            .select_only()
            .column_as(row::Column::Position.min(), "first")
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(first.flatten())
    }

    /// The latest committed state that this session sees.
    pub async fn last_revision(&self) -> Result<Revision, StoreError> {
        let last: Option<Option<i64>> = row::Entity::find()
            .select_only()
            .column_as(row::Column::Seq.max(), "last")
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(Revision::after_event(last.flatten().unwrap_or(0)))
    }
}

impl Tx {
    /// Writes the events, in order; returns the state that the last one makes.
    pub async fn emit(&mut self, events: &[Event]) -> Result<Option<Revision>, StoreError> {
        let mut last = None;
        for events in events.chunks(ROWS_MAX) {
            let rows: Vec<_> = events
                .iter()
                .map(|event| self.event_row(event))
                .collect::<Result<_, _>>()?;
            last = last.max(self.insert_events(rows).await?);
        }
        Ok(last.map(Revision::after_event))
    }

    /// Returns the last number that they got.
    async fn insert_events(
        &mut self,
        rows: Vec<row::ActiveModel>,
    ) -> Result<Option<i64>, StoreError> {
        if self.dialect == Dialect::Sqlite {
            let keys = row::Entity::insert_many(rows)
                .exec_with_returning_keys(self.connection()?)
                .await?;
            return Ok(keys.into_iter().max());
        }
        let mut insertion = insertion(&rows)?;
        insertion.returning_col(row::Column::Seq);
        let mut last = None;
        for row in self.connection()?.query_all(&insertion).await? {
            last = last.max(Some(row.try_get("", "seq")?));
        }
        Ok(last)
    }

    fn event_row(&self, event: &Event) -> Result<row::ActiveModel, StoreError> {
        let document = serde_json::to_string(event)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(row::ActiveModel {
            seq: NotSet,
            event_id: Set(self.new_id()),
            position: Set(None),
            kind: Set(event.kind.as_str().to_owned()),
            subject_id: Set(event.subject_id.map(|SubjectId(id)| id)),
            processors: Set(name_list::write(&event.processors)),
            document: Set(document),
            recorded_at: Set(self.now().as_microsecond()),
        })
    }

    /// Gives committed events their places. One transaction places at a time; what it sees is
    /// committed, and nothing that commits later can get a lower place. Returns how many.
    pub async fn place_events(&mut self) -> Result<u64, StoreError> {
        if !self.try_lock(PLACING_LOCK).await? {
            return Ok(0);
        }
        let last = self.last_event_position().await?;
        let sql = Statement::from_sql_and_values(
            self.connection()?.get_database_backend(),
            "UPDATE events SET position = placed.position FROM (
                SELECT seq, $1 + row_number() OVER (ORDER BY seq) AS position
                FROM events WHERE position IS NULL ORDER BY seq LIMIT $2
             ) AS placed WHERE events.seq = placed.seq",
            [last.into(), PLACED_MAX.into()],
        );
        Ok(self.connection()?.execute_raw(sql).await?.rows_affected())
    }

    /// Lets go of the first events, as far as all of them were recorded at least `keep` ago, in one
    /// transaction a bounded number. Returns how many. The last place stays, for the next to follow it, and so
    /// does the last state, which revisions are held against.
    pub async fn trim_events(&mut self, keep: SignedDuration) -> Result<u64, StoreError> {
        if !self.try_lock(PLACING_LOCK).await? {
            return Ok(0);
        }
        let Ok(until) = self.now().checked_sub(keep) else {
            return Ok(0);
        };
        let (last, state) = (
            self.last_event_position().await?,
            self.last_revision().await?,
        );
        let oldest: Vec<(i64, Option<i64>, i64)> = row::Entity::find()
            .select_only()
            .columns([
                row::Column::Seq,
                row::Column::Position,
                row::Column::RecordedAt,
            ])
            .filter(row::Column::Position.is_not_null())
            .order_by_asc(row::Column::Position)
            .limit(TRIMMED_MAX)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let gone = oldest
            .into_iter()
            .take_while(|(seq, position, recorded_at)| {
                *recorded_at <= until.as_microsecond()
                    && *seq != state.last_event()
                    && *position != Some(last)
            });
        let Some(Some(end)) = gone.map(|(_, position, _)| position).last() else {
            return Ok(0);
        };
        let deleted = row::Entity::delete_many()
            .filter(row::Column::Position.lte(end))
            .exec(self.connection()?)
            .await?;
        Ok(deleted.rows_affected)
    }
}

impl TryFrom<row::Model> for PlacedEvent {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            seq,
            event_id,
            position,
            kind: _,
            subject_id: _,
            processors: _,
            document,
            recorded_at,
        } = row;
        let corrupt = |column, reason: String| StoreError::Corrupt {
            table: "events",
            column,
            row: seq.to_string(),
            reason,
        };
        Ok(Self {
            event_id: EventId(event_id),
            position: position.ok_or_else(|| corrupt("position", "not placed".into()))?,
            revision: Revision::after_event(seq),
            recorded_at: jiff::Timestamp::from_microsecond(recorded_at)
                .map_err(|error| corrupt("recorded_at", error.to_string()))?,
            event: serde_json::from_str(&document)
                .map_err(|error| corrupt("document", error.to_string()))?,
        })
    }
}
