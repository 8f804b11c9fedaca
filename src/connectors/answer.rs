//! What an answer means.

use std::time::Duration;

use serde_json::Value;

/// An answer, read.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// How long it asks to pause.
    pub retry_after: Option<Duration>,
    /// It is a page for people.
    pub is_html: bool,
    /// Its body, when that is JSON.
    pub json: Option<Value>,
}

/// What an answer means for the round that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was done.
    Success,
    /// There was nothing any more.
    Gone,
    /// Nothing was found where there must be something.
    NotFound,
    /// It is not done yet.
    Pending,
    /// It was done, except for what is kept.
    Partial {
        /// What is kept.
        kept: String,
        /// The ground.
        ground: String,
    },
    /// Too many calls: pause, at least for so long.
    Throttled(Duration),
    /// Try again.
    Retry(&'static str),
    /// The credentials are refused: nobody's task can go on.
    Refused,
    /// No repeat helps.
    Failed(String),
}

/// One rule: an answer that fits means this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which answers fit.
    pub when: Condition,
    /// What they mean.
    pub then: Verdict,
}

/// Which answers fit: all that is said must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// One of these statuses; empty: any of 200 to 299.
    pub status: Vec<u16>,
    /// Each of these.
    pub tests: Vec<Test>,
}

/// What is looked at in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The value at a pointer (RFC 6901) is one of these.
    Equals {
        /// The pointer.
        pointer: String,
        /// The values.
        values: Vec<Value>,
    },
    /// There is a list or text at a pointer, and nothing in it.
    Empty(String),
    /// There is something at a pointer that is not null.
    Present(String),
}

impl Condition {
    /// Whether an answer fits.
    pub fn fits(&self, answer: &Answer) -> bool {
        let status = if self.status.is_empty() {
            is_success(answer.status)
        } else {
            self.status.contains(&answer.status)
        };
        status
            && self
                .tests
                .iter()
                .all(|test| test.holds(answer.json.as_ref()))
    }
}

impl Test {
    /// Whether it holds of a body, or of a part of one.
    pub fn holds(&self, json: Option<&Value>) -> bool {
        let at = |pointer: &str| json.and_then(|json| json.pointer(pointer));
        match self {
            Self::Equals { pointer, values } => {
                at(pointer).is_some_and(|found| values.contains(found))
            }
            Self::Empty(pointer) => match at(pointer) {
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::String(text)) => text.is_empty(),
                _ => false,
            },
            Self::Present(pointer) => at(pointer).is_some_and(|found| !found.is_null()),
        }
    }
}

/// Whether a status is one of 200 to 299.
pub fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The first rule that fits decides; without one, the status does.
pub fn judge(answer: &Answer, rules: &[&[Rule]]) -> Option<Verdict> {
    let declared = rules.iter().flat_map(|rules| rules.iter());
    declared
        .into_iter()
        .find(|rule| rule.when.fits(answer))
        .map(|rule| rule.then.clone())
}

/// A time in `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub fn retry_after(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Duration::try_from(now.duration_until(date))
        .ok()
        .or(Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, json: Value) -> Answer {
        Answer {
            status,
            json: Some(json),
            ..Answer::default()
        }
    }

    fn condition(status: &[u16], tests: Vec<Test>) -> Condition {
        Condition {
            status: status.to_vec(),
            tests,
        }
    }

    fn equals(pointer: &str, values: &[&str]) -> Test {
        Test::Equals {
            pointer: pointer.to_owned(),
            values: values.iter().map(|&value| value.into()).collect(),
        }
    }

    #[test]
    fn all_that_a_condition_says_must_hold() {
        let gone = condition(&[404], vec![equals("/error/type", &["NotFoundError"])]);
        let body = json!({"error": {"type": "NotFoundError"}});
        assert!(gone.fits(&answer(404, body.clone())));
        assert!(!gone.fits(&answer(400, body)));
        assert!(!gone.fits(&answer(404, json!({"error": {"type": "Other"}}))));
        let bare = Answer {
            status: 404,
            ..Answer::default()
        };
        assert!(!gone.fits(&bare), "a 404 of a proxy is not the vendor's");
    }

    #[test]
    fn without_a_status_any_success_fits() {
        let any = condition(&[], vec![]);
        assert!(any.fits(&answer(200, json!({}))) && any.fits(&answer(299, json!({}))));
        assert!(!any.fits(&answer(199, json!({}))) && !any.fits(&answer(300, json!({}))));
    }

    #[test]
    fn empty_is_a_list_with_nothing_in_it_and_not_a_list_that_is_missing() {
        let empty = condition(&[], vec![Test::Empty("/entries".to_owned())]);
        assert!(empty.fits(&answer(200, json!({"entries": []}))));
        assert!(!empty.fits(&answer(200, json!({"entries": [1]}))));
        assert!(!empty.fits(&answer(200, json!({}))));
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date() {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(
            retry_after("Tue, 24 Nov 2026 08:01:30 GMT", now),
            Some(Duration::from_secs(90))
        );
        assert_eq!(
            retry_after("Tue, 24 Nov 2026 07:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", now), None);
    }
}
