//! What of a packed state bears on a question, and which of the person's answers stands.

use jiff::{Span, Timestamp};

use super::{Few, Horizon, Question};
use crate::domain::{
    calendar,
    compact::{Fact, Number, Piece, Reader, Stay, micros},
    consent::{ConsentChoice, EvidenceMethod},
};

/// What bears on a question.
pub(super) struct Known<'b> {
    pub(super) stays: Few<Stay>,
    pub(super) activity: Few<(Number, i64)>,
    /// Of the data asked for.
    pub(super) items: Few<Piece<'b>>,
    /// Whatever was said to the recipient about the purpose, also what is still to come, in the order in which it
    /// takes effect.
    said: Few<Said<'b>>,
    /// With every yes, also one that has run out.
    pub(super) ever: Answer<'b>,
    /// Without the yeses that have run out.
    pub(super) still: Answer<'b>,
}

/// A fact, and when it runs out by itself.
#[derive(Clone, Copy)]
pub(super) struct Said<'b> {
    pub(super) fact: Fact<'b>,
    pub(super) expires: Option<i64>,
}

/// The answer that stands, if any.
#[derive(Clone, Copy, Default)]
pub(super) struct Answer<'b> {
    standing: Option<Said<'b>>,
    /// When the consent was withdrawn, if it is.
    pub(super) withdrawn: Option<i64>,
}

impl<'b> Known<'b> {
    pub(super) fn read(
        question: Question<'_>,
        mut state: Reader<'b>,
        data: &[(Number, usize)],
    ) -> Option<Self> {
        let (mut stays, mut activity) = (Few::new(), Few::new());
        let (mut items, mut said) = (Few::new(), Few::new());
        state.memberships(|stay| stays.push(stay))?;
        state.activity(|source, at| activity.push((source, at)))?;
        state.items(|item| {
            if data.iter().any(|(number, _)| *number == item.data) {
                items.push(item);
            }
        })?;
        let mut failed = false;
        state.consents(|fact| {
            if is_spoken_to(question, &fact) {
                let expires = question.expires(&fact);
                failed |= expires.is_err();
                let expires = expires.unwrap_or_default();
                said.push(Said { fact, expires });
            }
        })?;
        said.sort_unstable_by_key(Said::order);
        let known = Self {
            ever: Answer::standing(said.iter().filter(|it| it.is_heard(question.now))),
            still: Answer::standing(
                said.iter()
                    .filter(|it| it.is_heard(question.now) && !it.has_expired(question.now)),
            ),
            stays,
            activity,
            items,
            said,
        };
        (!failed).then_some(known)
    }

    /// What changes by itself: a yes that is still to come, a yes that runs out. One that does not stand matters
    /// only where it lifts a no.
    pub(super) fn watch(&self, horizon: &mut Horizon) {
        for said in &self.said {
            horizon.watch(Some(said.fact.occurred));
        }
        let heard = || self.said.iter().filter(|it| it.is_heard(horizon.now));
        let mut ends = Few::<Option<i64>>::new();
        if heard().any(|it| it.fact.choice.is_denial()) {
            ends.extend(heard().map(|it| it.expires));
        }
        ends.extend(self.ever.yes().map(|it| it.expires));
        for end in ends {
            horizon.watch(end);
        }
    }
}

fn is_spoken_to(question: Question<'_>, fact: &Fact<'_>) -> bool {
    let is_addressed = fact.processors.is_empty()
        || match question.processor {
            Some(processor) => fact.processors.contains(processor),
            None => fact.choice == ConsentChoice::Given,
        };
    is_addressed && fact.purpose == question.purpose
}

impl Question<'_> {
    /// When a fact ends by itself: at its own instant, or when the policy's period has passed; the earlier.
    fn expires(&self, fact: &Fact<'_>) -> Result<Option<i64>, NoInstant> {
        let period = &self.policy.compiled().policy().consent.expires_after;
        let by_policy = match period {
            Some(period) => self.end_of(fact.occurred, period)?,
            None => None,
        };
        Ok(fact.expires.into_iter().chain(by_policy).min())
    }

    /// The instant that lies a calendar period after another one; none where the calendar ends.
    pub(super) fn end_of(&self, from: i64, period: &Span) -> Result<Option<i64>, NoInstant> {
        let from = Timestamp::from_microsecond(from).map_err(|_| NoInstant)?;
        let Some(end) = calendar::end_of(from, period, self.policy.compiled().time_zone()) else {
            return Ok(None);
        };
        micros(end).map(Some).ok_or(NoInstant)
    }
}

/// It is no instant in whole microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoInstant;

impl Said<'_> {
    /// By the time of the fact; a denial after what it ties with; then by the time of recording.
    fn order(&self) -> (i64, bool, i64, u128) {
        let Fact {
            occurred,
            choice,
            recorded,
            id,
            ..
        } = self.fact;
        (occurred, choice.is_denial(), recorded, id.as_u128())
    }

    /// A yes counts from its time on, a no as soon as it is recorded.
    fn is_heard(&self, now: i64) -> bool {
        self.fact.choice.is_denial() || self.fact.occurred <= now
    }

    pub(super) fn has_expired(&self, now: i64) -> bool {
        self.fact.choice == ConsentChoice::Given && self.expires.is_some_and(|end| end <= now)
    }

    /// What a site notes by itself is no answer to a no.
    fn is_no_answer(&self) -> bool {
        match self.fact.choice {
            ConsentChoice::Pending => true,
            ConsentChoice::Given => matches!(
                self.fact.method,
                EvidenceMethod::ImpliedByUse | EvidenceMethod::PreTicked
            ),
            ConsentChoice::Refused | ConsentChoice::Withdrawn => false,
        }
    }
}

impl<'b> Answer<'b> {
    fn standing<'a>(heard: impl Iterator<Item = &'a Said<'b>>) -> Self
    where
        'b: 'a,
    {
        heard.fold(Self::default(), Self::then)
    }

    fn then(self, said: &Said<'b>) -> Self {
        if self.no().is_some() && said.is_no_answer() {
            return self;
        }
        let is_withdrawal = said.fact.choice == ConsentChoice::Withdrawn;
        let withdrawn = self
            .withdrawn
            .or(is_withdrawal.then_some(said.fact.occurred));
        Self {
            standing: Some(*said),
            withdrawn: withdrawn.filter(|_| said.fact.choice.is_denial()),
        }
    }

    /// The fact that stands, if it is a no.
    pub(super) fn no(&self) -> Option<Said<'b>> {
        self.standing.filter(|it| it.fact.choice.is_denial())
    }

    /// The fact that stands, if it is a yes of any kind.
    pub(super) fn yes(&self) -> Option<Said<'b>> {
        self.standing
            .filter(|it| it.fact.choice == ConsentChoice::Given)
    }
}
