//! What is wrong with declarations is said at once, with its place.

use super::{limits::FILE_BYTES_MAX, model::Declaration, read};
use crate::connectors::task::Kind;

const GOOD: &str = r#"
processor: example
title: Example
identifiers: [email]
secrets: { key: { env: EXAMPLE_KEY } }
authentication: { kind: bearer, token: key }
tasks:
  erase:
    steps:
      - name: find
        for_each: { email: identifiers.email }
        method: GET
        url: "https://api.example.com/people?email={email}"
        success: { status: 200 }
        collect: { into: people, each: /data, fields: { id: /id } }
      - name: erase
        for_each: { person: people }
        batch: 2
        method: POST
        url: https://api.example.com/jobs
        headers: { Idempotency-Key: "{call.key}" }
        form: [{ for_each_row: true, name: "ids[]", value: "{person.id}" }]
        success: { status: 200 }
        look:
          key_lasts: 23h
          url: https://api.example.com/jobs
          success: { status: 200 }
          each: /data
          mentions: person.id
          next_page: { last: { each: /data, field: /id, more: /has_more }, parameter: after }
    finish: { outcome: suppressed, purged_after: 60d }
"#;

fn good() -> Declaration {
    read(GOOD).expect("it is good")
}

/// What is said of the good one with something else in it.
fn problems(this: &str, instead: &str) -> Vec<String> {
    let text = GOOD.replace(this, instead);
    assert_ne!(text, GOOD, "{this}");
    let problems = read(&text).expect_err("it has problems");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_it_does_not_serve_is_taken_all_the_same_unless_another_program_leases_it() {
    assert_eq!(good().kinds(), [Kind::Erase]);
    let taken = good().takes();
    assert!(taken.contains(&Kind::Stop) && !taken.contains(&Kind::ProvideCopy));
    let text = GOOD.replace("title:", "leaves: [stop, rectify]\ntitle:");
    let left = read(&text).expect("it is good").takes();
    assert_eq!(left, [Kind::Erase, Kind::Restrict, Kind::LiftRestriction]);
}

#[test]
fn a_kind_cannot_be_declared_and_left_to_another() {
    let found = problems("title:", "leaves: [erase]\ntitle:");
    assert_eq!(
        found,
        ["leaves: must not name `erase`, which is declared here"]
    );
}

#[test]
fn only_an_erasure_has_a_first_stage() {
    let found = problems("  erase:\n    steps", "  stop:\n    steps");
    assert_eq!(
        found,
        ["tasks.stop.finish.outcome: must not be `suppressed`: only an erasure has a first stage"]
    );
}

#[test]
fn a_look_says_where_to_look_and_by_what_it_knows() {
    for (this, instead, expected) in [
        (
            "          success: { status: 200 }\n          each",
            "          each",
            "tasks.erase.steps[1].look: `success` is missing: say which answers can be looked into",
        ),
        (
            "mentions: person.id",
            "mentions: person.name",
            "tasks.erase.steps[1].look.mentions: asks for `person.name`, which is no field of the \
             step's rows",
        ),
        (
            "          mentions: person.id\n",
            "",
            "tasks.erase.steps[1].look: must say by `mentions` or `done` what was made already",
        ),
        (
            "method: POST",
            "method: POST\n        effect: false",
            "tasks.erase.steps[1].look: `look` is for calls that change something",
        ),
    ] {
        let found = problems(this, instead);
        assert!(found[0].ends_with(expected), "{found:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = GOOD
        .replace("identifiers.email", "identifiers.phone")
        .replace("key_lasts: 23h", "key_lasts: soon")
        .replace("token: key", "token: other");
    let found = read(&text).expect_err("it has problems");
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(
        found.iter().any(
            |one| one.contains("25:22: tasks.erase.steps[1].look.key_lasts")
                && one.contains("must be a duration")
        ),
        "{found:?}"
    );
    let text = text.replace("key_lasts: soon", "key_lasts: 1h");
    let found = read(&text).expect_err("it has problems").len();
    assert_eq!(
        found, 3,
        "a secret that is not there, one that nobody uses, an identifier"
    );
}

#[test]
fn a_value_never_stands_in_the_file_nor_in_a_header() {
    let found = problems("{ env: EXAMPLE_KEY }", "s3cret");
    assert!(!found.join("\n").contains("s3cret"), "{found:?}");
    let found = problems("Idempotency-Key", "Authorization");
    assert!(
        found[0].contains("is set by the client itself"),
        "{found:?}"
    );
    let found = problems("\"{call.key}\"", "\"{person.id}\"");
    assert!(found[0].contains("has no value here"), "{found:?}");
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let most = usize::try_from(FILE_BYTES_MAX).expect("it fits");
    let fill = |bytes: usize| format!("{GOOD}#{}", "x".repeat(bytes - GOOD.len() - 1));
    assert!(read(&fill(most)).is_ok());
    let found = read(&fill(most + 1)).expect_err("it is too long");
    assert!(found[0].what.contains("has more than"));
}
