//! Client commands against a running server.

use std::fs;

use crate::run::{Ran, Server};

const ADA: [&str; 2] = ["--identifier", "email=ada@example.com"];
const NEWSLETTER: [&str; 6] = [
    "--data",
    "email_address",
    "--purpose",
    "newsletter",
    "--processor",
    "aweber",
];

fn join<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// A server that knows Ada, a visitor who wants the newsletter.
fn server_with_ada() -> Server {
    let server = Server::start();
    let what = [
        "register",
        "--subject-category",
        "visitor",
        "--item",
        "email_address=ada@example.com",
        "--consent",
        "newsletter=given:checkbox",
    ];
    server.run(&join(&[&what, &ADA])).ended(0);
    server
}

fn check(server: &Server, code: i32) -> String {
    server
        .run(&join(&[&["check"], &ADA, &NEWSLETTER]))
        .ended(code)
        .stdout()
}

#[test]
fn the_exit_code_of_a_check_is_its_answer() {
    let server = server_with_ada();
    assert!(check(&server, 0).contains("ALLOW LAWFUL"));
    let processor = [
        "check",
        "--data",
        "email_address",
        "--purpose",
        "newsletter",
        "--processor",
        "stripe",
    ];
    let denied = server.run(&join(&[&processor, &ADA])).ended(3);
    assert!(denied.stdout().contains("DENY PROCESSOR_NOT_NAMED"));
    let explained = server
        .run(&join(&[&["check", "--explain"], &ADA, &NEWSLETTER]))
        .ended(0);
    let tree = explained.stdout();
    assert!(tree.contains("└─ ✓ LAWFUL"), "{tree}");
    assert!(
        tree.contains("activity visitor-newsletter, as visitor"),
        "{tree}"
    );
    let undefined = server
        .run(&["check", "--identifier", "ada", "--purpose", "newsletter"])
        .ended(1);
    assert!(
        undefined.stderr().contains("type=value"),
        "{}",
        undefined.stderr()
    );
}

#[test]
fn a_token_that_is_too_narrow_is_refused() {
    let server = server_with_ada();
    let narrow = [
        "token",
        "--service",
        "mailing",
        "--scope",
        "check",
        "--purposes",
        "newsletter",
        "--processors",
        "aweber",
    ];
    let token = server.run(&narrow).ended(0).stdout();
    let file = server.file("mailing.token", &token);
    let with = ["--token-file", file.to_str().unwrap()];
    server
        .run(&join(&[&["check"], &ADA, &NEWSLETTER, &with]))
        .ended(0);
    let foreign = [
        "check",
        "--data",
        "email_address",
        "--purpose",
        "order_processing",
    ];
    let refused = server.run(&join(&[&foreign, &ADA, &with])).ended(1);
    assert!(
        refused.stderr().contains("CLAIM_MISSING"),
        "{}",
        refused.stderr()
    );
    let refused = server
        .run(&join(&[&["subject", "show"], &ADA, &with]))
        .ended(1);
    assert!(
        refused.stderr().contains("SCOPE_MISSING"),
        "{}",
        refused.stderr()
    );
    let unknown = server
        .run(&["token", "--service", "x", "--scope", "everything"])
        .ended(1);
    assert!(
        unknown.stderr().contains("everything"),
        "{}",
        unknown.stderr()
    );
}

#[test]
fn consent_is_given_shown_proved_and_taken_back() {
    let server = server_with_ada();
    let form = server.json(&["consent", "form", "--subject-category", "visitor"]);
    assert_eq!(form[0]["policy_version"], "2018-05-24");
    let history = server.json(&join(&[&["consent", "history"], &ADA]));
    assert_eq!(history[0]["choice"], "CONSENT_CHOICE_GIVEN");
    let consent_id = history[0]["consent_id"].as_str().unwrap();
    let receipt = server
        .run(&join(&[&["consent", "receipt", consent_id], &ADA]))
        .ended(0);
    assert!(
        receipt.stdout().contains("AliDropship"),
        "{}",
        receipt.stdout()
    );
    let token = server.json(&join(&[
        &["consent", "token", "--purpose", "newsletter"],
        &ADA,
    ]));
    let token = token[0]["withdrawal_token"].as_str().unwrap();
    server
        .run(&["consent", "withdraw", "--withdrawal-token", token])
        .ended(0);
    assert!(check(&server, 3).contains("DENY CONSENT_WITHDRAWN"));
    let unproved = server
        .run(&join(&[
            &["consent", "give", "--purpose", "newsletter"],
            &ADA,
        ]))
        .ended(1);
    assert!(
        unproved.stderr().contains("--method"),
        "{}",
        unproved.stderr()
    );
    let given = [
        "consent",
        "give",
        "--purpose",
        "newsletter",
        "--method",
        "double-opt-in",
    ];
    server.run(&join(&[&given, &ADA])).ended(0);
    assert!(check(&server, 0).contains("ALLOW"));
    server
        .run(&join(&[&["consent", "withdraw", "--all-purposes"], &ADA]))
        .ended(0);
    check(&server, 3);
    let asked = server
        .run(&join(&[&["consent", "withdraw"], &ADA]))
        .ended(1);
    assert!(
        asked.stderr().contains("--all-purposes"),
        "{}",
        asked.stderr()
    );
}

#[test]
fn records_are_fetched_corrected_and_deleted() {
    let server = server_with_ada();
    let fetch = join(&[&["records", "fetch"], &ADA, &NEWSLETTER]);
    let fetched = server.json(&fetch);
    assert_eq!(fetched[0]["text"], "ada@example.com");
    assert_eq!(fetched[1]["effect"], "EFFECT_ALLOW");
    let item = fetched[0]["item_id"].as_str().unwrap();
    let correct = [
        "records",
        "correct",
        "--item",
        item,
        "--text",
        "ada@example.org",
    ];
    server.run(&join(&[&correct, &ADA])).ended(0);
    assert!(
        server
            .run(&fetch)
            .ended(0)
            .stdout()
            .contains("ada@example.org")
    );
    let delete = ["records", "delete", "--data", "email_address"];
    let asked = server
        .run(&join(&[&delete, &ADA, &["--validate-only"]]))
        .ended(0);
    assert!(
        asked.stdout().contains("1 item(s) would be deleted"),
        "{}",
        asked.stdout()
    );
    server.run(&join(&[&delete, &ADA])).ended(0);
    let denied = server.run(&fetch).ended(3);
    assert!(
        denied.stdout().contains("NOT_COLLECTED"),
        "{}",
        denied.stdout()
    );
    assert!(
        !denied.stdout().contains("ada@example"),
        "{}",
        denied.stdout()
    );
}

#[test]
fn what_data_says_cannot_move_the_cursor() {
    let server = Server::start();
    let evil = [
        "register",
        "--subject-category",
        "visitor",
        "--item",
        "email_address=\u{1b}[2Jada\u{202e}\u{9b}",
        "--consent",
        "newsletter=given:checkbox",
    ];
    server.run(&join(&[&evil, &ADA])).ended(0);
    for output in ["table", "json"] {
        let fetch = ["records", "fetch", "--output", output];
        let shown = server
            .run(&join(&[&fetch, &ADA, &NEWSLETTER]))
            .ended(0)
            .stdout();
        assert!(shown.contains("[2Jada"), "{shown:?}");
        for char in ['\u{1b}', '\u{202e}', '\u{9b}'] {
            assert!(!shown.contains(char), "{shown:?}");
        }
    }
}

#[test]
fn a_disclosure_is_recorded_when_it_is_lawful_and_only_then() {
    let server = server_with_ada();
    let record = ["disclosure", "record", "--external-reference", "list-1"];
    let recorded = server.json(&join(&[&record, &ADA, &NEWSLETTER]));
    let decision_id = recorded[0]["decision"]["decision_id"].as_str().unwrap();
    let kept = server.run(&["audit", "decision", decision_id]).ended(0);
    assert!(kept.stdout().contains("by aweber"), "{}", kept.stdout());
    let denied = [
        "disclosure",
        "record",
        "--data",
        "email_address",
        "--purpose",
        "newsletter",
        "--processor",
        "stripe",
    ];
    let denied = server.run(&join(&[&denied, &ADA])).ended(3);
    assert!(
        denied.stdout().contains("do not pass it on"),
        "{}",
        denied.stdout()
    );
    let listed = server.json(&join(&[&["disclosure", "list"], &ADA]));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["external_reference"], "list-1");
}

#[test]
fn a_subject_is_linked_joined_left_and_merged() {
    let server = server_with_ada();
    let register = [
        "register",
        "--identifier",
        "shop_user=1",
        "--subject-category",
        "client",
        "--item",
        "first_name=Ada",
    ];
    server.run(&register).ended(0);
    let merged = server.json(&[
        "subject",
        "merge",
        "--into",
        "shop_user=1",
        "--from",
        "email=ada@example.com",
    ]);
    assert_eq!(merged[0]["identifiers"].as_array().unwrap().len(), 2);
    let shown = server
        .run(&join(&[&["subject", "show"], &ADA]))
        .ended(0)
        .stdout();
    assert!(shown.contains("was also"), "{shown}");
    server
        .run(&join(&[&["subject", "link", "skype=live:ada"], &ADA]))
        .ended(0);
    server
        .run(&join(&[
            &["subject", "join", "--category", "affiliate"],
            &ADA,
        ]))
        .ended(0);
    server
        .run(&join(&[
            &["subject", "leave", "--category", "visitor"],
            &ADA,
        ]))
        .ended(0);
    check(&server, 3);
    server
        .run(&[
            "subject",
            "unlink",
            "skype=live:ada",
            "--identifier",
            "shop_user=1",
        ])
        .ended(0);
    server
        .run(&["subject", "show", "--identifier", "skype=live:ada"])
        .ended(1);
}

/// An event gets its place soon after its commit: looks until it has one.
fn watch_until_it_says(server: &Server, kind: &str) -> Ran {
    let kinds = "consent-recorded,items-registered";
    for _ in 0..100 {
        let watched = server
            .run(&["watch", "--until-now", "--kind", kinds])
            .ended(0);
        if watched.stdout().contains(kind) {
            return watched;
        }
    }
    panic!("{kind} was never said");
}

#[test]
fn what_happened_can_be_watched_and_who_did_it_be_read() {
    let server = server_with_ada();
    let watched = watch_until_it_says(&server, "CONSENT_RECORDED");
    let cursor = watched.stderr();
    let cursor = cursor.trim().strip_prefix("go on with --cursor ").unwrap();
    let later = server
        .run(&["watch", "--until-now", "--cursor", cursor])
        .ended(0);
    assert!(
        !later.stdout().contains("CONSENT_RECORDED"),
        "{}",
        later.stdout()
    );
    let entries = server.json(&[
        "audit",
        "list",
        "--of",
        "email=ada@example.com",
        "--limit",
        "10",
    ]);
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert!(actions.contains(&"RegisterCollection"), "{actions:?}");
}

#[test]
fn the_policy_can_be_read_reported_and_a_new_version_published() {
    let server = Server::start();
    let shown = server.run(&["policy", "show"]).ended(0).stdout();
    assert!(shown.contains("version: \"2018-05-24\""), "{shown}");
    let record = server.run(&["report", "ropa"]).ended(0).stdout();
    assert!(record.contains("| visitor-newsletter |"), "{record}");
    let purge = server.run(&["report", "purge"]).ended(0).stdout();
    assert!(purge.starts_with("Nothing goes at "), "{purge}");
    let ahead = ["report", "purge", "--as-of", "2001-01-01T00:00:00Z"];
    let past = server.run(&ahead).ended(1);
    assert!(past.stderr().contains("as_of"), "{}", past.stderr());
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/policies/alidropship/2018-05-24.yaml"
    );
    let next = fs::read_to_string(example)
        .unwrap()
        .replace("version: \"2018-05-24\"", "version: \"2030-01-01\"")
        .replace("effective_from: 2018-05-24", "effective_from: 2030-01-01");
    let file = server.file("next.yaml", &next);
    let file = file.to_str().unwrap();
    let defects = server.run(&["policy", "publish", file]).ended(1);
    assert!(
        defects.stderr().contains("--accept-findings"),
        "{}",
        defects.stderr()
    );
    assert!(
        defects.stderr().contains("next.yaml:"),
        "{}",
        defects.stderr()
    );
    let asked = server
        .run(&["policy", "publish", file, "--validate-only"])
        .ended(0);
    assert!(
        asked.stdout().contains("would be published"),
        "{}",
        asked.stdout()
    );
    server
        .run(&["policy", "publish", file, "--accept-findings"])
        .ended(0);
    assert_eq!(server.json(&["policy", "list"]).len(), 2);
}

#[test]
fn a_write_with_a_request_id_happens_once() {
    let server = server_with_ada();
    let refuse = [
        "consent",
        "refuse",
        "--purpose",
        "newsletter",
        "--request-id",
        "5a7e2b1e-30c4-4f0a-9d3c-1f6b8f7c2a10",
    ];
    let refuse = join(&[&refuse, &ADA]);
    let first = server.json(&refuse);
    assert_eq!(server.json(&refuse), first);
    assert_eq!(
        server.json(&join(&[&["consent", "history"], &ADA])).len(),
        2
    );
}

#[test]
fn a_registration_can_be_given_as_json() {
    let server = Server::start();
    let file = server.file(
        "ada.json",
        r#"{"subject":{"identifier":{"type":"email","value":"ada@example.com"}},
            "subject_category":"visitor","items":[{"data_category":"skype_contact","text":"x"}]}"#,
    );
    let refused = server
        .run(&["register", "--json", file.to_str().unwrap()])
        .ended(1);
    let said = refused.stderr();
    assert!(said.contains("COLLECTION_UNDECLARED"), "{said}");
    assert!(said.contains("items[0]"), "{said}");
}

#[test]
fn a_cursor_that_begins_with_a_hyphen_is_a_cursor_and_no_option() {
    let server = server_with_ada();
    let refused = server.run(&["watch", "--until-now", "--cursor", "-2x"]);
    let said = refused.stderr();
    assert!(!said.contains("unexpected argument"), "{said}");
    assert!(said.contains("CURSOR_INVALID"), "{said}");
}
