//! Whom a change of policy touches: counts, by cell.

use sea_orm::{ConnectionTrait, Statement, Value};

use super::{error::StoreError, session::Session};
use crate::domain::{
    name::{DataCategory, SubjectCategory},
    policy::diff::Cell,
};

/// Cells that one statement names at most: two parameters each.
const CELLS_PER_STATEMENT: usize = 10_000;

impl Session {
    /// Subjects with a live item in one of these contexts. More contexts than one statement can name
    /// are counted apart, so that a subject may then count twice.
    pub async fn count_subjects_with_items(
        &self,
        contexts: &[(SubjectCategory, DataCategory)],
    ) -> Result<i64, StoreError> {
        let mut count = 0;
        for chunk in contexts.chunks(CELLS_PER_STATEMENT) {
            let mut values: Vec<Value> = Vec::with_capacity(chunk.len() * 2);
            let mut either = Vec::with_capacity(chunk.len());
            for (subject_category, data_category) in chunk {
                let at = values.len();
                either.push(format!(
                    "(subject_category = ${} AND data_category = ${})",
                    at + 1,
                    at + 2
                ));
                values.push(subject_category.as_str().into());
                values.push(data_category.as_str().into());
            }
            let sql = format!(
                "SELECT count(DISTINCT subject_id) AS subjects FROM items
                 WHERE deleted_at IS NULL AND ({})",
                either.join(" OR ")
            );
            count += self.count(&sql, values).await?;
        }
        Ok(count)
    }

    /// Subjects who have said yes to the cell's purpose and have a live item in its context.
    pub async fn count_consenting_subjects(&self, cell: &Cell) -> Result<i64, StoreError> {
        let sql = "SELECT count(DISTINCT items.subject_id) AS subjects
             FROM items JOIN consents ON consents.subject_id = items.subject_id
             WHERE items.deleted_at IS NULL AND items.subject_category = $1
               AND items.data_category = $2 AND consents.purpose = $3 AND consents.choice = $4";
        let values = vec![
            cell.subject_category.as_str().into(),
            cell.data_category.as_str().into(),
            cell.purpose.as_str().into(),
            "GIVEN".into(),
        ];
        self.count(sql, values).await
    }

    async fn count(&self, sql: &str, values: Vec<Value>) -> Result<i64, StoreError> {
        let connection = self.connection()?;
        let statement =
            Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
        let row = connection.query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| Ok(row.try_get("", "subjects")?))
    }
}
