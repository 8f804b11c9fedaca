//! Backups as an operator makes them: of SQLite by `VACUUM INTO`, of PostgreSQL by `pg_dump`, each
//! while the server runs; and what they are restored to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use registry::config::{DatabaseKind, DatabaseUrl};
use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

/// A backup of one database.
pub struct Backup {
    kind: DatabaseKind,
    file: PathBuf,
}

impl Backup {
    /// Takes it, into a file below `dir`.
    pub async fn take(url: &DatabaseUrl, dir: &Path) -> Self {
        let file = new_file(dir);
        match url.kind() {
            DatabaseKind::Sqlite => vacuum(url, &file).await,
            DatabaseKind::Postgres => run(Command::new(program("pg_dump"))
                .args(["--format=custom", "--dbname", url.expose(), "--file"])
                .arg(&file)),
        }
        Self {
            kind: url.kind(),
            file,
        }
    }

    /// Restores it to a database that was not there before.
    pub async fn restore(&self, dir: &Path) -> DatabaseUrl {
        match self.kind {
            DatabaseKind::Sqlite => {
                let file = new_file(dir);
                fs::copy(&self.file, &file).expect("the backup can be copied");
                DatabaseUrl::of_sqlite_file(&file).expect("a path")
            }
            DatabaseKind::Postgres => {
                let url = crate::postgres::create_database().await;
                run(Command::new(program("pg_restore"))
                    .args(["--exit-on-error", "--dbname", &url])
                    .arg(&self.file));
                DatabaseUrl::of_postgres(&url).expect("a URL")
            }
        }
    }

    /// Everything that it holds: of SQLite the file, of PostgreSQL the statements that restore it, in which
    /// bytes are written in hexadecimal digits.
    pub fn bytes(&self) -> Vec<u8> {
        match self.kind {
            DatabaseKind::Sqlite => fs::read(&self.file).expect("it is there"),
            DatabaseKind::Postgres => {
                let mut restore = Command::new(program("pg_restore"));
                let done = restore.args(["--file", "-"]).arg(&self.file).output();
                let done = done.expect("the program is there");
                assert!(done.status.success());
                done.stdout
            }
        }
    }

    /// Puts it where the database was, whose server is gone.
    pub fn put_back(&self, place: &Path) {
        for suffix in ["-wal", "-shm"] {
            let mut beside = place.as_os_str().to_owned();
            beside.push(suffix);
            // What is not there need not go.
            drop(fs::remove_file(beside));
        }
        fs::copy(&self.file, place).expect("the backup can be copied");
    }
}

fn new_file(dir: &Path) -> PathBuf {
    dir.join(format!("backup-{}", Uuid::new_v4().simple()))
}

async fn vacuum(url: &DatabaseUrl, file: &Path) {
    let database = Database::connect(url.expose()).await.expect("it is there");
    let sql = format!("VACUUM INTO '{}'", file.display());
    database.execute_unprepared(&sql).await.expect("a backup");
    database.close().await.expect("nothing is pending");
}

fn run(command: &mut Command) {
    let done = command.output().expect("the program is there");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A program of the newest PostgreSQL, whose server `scripts/postgres` runs.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = versions.flatten().filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let path = version.path().join("bin").join(name);
        path.exists().then_some((number, path))
    });
    found.max().map_or_else(|| name.into(), |(_, path)| path)
}
