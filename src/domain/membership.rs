//! Membership in subject categories: facts that begin and end it, folded into spans of time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{name::SubjectCategory, subject::Membership};

/// A subject came into a subject category, or left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipFact {
    /// The category.
    pub category: SubjectCategory,
    /// Whether it came in; else it left.
    pub began: bool,
    /// When.
    pub occurred_at: Timestamp,
    /// When the registry heard of it.
    pub recorded_at: Timestamp,
}

/// Folds facts, in any order, into memberships: earliest start first.
///
/// Who is in a category does not come in again, and who has left does not leave again. Of two facts
/// of one instant the one recorded later has the last word; of two recorded together, the leaving.
pub fn fold<'a>(facts: impl IntoIterator<Item = &'a MembershipFact>) -> Vec<Membership> {
    let mut facts: Vec<_> = facts.into_iter().collect();
    facts.sort_by_key(|fact| (fact.occurred_at, fact.recorded_at, !fact.began));
    let mut open = BTreeMap::<&SubjectCategory, Timestamp>::new();
    let mut memberships = Vec::new();
    for fact in facts {
        if fact.began {
            open.entry(&fact.category).or_insert(fact.occurred_at);
        } else if let Some(started_at) = open.remove(&fact.category) {
            memberships.push(Membership {
                category: fact.category.clone(),
                started_at,
                ended_at: Some(fact.occurred_at),
            });
        }
    }
    memberships.extend(open.into_iter().map(|(category, started_at)| Membership {
        category: category.clone(),
        started_at,
        ended_at: None,
    }));
    memberships.sort_by(|a, b| (a.started_at, &a.category).cmp(&(b.started_at, &b.category)));
    memberships
}

/// Whether one of `facts` puts the subject into `category` at `at`.
pub fn is_member<'a>(
    facts: impl IntoIterator<Item = &'a MembershipFact>,
    category: &SubjectCategory,
    at: Timestamp,
) -> bool {
    fold(facts)
        .iter()
        .any(|membership| membership.category == *category && membership.is_current(at))
}

/// Why a membership does not end as was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndRefused {
    /// The subject is not in the category.
    #[error("the subject is not in this subject category")]
    NoMember,
    /// The end would be before the start.
    #[error("must not be before the subject came into the subject category")]
    BeforeStart,
    /// An earlier end is known.
    #[error("must not be later than the end that is known already")]
    AfterKnownEnd,
}

/// When the time in `category` ends that is asked to end at `wanted`, by default now.
///
/// A start may be dated a little ahead, since clocks differ; what is asked to end before it then
/// ends as it starts, lest nobody could end it yet.
pub fn end_at<'a>(
    facts: impl IntoIterator<Item = &'a MembershipFact>,
    category: &SubjectCategory,
    wanted: Option<Timestamp>,
    now: Timestamp,
) -> Result<Timestamp, EndRefused> {
    let last = fold(facts)
        .into_iter()
        .rfind(|membership| membership.category == *category)
        .filter(|membership| membership.ended_at.is_none_or(|end| end > now))
        .ok_or(EndRefused::NoMember)?;
    let mut at = wanted.unwrap_or(now);
    if last.started_at > now {
        at = at.max(last.started_at);
    }
    if at < last.started_at {
        return Err(EndRefused::BeforeStart);
    }
    if last.ended_at.is_some_and(|end| at > end) {
        return Err(EndRefused::AfterKnownEnd);
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn fact(began: bool, occurred: i64, recorded: i64) -> MembershipFact {
        MembershipFact {
            category: "client".parse().unwrap(),
            began,
            occurred_at: at(occurred),
            recorded_at: at(recorded),
        }
    }

    fn spans(facts: &[MembershipFact]) -> Vec<(Timestamp, Option<Timestamp>)> {
        let spans = fold(facts).into_iter();
        spans.map(|span| (span.started_at, span.ended_at)).collect()
    }

    #[test]
    fn a_member_who_joins_again_stays_one_member() {
        let facts = [fact(true, 1, 1), fact(true, 2, 2)];
        assert_eq!(spans(&facts), [(at(1), None)]);
    }

    #[test]
    fn an_earlier_start_that_is_heard_of_late_moves_the_start() {
        let facts = [fact(true, 5, 5), fact(true, 1, 6)];
        assert_eq!(spans(&facts), [(at(1), None)]);
    }

    #[test]
    fn who_left_and_comes_back_has_two_memberships() {
        let facts = [fact(true, 1, 1), fact(false, 2, 2), fact(true, 3, 3)];
        assert_eq!(spans(&facts), [(at(1), Some(at(2))), (at(3), None)]);
    }

    #[test]
    fn an_end_heard_of_late_ends_what_had_begun_before_it() {
        let facts = [fact(true, 1, 1), fact(true, 4, 4), fact(false, 2, 5)];
        assert_eq!(spans(&facts), [(at(1), Some(at(2))), (at(4), None)]);
    }

    #[test]
    fn leaving_what_one_is_not_in_changes_nothing() {
        let facts = [fact(false, 1, 1), fact(true, 2, 2)];
        assert_eq!(spans(&facts), [(at(2), None)]);
    }

    #[test]
    fn of_two_facts_of_one_instant_the_one_recorded_later_stands() {
        let back = [fact(true, 1, 1), fact(false, 2, 2), fact(true, 2, 3)];
        assert_eq!(spans(&back), [(at(1), Some(at(2))), (at(2), None)]);
        let gone = [fact(true, 2, 2), fact(false, 2, 3)];
        assert_eq!(spans(&gone), [(at(2), Some(at(2)))]);
    }

    #[test]
    fn of_two_facts_recorded_together_the_leaving_stands() {
        let facts = [fact(false, 2, 2), fact(true, 2, 2)];
        assert_eq!(spans(&facts), [(at(2), Some(at(2)))]);
    }

    #[test]
    fn an_end_to_come_leaves_a_member_until_then() {
        let facts = [fact(true, 1, 1), fact(false, 9, 2)];
        let category = "client".parse().unwrap();
        assert!(is_member(&facts, &category, at(8)));
        assert!(!is_member(&facts, &category, at(9)));
        assert!(!is_member(&facts, &category, at(0)));
    }

    fn end(facts: &[MembershipFact], wanted: Option<i64>, now: i64) -> Result<i64, EndRefused> {
        let category = "client".parse().unwrap();
        let ended = end_at(facts, &category, wanted.map(at), at(now));
        ended.map(|at| at.as_second() / 3_600)
    }

    #[test]
    fn a_membership_ends_now_or_when_it_is_said_to() {
        let facts = [fact(true, 1, 1)];
        assert_eq!(end(&facts, None, 5), Ok(5));
        assert_eq!(end(&facts, Some(3), 5), Ok(3));
        assert_eq!(end(&facts, Some(9), 5), Ok(9));
        assert_eq!(end(&facts, Some(0), 5), Err(EndRefused::BeforeStart));
    }

    #[test]
    fn who_is_no_member_or_has_left_cannot_leave() {
        assert_eq!(end(&[], None, 5), Err(EndRefused::NoMember));
        let left = [fact(true, 1, 1), fact(false, 2, 2)];
        assert_eq!(end(&left, None, 5), Err(EndRefused::NoMember));
    }

    #[test]
    fn an_end_to_come_may_be_drawn_nearer_but_not_put_off() {
        let facts = [fact(true, 1, 1), fact(false, 9, 2)];
        assert_eq!(end(&facts, None, 5), Ok(5));
        assert_eq!(end(&facts, Some(10), 5), Err(EndRefused::AfterKnownEnd));
    }

    #[test]
    fn a_start_that_is_dated_ahead_can_be_ended_at_once() {
        let facts = [fact(true, 6, 5)];
        assert_eq!(end(&facts, None, 5), Ok(6));
    }
}
