//! Words that no file of the project may contain.

use super::finding::Finding;

/// Every forbidden word in the text of the file at `path`.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let unfinished = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
    ];
    let elsewhere = [concat!("../", "shared"), concat!("/wo", "rk/")];
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in unfinished.into_iter().filter(|word| has_word(line, word)) {
            findings.push(finding(
                path,
                number,
                word,
                "do it now, or file it where work is filed",
            ));
        }
        for place in elsewhere.into_iter().filter(|place| line.contains(place)) {
            findings.push(finding(
                path,
                number,
                place,
                "the project stands on its own files",
            ));
        }
    }
    findings
}

fn finding(path: &str, number: usize, word: &str, advice: &str) -> Finding {
    let (rule, advice) = (format!("`{word}`"), advice.to_owned());
    Finding {
        path: path.to_owned(),
        line: number + 1,
        rule,
        advice,
    }
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_inside = |c: char| c.is_alphanumeric() || c == '_';
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_inside) && !after.is_some_and(is_inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_words_are_found_with_their_line() {
        let text = format!(
            "fine\n# {}: later\nsee {}\n",
            concat!("TO", "DO"),
            concat!("../", "shared/x")
        );
        let found: Vec<_> = check("README.md", &text)
            .iter()
            .map(|found| found.line)
            .collect();
        assert_eq!(found, [2, 3]);
    }

    #[test]
    fn longer_words_are_left_alone() {
        let text = format!("{}S and METHOD{}", concat!("TO", "DO"), concat!("TO", "DO"));
        assert_eq!(check("README.md", &text).len(), 0);
    }
}
