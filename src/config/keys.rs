//! `[keys]`: where the keys lie.

use std::path::{Path, PathBuf};

use super::{DatabaseUrl, settings::Section};

/// Where the keys lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Keys that wrap the subjects' keys.
    pub encryption_file: PathBuf,
    /// Keys of the blind index.
    pub index_file: PathBuf,
    /// Keys of pseudonyms, fingerprints and tokens.
    pub secret_file: PathBuf,
    /// Seeds of the Ed25519 keys that sign checkpoints, certificates and receipts.
    pub signing_file: PathBuf,
    /// A database of their own for the subjects' wrapped keys, so that a backup of the data alone
    /// never brings an erased person back. Without it they lie beside the data.
    pub url: Option<DatabaseUrl>,
}

impl Keys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            encryption_file: section.required("encryption_file").into(),
            index_file: section.required("index_file").into(),
            secret_file: section.required("secret_file").into(),
            signing_file: section.required("signing_file").into(),
            url: DatabaseUrl::read(section, "url"),
        }
    }

    pub(super) fn development(data_dir: &Path, url: DatabaseUrl) -> Self {
        let file = |name| data_dir.join("dev").join(name);
        Self {
            encryption_file: file("encryption.keys"),
            index_file: file("index.keys"),
            secret_file: file("secret.keys"),
            signing_file: file("signing.keys"),
            url: Some(url),
        }
    }
}
