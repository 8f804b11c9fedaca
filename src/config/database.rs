//! `[database]`: where the data lies.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::settings::Section;

const MAX_CONNECTIONS: u32 = 16;
const MAX_CONNECTIONS_LIMITS: [u32; 2] = [1, 1_000];
const SCHEMES: &str = "must begin with sqlite: or postgres://";

/// Where the data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The database.
    pub url: DatabaseUrl,
    /// The same database without a pooler between, where there is one: to hear of other replicas' changes.
    pub direct_url: Option<DatabaseUrl>,
    /// Most connections that are open at once.
    pub max_connections: u32,
}

impl Database {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            url: required_url(section),
            direct_url: DatabaseUrl::read(section, "direct_url"),
            max_connections: section.number(
                "max_connections",
                MAX_CONNECTIONS,
                MAX_CONNECTIONS_LIMITS,
            ),
        }
    }

    pub(super) fn development(url: DatabaseUrl) -> Self {
        Self {
            url,
            direct_url: None,
            max_connections: MAX_CONNECTIONS,
        }
    }
}

/// A database's address. It may carry a password: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address itself, for the driver.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Which database it is.
    pub fn kind(&self) -> DatabaseKind {
        if self.0.starts_with("sqlite:") {
            DatabaseKind::Sqlite
        } else {
            DatabaseKind::Postgres
        }
    }

    /// Whether it is a PostgreSQL database's address.
    pub(super) fn is_postgres(&self) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| self.0.starts_with(scheme))
    }

    /// The file of an SQLite database, if it has one.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.0.strip_prefix("sqlite:")?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let path = rest.split('?').next().unwrap_or(rest);
        if path.is_empty() || path == ":memory:" || self.0.contains("mode=memory") {
            return None;
        }
        let unescaped = path
            .replace("%3F", "?")
            .replace("%23", "#")
            .replace("%25", "%");
        Some(unescaped.into())
    }

    /// The address of an SQLite file, which is created when it is missing.
    pub fn of_sqlite_file(path: &Path) -> Result<Self, String> {
        let path = path.to_str().ok_or("the path must be UTF-8")?;
        let escaped = path
            .replace('%', "%25")
            .replace('?', "%3F")
            .replace('#', "%23");
        Ok(Self(format!("sqlite://{escaped}?mode=rwc")))
    }

    /// The address of a PostgreSQL database.
    pub fn of_postgres(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(Self(url.to_owned()))
        } else {
            Err("the address must begin with postgres://".to_owned())
        }
    }

    pub(super) fn read(section: &mut Section<'_>, key: &'static str) -> Option<Self> {
        let text = section.text(key)?;
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if !known
            .iter()
            .any(|scheme| text.starts_with(scheme) && text.len() > scheme.len())
        {
            section.problem(key, SCHEMES);
        }
        Some(Self(text))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({:?})", self.kind())
    }
}

/// The databases that the registry runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Embedded, one process.
    Sqlite,
    /// A server, many replicas.
    Postgres,
}

fn required_url(section: &mut Section<'_>) -> DatabaseUrl {
    DatabaseUrl::read(section, "url").unwrap_or_else(|| {
        if !section.is_set("url") {
            section.problem("url", "is required");
        }
        DatabaseUrl(String::new())
    })
}
