//! `pdr request`: what people ask for, from receipt to the answer.

use crate::run::Server;

fn server_with_ada() -> Server {
    let server = Server::start();
    let register = [
        "register",
        "--subject-category",
        "visitor",
        "--item",
        "email_address=ada@example.com",
        "--consent",
        "newsletter=given:checkbox",
        "--identifier",
        "email=ada@example.com",
    ];
    server.run(&register).ended(0);
    server
}

fn create(server: &Server, further: &[&str]) -> String {
    let create = [
        "request",
        "create",
        "--identifier",
        "email=ada@example.com",
        "--channel",
        "letter",
    ];
    let created = server.json(&[&create, further].concat());
    let id = created[0]["request"]["subject_request_id"].as_str();
    id.expect("an id").to_owned()
}

#[test]
fn a_request_is_recorded_verified_answered_and_shown() {
    let server = server_with_ada();
    let id = create(&server, &["--kind", "objection", "--purpose", "newsletter"]);
    let doubted = server.run(&["request", "doubt", &id]).ended(0).stdout();
    assert!(doubted.contains("stopped since"), "{doubted}");
    let verify = ["request", "verify", &id, "--method", "contact-confirmed"];
    let verified = server.run(&verify).ended(0).stdout();
    assert!(verified.contains("newsletter: undecided"), "{verified}");
    let reason = ["request", "extend", &id, "--reason", "many systems"];
    let extended = server.run(&reason).ended(0).stdout();
    assert!(extended.contains("extended: many systems"), "{extended}");
    let upheld = ["request", "decide", &id, "--ruling", "upheld"];
    let upheld = server.run(&upheld).ended(0).stdout();
    assert!(upheld.contains("newsletter: upheld"), "{upheld}");
    server.run(&["request", "answer", &id]).ended(0);
    let again = server.run(&["request", "answer", &id]).ended(1).stderr();
    assert!(again.contains("ILLEGAL_TRANSITION"), "{again}");
    let listed = server.json(&["request", "list", "email=ada@example.com"]);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["subject_request_id"], id.as_str());
    let shown = server.run(&["request", "show", &id]).ended(0).stdout();
    assert!(shown.contains("objection"), "{shown}");
    let due = ["request", "list", "--due-before", "2999-01-01T00:00:00Z"];
    assert!(server.json(&due).is_empty(), "it was answered");
}

#[test]
fn a_restriction_is_lifted_and_other_requests_are_refused_or_taken_back() {
    let server = server_with_ada();
    let id = create(
        &server,
        &["--kind", "restriction", "--data", "email_address"],
    );
    server
        .run(&["request", "verify", &id, "--method", "login"])
        .ended(0);
    let lift = [
        "request",
        "lift",
        &id,
        "--informed-at",
        "2026-01-01T00:00:00Z",
    ];
    let lifted = server.run(&lift).ended(0).stdout();
    assert!(lifted.contains("restriction, lifted"), "{lifted}");
    let refused = create(&server, &["--kind", "access,erasure"]);
    let reject = ["request", "reject", &refused, "--reason", "unfounded"];
    let rejected = server.run(&reject).ended(0).stdout();
    assert!(rejected.contains("rejected: unfounded"), "{rejected}");
    let taken_back = create(&server, &["--kind", "erasure", "--ground", "unlawful"]);
    server.run(&["request", "cancel", &taken_back]).ended(0);
    let cancelled = server.json(&["request", "list", "--state", "cancelled"]);
    assert_eq!(cancelled.len(), 1);
}

#[test]
fn what_is_misspelt_is_said_before_anybody_is_asked() {
    let server = server_with_ada();
    for (arguments, said) in [
        (
            &["request", "verify", "7", "--method", "nod"][..],
            "is no way to verify",
        ),
        (
            &["request", "decide", "7", "--ruling", "maybe"],
            "is no ruling",
        ),
        (&["request", "list", "--state", "done"], "is no state"),
    ] {
        let stderr = server.run(arguments).ended(1).stderr();
        assert!(stderr.contains(said), "{stderr}");
    }
}
