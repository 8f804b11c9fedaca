//! Checks as they are asked every day, answered where they came in: of one person, of what memory holds, with
//! nothing read into values of its own. Whatever is out of the ordinary, or wrong, or to be refused, is left to be
//! read as any other check: here it has no answer.

use uuid::Uuid;

use crate::{
    app::{
        Error, Registry,
        decision::Tally,
        purpose::{Recollection, Whom},
    },
    domain::{
        audit::Action, caller::Caller, decision::dense::Asked, id::SubjectId, revision::Revision,
    },
    grpc::{decision::decision, parse::limits::DATA_CATEGORIES_MAX},
    proto::v1::{self, subject_ref::Ref},
};

/// Items that an everyday answer names at most: of more it is seen to that all answers fit into their message.
const ITEMS_MAX: usize = 8;

/// What checks that came together are answered from.
pub(super) struct Express<'r> {
    registry: &'r Registry,
    caller: &'r Caller,
    at_hand: Option<Recollection<'r>>,
    fresh: Option<Revision>,
    tally: Tally,
}

impl<'r> Express<'r> {
    /// Takes what is at hand. Refuses a caller who may not make the call.
    pub(super) fn board(
        registry: &'r Registry,
        caller: &'r Caller,
        action: Action,
        fresh: Option<Revision>,
    ) -> Result<Self, Error> {
        Ok(Self {
            registry,
            caller,
            at_hand: registry.recollect(caller, action)?,
            fresh,
            tally: Tally::default(),
        })
    }

    /// The answer to a check, if it is an everyday one.
    pub(super) fn answer(&mut self, check: &v1::CheckPurposeRequest) -> Option<v1::Decision> {
        let at_hand = self.at_hand.as_ref()?;
        let is_plain = !check.record
            && !check.explain
            && check.as_of.is_none()
            && check.known_at.is_none()
            && check.item_ids.is_empty()
            && check.data_categories.len() <= DATA_CATEGORIES_MAX;
        if !is_plain {
            return None;
        }
        let whom = match check.subject.as_ref()?.r#ref.as_ref()? {
            Ref::SubjectId(id) => Whom::Id(SubjectId(Uuid::try_parse(id).ok()?)),
            Ref::Identifier(it) => Whom::Identifier(&it.r#type, &it.value),
        };
        let asked = Asked {
            data_categories: &check.data_categories,
            purpose: &check.purpose,
            processor: Some(check.processor.as_str()).filter(|it| !it.is_empty()),
        };
        let fresh = match check.at_least_as_fresh.as_str() {
            "" => self.fresh,
            text => self.fresh.max(Some(text.parse().ok()?)),
        };
        let answer = at_hand.answer(self.caller, whom, &asked, fresh)?;
        if answer.item_ids().nth(ITEMS_MAX).is_some() {
            return None;
        }
        self.tally.add(&answer);
        Some(decision(&answer, 0))
    }
}

/// What was answered is counted when all of it is.
impl Drop for Express<'_> {
    fn drop(&mut self) {
        self.registry.count_recalled(&self.tally);
    }
}
