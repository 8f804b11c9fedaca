//! For whom may I do this? The audience of a newsletter, part by part: each part is read from a
//! state of its own, and no more than one part is ever held.

use super::{
    decision::{Evidence, permit},
    error::Error,
    registry::Registry,
};
use crate::domain::{
    audit::Action,
    caller::Caller,
    decision::Query,
    id::{ItemId, SubjectId},
    name::DataCategory,
    policy::compile::CompiledPolicy,
    revision::Revision,
};

/// People considered for one part.
const CANDIDATES_MAX: u64 = 500;
/// Items that one part names: more would not fit into its message. One person's stay together.
const ITEMS_MAX: usize = 50_000;

/// A part of an audience.
#[derive(Clone, Debug)]
pub struct AudiencePart {
    /// For whom it is lawful, each with the items that may be used; ascending.
    pub subjects: Vec<(SubjectId, Vec<ItemId>)>,
    /// Where the next part begins.
    pub cursor: String,
    /// Whether nobody is left to be considered.
    pub is_last: bool,
    /// The committed state that was read.
    pub revision: Revision,
}

/// What was found so far, and up to whom was looked.
#[derive(Default)]
struct Found {
    subjects: Vec<(SubjectId, Vec<ItemId>)>,
    items: usize,
    last: Option<SubjectId>,
}

impl Found {
    /// Takes the next candidate; says no when the part is full.
    fn take(&mut self, id: SubjectId, items: Option<Vec<ItemId>>) -> bool {
        let count = items.as_ref().map_or(0, Vec::len);
        if count > 0 && self.items > 0 && self.items + count > ITEMS_MAX {
            return false;
        }
        self.items += count;
        self.last = Some(id);
        self.subjects.extend(items.map(|items| (id, items)));
        true
    }
}

impl Registry {
    /// The next part of an audience: behind `cursor`, or the first.
    pub async fn list_lawful_subjects(
        &self,
        caller: &Caller,
        query: &Query,
        at_least_as_fresh: Option<Revision>,
        cursor: Option<&str>,
    ) -> Result<AudiencePart, Error> {
        permit(caller, &query.purpose, query.processor.as_ref())?;
        let view = self
            .view(caller, Action::ListLawfulSubjects, at_least_as_fresh)
            .await?;
        let question = question(query);
        let after = match cursor {
            Some(cursor) => self.position(&question, cursor)?,
            None => SubjectId(uuid::Uuid::nil()),
        };
        let candidates = match searched_data(view.in_force()?, query) {
            Some(data) => {
                let session = &view.snapshot;
                session.list_holders(data, after, CANDIDATES_MAX).await?
            }
            None => Vec::new(),
        };
        let data = &query.data_categories;
        let evidence = Evidence::load(&view.snapshot, &view.policies, &candidates, data).await?;
        let mut part = Found::default();
        let complete = candidates
            .iter()
            .all(|id| part.take(*id, lawful_items(&evidence, *id, query)));
        let last = part.last.unwrap_or(after);
        Ok(AudiencePart {
            cursor: self.issue_token(&question, &last.to_string()),
            is_last: complete && (candidates.len() as u64) < CANDIDATES_MAX,
            revision: view.snapshot.last_revision().await?,
            subjects: part.subjects,
        })
    }

    fn position(&self, question: &str, cursor: &str) -> Result<SubjectId, Error> {
        let position = self.open_token(question, cursor)?;
        position.parse().map_err(|_| Error::CursorInvalid)
    }
}

/// Which data is looked for: all must be allowed, so holders of any one of them are everybody who
/// can be. `None`: the policy permits this to nobody, and nobody needs to be looked for.
fn searched_data<'q>(policy: &CompiledPolicy, query: &'q Query) -> Option<&'q DataCategory> {
    let mut wanted = query.data_categories.iter();
    let permitted = wanted.all(|data| !policy.activities(data, &query.purpose).is_empty());
    query.data_categories.first().filter(|_| permitted)
}

fn lawful_items(evidence: &Evidence<'_>, id: SubjectId, query: &Query) -> Option<Vec<ItemId>> {
    let answer = evidence.judge(vec![id], query.clone(), false).answer;
    answer.is_lawful().then(|| answer.item_ids().collect())
}

/// The question in one spelling: a cursor is good for one question only.
fn question(query: &Query) -> String {
    format!("audience {query:?}")
}

#[cfg(test)]
mod tests;
