//! `[journal]`: where is kept what was taken away, so that a restored backup does not bring it back.

use std::path::{Path, PathBuf};

use super::{DatabaseKind, DatabaseUrl, database::Database, settings::Section};

/// The words by which an operator says that there is no journal.
pub const NO_JOURNAL: &str = "a restored backup brings back what people have taken back";

/// What the journal's file is called beside an embedded database's.
const FILE_SUFFIX: &str = ".journal.log";

/// Where the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Journal {
    /// In a file that one process appends to.
    File(PathBuf),
    /// In a PostgreSQL database that every replica appends to; another one than the data's.
    Database(DatabaseUrl),
    /// Nowhere: the operator says that a restored backup brings back what people have taken back.
    Nowhere,
}

impl Journal {
    pub(super) fn read(section: &mut Section<'_>, database: &Database) -> Self {
        let file = section.text("file");
        let url = DatabaseUrl::read(section, "url");
        let none = section.text("none");
        if let Some(words) = &none
            && words != NO_JOURNAL
        {
            section.problem("none", format!("must be \"{NO_JOURNAL}\", or be left out"));
        }
        let places = [
            ("file", file.is_some()),
            ("url", url.is_some()),
            ("none", none.is_some()),
        ];
        let set: Vec<_> = places.iter().filter(|(_, is_set)| *is_set).collect();
        if let [(first, _), (second, _), ..] = set[..] {
            section.problem(second, format!("must not be set beside {first}"));
        }
        if let Some(url) = url {
            return Self::database(section, url, database);
        }
        match file {
            Some(path) if path.trim().is_empty() => {
                section.problem("file", "must not be empty");
                Self::Nowhere
            }
            Some(path) => Self::File(path.into()),
            None if none.is_some() => Self::Nowhere,
            None => Self::by_default(section, database),
        }
    }

    fn database(section: &mut Section<'_>, url: DatabaseUrl, database: &Database) -> Self {
        if url.kind() == DatabaseKind::Sqlite {
            section.problem(
                "url",
                "must begin with postgres://; for a file set file in its place",
            );
        }
        if url == database.url {
            section.problem(
                "url",
                "must not be the data's database: what restores that would restore this",
            );
        }
        Self::Database(url)
    }

    /// Beside an embedded database's file; elsewhere there is no place that goes without saying.
    fn by_default(section: &mut Section<'_>, database: &Database) -> Self {
        if let Some(path) = database.url.sqlite_file() {
            return Self::beside(&path);
        }
        if database.url.is_postgres() {
            section.problem(
                "url",
                format!(
                    "is required, another database than the data's; or file, for a single \
                     replica; or else none = \"{NO_JOURNAL}\""
                ),
            );
        }
        Self::Nowhere
    }

    fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(FILE_SUFFIX);
        Self::File(path.into())
    }

    pub(super) fn development(data_dir: &Path) -> Self {
        Self::File(data_dir.join("journal.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::settings::Settings, *};

    fn read(url: &str, section: &str) -> Result<Journal, Vec<String>> {
        let text = format!("[database]\nurl = \"{url}\"\n[journal]\n{section}");
        let mut settings = Settings::gather("f", &text, []);
        let database = Database::read(&mut settings.section("database"));
        let journal = Journal::read(&mut settings.section("journal"), &database);
        let problems = settings.into_problems();
        if problems.is_empty() {
            return Ok(journal);
        }
        Err(problems.iter().map(ToString::to_string).collect())
    }

    const SQLITE: &str = "sqlite:///data/a%25.db?mode=rwc";
    const POSTGRES: &str = "postgres://db/registry";

    #[test]
    fn an_embedded_database_has_its_journal_beside_it_unless_told_otherwise() {
        assert_eq!(
            read(SQLITE, ""),
            Ok(Journal::File("/data/a%.db.journal.log".into()))
        );
        assert_eq!(
            read(SQLITE, "file = \"/other/disk\""),
            Ok(Journal::File("/other/disk".into()))
        );
    }

    #[test]
    fn a_server_needs_a_journal_or_the_words_that_there_is_none() {
        let missing = read(POSTGRES, "").unwrap_err();
        assert!(missing[0].contains("is required"), "{missing:?}");
        assert_eq!(
            read(POSTGRES, &format!("none = \"{NO_JOURNAL}\"")),
            Ok(Journal::Nowhere)
        );
        let other = read(POSTGRES, "none = \"yes\"").unwrap_err();
        assert!(other[0].contains(NO_JOURNAL), "{other:?}");
        let journal = read(POSTGRES, "url = \"postgres://other/journal\"");
        assert!(matches!(journal, Ok(Journal::Database(_))));
    }

    #[test]
    fn a_journal_that_would_be_restored_with_the_data_is_refused() {
        let same = read(POSTGRES, &format!("url = \"{POSTGRES}\"")).unwrap_err();
        assert!(same[0].contains("must not be the data's"), "{same:?}");
        let embedded = read(SQLITE, "url = \"sqlite:///data/b.db\"").unwrap_err();
        assert!(embedded[0].contains("must begin with postgres://"));
    }

    #[test]
    fn two_places_at_once_are_refused() {
        let both = read(SQLITE, "file = \"/a\"\nurl = \"postgres://b/c\"").unwrap_err();
        assert_eq!(both, ["f: journal.url: must not be set beside file"]);
        let empty = read(SQLITE, "file = \"\"").unwrap_err();
        assert_eq!(empty, ["f: journal.file: must not be empty"]);
    }
}
