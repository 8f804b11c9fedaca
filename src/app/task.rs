//! Tasks: made when something happens to a person's data, leased by connectors, and brought to an end.

mod again;
mod cancel;
mod ending;
mod inform;
mod settle;
mod work;

pub(super) use again::inform_again;
pub(super) use cancel::cancel_copies;
pub(super) use inform::{Inform, Informed, inform_recipients};
pub use settle::ListTasks;
pub use work::{Failed, LeaseTasks, OnLease, OpenedTask};
