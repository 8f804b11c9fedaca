//! A development server: what it says, what it writes, how it ends.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::run::{Server, run};

#[test]
fn a_development_server_says_where_it_listens_and_keeps_its_files_to_itself() {
    let server = Server::start();
    let (host, port) = server.address.rsplit_once(':').unwrap();
    assert_eq!(host, "127.0.0.1");
    assert_ne!(port, "0");
    for name in [
        "dev/admin.token",
        "registry.db",
        "registry.db-wal",
        "keys.db",
    ] {
        assert!(server.dir().join(name).exists(), "{name}");
    }
    let mut open = Vec::new();
    collect_open_files(server.dir(), &mut open);
    assert_eq!(open, Vec::<String>::new());
}

fn collect_open_files(dir: &Path, open: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let holds_secrets = !["address", "lock", "jwks.json"]
            .iter()
            .any(|public| path.ends_with(public));
        if mode & 0o077 != 0 && holds_secrets {
            open.push(format!("{} {mode:o}", path.display()));
        }
        if path.is_dir() {
            collect_open_files(&path, open);
        }
    }
}

#[test]
fn a_server_that_is_asked_to_stop_ends_well_and_is_not_found_any_more() {
    let server = Server::start();
    server.run(&["healthcheck"]).ended(0);
    let (ended, dir) = server.stop();
    assert!(ended.success(), "{ended}");
    let data_dir = dir.path().display().to_string();
    let checked = run(&["healthcheck", "--data-dir", &data_dir]).ended(1);
    assert!(
        checked.stderr().contains("no development server runs in"),
        "{}",
        checked.stderr()
    );
}

#[test]
fn a_second_server_in_the_same_directory_is_refused() {
    let server = Server::start();
    let arguments = ["serve", "--dev", "--listen", "127.0.0.1:0"];
    let second = server.run(&arguments).ended(1);
    assert!(
        second.stderr().contains("another server runs in"),
        "{}",
        second.stderr()
    );
}

#[test]
fn a_development_server_listens_on_loopback_only() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().display().to_string();
    let arguments = [
        "serve",
        "--dev",
        "--listen",
        "0.0.0.0:0",
        "--data-dir",
        &data_dir,
    ];
    let refused = run(&arguments).ended(1);
    assert!(
        refused.stderr().contains("loopback"),
        "{}",
        refused.stderr()
    );
}

#[test]
fn what_it_logs_to_a_file_has_no_colours() {
    let server = Server::start();
    let second = server.run(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    assert!(!second.stderr().contains('\u{1b}'), "{:?}", second.stderr());
}

#[test]
fn the_demo_gets_the_answers_that_it_expects() {
    let played = run(&["demo", "--output", "json"]).ended(0);
    let asked = played.json();
    assert!(asked.len() > 20, "{}", asked.len());
    let told = run(&["demo", "--fast", "--verbose"]).ended(0);
    assert!(told.stdout().contains("DENY CONSENT_WITHDRAWN"));
    assert!(
        !told.stdout().contains('\u{1b}'),
        "no colours where no terminal is"
    );
}
