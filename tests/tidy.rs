//! The rules that the compiler does not know: which floor may import which, which calls belong
//! to one place, how long a file may grow. Each rule is tried on planted violations beside it.

#[path = "tidy/finding.rs"]
mod finding;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/manifest.rs"]
mod manifest;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::{fs, path::Path};

use finding::Finding;
use source::Source;

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &[".git", ".tools", "data", "node_modules", "target"];

#[test]
fn every_import_is_in_the_table() {
    report(sources("src/").iter().flat_map(imports::check));
}

#[test]
fn every_call_is_in_its_place() {
    report(
        sources("")
            .iter()
            .filter(|source| is_shipped(&source.path))
            .flat_map(habits::check),
    );
}

#[test]
fn no_file_and_no_function_outgrows_its_budget() {
    report(
        sources("")
            .iter()
            .filter(|source| is_shipped(&source.path))
            .flat_map(habits::check_budgets),
    );
}

#[test]
fn tests_neither_wait_for_someday_nor_get_ignored() {
    let tests = sources("tests/");
    report(tests.iter().flat_map(habits::check_leftovers));
}

#[test]
fn no_file_speaks_of_unfinished_or_foreign_things() {
    report(
        files()
            .iter()
            .flat_map(|(path, text)| words::check(path, text)),
    );
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let files = files();
    let manifests = files
        .iter()
        .filter(|(path, _)| path.ends_with("Cargo.toml"));
    report(manifests.flat_map(|(path, text)| manifest::check(path, text)));
}

#[test]
fn migrations_are_blind_to_the_crate_whose_past_they_are() {
    let files = files();
    let manifest = files
        .iter()
        .filter(|(path, _)| path == "migrations/Cargo.toml");
    report(manifest.flat_map(|(path, text)| manifest::check_migrations(path, text)));
}

fn report(findings: impl Iterator<Item = Finding>) {
    let findings: Vec<String> = findings.map(|finding| finding.to_string()).collect();
    assert!(
        findings.is_empty(),
        "{} findings\n\n{}\n",
        findings.len(),
        findings.join("\n")
    );
}

/// Code that is part of the product.
fn is_shipped(path: &str) -> bool {
    path.starts_with("src/") || path.starts_with("migrations/src/")
}

/// Every Rust file whose path begins so.
fn sources(prefix: &str) -> Vec<Source> {
    let is_rust = |path: &str| Path::new(path).extension().is_some_and(|kind| kind == "rs");
    let is_wanted = |path: &str| path.starts_with(prefix) && is_rust(path);
    let files = files().into_iter().filter(|(path, _)| is_wanted(path));
    let sources: Vec<_> = files
        .map(|(path, text)| Source::new(&path, &text))
        .collect();
    assert!(
        !sources.is_empty(),
        "nothing in {prefix}: has the layout changed?"
    );
    sources
}

/// Every text file of ours: its path from the root of the project, and its text.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, root, &mut files);
    files.sort();
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the project's folders can be read") {
        let entry = entry.expect("the project's folders can be read");
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_str().is_none_or(|name| FOREIGN.contains(&name)) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let inside = path.strip_prefix(root).expect("the walk began at the root");
            files.push((inside.to_string_lossy().replace('\\', "/"), text));
        }
    }
}
