//! Requests in sentences.
