//! `[requests]`: by what the deadlines of requests of data subjects are counted.

use jiff::civil::Date;

use super::settings::Section;
use crate::domain::deadline::PublicHolidays;

/// Most public holidays: some twenty a year, for twenty years.
const HOLIDAYS_MAX: usize = 400;

/// By what deadlines are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// The controller's public holidays, on which no deadline ends.
    pub public_holidays: PublicHolidays,
}

impl Requests {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let key = "public_holidays";
        let entries = section.list(key);
        if entries.len() > HOLIDAYS_MAX {
            section.problem(key, format!("must have at most {HOLIDAYS_MAX} days"));
        }
        let mut days = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            match day(entry) {
                Some(day) if days.contains(&day) => {
                    let what = format!("entry {} is there twice", index + 1);
                    section.problem(key, what);
                }
                Some(day) => days.push(day),
                None => {
                    let what = format!("entry {} must be a day such as 2026-12-25", index + 1);
                    section.problem(key, what);
                }
            }
        }
        Self {
            public_holidays: PublicHolidays::new(days),
        }
    }
}

/// A day, written in full and without a time: what else reads as one is a slip.
fn day(text: &str) -> Option<Date> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::{super::settings::Settings, *};

    fn read(text: &str, variable: Option<&str>) -> Result<PublicHolidays, Vec<String>> {
        let variable = variable.map(|it| ("PDR_REQUESTS_PUBLIC_HOLIDAYS".into(), it.into()));
        let mut settings = Settings::gather("f", &format!("[requests]\n{text}"), variable);
        let read = Requests::read(&mut settings.section("requests"));
        let problems = settings.into_problems();
        if problems.is_empty() {
            return Ok(read.public_holidays);
        }
        Err(problems.iter().map(ToString::to_string).collect())
    }

    fn days(days: &[&str]) -> PublicHolidays {
        PublicHolidays::new(days.iter().map(|day| day.parse::<Date>().unwrap()))
    }

    #[test]
    fn holidays_are_days_in_the_file_or_in_the_variable_which_wins() {
        assert_eq!(read("", None), Ok(days(&[])));
        let file = "public_holidays = [\"2026-12-25\", 2027-01-01]";
        assert_eq!(read(file, None), Ok(days(&["2026-12-25", "2027-01-01"])));
        assert_eq!(
            read(file, Some("2028-02-29, 2026-05-01")),
            Ok(days(&["2028-02-29", "2026-05-01"]))
        );
        assert_eq!(read(file, Some("")), Ok(days(&[])));
    }

    #[test]
    fn every_entry_that_is_no_day_is_reported_with_its_place() {
        let wrong = "public_holidays = [\"25.12.2026\", \"2026-12-26\", \"2026-02-30\", \
                     \"2026-12-26\", \"2026-12-24T00:00:00\", \"\"]";
        assert_eq!(
            read(wrong, None).unwrap_err(),
            [
                "f: requests.public_holidays: entry 1 must be a day such as 2026-12-25",
                "f: requests.public_holidays: entry 3 must be a day such as 2026-12-25",
                "f: requests.public_holidays: entry 4 is there twice",
                "f: requests.public_holidays: entry 5 must be a day such as 2026-12-25",
                "f: requests.public_holidays: entry 6 must be a day such as 2026-12-25",
            ]
        );
        for wrong in ["public_holidays = \"2026-12-25\"", "public_holidays = [1]"] {
            let found = read(wrong, None).unwrap_err();
            assert_eq!(
                found,
                ["f: requests.public_holidays: must be a list of texts"]
            );
        }
        let variable = read("", Some("2026-12-25,soon")).unwrap_err();
        assert_eq!(
            variable,
            ["PDR_REQUESTS_PUBLIC_HOLIDAYS: entry 2 must be a day such as 2026-12-25"]
        );
    }

    #[test]
    fn there_may_be_four_hundred_holidays_and_no_more() {
        let list = |count: i64| {
            let first: Date = "2026-01-01".parse().unwrap();
            let days = (0..count).map(|day| {
                let day = first.checked_add(jiff::Span::new().days(day)).unwrap();
                format!("\"{day}\"")
            });
            let days: Vec<_> = days.collect();
            read(&format!("public_holidays = [{}]", days.join(", ")), None)
        };
        assert!(list(400).is_ok());
        let found = list(401).unwrap_err();
        assert_eq!(
            found,
            ["f: requests.public_holidays: must have at most 400 days"]
        );
    }
}
