//! The schema history.
