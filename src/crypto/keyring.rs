//! The key ring: four lists of keys. The first key of a list makes, any key of it opens, so that
//! keys change without downtime: append, roll out, promote, redo, retire.

use std::path::PathBuf;

use super::{
    CryptoError,
    blind_index::BlindIndex,
    entropy::Entropy,
    key::{Key, KeyId},
    key_file,
    pseudonym::Secrets,
    signature::SigningKeys,
};

/// Every key that the registry holds.
#[derive(Debug)]
pub struct KeyRing {
    encryption: Keys,
    index: BlindIndex,
    secrets: Secrets,
    signing: SigningKeys,
}

impl KeyRing {
    /// Reads the four key files. Every problem of every file is reported.
    pub fn load(files: &KeyFiles) -> Result<Self, KeyRingError> {
        let mut problems = Vec::new();
        let mut read = |path| {
            key_file::read(path)
                .map_err(|found| problems.extend(found))
                .ok()
        };
        let lists = (
            read(&files.encryption),
            read(&files.index),
            read(&files.secret),
            read(&files.signing),
        );
        let (Some(encryption), Some(index), Some(secret), Some(signing)) = lists else {
            return Err(KeyRingError { problems });
        };
        Self::assemble(encryption, &index, &secret, &signing)
    }

    /// A ring of new keys that lives in memory only.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        let encryption = Keys::generate(entropy)?;
        let index = BlindIndex::new(&Keys::generate(entropy)?);
        let secrets = Secrets::new(&Keys::generate(entropy)?);
        let signing = SigningKeys::new(&Keys::generate(entropy)?);
        Ok(Self {
            encryption,
            index,
            secrets,
            signing,
        })
    }

    /// Finds identifiers without knowing them.
    pub fn index(&self) -> &BlindIndex {
        &self.index
    }

    /// Makes pseudonyms, fingerprints and tokens.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Signs what others verify without the registry.
    pub fn signing(&self) -> &SigningKeys {
        &self.signing
    }

    /// The key-encryption key that wraps now.
    pub fn encryption_key_id(&self) -> &KeyId {
        self.encryption.first().0
    }

    pub(super) fn encryption(&self) -> &Keys {
        &self.encryption
    }

    fn assemble(
        encryption: Keys,
        index: &Keys,
        secret: &Keys,
        signing: &Keys,
    ) -> Result<Self, KeyRingError> {
        let lists = [&encryption, index, secret, signing];
        let shares_with_a_later_one = |(place, list): (usize, &&Keys)| {
            let mut later = lists.iter().skip(place + 1);
            later.any(|other| list.shares_a_key_with(other))
        };
        if lists.iter().enumerate().any(shares_with_a_later_one) {
            let problem = "a key stands in two key files: each use needs keys of its own";
            return Err(KeyRingError {
                problems: vec![problem.to_owned()],
            });
        }
        Ok(Self {
            encryption,
            index: BlindIndex::new(index),
            secrets: Secrets::new(secret),
            signing: SigningKeys::new(signing),
        })
    }
}

/// Where the key files lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// Keys that wrap the subjects' keys.
    pub encryption: PathBuf,
    /// Keys of the blind index.
    pub index: PathBuf,
    /// Keys of pseudonyms, fingerprints and tokens.
    pub secret: PathBuf,
    /// Seeds of the Ed25519 keys that sign.
    pub signing: PathBuf,
}

impl KeyFiles {
    /// Writes the files that are not there yet, with one new key each.
    pub fn create_missing(&self, entropy: &dyn Entropy) -> Result<(), KeyRingError> {
        for path in [&self.encryption, &self.index, &self.secret, &self.signing] {
            if !path.exists() {
                key_file::create(path, entropy).map_err(|problem| KeyRingError {
                    problems: vec![problem],
                })?;
            }
        }
        Ok(())
    }
}

/// Why there is no key ring: every problem, each with its place. No text holds key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct KeyRingError {
    /// The problems.
    pub problems: Vec<String>,
}

/// Keys of one use: at least one, ids and keys all different.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<(KeyId, Key)>);

impl Keys {
    /// The caller has checked that there is at least one and that all differ.
    pub(super) fn from_checked(keys: Vec<(KeyId, Key)>) -> Self {
        Self(keys)
    }

    pub(super) fn generate(entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        let id = "k1".parse().expect("\"k1\" is a key id");
        Ok(Self(vec![(id, Key::generate(entropy)?)]))
    }

    pub(super) fn first(&self) -> (&KeyId, &Key) {
        let (id, key) = self.0.first().expect("a key list has at least one key");
        (id, key)
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<&Key> {
        self.iter()
            .find(|(known, _)| known == id)
            .map(|(_, key)| key)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, (KeyId, Key)> {
        self.0.iter()
    }

    fn shares_a_key_with(&self, other: &Self) -> bool {
        self.iter()
            .any(|(_, key)| other.iter().any(|(_, known)| known == key))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        crypto::{entropy::SystemEntropy, seal::SubjectKey},
        domain::id::SubjectId,
    };

    const SUBJECT: SubjectId = SubjectId(uuid::Uuid::from_u128(1));

    fn files(directory: &tempfile::TempDir) -> KeyFiles {
        let path = |name| directory.path().join(name);
        KeyFiles {
            encryption: path("encryption.keys"),
            index: path("index.keys"),
            secret: path("secret.keys"),
            signing: path("signing.keys"),
        }
    }

    #[test]
    fn created_files_load_and_are_created_once() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        files.create_missing(&SystemEntropy).unwrap();
        let first = fs::read(&files.index).unwrap();
        files.create_missing(&SystemEntropy).unwrap();
        assert_eq!(fs::read(&files.index).unwrap(), first);
        assert_eq!(
            KeyRing::load(&files).unwrap().encryption_key_id().as_str(),
            "k1"
        );
    }

    #[test]
    fn every_file_that_is_missing_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let refused = KeyRing::load(&files(&directory)).unwrap_err();
        assert_eq!(refused.problems.len(), 4);
    }

    #[test]
    fn a_key_that_stands_in_two_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        files.create_missing(&SystemEntropy).unwrap();
        let (index, signing) = (&files.index, &files.signing);
        for (copy, original) in [(index, &files.secret), (signing, &files.encryption)] {
            let before = fs::read(copy).unwrap();
            fs::write(copy, fs::read(original).unwrap()).unwrap();
            let refused = KeyRing::load(&files).unwrap_err();
            assert!(
                refused.to_string().contains("stands in two key files"),
                "{refused}"
            );
            fs::write(copy, before).unwrap();
        }
        assert!(KeyRing::load(&files).is_ok());
    }

    #[test]
    fn after_a_promotion_the_new_key_wraps_and_the_old_one_still_opens() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        files.create_missing(&SystemEntropy).unwrap();
        let key = SubjectKey::generate(&SystemEntropy).unwrap();
        let ring = KeyRing::load(&files).unwrap();
        let before = key.wrap(&ring, SUBJECT, &SystemEntropy).unwrap();

        let added = key_file::append(&files.encryption, &SystemEntropy).unwrap();
        let appended = KeyRing::load(&files).unwrap();
        assert_eq!(appended.encryption_key_id().as_str(), "k1");
        key_file::promote(&files.encryption, &added).unwrap();
        let promoted = KeyRing::load(&files).unwrap();
        assert_eq!(*promoted.encryption_key_id(), added);

        assert!(before.is_outdated(&promoted));
        let unwrapped = SubjectKey::unwrap(&promoted, SUBJECT, &before).unwrap();
        let after = unwrapped.wrap(&promoted, SUBJECT, &SystemEntropy).unwrap();
        assert!(!after.is_outdated(&promoted));
        assert!(SubjectKey::unwrap(&appended, SUBJECT, &after).is_ok());

        key_file::retire(&files.encryption, &before.kek_id).unwrap();
        let retired = KeyRing::load(&files).unwrap();
        assert!(SubjectKey::unwrap(&retired, SUBJECT, &after).is_ok());
        assert!(SubjectKey::unwrap(&retired, SUBJECT, &before).is_err());
    }

    #[test]
    fn a_ring_does_not_print_its_keys() {
        let ring = KeyRing::generate(&SystemEntropy).unwrap();
        let printed = format!("{:?}", ring.encryption());
        assert_eq!(printed, "Keys([(k1, Key(…))])");
        let printed = format!("{:?} {:?}", ring.index(), ring.secrets());
        assert_eq!(printed, "BlindIndex(under k1) Secrets(under k1)");
    }
}
