//! The file of a journal: what a crash leaves, what damage looks like, who may write.

use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use super::*;

fn entry(number: u128) -> Written {
    Written {
        entry_id: Uuid::from_u128(number),
        at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
        document: format!("{{\"number\":{number}}}"),
    }
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.log")
    }

    fn sink(&self) -> FileSink {
        FileSink::new(self.path())
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// Three appends, the last one of three lines; the offsets at which each line begins.
    async fn fill(&self) -> Vec<usize> {
        let sink = self.sink();
        sink.append(&[entry(1)]).await.unwrap();
        sink.append(&[entry(2)]).await.unwrap();
        sink.append(&[entry(3), entry(4), entry(5)]).await.unwrap();
        let listed = sink.list().await.unwrap().into_iter();
        listed
            .map(|kept| usize::try_from(kept.offset).unwrap())
            .collect()
    }
}

async fn numbers(sink: &FileSink) -> Vec<u128> {
    let kept = sink.list().await.unwrap();
    let written = sink.read(&kept).await.unwrap();
    for one in &written {
        assert_eq!(*one, entry(one.entry_id.as_u128()), "whole");
    }
    written.iter().map(|one| one.entry_id.as_u128()).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_restart_and_for_its_owner_alone() {
    let place = Place::new();
    place.fill().await;
    let sink = place.sink();
    assert_eq!(numbers(&sink).await, [1, 2, 3, 4, 5]);
    assert_eq!(
        sink.size().await.unwrap(),
        (5, Some(Uuid::from_u128(5))),
        "how many, and the last"
    );
    let mode = fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_entry_that_was_appended_twice_counts_once() {
    let place = Place::new();
    let sink = place.sink();
    sink.append(&[entry(1)]).await.unwrap();
    sink.append(&[entry(1), entry(2)]).await.unwrap();
    assert_eq!(sink.size().await.unwrap(), (2, Some(Uuid::from_u128(2))));
}

#[tokio::test]
async fn a_journal_that_is_not_there_is_empty_and_looking_does_not_make_it() {
    let place = Place::new();
    assert_eq!(place.sink().size().await.unwrap(), (0, None));
    assert!(!place.path().exists());
}

#[tokio::test]
async fn wherever_a_crash_tore_the_last_line_it_is_cut_off_and_the_next_append_stands() {
    let place = Place::new();
    let lines = place.fill().await;
    let whole = place.bytes();
    for length in lines[4] + 1..whole.len() {
        fs::write(place.path(), &whole[..length]).unwrap();
        let sink = place.sink();
        sink.append(&[entry(9)]).await.unwrap();
        assert_eq!(numbers(&sink).await, [1, 2, 3, 4, 9], "torn at {length}");
    }
}

#[tokio::test]
async fn a_hole_within_the_last_append_is_what_a_crash_leaves_and_its_rest_is_cut_off() {
    let place = Place::new();
    let lines = place.fill().await;
    let mut bytes = place.bytes();
    bytes[lines[3] + 3..lines[4] - 20].fill(0);
    fs::write(place.path(), &bytes).unwrap();
    let sink = place.sink();
    sink.append(&[entry(9)]).await.unwrap();
    assert_eq!(numbers(&sink).await, [1, 2, 3, 9]);
}

#[tokio::test]
async fn damage_before_a_later_append_is_refused_with_its_place_and_nothing_is_cut_off() {
    let place = Place::new();
    let lines = place.fill().await;
    for line in [lines[0], lines[1]] {
        let whole = place.bytes();
        let mut bytes = whole.clone();
        bytes[line + 30] ^= 1;
        fs::write(place.path(), &bytes).unwrap();
        let refused = [
            place.sink().prepare().await.unwrap_err(),
            place.sink().list().await.unwrap_err(),
        ];
        for error in refused {
            assert!(error.to_string().contains(&format!("at byte {line}")));
        }
        assert_eq!(place.bytes(), bytes);
        fs::write(place.path(), whole).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_was_taken_away_or_cut_while_it_was_open_is_opened_anew() {
    let place = Place::new();
    let sink = place.sink();
    sink.append(&[entry(1)]).await.unwrap();
    fs::rename(place.path(), place.dir.path().join("elsewhere")).unwrap();
    sink.append(&[entry(2)]).await.unwrap();
    assert_eq!(numbers(&sink).await, [2]);
    fs::write(place.path(), "").unwrap();
    sink.append(&[entry(3)]).await.unwrap();
    assert_eq!(numbers(&sink).await, [3]);
}

#[tokio::test]
async fn while_one_process_writes_another_is_refused_and_may_read() {
    let place = Place::new();
    let first = place.sink();
    first.append(&[entry(1)]).await.unwrap();
    let second = place.sink();
    let error = second.append(&[entry(2)]).await.unwrap_err().to_string();
    assert!(error.contains("another process writes"), "{error}");
    assert_eq!(numbers(&second).await, [1]);
    drop(first);
    second.append(&[entry(2)]).await.unwrap();
    assert_eq!(numbers(&second).await, [1, 2]);
}

#[tokio::test]
async fn appends_that_come_at_once_all_stand() {
    let place = Place::new();
    let sink = place.sink();
    let entries: Vec<_> = (1..=40).map(entry).collect();
    let appends = entries.chunks(2).map(|pair| sink.append(pair));
    for appended in futures::future::join_all(appends).await {
        appended.unwrap();
    }
    let mut numbers = numbers(&sink).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named_in_the_error() {
    let sink = FileSink::new("/no/such/journal.log".into());
    let error = sink.append(&[entry(1)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert!(error.to_string().contains("/no/such/journal.log"));
}
