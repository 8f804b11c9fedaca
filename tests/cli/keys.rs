//! `pdr keys` and `pdr doctor`: what an operator does.

use crate::run::{Server, run};

#[test]
fn after_a_rotation_everything_opens_and_while_a_server_runs_there_is_none() {
    let server = Server::start();
    let ada = ["--identifier", "email=ada@example.com"];
    let registered = [
        "register",
        "--subject-category",
        "visitor",
        "--item",
        "email_address=ada@example.com",
    ];
    server.run(&[&registered[..], &ada[..]].concat()).ended(0);
    let refused = server.run(&["keys", "rotate"]).ended(1);
    assert!(
        refused.stderr().contains("stop the server first"),
        "{}",
        refused.stderr()
    );
    let (_, dir) = server.stop();
    let data_dir = dir.path().display().to_string();
    let rotated = run(&["keys", "rotate", "--data-dir", &data_dir]).ended(0);
    assert!(
        rotated.stdout().contains("k2 wraps now; wrapped "),
        "{}",
        rotated.stdout()
    );
    let server = Server::start_in(dir);
    let shown = server
        .run(&[&["subject", "show"][..], &ada[..]].concat())
        .ended(0);
    assert!(shown.stdout().contains("ada@example.com"));
    let retired = server
        .run(&["keys", "retire", "k1", "--irreversible"])
        .ended(0);
    assert!(
        retired.stdout().contains("k1 is gone"),
        "{}",
        retired.stdout()
    );
    let (_, dir) = server.stop();
    let server = Server::start_in(dir);
    server
        .run(&[&["subject", "show"][..], &ada[..]].concat())
        .ended(0);
}

#[test]
fn a_key_is_not_retired_by_accident() {
    let server = Server::start();
    server.run(&["keys", "retire", "k1"]).ended(64);
    let first = server
        .run(&["keys", "retire", "k1", "--irreversible"])
        .ended(1);
    assert!(
        first.stderr().contains("the first key is in use"),
        "{}",
        first.stderr()
    );
}

#[test]
fn the_public_keys_are_printed_and_the_secret_ones_are_not() {
    let server = Server::start();
    let public = server.run(&["keys", "public"]).ended(0).stdout();
    assert!(
        public.starts_with("k1:") && public.lines().count() == 1,
        "{public}"
    );
    let (_, dir) = server.stop();
    let secret = std::fs::read_to_string(dir.path().join("dev/signing.keys")).unwrap();
    assert_ne!(public, secret);
}

#[test]
fn the_doctor_finds_a_healthy_server_healthy() {
    let server = Server::start();
    let looked = server.run(&["doctor", "--output", "json"]).ended(0);
    for line in looked.json() {
        assert_eq!(line["level"], "ok", "{line}");
    }
    assert!(looked.stdout().contains("version 2018-05-24 is in force"));
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_do() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let server = Server::start();
    let (_, dir) = server.stop();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(dir.path().join("dev/index.keys"), open.clone()).unwrap();
    fs::set_permissions(dir.path().join("registry.db"), open).unwrap();
    let data_dir = dir.path().display().to_string();
    let looked = run(&["doctor", "--data-dir", &data_dir]).ended(1);
    let said = looked.stdout();
    assert!(said.contains("fail  key files"), "{said}");
    assert!(said.contains("warn  files"), "{said}");
    assert!(said.contains("chmod 0600"), "{said}");
}
