//! What stood before it was changed, and all of it together, for checks of the past.
//!
//! Whoever changes, moves or takes away a row that the decision reads keeps here how it stood, in the same
//! transaction. The statements copy within the database: nothing that is sealed is among it.

mod links;
mod loading;

use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::id::SubjectId;

/// Rows that the decision reads, as far as they can change or be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Facts about memberships: only moved.
    Memberships,
    /// Consent facts: only moved.
    Consents,
    /// Items: only moved; what becomes of one stands in its history.
    Items,
    /// Objections: rejected, renewed, moved.
    Objections,
    /// Restrictions: lifted, renewed, moved.
    Restrictions,
}

impl Kept {
    /// Copies a subject's rows as they stand. The first copy of an instant is how they stood before it.
    fn copying(self) -> &'static str {
        match self {
            Self::Memberships => {
                "INSERT INTO past_rows (subject_id, row_id, until, held_by)
                 SELECT $1, fact_id, $2, subject_id FROM membership_facts
                 WHERE subject_id = $3 ON CONFLICT DO NOTHING"
            }
            Self::Consents => {
                "INSERT INTO past_rows (subject_id, row_id, until, held_by)
                 SELECT $1, consent_id, $2, subject_id FROM consents
                 WHERE subject_id = $3 ON CONFLICT DO NOTHING"
            }
            Self::Items => {
                "INSERT INTO past_rows (subject_id, row_id, until, held_by)
                 SELECT DISTINCT $1, item_id, $2, subject_id FROM item_history
                 WHERE subject_id = $3 ON CONFLICT DO NOTHING"
            }
            Self::Objections => {
                "INSERT INTO past_rows (subject_id, row_id, until, held_by, began_at, ended_at)
                 SELECT $1, objection_id, $2, subject_id, occurred_at, rejected_at FROM objections
                 WHERE subject_id = $3 ON CONFLICT DO NOTHING"
            }
            Self::Restrictions => {
                "INSERT INTO past_rows (subject_id, row_id, until, held_by, began_at, ended_at)
                 SELECT $1, restriction_id, $2, subject_id, started_at, lifted_at FROM restrictions
                 WHERE subject_id = $3 ON CONFLICT DO NOTHING"
            }
        }
    }
}

impl Session {
    /// From when on what was known can be told.
    pub async fn history_start(&self) -> Result<Timestamp, StoreError> {
        #[derive(FromQueryResult)]
        struct Row {
            known_from: i64,
        }
        let rows: Vec<Row> = self
            .select("SELECT known_from FROM history_start", vec![])
            .await?;
        // Without the row nothing is known to be complete.
        let row = rows.first().ok_or_else(|| StoreError::Corrupt {
            table: "history_start",
            column: "known_from",
            row: "1".to_owned(),
            reason: "it is not there".to_owned(),
        })?;
        super::instant("history_start", "known_from", 1, row.known_from)
    }

    async fn select<R: FromQueryResult>(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<R>, StoreError> {
        let connection = self.connection()?;
        let backend = connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let rows = connection.query_all_raw(statement).await?;
        let read = rows.iter().map(|row| R::from_query_result(row, ""));
        Ok(read.collect::<Result<_, _>>()?)
    }
}

impl Tx {
    /// Keeps how a subject's rows stand, before some of them are changed. The subject is locked.
    pub(super) async fn keep_past(
        &mut self,
        subject: SubjectId,
        kept: Kept,
    ) -> Result<(), StoreError> {
        self.keep_past_of(subject, subject, kept).await
    }

    /// Keeps whose the rows of `from` are, before a merge moves them. Both are locked.
    pub(super) async fn keep_past_before_move(
        &mut self,
        from: SubjectId,
        into: SubjectId,
        kept: Kept,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE past_rows SET subject_id = $2 WHERE subject_id = $1",
            vec![from.0.into(), into.0.into()],
        )
        .await?;
        self.keep_past_of(from, into, kept).await
    }

    async fn keep_past_of(
        &mut self,
        of: SubjectId,
        holder: SubjectId,
        kept: Kept,
    ) -> Result<(), StoreError> {
        let values = vec![
            holder.0.into(),
            self.now().as_microsecond().into(),
            of.0.into(),
        ];
        self.run(kept.copying(), values).await?;
        Ok(())
    }

    /// Notes an activity in the history. `at` is later than any that was known.
    pub(super) async fn keep_activity(
        &mut self,
        subject: SubjectId,
        source: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        const DAY_MICROSECONDS: i64 = 24 * 60 * 60 * 1_000_000;
        let now = self.now().as_microsecond();
        let values = vec![
            subject.0.into(),
            source.into(),
            now.div_euclid(DAY_MICROSECONDS).into(),
            at.as_microsecond().into(),
            now.into(),
        ];
        self.run(
            "INSERT INTO activity_history
                (subject_id, source, day, first_at, first_recorded_at, last_at, last_recorded_at)
             VALUES ($1, $2, $3, $4, $5, $4, $5)
             ON CONFLICT (subject_id, source, day)
             DO UPDATE SET last_at = excluded.last_at, last_recorded_at = excluded.last_recorded_at",
            values,
        )
        .await?;
        Ok(())
    }

    /// Destroys what is kept of a person's past, and of those who were merged into them: a person who is
    /// erased has none.
    pub(super) async fn forget_past(&mut self, subject: SubjectId) -> Result<(), StoreError> {
        let mut ids: Vec<Uuid> = vec![subject.0];
        ids.extend(self.list_merged(subject).await?.iter().map(|id| id.0));
        for id in ids {
            for sql in [
                "DELETE FROM past_links WHERE subject_id = $1",
                "DELETE FROM past_rows WHERE subject_id = $1",
                "DELETE FROM activity_history WHERE subject_id = $1",
            ] {
                self.run(sql, vec![id.into()]).await?;
            }
        }
        // What the person is measured by still (an item that stays) keeps its latest activity.
        self.run(
            "INSERT INTO activity_history
                (subject_id, source, day, first_at, first_recorded_at, last_at, last_recorded_at)
             SELECT subject_id, source, 0, last_at, 0, last_at, 0 FROM activity
             WHERE subject_id = $1",
            vec![subject.0.into()],
        )
        .await?;
        Ok(())
    }

    /// Lets history begin now: what a restored database lacked was put back, and when it had been known is
    /// not told any more.
    pub async fn begin_history(&mut self) -> Result<(), StoreError> {
        let now = self.now().as_microsecond();
        self.run(
            "UPDATE history_start SET known_from = $1 WHERE known_from < $1",
            vec![now.into()],
        )
        .await?;
        Ok(())
    }
}
