//! The deadline in sentences, and against a count of one day after another.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant of this test")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the database")
}

fn due(received: &str, extended: bool, paused_days: u32) -> String {
    due_in("UTC", &[], received, extended, paused_days)
}

fn due_in(
    name: &str,
    holidays: &[&str],
    received: &str,
    extended: bool,
    paused_days: u32,
) -> String {
    let zone = zone(name);
    let holidays = holidays.iter().map(|day| day.parse().expect("a day"));
    let holidays = PublicHolidays::new(holidays);
    let calendar = Calendar {
        zone: &zone,
        holidays: &holidays,
    };
    let due = calendar.due_at(at(received), extended, paused_days);
    due.to_zoned_datetime(zone).datetime().to_string()
}

#[test]
fn a_month_ends_with_the_last_hour_of_the_same_numbered_day() {
    assert_eq!(
        due("2026-06-01T12:00:00Z", false, 0),
        "2026-07-01T23:59:59.999999"
    );
    assert_eq!(
        due("2026-06-01T00:00:00Z", false, 0),
        "2026-07-01T23:59:59.999999"
    );
}

#[test]
fn where_there_is_no_such_day_it_ends_on_the_last_of_the_month() {
    // 2023-02-28 is a Tuesday, 2024-02-29 a Thursday.
    assert!(due("2023-01-31T08:00:00Z", false, 0).starts_with("2023-02-28"));
    assert!(due("2024-01-31T08:00:00Z", false, 0).starts_with("2024-02-29"));
    assert!(due("2024-01-29T08:00:00Z", false, 0).starts_with("2024-02-29"));
}

#[test]
fn an_extension_makes_it_three_months_from_receipt_and_not_one_and_two() {
    // One month to 28 February and two more would be 28 April.
    assert!(due("2026-01-31T08:00:00Z", true, 0).starts_with("2026-04-30"));
    assert!(due("2025-11-30T08:00:00Z", true, 0).starts_with("2026-03-02"));
}

#[test]
fn an_end_on_a_weekend_or_a_public_holiday_moves_to_the_next_working_day() {
    // 2026-12-25 is a Friday.
    assert!(due("2026-11-25T08:00:00Z", false, 0).starts_with("2026-12-25"));
    let christmas = ["2026-12-25", "2026-12-26", "2026-12-28"];
    let due = |received| due_in("UTC", &christmas, received, false, 0);
    assert!(due("2026-11-25T08:00:00Z").starts_with("2026-12-29"));
    assert!(due("2026-11-24T08:00:00Z").starts_with("2026-12-24"));
    assert!(due("2026-10-31T08:00:00Z").starts_with("2026-11-30"));
}

#[test]
fn a_year_ends_as_any_month_does() {
    let holidays = ["2027-01-01"];
    assert!(due_in("UTC", &holidays, "2026-12-01T08:00:00Z", false, 0).starts_with("2027-01-04"));
    assert!(due("2026-12-31T08:00:00Z", false, 0).starts_with("2027-02-01"));
}

#[test]
fn days_are_those_of_the_controller() {
    // Still the last of March in New York, the first of April in Berlin.
    let received = "2026-03-31T22:30:00Z";
    assert!(due_in("America/New_York", &[], received, false, 0).starts_with("2026-04-30"));
    assert!(due_in("Europe/Berlin", &[], received, false, 0).starts_with("2026-05-01"));
}

#[test]
fn the_day_on_which_clocks_change_ends_when_the_next_begins() {
    let zone = zone("Europe/Berlin");
    let holidays = PublicHolidays::default();
    let calendar = Calendar {
        zone: &zone,
        holidays: &holidays,
    };
    // 2027-10-31, a Sunday, has 25 hours; the working day after it is the first of November.
    let due = calendar.due_at(at("2027-09-30T10:00:00Z"), false, 1);
    assert_eq!(due, at("2027-11-01T22:59:59.999999Z"));
    let before = calendar.due_at(at("2027-09-28T10:00:00Z"), false, 0);
    assert_eq!(before, at("2027-10-28T21:59:59.999999Z"));
}

#[test]
fn days_of_doubt_are_added_before_the_weekend_is_skipped() {
    // 2026-07-01 is a Wednesday; three days on is a Saturday.
    assert!(due("2026-06-01T12:00:00Z", false, 2).starts_with("2026-07-03"));
    assert!(due("2026-06-01T12:00:00Z", false, 3).starts_with("2026-07-06"));
}

#[test]
fn a_pause_counts_the_days_that_began_in_it() {
    let zone = zone("Europe/Berlin");
    let holidays = PublicHolidays::default();
    let calendar = Calendar {
        zone: &zone,
        holidays: &holidays,
    };
    let days = |since, until| calendar.paused_days(at(since), at(until));
    assert_eq!(days("2026-06-01T06:00:00Z", "2026-06-01T20:00:00Z"), 0);
    assert_eq!(days("2026-06-01T21:59:00Z", "2026-06-01T22:01:00Z"), 1);
    // A day of 23 hours is a day.
    assert_eq!(days("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), 2);
    assert_eq!(days("2026-06-05T12:00:00Z", "2026-06-01T12:00:00Z"), 0);
}

#[test]
fn a_deadline_beyond_the_calendar_is_its_end() {
    let zone = TimeZone::UTC;
    let holidays = PublicHolidays::default();
    let calendar = Calendar {
        zone: &zone,
        holidays: &holidays,
    };
    assert_eq!(calendar.due_at(Timestamp::MAX, false, 0), Timestamp::MAX);
}

/// One day after another, with no arithmetic of months: a month is over on the day that has the number
/// of the first one, or on the last day before the month after it begins.
fn naive_due_day(received: Date, months: u32, paused: u32, holidays: &BTreeSet<Date>) -> Date {
    let mut day = received;
    let mut begun = 0;
    loop {
        let next = day.tomorrow().expect("the calendar goes on");
        if next.day() == 1 {
            if begun == months {
                break;
            }
            begun += 1;
        }
        day = next;
        if begun == months && day.day() == received.day() {
            break;
        }
    }
    for _ in 0..paused {
        day = day.tomorrow().expect("the calendar goes on");
    }
    let free = |day: Date| {
        ["Saturday", "Sunday"].contains(&format!("{:?}", day.weekday()).as_str())
            || holidays.contains(&day)
    };
    while free(day) {
        day = day.tomorrow().expect("the calendar goes on");
    }
    day
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Auckland",
    // Their clocks change at midnight: a day begins at one.
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_deadline_is_where_counting_day_after_day_leads(
        second in 946_684_800_i64..4_102_444_800,
        zone_index in 0..ZONES.len(),
        extended: bool,
        paused in 0_u32..200,
        holidays in prop::collection::btree_set(0_i32..420, 0..60),
    ) {
        let zone = zone(ZONES[zone_index]);
        let received = Timestamp::from_second(second).expect("in range");
        let first = received.to_zoned_datetime(zone.clone()).date();
        let holidays: BTreeSet<Date> =
            holidays.into_iter().map(|days| first + days.days()).collect();
        let months = if extended { 3 } else { 1 };
        let expected = naive_due_day(first, months, paused, &holidays);
        let holidays = PublicHolidays(holidays);
        let calendar = Calendar { zone: &zone, holidays: &holidays };
        let due = calendar.due_at(received, extended, paused);
        // Its last instant: what comes a tick later is another day.
        prop_assert_eq!(due.to_zoned_datetime(zone.clone()).date(), expected);
        prop_assert!((due + TICK).to_zoned_datetime(zone.clone()).date() > expected);
        prop_assert!(received < due);
    }

    #[test]
    fn a_pause_has_as_many_days_as_midnights(
        second in 946_684_800_i64..4_102_444_800,
        hours in 0_i64..4_000,
        zone_index in 0..ZONES.len(),
    ) {
        let zone = zone(ZONES[zone_index]);
        let since = Timestamp::from_second(second).expect("in range");
        let until = since + SignedDuration::from_hours(hours);
        let (mut day, mut days) = (since.to_zoned_datetime(zone.clone()).date(), 0);
        let last = until.to_zoned_datetime(zone.clone()).date();
        while day < last {
            day = day.tomorrow().expect("the calendar goes on");
            days += 1;
        }
        let holidays = PublicHolidays::default();
        let calendar = Calendar { zone: &zone, holidays: &holidays };
        prop_assert_eq!(calendar.paused_days(since, until), days);
    }
}
