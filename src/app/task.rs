//! Tasks: made when something happens to a person's data, leased by connectors, and brought to an end.

mod ending;
mod inform;

pub(super) use ending::{cancel_tasks, open_tasks};
pub(super) use inform::{Inform, Informed, inform_recipients};
