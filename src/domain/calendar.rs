//! Calendar periods: two months are two months, not sixty days.

use jiff::{Span, Timestamp, tz::TimeZone};

/// The instant that lies a calendar period after `from`, counted on the controller's calendar.
/// `None`: it lies beyond the end of the calendar, so the period never ends.
pub fn end_of(from: Timestamp, period: &Span, zone: &TimeZone) -> Option<Timestamp> {
    let end = from
        .to_zoned_datetime(zone.clone())
        .checked_add(*period)
        .ok()?;
    Some(end.timestamp())
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp of this test")
    }

    #[test]
    fn a_month_from_the_last_of_january_ends_on_the_last_of_february() {
        let end = end_of(at("2023-01-31T12:00:00Z"), &1.month(), &TimeZone::UTC);
        assert_eq!(end, Some(at("2023-02-28T12:00:00Z")));
    }

    #[test]
    fn a_day_across_the_change_to_summer_time_keeps_the_hour_of_the_wall_clock() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone of the database");
        let end = end_of(at("2024-03-30T11:00:00Z"), &1.day(), &zone);
        assert_eq!(end, Some(at("2024-03-31T10:00:00Z")));
    }

    #[test]
    fn a_period_beyond_the_calendar_never_ends() {
        let end = end_of(at("2024-01-01T00:00:00Z"), &9000.years(), &TimeZone::UTC);
        assert_eq!(end, None);
    }
}
