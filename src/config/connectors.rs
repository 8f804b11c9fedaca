//! Where connectors to processors find what must not stand in their declarations.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

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
