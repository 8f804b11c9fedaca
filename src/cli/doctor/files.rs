//! The files of an embedded database: are they there, and are they private?

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Report;
use crate::{
    cli::compose,
    config::{Config, DatabaseKind},
};

/// Whether an embedded database has its files. Opening one would make it.
pub(super) fn are_there(report: &mut Report, config: &Config) -> bool {
    let missing: Vec<_> = paths(config)
        .into_iter()
        .filter(|path| !path.exists())
        .collect();
    for path in &missing {
        let text = format!(
            "{} is not there yet; `pdr migrate` makes it",
            path.display()
        );
        report.fail("database", text);
    }
    missing.is_empty()
}

/// Says which files others than their owner can read.
pub(super) fn examine(report: &mut Report, config: &Config) {
    let open: Vec<_> = paths(config)
        .into_iter()
        .filter(|path| is_open(path))
        .collect();
    for path in &open {
        let path = path.display();
        report.warn(
            "files",
            format!("others can read {path}; chmod 0600 {path}"),
        );
    }
    if open.is_empty() && config.database.url.kind() == DatabaseKind::Sqlite {
        report.ok("files", "only their owner can read the database's");
    }
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// The database's files; none for a server's.
fn paths(config: &Config) -> Vec<PathBuf> {
    let urls = [
        config.database.url.expose().to_owned(),
        compose::keys_url(config),
    ];
    urls.iter().filter_map(|url| path_of(url)).collect()
}

fn path_of(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next()?;
    if path == ":memory:" {
        return None;
    }
    let unescaped = path
        .replace("%3F", "?")
        .replace("%23", "#")
        .replace("%25", "%");
    Some(unescaped.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_url_is_found() {
        let path = |url| path_of(url).map(|path| path.display().to_string());
        assert_eq!(
            path("sqlite://data/a.db?mode=rwc").as_deref(),
            Some("data/a.db")
        );
        assert_eq!(
            path("sqlite:///data/50%25.db").as_deref(),
            Some("/data/50%.db")
        );
        assert_eq!(path("postgres://db/registry"), None);
    }
}
