//! Packing a state.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Number, SHARED_ID_SPAN, has, micros, packed};
use crate::domain::{
    consent::ConsentFact, item::ItemState, revision::Revision, subject::SubjectState,
};

/// Packs a state. `None`: a name of it has no number, or an instant has parts finer than microseconds.
pub fn write(
    state: &SubjectState,
    revision: Revision,
    number: impl FnMut(&str) -> Option<Number>,
) -> Option<Vec<u8>> {
    let ids = ids_of(state);
    let mut writer = Writer {
        bytes: Vec::with_capacity(128),
        number,
        zero: zero_of(state)?,
        firsts: firsts_of(ids),
    };
    writer.head(state, revision)?;
    writer.memberships(state)?;
    writer.activity(state)?;
    writer.items(&state.items)?;
    writer.consents(&state.consents)?;
    writer.rare(state)?;
    writer.bytes.shrink_to_fit();
    Some(writer.bytes)
}

fn ids_of(state: &SubjectState) -> Vec<u128> {
    let items = state.items.iter().map(|it| it.item_id.0);
    let consents = state.consents.iter().map(|it| it.consent_id.0);
    let objections = state.objections.iter().map(|it| it.objection_id.0);
    let restrictions = state.restrictions.iter().map(|it| it.restriction_id.0);
    let ids = items.chain(consents).chain(objections).chain(restrictions);
    ids.map(|id| id.as_u128()).collect()
}

/// The ids that others count up from.
fn firsts_of(mut ids: Vec<u128>) -> Vec<u128> {
    ids.sort_unstable();
    let mut firsts: Vec<u128> = Vec::new();
    for id in ids {
        if firsts
            .last()
            .is_none_or(|first| id - first >= SHARED_ID_SPAN)
        {
            firsts.push(id);
        }
    }
    firsts
}

/// An instant near most others: that of the first item, else of anything.
fn zero_of(state: &SubjectState) -> Option<i64> {
    let item = state.items.first().map(|it| it.collected_at);
    let fact = state.consents.first().map(|it| it.recorded_at);
    let stay = state.memberships.first().map(|it| it.started_at);
    micros(item.or(fact).or(stay).unwrap_or_default())
}

struct Writer<F> {
    bytes: Vec<u8>,
    number: F,
    zero: i64,
    firsts: Vec<u128>,
}

impl<F: FnMut(&str) -> Option<Number>> Writer<F> {
    fn head(&mut self, state: &SubjectState, revision: Revision) -> Option<()> {
        let retains = state.items.iter().any(ItemState::is_retained);
        let flags = [
            (state.erased_at.is_some(), has::ERASURE),
            (!state.objections.is_empty(), has::OBJECTIONS),
            (!state.restrictions.is_empty(), has::RESTRICTIONS),
            (retains, has::RETAINED_ITEMS),
        ];
        let flags = flags.iter().filter(|(is, _)| *is);
        self.bytes.push(flags.fold(0, |all, (_, flag)| all | flag));
        self.integer(u64::try_from(revision.last_event()).ok()?);
        self.signed(self.zero);
        self.integer(self.firsts.len() as u64);
        for first in &self.firsts {
            self.bytes.extend_from_slice(&first.to_be_bytes());
        }
        Some(())
    }

    fn memberships(&mut self, state: &SubjectState) -> Option<()> {
        self.integer(state.memberships.len() as u64);
        for stay in &state.memberships {
            self.name(stay.category.as_str())?;
            self.instant(stay.started_at)?;
            self.maybe(stay.ended_at)?;
        }
        Some(())
    }

    fn activity(&mut self, state: &SubjectState) -> Option<()> {
        self.integer(state.last_activity.len() as u64);
        for (source, at) in &state.last_activity {
            self.name(source.as_str())?;
            self.instant(*at)?;
        }
        Some(())
    }

    fn items(&mut self, items: &[ItemState]) -> Option<()> {
        let runs: Vec<_> = items.chunk_by(are_collected_together).collect();
        self.integer(runs.len() as u64);
        for run in runs {
            let [first, ..] = run else { continue };
            self.integer(run.len() as u64);
            self.name(first.subject_category.as_str())?;
            self.name(first.source.as_str())?;
            self.instant(first.collected_at)?;
            self.name(first.policy_version.as_str())?;
            self.names(&first.purposes)?;
            self.grounds(first)?;
            self.id(first.item_id.0)?;
            for item in run {
                self.name(item.data_category.as_str())?;
            }
        }
        Some(())
    }

    /// Nothing of it where no item of the state is retained.
    fn grounds(&mut self, item: &ItemState) -> Option<()> {
        if self.bytes.first()? & has::RETAINED_ITEMS == 0 {
            return Some(());
        }
        self.bytes.push(u8::from(item.is_retained()));
        match &item.retained_for {
            Some(grounds) => self.names(grounds),
            None => Some(()),
        }
    }

    fn consents(&mut self, facts: &[ConsentFact]) -> Option<()> {
        let runs: Vec<_> = facts.chunk_by(are_said_together).collect();
        self.integer(runs.len() as u64);
        for run in runs {
            let [first, ..] = run else { continue };
            let has_more = first.expires_at.is_some() || !first.processors.is_empty();
            let ConsentFact {
                choice,
                method,
                has_reference,
                ..
            } = *first;
            self.integer(run.len() as u64);
            self.bytes
                .push(packed(choice, method, has_reference, has_more)?);
            if has_more {
                self.names(&first.processors)?;
                self.maybe(first.expires_at)?;
            }
            self.name(first.policy_version.as_str())?;
            self.instant(first.occurred_at)?;
            self.instant(first.recorded_at)?;
            self.id(first.consent_id.0)?;
            for fact in run {
                self.name(fact.purpose.as_str())?;
            }
        }
        Some(())
    }

    fn rare(&mut self, state: &SubjectState) -> Option<()> {
        if state.erased_at.is_some() {
            self.maybe(state.erased_at)?;
        }
        if !state.objections.is_empty() {
            self.integer(state.objections.len() as u64);
        }
        for objection in &state.objections {
            self.id(objection.objection_id.0)?;
            self.name(objection.purpose.as_str())?;
            self.instant(objection.occurred_at)?;
            self.maybe(objection.rejected_at)?;
        }
        if !state.restrictions.is_empty() {
            self.integer(state.restrictions.len() as u64);
        }
        for restriction in &state.restrictions {
            self.id(restriction.restriction_id.0)?;
            self.names(&restriction.data_categories)?;
            self.instant(restriction.started_at)?;
            self.maybe(restriction.lifted_at)?;
        }
        Some(())
    }

    fn integer(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push((value & 0x7f) as u8);
    }

    /// Small ones are short, whatever their sign.
    fn signed(&mut self, value: i64) {
        self.integer(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn name(&mut self, name: &str) -> Option<()> {
        let number = (self.number)(name)?;
        self.integer(u64::from(number));
        Some(())
    }

    fn names<N: AsRef<str>>(&mut self, names: &[N]) -> Option<()> {
        self.integer(names.len() as u64);
        names.iter().try_for_each(|name| self.name(name.as_ref()))
    }

    fn instant(&mut self, at: Timestamp) -> Option<()> {
        let distance = micros(at)?.checked_sub(self.zero)?;
        self.signed(distance);
        Some(())
    }

    fn maybe(&mut self, at: Option<Timestamp>) -> Option<()> {
        self.bytes.push(u8::from(at.is_some()));
        match at {
            Some(at) => self.instant(at),
            None => Some(()),
        }
    }

    fn id(&mut self, id: Uuid) -> Option<()> {
        let id = id.as_u128();
        let place = self.firsts.partition_point(|first| *first <= id) - 1;
        self.integer(place as u64);
        self.integer(u64::try_from(id - self.firsts[place]).ok()?);
        Some(())
    }
}

/// Whether two items, the one after the other, differ in what they are alone, and their ids count up.
fn are_collected_together(one: &ItemState, next: &ItemState) -> bool {
    one.subject_category == next.subject_category
        && one.source == next.source
        && one.collected_at == next.collected_at
        && one.policy_version == next.policy_version
        && one.purposes == next.purposes
        && one.retained_for == next.retained_for
        && counts_up(one.item_id.0, next.item_id.0)
}

/// Whether two facts, the one after the other, differ in their purposes alone, and their ids count up.
fn are_said_together(one: &ConsentFact, next: &ConsentFact) -> bool {
    one.processors == next.processors
        && one.choice == next.choice
        && one.method == next.method
        && one.has_reference == next.has_reference
        && one.policy_version == next.policy_version
        && one.occurred_at == next.occurred_at
        && one.recorded_at == next.recorded_at
        && one.expires_at == next.expires_at
        && counts_up(one.consent_id.0, next.consent_id.0)
}

fn counts_up(one: Uuid, next: Uuid) -> bool {
    one.as_u128().checked_add(1) == Some(next.as_u128())
}
