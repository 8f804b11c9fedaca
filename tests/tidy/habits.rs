//! Calls that belong to one place, and the budgets of files and functions.

use super::{
    finding::Finding,
    source::{Source, closing, is_name},
};

/// Lines of a file, net of its test modules.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

const LOG_MACROS: &[&str] = &[
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
];

/// Every call or word of `source` that has no place there.
pub fn check(source: &Source) -> Vec<Finding> {
    let rules: [fn(&Source, usize) -> Verdict; 9] = [
        clock,
        chance,
        environment,
        output,
        unfiltered_find,
        asynchrony,
        leftover,
        debug_in_log,
        unbounded_instrument,
    ];
    run(source, &rules)
}

/// What must not be left in any code, tests included.
pub fn check_leftovers(source: &Source) -> Vec<Finding> {
    run(source, &[leftover])
}

/// A file or a function that has outgrown its budget.
pub fn check_budgets(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.lines_net_of_tests();
    if lines > FILE_LINES_MAX {
        let rule = format!("{lines} lines without tests, more than {FILE_LINES_MAX}");
        findings.push(Finding::new(
            source,
            1,
            rule,
            "split the file where its subject splits",
        ));
    }
    for function in source.functions() {
        if function.lines > FUNCTION_LINES_MAX {
            let rule = format!(
                "`{}` has {} lines, more than {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            findings.push(Finding::new(
                source,
                function.line,
                rule,
                "name its steps as functions",
            ));
        }
    }
    findings
}

/// What is wrong with the token at an index, if anything: the rule and the advice.
type Verdict = Option<(String, &'static str)>;

fn run(source: &Source, rules: &[fn(&Source, usize) -> Verdict]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        let verdicts = rules.iter().filter_map(|rule| rule(source, index));
        findings
            .extend(verdicts.map(|(rule, advice)| Finding::new(source, token.line, rule, advice)));
    }
    findings
}

fn clock(source: &Source, index: usize) -> Verdict {
    let read = path_pair(source, index)?;
    let reads = [
        "Timestamp::now",
        "SystemTime::now",
        "Instant::now",
        "ZonedDateTime::now",
    ];
    (reads.contains(&read.as_str()) && !is_in(source, &["runtime"])).then(|| {
        (
            format!("`{read}` outside runtime"),
            "take `now` as an argument, or a runtime clock",
        )
    })
}

fn chance(source: &Source, index: usize) -> Verdict {
    let draw = path_pair(source, index)?;
    let draws = ["Uuid::new_v4", "Uuid::now_v7"];
    let may = is_in(source, &["runtime", "cli"]) || source.is_test(index);
    (draws.contains(&draw.as_str()) && !may).then(|| {
        (
            format!("`{draw}` outside runtime"),
            "take the id from the runtime's ids",
        )
    })
}

fn environment(source: &Source, index: usize) -> Verdict {
    let may =
        is_in(source, &["cli"]) || source.path == "src/config/mod.rs" || source.is_test(index);
    (path_pair(source, index)? == "std::env" && !may).then(|| {
        (
            "the environment is read outside of the configuration's loader".to_owned(),
            "add a field to a section in src/config/ and take it as a value",
        )
    })
}

fn output(source: &Source, index: usize) -> Verdict {
    let word = source.text(index);
    let prints = ["println", "eprintln", "print", "eprint"];
    (prints.contains(&word) && source.text(index + 1) == "!" && !is_in(source, &["cli"])).then(
        || {
            (
                format!("`{word}!` outside cli"),
                "return the text to the command, or log ids with tracing",
            )
        },
    )
}

fn unfiltered_find(source: &Source, index: usize) -> Verdict {
    let call: Vec<&str> = (index..index + 4).map(|at| source.text(at)).collect();
    (call == ["::", "find", "(", ")"] && !is_in(source, &["store"])).then(|| {
        (
            "a query outside store".to_owned(),
            "add a function to the noun's file in src/store/, with the subject as an argument",
        )
    })
}

fn asynchrony(source: &Source, index: usize) -> Verdict {
    let word = source.text(index);
    (is_in(source, &["domain"]) && ["async", "await"].contains(&word)).then(|| {
        (
            format!("`{word}` in domain"),
            "domain is pure: app loads what the rule needs and passes it in",
        )
    })
}

fn leftover(source: &Source, index: usize) -> Verdict {
    let next = |offset: usize| source.text(index + offset);
    let word = source.text(index);
    if next(1) == "!" && ["dbg", "todo", "unimplemented"].contains(&word) {
        return Some((format!("`{word}!`"), "finish it, or leave it out"));
    }
    let attribute = if next(1) == "!" { 3 } else { 2 };
    if word != "#" || next(attribute - 1) != "[" {
        return None;
    }
    match next(attribute) {
        "ignore" => Some((
            "an ignored test".to_owned(),
            "make it pass, or delete it: a test always runs",
        )),
        "allow" => Some((
            "a lint is allowed".to_owned(),
            "mend it, or write `#[expect(lint, reason = \"…\")]`, which says when it is obsolete",
        )),
        _ => None,
    }
}

/// `?value` and `value = ?x` log what `Debug` gives, which is not made for logs.
fn debug_in_log(source: &Source, index: usize) -> Verdict {
    let is_log = LOG_MACROS.contains(&source.text(index)) && source.text(index + 1) == "!";
    if !is_log || source.text(index + 2) != "(" {
        return None;
    }
    let has_sigil = (index + 3..closing(&source.tokens, index + 2)).any(|at| {
        source.text(at) == "?"
            && ["(", ",", "="].contains(&source.text(at - 1))
            && is_name(source.text(at + 1))
    });
    has_sigil.then(|| {
        (
            "`?` in a log".to_owned(),
            "log ids and counts with `%` or as they are: Debug may print what is nobody's business",
        )
    })
}

/// `#[instrument]` logs every argument, unless it is told not to.
fn unbounded_instrument(source: &Source, index: usize) -> Verdict {
    if source.text(index) != "instrument" || !["[", "::"].contains(&before(source, index)) {
        return None;
    }
    let arguments = index + 1..closing(&source.tokens, index + 1);
    let skips = source.text(index + 1) == "(" && {
        let mut arguments = arguments;
        arguments.any(|at| source.text(at) == "skip_all")
    };
    let is_attribute = ["(", "]"].contains(&source.text(index + 1));
    (is_attribute && !skips).then(|| {
        (
            "`#[instrument]` without `skip_all`".to_owned(),
            "write `#[instrument(skip_all, fields(…))]` and name the ids to record",
        )
    })
}

fn before(source: &Source, index: usize) -> &str {
    index.checked_sub(1).map_or("", |at| source.text(at))
}

/// The two segments `a::b` that begin at the index.
fn path_pair(source: &Source, index: usize) -> Option<String> {
    let (first, second) = (source.text(index), source.text(index + 2));
    (is_name(first) && source.text(index + 1) == "::" && is_name(second))
        .then(|| format!("{first}::{second}"))
}

fn is_in(source: &Source, floors: &[&str]) -> bool {
    source
        .module_at(usize::MAX)
        .first()
        .is_some_and(|floor| floors.contains(&floor.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, code: &str) -> Vec<String> {
        let source = Source::new(path, code);
        check(&source)
            .into_iter()
            .chain(check_budgets(&source))
            .map(|found| found.rule)
            .collect()
    }

    #[test]
    fn each_planted_call_is_found_where_it_must_not_be_and_only_there() {
        for (call, wrong, right) in [
            ("f(Timestamp::now());", "store/tx.rs", "runtime/clock.rs"),
            (
                "map(std::time::SystemTime::now);",
                "cli/serve.rs",
                "runtime/clock.rs",
            ),
            (
                "tokio::time::Instant::now();",
                "grpc/layer.rs",
                "runtime/clock.rs",
            ),
            ("Uuid::now_v7();", "app/item.rs", "runtime/ids.rs"),
            ("std::env::var(\"X\");", "config/tls.rs", "config/mod.rs"),
            ("use std::env;", "app/item.rs", "cli/serve.rs"),
            ("println!(\"x\");", "grpc/item.rs", "cli/check.rs"),
            (
                "items::Entity::find().all(db);",
                "app/item.rs",
                "store/item.rs",
            ),
            ("async fn f() {}", "domain/item.rs", "app/item.rs"),
            ("f().await;", "domain/item.rs", "app/item.rs"),
        ] {
            assert_eq!(
                rules(&format!("src/{wrong}"), call).len(),
                1,
                "{call} in {wrong}"
            );
            assert_eq!(
                rules(&format!("src/{right}"), call).len(),
                0,
                "{call} in {right}"
            );
        }
    }

    #[test]
    fn leftovers_are_found_everywhere() {
        for code in [
            "dbg!(x);",
            "todo!();",
            "unimplemented!();",
            "#[ignore] fn f() {}",
            "#[ignore = \"slow\"] fn f() {}",
            "#[allow(dead_code)] fn f() {}",
            "#![allow(missing_docs)]",
        ] {
            assert_eq!(rules("src/cli/x.rs", code).len(), 1, "{code}");
        }
    }

    #[test]
    fn a_log_that_prints_by_debug_is_found() {
        for code in [
            "tracing::info!(?subject, \"x\");",
            "warn!(id = ?id);",
            "error!(\"x\", a, ?b);",
            "#[tracing::instrument] fn f() {}",
            "#[instrument(level = \"info\")] fn f() {}",
        ] {
            assert_eq!(rules("src/app/x.rs", code).len(), 1, "{code}");
        }
        for code in [
            "info!(id = %id, count = f()?, \"what?\");",
            "#[instrument(skip_all)] fn f() {}",
            "f(x.instrument(span));",
        ] {
            assert_eq!(rules("src/app/x.rs", code).len(), 0, "{code}");
        }
    }

    #[test]
    fn a_file_at_its_budget_passes_and_one_line_more_does_not() {
        let full = "// line\n".repeat(FILE_LINES_MAX);
        assert_eq!(rules("src/app/x.rs", &full).len(), 0);
        assert_eq!(rules("src/app/x.rs", &format!("{full}// more\n")).len(), 1);
        let tests = format!("{full}#[cfg(test)] mod tests {{\n}}\n");
        assert_eq!(rules("src/app/x.rs", &tests).len(), 0);
    }

    #[test]
    fn a_function_at_its_budget_passes_and_one_line_more_does_not() {
        let function = |lines: usize| format!("fn f() {{{}}}\n", "\n".repeat(lines - 1));
        assert_eq!(
            rules("src/app/x.rs", &function(FUNCTION_LINES_MAX)).len(),
            0
        );
        assert_eq!(
            rules("src/app/x.rs", &function(FUNCTION_LINES_MAX + 1)).len(),
            1
        );
    }
}
