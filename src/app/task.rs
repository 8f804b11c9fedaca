//! Tasks: made when something happens to a person's data, leased by connectors, and brought to an end.

mod again;
mod cancel;
mod ending;
mod inform;
mod more;
mod notice;
mod settle;
mod work;

pub(super) use again::inform_again;
pub(super) use cancel::cancel_copies;
pub(super) use ending::{cancel, event as task_event};
pub(super) use inform::{Inform, Informed, inform_recipients, name_again, told};
pub(super) use notice::{already_told, prepare_notices, send_notices};
pub use settle::ListTasks;
pub use work::{Failed, LeaseTasks, OnLease, OpenedTask};
