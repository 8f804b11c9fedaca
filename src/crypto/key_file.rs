//! Key files: one `id:base64` per line, the first key first; blank lines and lines that begin
//! with `#` are skipped. Only the owner may read them.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    entropy::Entropy,
    key::{KEY_BYTES, Key, KeyId},
    keyring::Keys,
};

/// Largest key file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Writes a new file with one new key, and its directory if need be; an existing file is never
/// overwritten.
pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<KeyId, String> {
    let (id, line) = new_line(1, entropy).map_err(|problem| at(path, &problem))?;
    create_directory(directory_of(path))?;
    write_new(path, &line)?;
    Ok(id)
}

/// Adds a new last key, which opens and does not make yet. Its id is returned.
pub fn append(path: &Path, entropy: &dyn Entropy) -> Result<KeyId, String> {
    let keys = read(path).map_err(|problems| problems.join("\n"))?;
    let number = keys
        .iter()
        .filter_map(|(id, _)| number_of(id))
        .max()
        .unwrap_or(0)
        + 1;
    let (id, line) = new_line(number, entropy).map_err(|problem| at(path, &problem))?;
    let mut lines = lines_of(&keys);
    lines.push_str(&line);
    replace(path, &lines)?;
    Ok(id)
}

/// Makes a key the first: from the next start on it is the one that makes.
pub fn promote(path: &Path, id: &KeyId) -> Result<(), String> {
    let mut keys = existing(path, id)?;
    keys.sort_by_key(|(known, _)| known != id);
    replace(path, &lines_of(&Keys::from_checked(keys)))
}

/// Removes a key that is not the first. What it alone opens is lost: redo that first.
pub fn retire(path: &Path, id: &KeyId) -> Result<(), String> {
    let mut keys = existing(path, id)?;
    if keys.first().is_some_and(|(first, _)| first == id) {
        return Err(at(
            path,
            "the first key is in use; promote another one before it is retired",
        ));
    }
    keys.retain(|(known, _)| known != id);
    replace(path, &lines_of(&Keys::from_checked(keys)))
}

pub(super) fn read(path: &Path) -> Result<Keys, Vec<String>> {
    let text = read_text(path).map_err(|problem| vec![at(path, &problem)])?;
    parse(&text).map_err(|problems| problems.iter().map(|problem| at(path, problem)).collect())
}

fn read_text(path: &Path) -> Result<Zeroizing<String>, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    check_mode(&metadata)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(Zeroizing::new(text))
}

// The rule that PostgreSQL has for its key file: 0600, or 0640 when root owns it, which is what
// a secret mounted for a group looks like.
fn check_mode(metadata: &fs::Metadata) -> Result<(), String> {
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & others != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(format!(
            "has mode {mode:04o}; only its owner may read it (chmod 0600)"
        ));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Keys, Vec<String>> {
    let mut keys: Vec<(KeyId, Key)> = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line).and_then(|named| differs(&keys, named)) {
            Ok(named) => keys.push(named),
            Err(problem) => problems.push(format!("line {number}: {problem}")),
        }
    }
    if keys.is_empty() && problems.is_empty() {
        problems.push("has no key".to_owned());
    }
    if problems.is_empty() {
        Ok(Keys::from_checked(keys))
    } else {
        Err(problems)
    }
}

fn differs(keys: &[(KeyId, Key)], named: (KeyId, Key)) -> Result<(KeyId, Key), String> {
    let (id, key) = &named;
    if keys.iter().any(|(known, _)| known == id) {
        return Err(format!("the id {id} stands twice"));
    }
    if keys.iter().any(|(_, known)| known == key) {
        return Err(format!("the key {id} has the bytes of another one"));
    }
    Ok(named)
}

fn parse_line(line: &str) -> Result<(KeyId, Key), String> {
    let (id, encoded) = line.split_once(':').ok_or("is not of the form id:base64")?;
    let id: KeyId = id.trim().parse().map_err(|error| format!("{error}"))?;
    let wrong = || format!("the key {id} is not base64 of {KEY_BYTES} bytes");
    let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| wrong())?);
    let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| wrong())?;
    // Random keys have about thirty distinct bytes; a placeholder has a few.
    if bytes.iter().collect::<BTreeSet<_>>().len() < KEY_BYTES / 4 {
        return Err(format!("the key {id} is not random"));
    }
    Ok((id, Key::new(bytes)))
}

fn existing(path: &Path, id: &KeyId) -> Result<Vec<(KeyId, Key)>, String> {
    let keys = read(path).map_err(|problems| problems.join("\n"))?;
    if keys.get(id).is_none() {
        return Err(at(path, &format!("has no key {id}")));
    }
    Ok(keys.iter().cloned().collect())
}

fn new_line(number: u32, entropy: &dyn Entropy) -> Result<(KeyId, Zeroizing<String>), String> {
    let id: KeyId = format!("k{number}")
        .parse()
        .map_err(|error| format!("{error}"))?;
    let key = Key::generate(entropy).map_err(|error| error.to_string())?;
    let line = line_of(&id, &key);
    Ok((id, line))
}

fn number_of(id: &KeyId) -> Option<u32> {
    id.as_str().strip_prefix('k')?.parse().ok()
}

fn lines_of(keys: &Keys) -> Zeroizing<String> {
    let mut lines = Zeroizing::new(String::new());
    for (id, key) in keys.iter() {
        lines.push_str(&line_of(id, key));
    }
    lines
}

fn line_of(id: &KeyId, key: &Key) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(key.bytes()));
    Zeroizing::new(format!("{id}:{}\n", encoded.as_str()))
}

// A crash leaves the old file or the new one, never half of one: keys are all there is.
fn replace(path: &Path, lines: &str) -> Result<(), String> {
    let beside = path.with_extension("new");
    write_new(&beside, lines)?;
    fs::rename(&beside, path).map_err(|error| at(path, &format!("cannot be replaced: {error}")))?;
    sync_directory(path)
}

fn write_new(path: &Path, lines: &str) -> Result<(), String> {
    let cannot = |error: std::io::Error| at(path, &format!("cannot be written: {error}"));
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(cannot)?;
    file.write_all(lines.as_bytes()).map_err(cannot)?;
    file.sync_all().map_err(cannot)?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> Result<(), String> {
    let directory = directory_of(path);
    let synced = fs::File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(|error| at(directory, &format!("cannot be synced: {error}")))
}

fn create_directory(directory: &Path) -> Result<(), String> {
    let created = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    created.map_err(|error| at(directory, &format!("cannot be created: {error}")))
}

fn directory_of(path: &Path) -> &Path {
    let named = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    named.unwrap_or(Path::new("."))
}

fn at(path: &Path, problem: &str) -> String {
    format!("{}: {problem}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::crypto::entropy::SystemEntropy;

    const GOOD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn problems(text: &str) -> Vec<String> {
        parse(text).unwrap_err()
    }

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let keys = parse(&format!("# of 2026\n\n  new : {GOOD}\n")).unwrap();
        assert_eq!(keys.first().0.as_str(), "new");
    }

    #[test]
    fn every_problem_is_reported_with_its_line_and_without_the_key() {
        let short = STANDARD.encode([1_u8; 31]);
        let lines = [
            GOOD.to_owned(),
            format!("A:{GOOD}"),
            format!("a:{short}"),
            format!("b:{GOOD}"),
            format!("b:{GOOD}"),
            format!("c:{GOOD}"),
            "d:!!!".to_owned(),
        ];
        assert_eq!(
            problems(&lines.join("\n")),
            [
                "line 1: is not of the form id:base64",
                "line 2: a key id has 1 to 32 characters of a-z, 0-9 and '-'",
                "line 3: the key a is not base64 of 32 bytes",
                "line 5: the id b stands twice",
                "line 6: the key c has the bytes of another one",
                "line 7: the key d is not base64 of 32 bytes",
            ]
        );
    }

    #[test]
    fn an_empty_file_and_a_key_of_zeros_are_refused() {
        assert_eq!(problems("# nothing\n"), ["has no key"]);
        let zeros = STANDARD.encode([0_u8; KEY_BYTES]);
        assert_eq!(
            problems(&format!("zero:{zeros}")),
            ["line 1: the key zero is not random"]
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.keys");
        create(&path, &SystemEntropy).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for mode in [0o604, 0o644, 0o660, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = read(&path).unwrap_err().join("\n");
            assert!(
                found.contains("only its owner may read it"),
                "{mode:o}: {found}"
            );
        }
    }

    #[test]
    fn a_missing_directory_is_created_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("dev").join("keys");
        create(&keys.join("a.keys"), &SystemEntropy).unwrap();
        assert_eq!(
            fs::metadata(&keys).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.keys");
        create(&path, &SystemEntropy).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(create(&path, &SystemEntropy).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn appended_keys_get_the_next_number_and_the_file_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.keys");
        create(&path, &SystemEntropy).unwrap();
        assert_eq!(append(&path, &SystemEntropy).unwrap().as_str(), "k2");
        assert_eq!(append(&path, &SystemEntropy).unwrap().as_str(), "k3");
        let read = read(&path).unwrap();
        let ids: Vec<&str> = read.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["k1", "k2", "k3"]);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn the_first_key_cannot_be_retired_and_an_unknown_one_neither() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.keys");
        let first = create(&path, &SystemEntropy).unwrap();
        assert!(
            retire(&path, &first)
                .unwrap_err()
                .contains("the first key is in use")
        );
        assert!(
            retire(&path, &"k9".parse().unwrap())
                .unwrap_err()
                .contains("has no key k9")
        );
    }
}
