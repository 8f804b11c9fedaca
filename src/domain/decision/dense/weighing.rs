//! The candidates of one data category, weighed one after the other, as `category` does in names.

use super::{
    Few, Horizon, Question,
    facts::{Answer, Known, NoInstant},
    is_of,
};
use crate::domain::{
    compact::{Number, Piece, Stay},
    consent::{ConsentChoice, EvidenceMethod},
    decision::{CategoryDecision, DecisionReason as Reason, rules::rests_on_consent},
    id::{ConsentId, ItemId},
    policy::{
        dense::{Ceiling, Cell},
        model::{AfterCategoryEnd, LawfulBasis, RetentionTrigger},
    },
};

/// What it cannot say leads to no answer at all.
type Weighed<T> = Result<T, Unsaid>;

/// The rules in names have to be asked.
#[derive(Clone, Copy, Debug)]
struct Unsaid;

impl From<NoInstant> for Unsaid {
    fn from(_: NoInstant) -> Self {
        Self
    }
}

pub(super) struct Weighing<'q, 'b> {
    question: Question<'q>,
    known: &'q Known<'b>,
    data: Number,
    place: usize,
    horizon: Horizon,
    best: Option<(Reason, &'q Cell)>,
    items: Few<ItemId>,
}

impl<'q, 'b> Weighing<'q, 'b> {
    pub(super) fn new(
        question: Question<'q>,
        known: &'q Known<'b>,
        data: Number,
        place: usize,
    ) -> Self {
        Self {
            question,
            known,
            data,
            place,
            horizon: question.horizon(),
            best: None,
            items: Few::new(),
        }
    }

    pub(super) fn decide(mut self) -> Option<CategoryDecision> {
        self.known.watch(&mut self.horizon);
        for cell in self.question.policy.cells(self.place, self.question.usage) {
            self.weigh(cell).ok()?;
        }
        Some(self.conclude())
    }

    fn weigh(&mut self, cell: &'q Cell) -> Weighed<()> {
        if !self.covers_the_subject(cell)? {
            self.keep_if_better(Reason::NoActivity, cell);
        } else if !self.question.policy.shares(cell, self.question.usage) {
            self.keep_if_better(Reason::ProcessorNotNamed, cell);
        } else {
            self.weigh_items(cell)?;
        }
        Ok(())
    }

    fn weigh_items(&mut self, cell: &'q Cell) -> Weighed<()> {
        let (known, data) = (self.known, self.data);
        let of_data = known.items.iter().filter(|it| it.data == data);
        let mut collected = of_data.filter(|it| it.category == cell.category).peekable();
        if collected.peek().is_none() {
            self.keep_if_better(Reason::NotCollected, cell);
        }
        for item in collected {
            let reason = self.weigh_item(cell, item)?;
            if reason == Reason::Lawful {
                self.items.push(ItemId(item.id));
            }
            self.keep_if_better(reason, cell);
        }
        Ok(())
    }

    fn covers_the_subject(&mut self, cell: &Cell) -> Weighed<bool> {
        if cell.activity.lawful_basis.is_none() {
            return Ok(false);
        }
        let mut covered = false;
        let known = self.known;
        for stay in known.stays.iter().filter(|it| is_of(it, cell.category)) {
            let until = self.covered_until(cell, stay)?;
            self.horizon.watch(Some(stay.started));
            self.horizon.watch(until);
            let now = self.question.now;
            covered |= stay.started <= now && until.is_none_or(|until| now < until);
        }
        Ok(covered)
    }

    fn covered_until(&self, cell: &Cell, stay: &Stay) -> Weighed<Option<i64>> {
        let Some(ended) = stay.ended else {
            return Ok(None);
        };
        Ok(match &cell.activity.after_category_end {
            AfterCategoryEnd::Stops => Some(ended),
            AfterCategoryEnd::Continues => None,
            AfterCategoryEnd::For(period) => self.question.end_of(ended, period)?,
        })
    }

    fn weigh_item(&mut self, cell: &Cell, item: &Piece<'b>) -> Weighed<Reason> {
        if !item.purposes.is_empty() && !item.purposes.contains(self.question.purpose) {
            return Ok(Reason::PurposeExcluded);
        }
        let ends = self.retained_until(cell, item)?;
        self.horizon.watch(ends);
        if ends.is_some_and(|ends| ends <= self.question.now) {
            return Ok(Reason::RetentionExpired);
        }
        self.weigh_consent(cell)
    }

    fn weigh_consent(&self, cell: &Cell) -> Weighed<Reason> {
        let (policy, usage, now) = (self.question.policy, self.question.usage, self.question.now);
        let said = self.said(cell);
        let on_consent = rests_on_consent(&cell.activity);
        let heeds_a_no = on_consent
            || cell.activity.lawful_basis == Some(LawfulBasis::LegitimateInterests)
            || policy.is_marketing(usage);
        if let Some(no) = said.no().filter(|_| heeds_a_no) {
            return Ok(match no.fact.choice {
                ConsentChoice::Withdrawn => Reason::ConsentWithdrawn,
                _ => Reason::ConsentRefused,
            });
        }
        if !on_consent {
            return Ok(Reason::Lawful);
        }
        let Some(yes) = said.yes() else {
            return Ok(Reason::ConsentMissing);
        };
        let is_affirmative = policy.accepts(usage, yes.fact.method)
            && (yes.fact.method != EvidenceMethod::Imported || yes.fact.has_reference);
        let speaks = || policy.speaks_of(yes.fact.policy_version, self.place, cell, usage);
        Ok(if yes.has_expired(now) {
            Reason::ConsentExpired
        } else if !is_affirmative {
            Reason::ConsentEvidenceInsufficient
        } else if !speaks().ok_or(Unsaid)? {
            Reason::ConsentOutdated
        } else {
            Reason::Lawful
        })
    }

    fn said(&self, cell: &Cell) -> &'q Answer<'b> {
        if rests_on_consent(&cell.activity) {
            &self.known.ever
        } else {
            &self.known.still
        }
    }

    /// The shortest maximum of the registry's own and the processor's.
    fn retained_until(&self, cell: &Cell, item: &Piece<'b>) -> Weighed<Option<i64>> {
        let mut first: Option<i64> = None;
        let Question { policy, usage, .. } = self.question;
        for ceiling in policy.ceilings(self.place, cell, usage) {
            let Some(end) = self.trigger_end(cell, item, ceiling)? else {
                continue;
            };
            if cell.activity.lawful_basis == Some(LawfulBasis::LegalObligation) {
                // What the law requires to be kept may prolong it.
                return Err(Unsaid);
            }
            first = Some(first.map_or(end, |first| first.min(end)));
        }
        Ok(first)
    }

    fn trigger_end(
        &self,
        cell: &Cell,
        item: &Piece<'b>,
        ceiling: &Ceiling,
    ) -> Weighed<Option<i64>> {
        let rule = self.question.policy.rule(ceiling);
        let from = match rule.after {
            RetentionTrigger::Collection => Some(item.collected),
            RetentionTrigger::LastActivity => Some(self.last_activity(item, ceiling)),
            RetentionTrigger::ConsentWithdrawal => {
                let is_withdrawn = rests_on_consent(&cell.activity);
                self.said(cell).withdrawn.filter(|_| is_withdrawn)
            }
            RetentionTrigger::CategoryEnd => {
                let mut stays = self.known.stays.iter();
                if stays.any(|it| is_of(it, item.category) && it.ended.is_some()) {
                    return Err(Unsaid);
                }
                // Whoever has not left is not counted against.
                None
            }
        };
        match from {
            Some(from) => Ok(self.question.end_of(from, &rule.period)?),
            None => Ok(None),
        }
    }

    /// The latest activity that counts for the rule, or the latest collection that it covers.
    fn last_activity(&self, item: &Piece<'b>, ceiling: &Ceiling) -> i64 {
        let seen = self.known.activity.iter();
        let seen = seen.filter(|(source, _)| ceiling.counts_activity_of(*source));
        let of_data = self.known.items.iter().filter(|it| it.data == self.data);
        let collected = of_data.filter(|it| ceiling.covers(it.category));
        let instants = seen
            .map(|(_, at)| *at)
            .chain(collected.map(|it| it.collected));
        instants.fold(item.collected, i64::max)
    }

    /// Of equals the first counts: the policy's own order.
    fn keep_if_better(&mut self, reason: Reason, cell: &'q Cell) {
        if self.best.is_none_or(|(best, _)| reason > best) {
            self.best = Some((reason, cell));
        }
    }

    fn conclude(mut self) -> CategoryDecision {
        let reason = self.best.map_or(Reason::NoActivity, |(reason, _)| reason);
        let best = self.best.map(|(_, cell)| cell);
        let activity = best.filter(|_| reason > Reason::NoActivity);
        self.items.sort_unstable();
        self.items.dedup();
        CategoryDecision {
            data_category: self.question.policy.data_name(self.place).clone(),
            effect: reason.effect(),
            reason,
            lawful_basis: activity.and_then(|cell| cell.activity.lawful_basis),
            activity: activity.map(|cell| cell.activity.id.clone()),
            consent_id: best.and_then(|cell| self.deciding_fact(reason, cell)),
            item_ids: self.items.to_vec(),
            valid_until: self.horizon.first(),
            trace: Vec::new(),
        }
    }

    /// The fact that the answer rests on.
    fn deciding_fact(&self, reason: Reason, cell: &Cell) -> Option<ConsentId> {
        let permits = reason == Reason::Lawful && rests_on_consent(&cell.activity);
        let said = self.said(cell);
        let fact = said.no().or(said.yes());
        fact.filter(|_| permits || reason.rests_on_a_fact())
            .map(|it| ConsentId(it.fact.id))
    }
}
