//! `[connectors]`: which processors the server calls by itself, and where it finds what it needs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::settings::Section;

/// Which processors the server calls by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connectors {
    /// Whether this replica works on tasks at all.
    pub enabled: bool,
    /// Where declarations lie, one `NAME.yaml` per processor.
    pub directory: Option<PathBuf>,
    /// Declarations that the program carries itself, by processor; one in the directory wins.
    pub shipped: Vec<String>,
    /// Calls may go over plain HTTP to this machine. Development only: no configuration sets it.
    pub plain_on_loopback: bool,
}

impl Connectors {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let must = "must be true or false";
        let enabled = section.parsed("enabled", Flag(true), must).0;
        let shipped = section.text("shipped").unwrap_or_default();
        let shipped = shipped.split(',').map(str::trim);
        Self {
            enabled,
            directory: section.text("directory").map(PathBuf::from),
            shipped: shipped
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            plain_on_loopback: false,
        }
    }

    /// A development server reads the declarations that are put beside its data, if there are any.
    pub(super) fn development(data_dir: &Path) -> Self {
        let directory = data_dir.join("connectors");
        Self {
            enabled: true,
            directory: directory.is_dir().then_some(directory),
            shipped: Vec::new(),
            plain_on_loopback: true,
        }
    }
}

struct Flag(bool);

impl std::str::FromStr for Flag {
    type Err = std::str::ParseBoolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where a value is that must not stand in a file of declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// In a variable of the process; `NAME_FILE` can name a file in its place.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A credential. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Zeroizing<String>);

impl Credential {
    /// Keeps a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The credential, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}
