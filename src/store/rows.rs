//! Many rows at once: one statement per table and some hundred rows, never row by row.
//!
//! On PostgreSQL a list that is looked for is one parameter, and so is a column of the rows to insert
//! (`columns.rs`): however many there are the statement is the same, so the connection keeps it prepared.

use std::{fmt::Display, str::FromStr};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, Value,
    sea_query::{Alias, Expr, Func, OnConflict, postgres_array::NotU8},
};

use super::{
    columns::insertion,
    dialect::Dialect,
    error::StoreError,
    session::{Session, Tx},
};

/// Rows of one statement. SQLite binds 32,766 values at most, and no table has 60 columns.
pub(super) const ROWS_MAX: usize = 500;
/// Keys that one statement looks for.
pub(super) const KEYS_MAX: usize = 5_000;

impl Session {
    /// Whether a column has one of `values`, [`KEYS_MAX`] at most.
    pub(super) fn is_among<C, V>(&self, column: C, values: impl IntoIterator<Item = V>) -> Expr
    where
        C: ColumnTrait,
        V: Into<Value> + NotU8,
    {
        match self.dialect {
            Dialect::Sqlite => column.is_in(values),
            Dialect::Postgres => column.eq_any(values),
        }
    }

    /// To sort by a column of ids those that were looked up by it. PostgreSQL might else walk the whole index for
    /// the sake of its order instead of looking them up.
    pub(super) fn in_order_of<C: ColumnTrait>(&self, column: C) -> Expr {
        match self.dialect {
            Dialect::Sqlite => column.into_expr(),
            Dialect::Postgres => Func::cust(Alias::new("uuid_send"))
                .arg(column.into_expr())
                .into(),
        }
    }
}

impl Tx {
    /// Inserts `rows`.
    pub(super) async fn insert_rows<A>(&mut self, rows: Vec<A>) -> Result<(), StoreError>
    where
        A: ActiveModelTrait + Send,
    {
        self.write_rows(rows, None).await
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
        self.write_rows(rows, Some(conflict)).await
    }

    async fn write_rows<A>(
        &mut self,
        rows: Vec<A>,
        conflict: Option<&OnConflict>,
    ) -> Result<(), StoreError>
    where
        A: ActiveModelTrait + Send,
    {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let rows: Vec<A> = rows.by_ref().take(ROWS_MAX).collect();
            if self.dialect == Dialect::Postgres {
                let mut insertion = insertion(&rows)?;
                if let Some(conflict) = conflict {
                    insertion.on_conflict(conflict.clone());
                }
                self.connection()?.execute(&insertion).await?;
                continue;
            }
            let mut insertion = <A::Entity as EntityTrait>::insert_many(rows);
            if let Some(conflict) = conflict {
                insertion = insertion.on_conflict(conflict.clone());
            }
            insertion.exec_without_returning(self.connection()?).await?;
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
