//! `Cargo.toml`: every dependency says on its own line what it is for.

use super::finding::Finding;

/// Every dependency in the manifest at `path` that stands there without a reason.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_listing = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            is_listing = section.ends_with("dependencies") && section != "workspace.dependencies";
            if section.contains("dependencies.") {
                findings.push(finding(path, number, format!("section `{section}`")));
            }
        } else if is_listing && !line.is_empty() && !line.starts_with('#') && !has_reason(line) {
            let name = line.split(['=', '.', ' ']).next().unwrap_or(line);
            findings.push(finding(path, number, format!("`{name}` without a reason")));
        }
    }
    findings
}

/// That the migrations know nothing of the crate whose past they are.
pub fn check_migrations(path: &str, text: &str) -> Vec<Finding> {
    let names = |line: &str| line.contains("personal-data-registry") || line.contains("path =");
    let lines = text.lines().enumerate().filter(|(_, line)| names(line));
    let report = |(number, _)| Finding {
        path: path.to_owned(),
        line: number + 1,
        rule: "migrations depend on another crate of ours".to_owned(),
        advice: "write the schema of that day out: history does not change with today's types"
            .to_owned(),
    };
    lines.map(report).collect()
}

fn has_reason(line: &str) -> bool {
    line.rsplit_once(" # ")
        .is_some_and(|(_, reason)| !reason.trim().is_empty())
}

fn finding(path: &str, number: usize, rule: String) -> Finding {
    let advice = "put the dependency on one line that ends in `# what it is for`".to_owned();
    Finding {
        path: path.to_owned(),
        line: number + 1,
        rule,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check("Cargo.toml", text)
            .iter()
            .map(|found| found.line)
            .collect()
    }

    #[test]
    fn a_dependency_without_a_reason_is_found_in_every_kind_of_section() {
        for section in [
            "dependencies",
            "dev-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let text =
                format!("[{section}]\na = \"1\" # does it\nb = \"1\"\n\n# c\n[lints]\nd = 1\n");
            assert_eq!(lines(&text), [3], "{section}");
        }
    }

    #[test]
    fn a_dependency_as_a_section_of_its_own_is_found() {
        assert_eq!(lines("[dependencies.a]\nversion = \"1\"\n"), [1]);
    }

    #[test]
    fn migrations_that_know_the_registry_are_found() {
        let text = "[dependencies]\npersonal-data-registry = { path = \"..\" } # no\n";
        assert_eq!(check_migrations("migrations/Cargo.toml", text).len(), 1);
    }
}
