//! `pdr import`.

use crate::run::Server;

const IMPORT_ID: &str = "0b0e7a36-5a34-4a4b-8f0a-0f1f4a5f6c77";

fn record(email: &str, data_category: &str) -> String {
    serde_json::json!({
        "subject": {"identifier": {"type": "email", "value": email}},
        "subject_category": "visitor",
        "items": [{"data_category": data_category, "text": email}],
    })
    .to_string()
}

#[test]
fn bad_lines_are_named_by_their_numbers_and_do_not_hold_up_the_rest() {
    let server = Server::start();
    let lines = [
        record("ada@example.com", "email_address"),
        "not json".to_owned(),
        String::new(),
        record("ben@example.com", "skype_contact"),
        record("cleo@example.com", "email_address"),
    ];
    let file = server.file("people.jsonl", &lines.join("\n"));
    let file = file.to_str().unwrap();
    let imported = server.run(&["import", file]).ended(2);
    let said = imported.stdout();
    assert!(
        said.contains("line 2: LINE_UNREADABLE: is not JSON"),
        "{said}"
    );
    assert!(said.contains("line 4: COLLECTION_UNDECLARED"), "{said}");
    assert!(said.contains("2 registered, 2 refused"), "{said}");
    for (email, code) in [("ada", 0), ("ben", 1), ("cleo", 0)] {
        let person = format!("email={email}@example.com");
        server
            .run(&["subject", "show", "--identifier", &person])
            .ended(code);
    }
    let again = server.run(&["import", file, "--output", "json"]).ended(0);
    let sum = &again.json()[0];
    assert_eq!(
        (&sum["registered"], &sum["settled_before_line"]),
        (&0.into(), &5.into())
    );
}

#[test]
fn an_import_goes_on_behind_what_is_settled() {
    let server = Server::start();
    let people: Vec<_> = (0..700)
        .map(|number| record(&format!("p{number}@example.com"), "email_address"))
        .collect();
    let part = server.file("part.jsonl", &people[..300].join("\n"));
    let whole = server.file("whole.jsonl", &people.join("\n"));
    let import = |file: &std::path::Path| {
        let file = file.to_str().unwrap();
        server.json(&["import", file, "--import-id", IMPORT_ID])[0].clone()
    };
    let first = import(&part);
    assert_eq!(
        (&first["registered"], &first["settled_before_line"]),
        (&300.into(), &0.into())
    );
    let second = import(&whole);
    assert_eq!(
        (&second["registered"], &second["settled_before_line"]),
        (&400.into(), &300.into())
    );
}
