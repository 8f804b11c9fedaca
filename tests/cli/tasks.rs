//! `pdr tasks`: by hand, what a connector does otherwise.

use serde_json::Value;

use crate::run::Server;

/// A server where Ada's address is deleted: AWeber has to delete it too.
fn server_with_a_task() -> Server {
    let server = Server::start();
    let ada = ["--identifier", "email=ada@example.com"];
    let register = [
        "register",
        "--subject-category",
        "visitor",
        "--item",
        "email_address=ada@example.com",
    ];
    server.run(&[&register[..], &ada[..]].concat()).ended(0);
    let delete = ["records", "delete", "--data", "email_address"];
    server.run(&[&delete[..], &ada[..]].concat()).ended(0);
    server
}

fn lease(server: &Server) -> (String, String) {
    let leased = server.json(&["tasks", "lease", "--processor", "aweber"]);
    assert_eq!(leased.len(), 1, "{leased:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        text(&leased[0]["task"]["task_id"]),
        text(&leased[0]["lease_id"]),
    )
}

#[test]
fn a_task_is_leased_with_what_names_the_person_and_completed_by_hand() {
    let server = server_with_a_task();
    let listed = server
        .run(&["tasks", "list", "--state", "pending"])
        .ended(0)
        .stdout();
    assert!(
        listed.contains("aweber") && !listed.contains("ada@example.com"),
        "{listed}"
    );
    let leased = server
        .run(&["tasks", "lease", "--processor", "aweber", "--lease", "1s"])
        .ended(0);
    assert!(
        leased.stdout().contains("email: ada@example.com"),
        "{}",
        leased.stdout()
    );
    let none = server
        .run(&["tasks", "lease", "--processor", "stripe"])
        .ended(0);
    assert_eq!(none.stdout(), "no task is due\n");
}

#[test]
fn a_task_that_failed_for_good_is_taken_up_again_and_ends_by_hand() {
    let server = server_with_a_task();
    let (task, lease_id) = lease(&server);
    let failed = server.json(&[
        "tasks",
        "fail",
        &task,
        &lease_id,
        "--reason",
        "no such list",
    ]);
    assert_eq!(
        (&failed[0]["state"], &failed[0]["failure"]),
        (&"TASK_STATE_DEAD_LETTER".into(), &"no such list".into())
    );
    assert_eq!(
        server
            .json(&["tasks", "list", "--state", "dead-letter"])
            .len(),
        1
    );
    server.run(&["tasks", "retry", &task]).ended(0);
    let again = server.run(&["tasks", "retry", &task]).ended(1);
    assert!(
        again.stderr().contains("ILLEGAL_TRANSITION"),
        "{}",
        again.stderr()
    );
    let (_, lease_id) = lease(&server);
    let partial = [
        "tasks",
        "complete",
        &task,
        &lease_id,
        "--outcome",
        "partial",
        "--evidence",
        "ticket 7",
    ];
    let refused = server.run(&partial).ended(1);
    assert!(
        refused.stderr().contains("ground: "),
        "{}",
        refused.stderr()
    );
    let partial = [&partial[..], &["--ground", "tax law"]].concat();
    let ended = server.json(&partial);
    assert_eq!(
        (&ended[0]["outcome"], &ended[0]["ground"]),
        (&"TASK_OUTCOME_PARTIAL".into(), &"tax law".into())
    );
    let shown = server.run(&["tasks", "show", &task]).ended(0).stdout();
    assert!(
        shown.contains("ticket 7") && shown.contains("PARTIAL"),
        "{shown}"
    );
}

#[test]
fn what_was_settled_elsewhere_is_resolved() {
    let server = server_with_a_task();
    let task = server.json(&["tasks", "list", "--processor", "aweber"])[0]["task_id"].clone();
    let task = task.as_str().unwrap();
    let resolve = [
        "tasks",
        "resolve",
        task,
        "--outcome",
        "done",
        "--evidence",
        "letter of 3 June",
    ];
    assert_eq!(server.json(&resolve)[0]["state"], "TASK_STATE_COMPLETED");
    let unknown = "01890000-0000-7000-8000-000000000000";
    server.run(&["tasks", "show", unknown]).ended(1);
    let wrong = server.run(&["tasks", "list", "--state", "dead"]).ended(64);
    assert!(wrong.stderr().contains("dead-letter"), "{}", wrong.stderr());
}
