//! Consent: recorded and withdrawn as facts with a time of their own (Art. 7).

mod check;
mod form;
mod statement;

pub(super) use statement::{CheckedStatement, append_checked, append_statement, check_statement};
