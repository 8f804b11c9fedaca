//! Tasks: made when something happens to a person's data, leased by connectors, and brought to an end.

mod ending;
mod inform;
mod notice;
mod settle;
mod work;

pub(super) use ending::cancel;
pub(super) use inform::{Inform, Informed, inform_recipients, told};
pub(super) use notice::{already_told, prepare_notices, send_notices};
pub use settle::ListTasks;
pub use work::{Failed, LeaseTasks, OnLease, OpenedTask};
