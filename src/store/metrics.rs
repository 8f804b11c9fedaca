//! What stands in the store, counted for monitoring: every count reads an index of what is open, and none
//! a table of what was.

use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use super::{error::StoreError, instant, request::DueCounts, rows::name, session::Session};
use crate::domain::task::{Recipient, StateName};

/// Open tasks of one recipient in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTasks {
    /// Whose.
    pub recipient: Recipient,
    /// In which state.
    pub state: StateName,
    /// How many.
    pub count: u64,
    /// From when on the longest waiting of them could have been done.
    pub since: Timestamp,
}

/// What stands in the store at one instant.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The instant.
    pub at: Timestamp,
    /// Requests that nobody has answered.
    pub requests: DueCounts,
    /// Tasks that have not come to their end.
    pub tasks: Vec<OpenTasks>,
    /// Tasks that ended without the recipient's word.
    pub unconfirmed: u64,
    /// Events that are committed and have no place yet.
    pub unplaced_events: u64,
    /// Audit entries that are committed and not sealed.
    pub unsealed_audit: u64,
    /// What was taken away and is not in the journal yet.
    pub owed_to_journal: u64,
    /// Packages that are not destroyed.
    pub exports: u64,
    /// Items that would have been erased and must stay for now.
    pub retained_items: u64,
    /// Legal holds that stand.
    pub holds: u64,
}

/// Each reads an index whose condition is the same.
const UNCONFIRMED: &str = "SELECT COUNT(*) AS n FROM tasks WHERE state = 'UNCONFIRMED'";
const UNPLACED: &str = "SELECT COUNT(*) AS n FROM events WHERE position IS NULL";
const UNSEALED: &str = "SELECT COUNT(*) AS n FROM audit WHERE position IS NULL";
const OWED: &str = "SELECT COUNT(*) AS n FROM journal_entries WHERE journaled_at IS NULL";
const EXPORTS: &str = "SELECT COUNT(*) AS n FROM exports WHERE destroyed_at IS NULL";
const RETAINED: &str =
    "SELECT COUNT(*) AS n FROM items WHERE retained_for IS NOT NULL AND deleted_at IS NULL";
const HOLDS: &str = "SELECT COUNT(*) AS n FROM legal_holds WHERE released_at IS NULL";
const OPEN_TASKS: &str = "SELECT processor, holder, state, COUNT(*) AS n, MIN(not_before) AS since
    FROM tasks WHERE completed_at IS NULL GROUP BY processor, holder, state";

impl Session {
    /// What stands in the store now. `soon`: until when a request is due soon.
    pub async fn count_figures(&self, soon: Timestamp) -> Result<Figures, StoreError> {
        Ok(Figures {
            at: self.now(),
            requests: self.count_due_requests(soon).await?,
            tasks: self.count_open_tasks_by_recipient().await?,
            unconfirmed: self.count_of(UNCONFIRMED).await?,
            unplaced_events: self.count_of(UNPLACED).await?,
            unsealed_audit: self.count_of(UNSEALED).await?,
            owed_to_journal: self.count_of(OWED).await?,
            exports: self.count_of(EXPORTS).await?,
            retained_items: self.count_of(RETAINED).await?,
            holds: self.count_of(HOLDS).await?,
        })
    }

    async fn count_of(&self, sql: &'static str) -> Result<u64, StoreError> {
        let counted = Count::find_by_statement(self.statement(sql)?)
            .one(self.connection()?)
            .await?;
        Ok(counted.map_or(0, |row| row.n.cast_unsigned()))
    }

    async fn count_open_tasks_by_recipient(&self) -> Result<Vec<OpenTasks>, StoreError> {
        let rows = TaskRow::find_by_statement(self.statement(OPEN_TASKS)?)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(OpenTasks::try_from).collect()
    }

    fn statement(&self, sql: &'static str) -> Result<Statement, StoreError> {
        let backend = self.connection()?.get_database_backend();
        let values: [Value; 0] = [];
        Ok(Statement::from_sql_and_values(backend, sql, values))
    }
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

#[derive(FromQueryResult)]
struct TaskRow {
    processor: Option<String>,
    holder: Option<String>,
    state: String,
    n: i64,
    since: i64,
}

impl TryFrom<TaskRow> for OpenTasks {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        let corrupt = |column, reason: &str| StoreError::Corrupt {
            table: "tasks",
            column,
            row: "a group".into(),
            reason: reason.to_owned(),
        };
        let recipient = match (&row.processor, &row.holder) {
            (Some(text), _) => Recipient::Processor(name("tasks", "processor", &row.state, text)?),
            (None, Some(text)) => Recipient::Holder(name("tasks", "holder", &row.state, text)?),
            (None, None) => return Err(corrupt("processor", "nobody is to do it")),
        };
        let mut states = StateName::OPEN.into_iter();
        let state = states.find(|state| state.as_str() == row.state);
        Ok(Self {
            recipient,
            state: state.ok_or_else(|| corrupt("state", "is none of an open task"))?,
            count: row.n.cast_unsigned(),
            since: instant("tasks", "not_before", row.state, row.since)?,
        })
    }
}
