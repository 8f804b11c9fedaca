//! Commands that need no server.

use std::fs;

use crate::run::run;

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/policies/alidropship/2018-05-24.yaml"
);

#[test]
fn lint_says_where_in_the_file_and_on_which_article_each_finding_rests() {
    let linted = run(&["policy", "lint", EXAMPLE]).ended(0);
    let found = linted.stdout();
    let line = found
        .lines()
        .find(|line| line.contains("CONSENT_BY_USE"))
        .unwrap_or_else(|| panic!("{found}"));
    let place = line.strip_prefix(&format!("{EXAMPLE}:")).unwrap();
    let mut parts = place.splitn(3, ':');
    let text = fs::read_to_string(EXAMPLE).unwrap();
    let number: usize = parts.next().unwrap().parse().unwrap();
    assert!(
        text.lines()
            .nth(number - 1)
            .unwrap()
            .contains("consent_by_use"),
        "{line}"
    );
    assert!(parts.next().unwrap().parse::<usize>().is_ok(), "{line}");
    assert!(line.contains(" DEFECT "), "{line}");
    assert!(line.contains("Art."), "{line}");
    run(&["policy", "lint", "--deny-defects", EXAMPLE]).ended(1);
}

#[test]
fn lint_reports_every_mistake_of_a_broken_file_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    let text = fs::read_to_string(EXAMPLE)
        .unwrap()
        .replace("purpose: newsletter\n", "purpose: newsleter\n")
        .replace("rights:\n", "rihgts:\n");
    fs::write(&file, text).unwrap();
    let linted = run(&["policy", "lint", file.to_str().unwrap()]).ended(1);
    let found = linted.stdout();
    assert!(found.contains(" ERROR "), "{found}");
    assert!(found.contains("rihgts"), "{found}");
}

#[test]
fn diff_names_the_cells_that_a_new_version_permits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.yaml");
    let text = fs::read_to_string(EXAMPLE).unwrap().replace(
        "    purpose: order_processing\n    processor: stripe\n",
        "    purpose: order_processing\n    processor: paypal\n",
    );
    fs::write(&file, text).unwrap();
    let compared = run(&["policy", "diff", EXAMPLE, file.to_str().unwrap()]).ended(0);
    let shown = compared.stdout();
    let line = |sign: &str, processor: &str| {
        shown.lines().any(|line| {
            line.contains(&format!("│ {sign} "))
                && line.contains("payment_details")
                && line.contains(processor)
        })
    };
    assert!(line("+", "paypal") && line("-", "stripe"), "{shown}");
    let same = run(&["policy", "diff", EXAMPLE, EXAMPLE]).ended(0);
    assert!(same.stdout().contains("nothing that is permitted changes"));
}

#[test]
fn config_check_reports_every_problem_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("registry.toml");
    let text = "[server]\nlisten = \"everywhere\"\n[database]\nulr = \"sqlite:a.db\"\n[auth]\nissuer = \"x\"\n";
    fs::write(&file, text).unwrap();
    let checked = run(&["config", "check", "--config", file.to_str().unwrap()]).ended(1);
    let problems = checked.stderr();
    for place in [
        "server.listen",
        "database.ulr",
        "database.url",
        "auth.audience",
        "keys.index_file",
    ] {
        assert!(problems.contains(place), "{place}: {problems}");
    }
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_failure() {
    run(&["chek"]).ended(64);
    run(&["check", "--purpose", "newsletter"]).ended(64);
    run(&["--help"]).ended(0);
    run(&["--version"]).ended(0);
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().display().to_string();
    let lost = run(&["policy", "list", "--data-dir", &data_dir]).ended(1);
    assert!(
        lost.stderr().contains("pdr serve --dev"),
        "{}",
        lost.stderr()
    );
}

#[test]
fn the_help_says_what_each_exit_code_means() {
    let help = run(&["--help"]).ended(0).stdout();
    for code in ["  0 ", "  1 ", "  2 ", "  3 ", "  64 "] {
        assert!(help.contains(code), "{code}: {help}");
    }
}
