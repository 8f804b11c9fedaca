//! The one file that asks which database it is.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path, str::FromStr, time::Duration};

use jiff::Timestamp;
use registry_migrations::{Journal, Keys, MigratorTrait, Registry};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
    sqlx::{
        Executor,
        sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::error::{StoreError, is_connection_lost};

/// Longest wait for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection to PostgreSQL that was idle for this long is tried before it is used: a server that
/// was restarted meanwhile has closed it.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Connections that a transaction tries to begin on before it gives up: so many can have died at
/// once without having been idle for [`TRUSTED_IDLE`].
const BEGINNINGS_MAX: u32 = 32;
/// How PostgreSQL is to plan. A connection keeps the plan of a prepared statement until the table's statistics
/// are renewed. A plan made while the table was small would read the whole of it, and go on to do so while
/// thousands of rows are added: what the registry asks has an index, and is to use it from the first row on. What
/// has none is read whole all the same, and its cost, which says nothing then, is not to make the server compile it.
pub(super) const PLANNING: &str = "SET enable_seqscan = off; SET jit = off";
/// Connections that read a SQLite file side by side.
const SQLITE_READERS: u32 = 4;
/// The advisory lock under which the schema is migrated: one migrator at a time.
const MIGRATION_LOCK: i64 = 0x7064_725f_6d69_6772;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// One embedded file, one process, one writer.
    Sqlite,
    /// A server that several replicas share.
    Postgres,
}

/// Which set of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// The registry's.
    Registry,
    /// The key store's.
    Keys,
    /// The journal's.
    Journal,
}

impl Dialect {
    /// Read off the URL.
    pub fn of(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Ok(Self::Sqlite)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Ok(Self::Postgres)
        } else {
            Err(StoreError::Schema(
                "a database URL starts with sqlite: or postgres:".into(),
            ))
        }
    }

    /// A pool for writing. SQLite has one writer by nature; a second connection would only wait.
    pub(super) async fn connect_writer(
        self,
        url: &str,
        connections: u32,
    ) -> Result<DatabaseConnection, StoreError> {
        self.connect(url, if self == Self::Sqlite { 1 } else { connections })
            .await
    }

    /// A pool for reading, when it has to be another one than the writer's.
    pub(super) async fn connect_reader(
        self,
        url: &str,
    ) -> Result<Option<DatabaseConnection>, StoreError> {
        match self {
            Self::Sqlite => Ok(Some(self.connect(url, SQLITE_READERS).await?)),
            Self::Postgres => Ok(None),
        }
    }

    /// A pool that connects when it is first used.
    pub(super) async fn connect_lazily(
        self,
        url: &str,
        connections: u32,
    ) -> Result<DatabaseConnection, StoreError> {
        let mut options = self.options(url, connections);
        options.min_connections(0).connect_lazy(true);
        Ok(Database::connect(options).await?)
    }

    fn options(self, url: &str, connections: u32) -> ConnectOptions {
        let mut options = ConnectOptions::new(url.to_owned());
        options
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_timeout(ACQUIRE_TIMEOUT)
            // A ping before each use costs a quarter of the selects.
            .test_before_acquire(false)
            .sqlx_logging(false);
        if self == Self::Postgres {
            options
                .test_before_acquire_if_idle_for(TRUSTED_IDLE)
                .map_sqlx_postgres_pool_opts(|pool| {
                    pool.after_connect(|connection, _| {
                        Box::pin(async move { connection.execute(PLANNING).await.map(drop) })
                    })
                });
        }
        options
    }

    async fn connect(self, url: &str, connections: u32) -> Result<DatabaseConnection, StoreError> {
        let mut options = self.options(url, connections);
        if self == Self::Sqlite {
            create_private(url)?;
            // FULL: an answer is sent only after its commit is on the disk. secure_delete: what was
            // deleted is overwritten, not left in a free page.
            options.map_sqlx_sqlite_opts(|options| {
                options
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .auto_vacuum(SqliteAutoVacuum::Incremental)
                    .busy_timeout(ACQUIRE_TIMEOUT)
                    .foreign_keys(true)
                    .pragma("secure_delete", "ON")
            });
        }
        Ok(Database::connect(options).await?)
    }

    /// A transaction that writes; on SQLite it is the only one from its beginning, since one that
    /// has read cannot always be let write.
    pub(super) async fn begin(
        self,
        pool: &DatabaseConnection,
    ) -> Result<DatabaseTransaction, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        match self {
            Self::Sqlite => Ok(pool.begin_with_options(options).await?),
            Self::Postgres => begin_alive(pool, None, None).await,
        }
    }

    /// As [`Self::begin`]; its commit is on the disk when it returns, whatever the server's default.
    pub(super) async fn begin_durably(
        self,
        pool: &DatabaseConnection,
    ) -> Result<DatabaseTransaction, StoreError> {
        let transaction = self.begin(pool).await?;
        if self == Self::Postgres {
            transaction
                .execute_unprepared("SET LOCAL synchronous_commit = on")
                .await?;
        }
        Ok(transaction)
    }

    /// A transaction that sees one committed state, whatever commits meanwhile.
    pub(super) async fn begin_snapshot(
        self,
        pool: &DatabaseConnection,
    ) -> Result<DatabaseTransaction, StoreError> {
        let isolation = Some(IsolationLevel::RepeatableRead);
        match self {
            Self::Sqlite => Ok(pool.begin().await?),
            Self::Postgres => begin_alive(pool, isolation, Some(AccessMode::ReadOnly)).await,
        }
    }

    /// The instant by which a transaction decides: the database's own where replicas share it, so
    /// that no replica's skewed clock grants what the database's would deny.
    pub(super) async fn now(
        self,
        connection: &impl ConnectionTrait,
        ours: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        if self == Self::Sqlite {
            return Ok(ours);
        }
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now";
        let row = connection
            .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await?
            .ok_or_else(|| StoreError::Internal("clock_timestamp() gave no row".into()))?;
        Timestamp::from_microsecond(row.try_get("", "now")?)
            .map_err(|error| StoreError::Internal(error.to_string()))
    }

    /// Waits until this transaction alone holds `key`, and holds it until its end. SQLite has one
    /// writer: nobody is there to wait for.
    pub(super) async fn lock(
        self,
        connection: &impl ConnectionTrait,
        key: i64,
    ) -> Result<(), StoreError> {
        if self == Self::Postgres {
            let sql = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock($1)",
                [key.into()],
            );
            connection.execute_raw(sql).await?;
        }
        Ok(())
    }

    /// As [`Self::lock`], for every one of `keys` in their order.
    pub(super) async fn lock_all(
        self,
        connection: &impl ConnectionTrait,
        keys: &[i64],
    ) -> Result<(), StoreError> {
        if self == Self::Sqlite {
            return Ok(());
        }
        if !keys.is_empty() {
            // An array is read in its order.
            let sql = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key",
                [keys.to_vec().into()],
            );
            connection.execute_raw(sql).await?;
        }
        Ok(())
    }

    /// Lets this transaction wait no longer than this for any lock. On SQLite it is the only one.
    pub(super) async fn wait_at_most(
        self,
        connection: &impl ConnectionTrait,
        patience: Duration,
    ) -> Result<(), StoreError> {
        if self == Self::Postgres {
            let sql = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT set_config('lock_timeout', $1, true)",
                [format!("{}ms", patience.as_millis()).into()],
            );
            connection.execute_raw(sql).await?;
        }
        Ok(())
    }

    /// Holds `key` if nobody else does; says whether.
    pub(super) async fn try_lock(
        self,
        connection: &impl ConnectionTrait,
        key: i64,
    ) -> Result<bool, StoreError> {
        if self == Self::Sqlite {
            return Ok(true);
        }
        let sql = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_try_advisory_xact_lock($1) AS held",
            [key.into()],
        );
        let row = connection.query_one_raw(sql).await?;
        Ok(row.is_some_and(|row| row.try_get("", "held").unwrap_or(false)))
    }

    /// Brings the tables up to this program's schema. Safe to run from several replicas at once.
    pub(super) async fn migrate(
        self,
        pool: &DatabaseConnection,
        tables: Tables,
    ) -> Result<(), StoreError> {
        let transaction = self.begin(pool).await?;
        self.lock(&transaction, MIGRATION_LOCK).await?;
        match tables {
            Tables::Registry => Registry::up(&transaction, None).await,
            Tables::Keys => Keys::up(&transaction, None).await,
            Tables::Journal => Journal::up(&transaction, None).await,
        }
        .map_err(migrating)?;
        transaction.commit().await?;
        Ok(())
    }

    /// How many migrations are missing; an error when the database is newer than the program.
    pub(super) async fn pending_migrations(
        self,
        pool: &DatabaseConnection,
        tables: Tables,
    ) -> Result<usize, StoreError> {
        let pending = match tables {
            Tables::Registry => Registry::get_pending_migrations_read_only(pool).await,
            Tables::Keys => Keys::get_pending_migrations_read_only(pool).await,
            Tables::Journal => Journal::get_pending_migrations_read_only(pool).await,
        };
        Ok(pending.map_err(migrating)?.len())
    }
}

/// Begins on the first connection that is alive. A beginning that failed has changed nothing, so it
/// may be tried again; the pool drops a connection that is dead.
async fn begin_alive(
    pool: &DatabaseConnection,
    isolation: Option<IsolationLevel>,
    access: Option<AccessMode>,
) -> Result<DatabaseTransaction, StoreError> {
    for _ in 1..BEGINNINGS_MAX {
        match pool.begin_with_config(isolation, access).await {
            Err(error) if is_connection_lost(&error) => {}
            begun => return Ok(begun?),
        }
    }
    Ok(pool.begin_with_config(isolation, access).await?)
}

/// The migrator has words of its own only for a migration that it does not know.
fn migrating(error: DbErr) -> StoreError {
    match error {
        DbErr::Custom(text) => StoreError::Schema(format!(
            "the database is newer than this program, or not the registry's: {text}"
        )),
        error => error.into(),
    }
}

/// Makes the file that SQLite would make, for its owner alone. The files that SQLite puts beside it
/// (`-wal`, `-shm`) get its mode. A file that is there keeps its mode.
fn create_private(url: &str) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| StoreError::Schema(format!("the SQLite URL: {error}")))?;
    if url.contains(":memory:") || url.contains("mode=memory") || url.contains("mode=ro") {
        return Ok(());
    }
    let path = options.get_filename();
    match new_private_file(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::Unavailable(
            format!("{}: {error}", path.display()),
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn new_private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_new_database_file_is_for_its_owner_alone_and_so_are_the_files_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/a.db?mode=rwc", directory.path().display());
        let pool = Dialect::Sqlite.connect_writer(&url, 1).await.unwrap();
        pool.execute_unprepared("CREATE TABLE a (b)").await.unwrap();
        let modes: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect();
        assert_eq!(modes, [0o600; 3]);
    }

    #[tokio::test]
    async fn a_database_in_a_directory_that_is_not_there_is_named_in_the_error() {
        let opened = Dialect::Sqlite
            .connect_writer("sqlite:///no/such/a.db", 1)
            .await;
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("/no/such/a.db"), "{error}");
    }
}
