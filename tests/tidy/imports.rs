//! The import table: which floor may know which, and which crates a floor must not contain.
//! Data comes in at the top and goes down one floor at a time; a lower floor never knows who
//! called it.

use super::{
    finding::Finding,
    source::{Source, is_name},
};

/// One row of the import table.
struct Floor {
    name: &'static str,
    /// Paths from the crate's root that it may import, itself aside.
    may_import: &'static [&'static str],
    /// Groups of crates that it must not contain.
    must_not_contain: &'static [&'static [&'static str]],
}

const RUNTIMES: &[&str] = &[
    "async_stream",
    "futures",
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tower",
];
const DATABASE: &[&str] = &[
    "registry_migrations",
    "sea_orm",
    "sea_orm_migration",
    "sqlx",
];
const GRPC: &[&str] = &[
    "prost",
    "prost_reflect",
    "prost_types",
    "tonic",
    "tonic_health",
    "tonic_prost",
    "tonic_reflection",
    "tonic_types",
];
const EFFECTS: &[&str] = &[
    "aws_lc_rs",
    "getrandom",
    "jsonwebtoken",
    "rand",
    "reqwest",
    "tracing",
    "tracing_subscriber",
];
/// What only the command line shows to people.
const TERMINAL: &[&str] = &["anyhow", "clap", "comfy_table", "indicatif", "owo_colors"];

const FLOORS: &[Floor] = &[
    Floor {
        name: "domain",
        may_import: &[],
        must_not_contain: &[RUNTIMES, DATABASE, GRPC, EFFECTS, TERMINAL],
    },
    Floor {
        name: "runtime",
        may_import: &[],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "config",
        may_import: &["domain"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "crypto",
        may_import: &["domain::id", "domain::identifier", "domain::name"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "store",
        may_import: &["domain", "crypto", "runtime"],
        must_not_contain: &[GRPC, TERMINAL],
    },
    Floor {
        name: "snapshot",
        may_import: &["domain", "store", "runtime"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "connectors",
        may_import: &["domain", "config", "runtime"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "app",
        may_import: &["domain", "store", "snapshot", "crypto", "runtime"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "auth",
        may_import: &["domain::caller", "config", "runtime"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "grpc",
        may_import: &["app", "auth", "domain", "config", "runtime", "proto"],
        must_not_contain: &[DATABASE, TERMINAL],
    },
    Floor {
        name: "workers",
        may_import: &["app", "connectors", "domain", "config", "runtime"],
        must_not_contain: &[DATABASE, GRPC, TERMINAL],
    },
    Floor {
        name: "cli",
        may_import: &[
            "domain",
            "runtime",
            "config",
            "crypto",
            "store",
            "snapshot",
            "connectors",
            "app",
            "auth",
            "grpc",
            "workers",
            "proto",
        ],
        must_not_contain: &[DATABASE],
    },
    // Generated from proto/; grpc and cli alone speak it.
    Floor {
        name: "proto",
        may_import: &[],
        must_not_contain: &[DATABASE, TERMINAL],
    },
];

/// Every import of `source`, a file in `src/`, that the table does not list.
pub fn check(source: &Source) -> Vec<Finding> {
    let module = source.module_at(usize::MAX);
    let name = match module.first() {
        Some(name) => name.as_str(),
        None if source.path.ends_with("main.rs") => "cli",
        None => return Vec::new(),
    };
    let Some(floor) = FLOORS.iter().find(|floor| floor.name == name) else {
        let advice = "floors are listed in tests/tidy/imports.rs; put the file into one of them";
        return vec![Finding::new(
            source,
            1,
            format!("`{name}` is no floor"),
            advice,
        )];
    };
    paths(source)
        .iter()
        .filter_map(|path| check_path(source, floor, path))
        .collect()
}

fn check_path(source: &Source, floor: &Floor, path: &Path) -> Option<Finding> {
    let line = source.tokens[path.at].line;
    let Some(inside) = resolve(source, path) else {
        let root = path.segments[0].as_str();
        let group = floor
            .must_not_contain
            .iter()
            .find(|group| group.contains(&root))?;
        let advice = if *group == DATABASE {
            "only store knows the database: ask it for a domain value"
        } else if *group == GRPC {
            "only grpc speaks it, and cli as a client: pass domain values"
        } else if *group == TERMINAL {
            "only cli talks to people: return an error enum or a value"
        } else {
            "take what it yields as an argument, or move the code to a floor that may have it"
        };
        return Some(Finding::new(
            source,
            line,
            format!("`{root}` in {}", floor.name),
            advice,
        ));
    };
    let target = inside.join("::");
    let is_allowed = |allowed: &&str| {
        target == **allowed
            || target
                .strip_prefix(*allowed)
                .is_some_and(|rest| rest.starts_with("::"))
    };
    if is_allowed(&floor.name) || floor.may_import.iter().any(is_allowed) {
        return None;
    }
    let may = match floor.may_import {
        [] => "nothing of ours".to_owned(),
        listed => listed.join(", "),
    };
    let advice = format!(
        "{} may import {may}; pass the value down, or return it up",
        floor.name
    );
    Some(Finding::new(
        source,
        line,
        format!("{} imports `crate::{target}`", floor.name),
        advice,
    ))
}

/// A path as written, use-trees spelled out.
struct Path {
    segments: Vec<String>,
    /// The index of its first token.
    at: usize,
}

/// The path from the crate's root, or `None` if it leads to another crate or to a local name.
fn resolve(source: &Source, path: &Path) -> Option<Vec<String>> {
    let mut module = match path.segments[0].as_str() {
        "crate" => Vec::new(),
        // The binary sees the library by its name; in the library the name means something else.
        "registry" if source.path == "src/main.rs" => Vec::new(),
        "self" | "super" => source.module_at(path.at),
        _ => return None,
    };
    for (position, segment) in path.segments.iter().enumerate() {
        match segment.as_str() {
            "super" => drop(module.pop()),
            "self" => {}
            "crate" | "registry" if position == 0 => {}
            _ => module.push(segment.clone()),
        }
    }
    Some(module)
}

fn paths(source: &Source) -> Vec<Path> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < source.tokens.len() {
        if source.text(index) == "use" && starts_a_tree(source.text(index + 1)) {
            index = read_use_tree(source, index + 1, &[], &mut found);
        } else if is_name(source.text(index)) && begins_path(source, index) {
            index = read_path(source, index, &mut found);
        } else {
            index += 1;
        }
    }
    found
}

/// A path of an expression or type has at least two segments; a single name is a local one.
fn read_path(source: &Source, at: usize, found: &mut Vec<Path>) -> usize {
    let mut segments = vec![source.text(at).to_owned()];
    let mut index = at + 1;
    while source.text(index) == "::" && is_name(source.text(index + 1)) {
        segments.push(source.text(index + 1).to_owned());
        index += 2;
    }
    if segments.len() > 1 {
        found.push(Path { segments, at });
    }
    index
}

/// Not after a dot (a field or method), nor after `::` that goes on from something.
fn begins_path(source: &Source, index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map_or("", |at| source.text(at));
    match before(1) {
        "." => false,
        "::" => !is_name(before(2)) && before(2) != ">",
        _ => true,
    }
}

fn starts_a_tree(text: &str) -> bool {
    is_name(text) || text == "{" || text == "::"
}

/// Reads one use-tree from `index` on and returns the index of the token after it.
fn read_use_tree(
    source: &Source,
    mut index: usize,
    prefix: &[String],
    found: &mut Vec<Path>,
) -> usize {
    let at = index;
    let mut segments = prefix.to_vec();
    loop {
        match source.text(index) {
            "::" => index += 1,
            "{" => return read_use_group(source, index, &segments, found),
            "as" => index += 2,
            name if is_name(name) => {
                segments.push(name.to_owned());
                index += 1;
            }
            // A glob imports what the path so far names.
            "*" => index += 1,
            _ => break,
        }
    }
    if !segments.is_empty() {
        found.push(Path { segments, at });
    }
    index
}

fn read_use_group(source: &Source, open: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut index = open + 1;
    while !["}", ""].contains(&source.text(index)) {
        index = read_use_tree(source, index, prefix, found);
        if source.text(index) == "," {
            index += 1;
        } else if source.text(index) != "}" {
            return index + 1;
        }
    }
    index + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, code: &str) -> Vec<String> {
        check(&Source::new(path, code))
            .iter()
            .map(|finding| finding.rule.clone())
            .collect()
    }

    #[test]
    fn a_floor_may_import_itself_and_what_the_table_lists() {
        let code = "use crate::{domain::id::SubjectId, runtime::Clock};\nuse super::tx::Tx;";
        assert_eq!(check_text("src/store/item.rs", code), Vec::<String>::new());
    }

    #[test]
    fn an_import_that_the_table_does_not_list_is_found_however_it_is_written() {
        for code in [
            "use crate::store::Tx;",
            "use super::super::store::Tx;",
            "use crate::{app::X, store::{item, Tx}};",
            "use {crate::store};",
            "pub use crate::store as below;",
            "fn f() -> crate::store::Tx { todo() }",
            "fn f() { super::super::store::begin(); }",
            "mod tests { use super::super::super::store::Tx; }",
            "macro_rules! m { () => { $crate::store::begin() } }",
        ] {
            assert!(
                check_text("src/grpc/item.rs", code)
                    .iter()
                    .any(|rule| rule.starts_with("grpc imports `crate::store")),
                "{code}"
            );
        }
    }

    #[test]
    fn the_library_by_its_name_is_the_crate_in_the_binary_alone() {
        let code = "use registry::{store::Tx, rules};";
        assert_eq!(
            check_text("src/main.rs", code),
            ["cli imports `crate::rules`"]
        );
        assert_eq!(check_text("src/app/mod.rs", code), Vec::<String>::new());
    }

    #[test]
    fn the_root_of_the_crate_cannot_be_imported_whole() {
        for code in [
            "use crate::*;",
            "use crate as root;",
            "use super::super::*;",
        ] {
            assert_eq!(
                check_text("src/grpc/item.rs", code),
                ["grpc imports `crate::`"],
                "{code}"
            );
        }
    }

    #[test]
    fn a_part_of_a_floor_can_be_all_that_is_allowed() {
        assert_eq!(
            check_text("src/auth/jwt.rs", "use crate::domain::caller::Caller;").len(),
            0
        );
        assert_eq!(
            check_text(
                "src/auth/jwt.rs",
                "use crate::domain::{caller, item::Item};"
            ),
            ["auth imports `crate::domain::item::Item`"]
        );
        assert_eq!(
            check_text("src/crypto/seal.rs", "use crate::domain::item::Item;"),
            ["crypto imports `crate::domain::item::Item`"]
        );
    }

    #[test]
    fn crates_stay_out_of_the_floors_that_must_not_contain_them() {
        for (path, code, root) in [
            ("src/domain/x.rs", "use tokio::sync::Mutex;", "tokio"),
            (
                "src/domain/x.rs",
                "fn f() { tracing::info!(\"x\"); }",
                "tracing",
            ),
            (
                "src/domain/x.rs",
                "#[derive(::prost::Message)] struct X;",
                "prost",
            ),
            ("src/app/x.rs", "fn f(_: sea_orm::DbErr) {}", "sea_orm"),
            ("src/app/x.rs", "use {std::fmt, tonic::Status};", "tonic"),
            ("src/cli/x.rs", "use sea_orm::Database;", "sea_orm"),
            ("src/main.rs", "use sqlx as db;", "sqlx"),
            (
                "src/store/x.rs",
                "fn f() -> anyhow::Result<()> { Ok(()) }",
                "anyhow",
            ),
        ] {
            let rules = check_text(path, code);
            assert_eq!(rules.len(), 1, "{code}");
            assert!(
                rules[0].starts_with(&format!("`{root}` in ")),
                "{code}: {}",
                rules[0]
            );
        }
    }

    #[test]
    fn a_name_that_only_looks_like_a_crate_is_left_alone() {
        let code = "fn f(tonic: u8) { x.tokio::<u8>(); y::sea_orm::z(); /* prost::x */ }";
        assert_eq!(check_text("src/domain/x.rs", code), Vec::<String>::new());
    }

    #[test]
    fn a_folder_that_is_no_floor_is_found() {
        assert_eq!(check_text("src/utils/x.rs", ""), ["`utils` is no floor"]);
        assert_eq!(check_text("src/shared.rs", ""), ["`shared` is no floor"]);
    }
}
