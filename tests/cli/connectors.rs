//! `pdr connectors`: offline, before anything is switched on.

use std::fs;

use crate::run::{Ran, pdr, run};

/// Runs it with a variable set.
fn run_with(name: &str, value: &str, arguments: &[&str]) -> Ran {
    let mut command = pdr();
    command.env(name, value).args(arguments);
    Ran::of(&mut command)
}

#[test]
fn what_the_program_carries_is_listed_with_what_it_needs() {
    let listed = run(&["connectors", "list", "--output", "json"])
        .ended(0)
        .json();
    let names: Vec<_> = listed
        .iter()
        .map(|line| line["processor"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["aweber", "google_analytics", "paypal", "stripe"]);
    assert!(listed.iter().all(|line| line["enabled"] == false));
    assert_eq!(listed[3]["needs"][0], "STRIPE_API_KEY");
    assert_eq!(listed[2]["by"], "the person");
    assert!(
        run(&["connectors", "list"])
            .ended(0)
            .stdout()
            .contains("STRIPE_API_KEY")
    );
}

#[test]
fn a_check_says_which_variables_are_missing_and_repeats_none_that_is_there() {
    let missing = run(&["connectors", "check", "stripe"]).ended(1).stdout();
    assert!(
        missing.contains("STRIPE_API_KEY is not set; set it, or STRIPE_API_KEY_FILE"),
        "{missing}"
    );
    let there = run_with(
        "STRIPE_API_KEY",
        "rk_live_secret",
        &["connectors", "check", "stripe"],
    )
    .ended(0);
    assert!(!there.stdout().contains("rk_live"), "{}", there.stdout());
    run(&["connectors", "check", "paypal"]).ended(0);
    let unknown = run(&["connectors", "check", "mailchimp"]).ended(1).stdout();
    assert!(unknown.contains("connectors.directory"), "{unknown}");
}

#[test]
fn every_mistake_in_a_declaration_is_reported_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("crm.yaml"),
        "processor: crm\ntitle: CRM\nauthentication: { kind: none }\ntasks:\n  erase:\n    steps:\n      - name: delete\n        method: REMOVE\n        url: crm.example.com\n    finish: { outcome: gone }\n",
    )
    .unwrap();
    let directory = dir.path().display().to_string();
    let found = run(&["connectors", "check", "--directory", &directory, "crm"])
        .ended(1)
        .stdout();
    for expected in [
        "crm.yaml: 8:",
        "must be GET, POST",
        "9:",
        "https://",
        "10:",
        "must be done, partial or suppressed",
    ] {
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn a_server_with_half_a_connector_does_not_start_and_says_everything() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("registry.toml");
    let sample = run(&["config", "sample"]).ended(0).stdout();
    let enabled = "[connectors]\nenabled = [\"stripe\", \"aweber\", \"crm\"]";
    fs::write(&config, sample.replace("[connectors]", enabled)).unwrap();
    let checked = run(&["config", "check", "--config", config.to_str().unwrap()])
        .ended(1)
        .stderr();
    for expected in [
        "STRIPE_API_KEY",
        "AWEBER_CLIENT_ID",
        "AWEBER_REFRESH_TOKEN",
        "connectors.enabled: crm",
    ] {
        assert!(checked.contains(expected), "{expected}: {checked}");
    }
    let examined = run(&["doctor", "--config", config.to_str().unwrap()])
        .ended(1)
        .stdout();
    assert!(examined.contains("AWEBER_CLIENT_SECRET"), "{examined}");
}
