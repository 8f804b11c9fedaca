//! Which tasks are wanted.

use jiff::Timestamp;
use sea_orm::{ColumnTrait, Condition, sea_query::Expr};

use super::row;
use crate::domain::{
    caller::Bound,
    id::{SubjectRequestId, TaskId},
    name::{Processor, Source},
    task::{Recipient, StateName, TaskKind},
};

/// Whose tasks are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One recipient's.
    Of(Recipient),
    /// All of which somebody may see.
    Within {
        /// Those of these processors.
        processors: Bound<Processor>,
        /// Those of these holders.
        holders: Bound<Source>,
    },
}

/// Which tasks are listed.
#[derive(Clone, Debug)]
pub struct TaskFilter {
    /// Whose.
    pub reach: Reach,
    /// In which state; `None`: in any.
    pub state: Option<StateName>,
    /// Of which request; `None`: of all.
    pub subject_request_id: Option<SubjectRequestId>,
}

impl Reach {
    pub(super) fn condition(&self) -> Condition {
        match self {
            Self::Of(recipient) => of(recipient),
            Self::Within {
                processors,
                holders,
            } => Condition::any()
                .add(within(row::Column::Processor, processors))
                .add(within(row::Column::Holder, holders)),
        }
    }
}

fn of(recipient: &Recipient) -> Condition {
    Condition::all().add(match recipient {
        Recipient::Processor(name) => row::Column::Processor.eq(name.as_str()),
        Recipient::Holder(name) => row::Column::Holder.eq(name.as_str()),
    })
}

fn within<T: Ord + ToString>(column: row::Column, bound: &Bound<T>) -> Condition {
    Condition::all().add(match bound {
        Bound::Nothing => Expr::value(false),
        Bound::Named(names) => column.is_in(names.iter().map(ToString::to_string)),
        Bound::Everything => column.is_not_null(),
    })
}

/// Due, or on a lease that has run out.
pub(super) fn due(recipient: &Recipient, kinds: &[TaskKind], now: Timestamp) -> Condition {
    let states = [StateName::Pending, StateName::Suppressed, StateName::Leased];
    let mut due = of(recipient)
        .add(row::Column::CompletedAt.is_null())
        .add(row::Column::NotBefore.lte(now.as_microsecond()))
        .add(row::Column::State.is_in(states.map(StateName::as_str)));
    if !kinds.is_empty() {
        let kinds = kinds.iter().map(|kind| kind.as_str());
        due = due.add(row::Column::Kind.is_in(kinds));
    }
    due
}

/// Made later than this one, or at the same instant with a greater id.
pub(super) fn behind(created_at: Timestamp, id: TaskId) -> Condition {
    let created_at = created_at.as_microsecond();
    Condition::any()
        .add(row::Column::CreatedAt.gt(created_at))
        .add(
            Condition::all()
                .add(row::Column::CreatedAt.eq(created_at))
                .add(row::Column::TaskId.gt(id.0)),
        )
}
