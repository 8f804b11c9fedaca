//! Many rows at once: one statement per table and hundred rows, never row by row.

use std::{fmt::Display, str::FromStr};

use sea_orm::{ActiveModelTrait, EntityTrait, sea_query::OnConflict};

use super::{error::StoreError, session::Tx};

/// Rows of one statement. SQLite binds 32,766 values at most, and no table has 60 columns.
pub(super) const ROWS_MAX: usize = 500;
/// Keys that one statement looks for.
pub(super) const KEYS_MAX: usize = 5_000;

impl Tx {
    /// Inserts `rows`.
    pub(super) async fn insert_rows<A>(&mut self, rows: Vec<A>) -> Result<(), StoreError>
    where
        A: ActiveModelTrait + Send,
    {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            <A::Entity as EntityTrait>::insert_many(rows.by_ref().take(ROWS_MAX))
                .exec_without_returning(self.connection()?)
                .await?;
        }
        Ok(())
    }

    /// Inserts `rows`; where one is there already, `conflict` says what happens.
    pub(super) async fn put_rows<A>(
        &mut self,
        rows: Vec<A>,
        conflict: &OnConflict,
    ) -> Result<(), StoreError>
    where
        A: ActiveModelTrait + Send,
    {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            <A::Entity as EntityTrait>::insert_many(rows.by_ref().take(ROWS_MAX))
                .on_conflict(conflict.clone())
                .exec_without_returning(self.connection()?)
                .await?;
        }
        Ok(())
    }
}

/// A stored name back.
pub(super) fn name<N: FromStr<Err: Display>>(
    table: &'static str,
    column: &'static str,
    row: impl Display,
    text: &str,
) -> Result<N, StoreError> {
    text.parse().map_err(|error: N::Err| StoreError::Corrupt {
        table,
        column,
        row: row.to_string(),
        reason: error.to_string(),
    })
}
