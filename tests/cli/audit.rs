//! The sealed log, receipts and proofs as an auditor takes them away, and verifies them with nothing but
//! files.

use std::{fs, path::Path};

use crate::run::{Server, run};

const ADA: [&str; 2] = ["--identifier", "email=ada@example.com"];

/// A server that knows some people, and the file of its public keys.
fn server() -> (Server, String) {
    let server = Server::start();
    for name in ["ada", "bob", "cyd", "dan"] {
        let person = format!("email={name}@example.com");
        let what = [
            "register",
            "--subject-category",
            "visitor",
            "--item",
            "email_address=a@example.com",
            "--consent",
            "newsletter=given:checkbox",
            "--identifier",
            &person,
        ];
        server.run(&what).ended(0);
    }
    let keys = server.run(&["keys", "public"]).ended(0).stdout();
    let keys = server.file("public.keys", &keys);
    (server, text(&keys))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn place(server: &Server, name: &str) -> String {
    text(&server.dir().join(name))
}

/// Waits until so many entries are sealed.
fn wait_for(server: &Server, entries: u64) {
    // Each look starts a process, which takes its time.
    for _ in 0..1_000 {
        let ran = server.run(&["audit", "checkpoint", "--output", "json"]);
        let sealed = ran.code() == 0 && {
            let size = ran.json()[0]["tree_size"].as_str().unwrap().to_owned();
            size.parse::<u64>().unwrap() >= entries
        };
        if sealed {
            return;
        }
    }
    panic!("{entries} entries were not sealed in time")
}

#[test]
fn a_log_is_exported_goes_on_where_it_ended_and_is_verified_without_the_server() {
    let (server, keys) = server();
    wait_for(&server, 5);
    let (log, dir) = (place(&server, "audit.jsonl"), place(&server, "logs"));
    let checkpoint = place(&server, "checkpoint.json");
    fs::create_dir(&dir).unwrap();
    server.run(&["audit", "export", "--out", &log]).ended(0);
    server.run(&["audit", "export", "--out", &dir]).ended(0);
    server
        .run(&["audit", "checkpoint", "--out", &checkpoint])
        .ended(0);
    let again = server.run(&["audit", "export", "--out", &log]).ended(0);
    assert!(again.stdout().contains("nothing new"), "{}", again.stdout());

    server
        .run(&[
            "register",
            "--subject-category",
            "visitor",
            "--item",
            "navigation=/",
            ADA[0],
            ADA[1],
        ])
        .ended(0);
    wait_for(&server, 6);
    // A run that was cut off in the middle of a line does no harm.
    let mut cut = fs::read_to_string(&log).unwrap();
    cut.push_str(r#"{"position":5,"leaf":"AA"#);
    fs::write(&log, cut).unwrap();
    server.run(&["audit", "export", "--out", &log]).ended(0);
    server.run(&["audit", "export", "--out", &dir]).ended(0);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|file| text(&file.unwrap().path()))
        .collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    let (_, _dir) = server.stop();

    let verify = |files: &[&str]| {
        let arguments = [
            &["audit", "verify"],
            files,
            &["--keys", &keys, "--since", &checkpoint],
        ];
        run(&arguments.concat()).ended(0).stdout()
    };
    let report = verify(&[&log]);
    assert!(report.contains("6 entries from position 0"), "{report}");
    assert_eq!(verify(&[&files[0], &files[1]]), report);
}

#[test]
fn what_was_done_to_a_log_is_found_with_its_place_and_an_exit_code() {
    let (server, keys) = server();
    wait_for(&server, 5);
    let (log, older) = (place(&server, "audit.jsonl"), place(&server, "older.json"));
    server
        .run(&["audit", "checkpoint", "--out", &older])
        .ended(0);
    server
        .run(&[
            "register",
            "--subject-category",
            "visitor",
            "--item",
            "navigation=/",
            ADA[0],
            ADA[1],
        ])
        .ended(0);
    wait_for(&server, 6);
    server.run(&["audit", "export", "--out", &log]).ended(0);
    let verify = |files: &[&str], code| {
        let arguments = [&["audit", "verify"], files, &["--keys", &keys]].concat();
        run(&arguments).ended(code).stdout()
    };
    let good = verify(&[&log, "--since", &older], 0);
    assert!(
        good.contains("the log is as it was signed: 6 entries"),
        "{good}"
    );
    assert!(good.contains("agrees with the checkpoint"), "{good}");

    let genuine = fs::read_to_string(&log).unwrap();
    let (before, entry) = genuine.split_once(r#"{"position":3,"#).unwrap();
    let changed = entry.replacen("\"caller\":\"admin\"", "\"caller\":\"nobod\"", 1);
    assert_ne!(changed, entry);
    let bad = place(&server, "bad.jsonl");
    fs::write(&bad, format!("{before}{{\"position\":3,{changed}")).unwrap();
    let found = verify(&[&bad], 1);
    assert!(
        found.contains("bad.jsonl:5: the entry at position 3 was changed"),
        "{found}"
    );
    assert!(found.contains("THE LOG IS NOT AS IT WAS SIGNED"), "{found}");
    let arguments = ["audit", "verify", &bad, "--keys", &keys, "--output", "json"];
    let report = run(&arguments).ended(1).json();
    assert_eq!(report[0]["findings"][0]["code"], "CHANGED");
    assert_eq!(report[0]["findings"][0]["first_position"], 3);

    fs::write(&bad, before).unwrap();
    // Whether a checkpoint stands before the cut depends on when entries were sealed.
    let cut = verify(&[&bad], 1);
    assert!(cut.contains("no checkpoint"), "{cut}");
    let strangers = server.file(
        "strangers.keys",
        "k1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n",
    );
    let arguments = ["audit", "verify", &log, "--keys", &text(&strangers)];
    let found = run(&arguments).ended(1).stdout();
    assert!(found.contains("the checkpoint is not believed"), "{found}");
    run(&["audit", "verify", &log]).ended(64);
    run(&["audit", "verify", "--keys", &keys]).ended(64);
    run(&["audit", "verify", "no such file", "--keys", &keys]).ended(1);
}

#[test]
fn a_proof_a_checkpoint_and_a_receipt_are_verified_from_their_files() {
    let (server, keys) = server();
    wait_for(&server, 5);
    let older = place(&server, "older.json");
    server
        .run(&["audit", "checkpoint", "--out", &older])
        .ended(0);
    let size = server.json(&["audit", "checkpoint"])[0]["tree_size"]
        .as_str()
        .unwrap()
        .to_owned();
    let entry = server.json(&["audit", "list", "--limit", "1"])[0]["audit_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (proof, receipt) = (place(&server, "proof.json"), place(&server, "receipt.json"));
    server
        .run(&["audit", "proof", &entry, "--out", &proof])
        .ended(0);
    let history = server.json(&["consent", "history", ADA[0], ADA[1]]);
    let consent = history[0]["consent_id"].as_str().unwrap().to_owned();
    server
        .run(&[
            "consent", "receipt", &consent, ADA[0], ADA[1], "--out", &receipt,
        ])
        .ended(0);
    wait_for(&server, size.parse::<u64>().unwrap());
    let consistency = place(&server, "consistency.json");
    server
        .run(&[
            "audit",
            "consistency",
            "--from",
            &size,
            "--out",
            &consistency,
        ])
        .ended(0);

    let files = [proof.as_str(), &receipt, &older, &consistency];
    let arguments = [&["audit", "verify"], &files[..], &["--keys", &keys]].concat();
    let verified = run(&arguments).ended(0).stdout();
    assert_eq!(verified.matches(": genuine").count(), 4, "{verified}");
    assert!(
        verified.contains("consent-receipt.v1+json, signed by"),
        "{verified}"
    );
    assert!(verified.contains("dpv:ConsentGiven"), "{verified}");

    let forged = fs::read_to_string(&proof)
        .unwrap()
        .replace("RegisterCollection", "ReleaseLegalHold__");
    fs::write(&proof, forged).unwrap();
    let found = run(&["audit", "verify", &proof, "--keys", &keys])
        .ended(1)
        .stdout();
    assert!(found.contains("was changed"), "{found}");
    let genuine = fs::read_to_string(&receipt).unwrap();
    let at = genuine.find("\"payload\":\"").unwrap() + 40;
    let mut forged = genuine.into_bytes();
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    fs::write(&receipt, forged).unwrap();
    run(&["audit", "verify", &receipt, "--keys", &keys]).ended(1);
}

#[test]
fn who_has_seen_whose_data_is_counted_by_service_and_category() {
    let (server, _) = server();
    for _ in 0..2 {
        let fetch = [
            "records",
            "fetch",
            ADA[0],
            ADA[1],
            "--purpose",
            "newsletter",
            "--data",
            "email_address",
        ];
        server.run(&fetch).ended(0);
    }
    let span = [
        "audit",
        "access",
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2100-01-01T00:00:00Z",
    ];
    let seen = server.json(&span);
    let fetched: Vec<_> = seen
        .iter()
        .filter(|one| one["action"] == "FetchRecords")
        .collect();
    assert_eq!(fetched.len(), 1, "{seen:?}");
    assert_eq!(
        fetched[0]["data_categories"],
        serde_json::json!(["email_address"])
    );
    assert_eq!(
        (&fetched[0]["subjects"], &fetched[0]["readings"]),
        (&1.into(), &2.into())
    );
    assert!(seen.iter().all(|one| one["action"] != "RegisterCollection"));
    let others = server.json(&[&span[..], &["--data", "payment_details"]].concat());
    assert!(others.is_empty(), "{others:?}");
    let table = server.run(&span).ended(0).stdout();
    assert!(
        table.contains("people in all, each counted once: 1"),
        "{table}"
    );
    let early = [
        "audit",
        "access",
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2020-01-02T00:00:00Z",
    ];
    assert!(server.json(&early).is_empty());
}
