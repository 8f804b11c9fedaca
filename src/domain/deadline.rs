//! The time limit of Art. 12(3), counted as Regulation (EEC, Euratom) 1182/71 counts: one calendar month
//! from receipt, or three when it was extended, on the controller's calendar.
//!
//! - The day of receipt is not counted. The period ends with the last hour of the same-numbered day of
//!   the last month, or of that month's last day where there is none (Art. 3(1), 3(2)(c)).
//! - An extension makes it three months from receipt, not one and then two: what is received on 31
//!   January and extended ends on 30 April, though its first month would have ended in February.
//! - A day on which the clock stood still is added to the end: from the day on which the identity was
//!   doubted until the day before the one on which it was verified. A doubt that is settled on the day
//!   on which it arose adds nothing.
//! - An end on a Saturday, a Sunday or a public holiday moves to the end of the next working day
//!   (Art. 3(4)). This comes last, once, whatever was added before.

use std::collections::BTreeSet;

use jiff::{
    SignedDuration, Span, Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};

/// Months in which a person is answered (Art. 12(3), first sentence).
const MONTHS: i32 = 1;
/// Months in which a person is answered after an extension: one, and two further ones.
const MONTHS_EXTENDED: i32 = 3;
/// The last instant of a day that is told apart from the next day.
const TICK: SignedDuration = SignedDuration::from_micros(1);

/// The days on which nobody works, beside Saturdays and Sundays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicHolidays(BTreeSet<Date>);

impl PublicHolidays {
    /// Of these days.
    pub fn new(days: impl IntoIterator<Item = Date>) -> Self {
        Self(days.into_iter().collect())
    }

    /// Whether people work on this day.
    pub fn is_working_day(&self, day: Date) -> bool {
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.0.contains(&day)
    }

    /// The day itself, or the working day that follows it. `None`: the calendar ends before.
    fn working_day_from(&self, mut day: Date) -> Option<Date> {
        while !self.is_working_day(day) {
            day = day.tomorrow().ok()?;
        }
        Some(day)
    }
}

/// By what a deadline is counted.
#[derive(Clone, Copy, Debug)]
pub struct Calendar<'a> {
    /// The controller's time zone.
    pub zone: &'a TimeZone,
    /// The controller's public holidays.
    pub holidays: &'a PublicHolidays,
}

impl Calendar<'_> {
    /// The last instant at which an answer is in time. `paused_days`: days on which the clock stood
    /// still. Beyond the end of the calendar it is the calendar's last instant.
    pub fn due_at(&self, received_at: Timestamp, extended: bool, paused_days: u32) -> Timestamp {
        self.due_day(received_at, extended, paused_days)
            .and_then(|day| self.end_of(day))
            .unwrap_or(Timestamp::MAX)
    }

    /// The days that a pause adds.
    pub fn paused_days(&self, since: Timestamp, until: Timestamp) -> u32 {
        let days = self
            .day_of(since)
            .duration_until(self.day_of(until))
            .as_hours()
            / 24;
        u32::try_from(days).unwrap_or(0)
    }

    fn due_day(&self, received_at: Timestamp, extended: bool, paused_days: u32) -> Option<Date> {
        let months = if extended { MONTHS_EXTENDED } else { MONTHS };
        let received = self.day_of(received_at);
        let month_end = received.checked_add(months.months()).ok()?;
        let paused = Span::new().try_days(paused_days).ok()?;
        self.holidays
            .working_day_from(month_end.checked_add(paused).ok()?)
    }

    fn day_of(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// The last instant of a day: one tick before the next one begins, at whatever hour that is.
    fn end_of(&self, day: Date) -> Option<Timestamp> {
        let next = day
            .tomorrow()
            .ok()?
            .to_zoned_datetime(self.zone.clone())
            .ok()?;
        let next = next.start_of_day().ok()?;
        next.timestamp().checked_sub(TICK).ok()
    }
}

#[cfg(test)]
mod tests;
