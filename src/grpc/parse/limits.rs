//! How much a message may hold. The API's documentation names the same numbers.

/// Most items of one registration.
pub const ITEMS_MAX: usize = 100;
/// Most further identifiers of one registration.
pub const IDENTIFIERS_MAX: usize = 20;
/// Most consent statements of one registration.
pub const CONSENTS_MAX: usize = 50;
/// Most data categories of one question.
pub const DATA_CATEGORIES_MAX: usize = 100;
/// Most single items of one question.
pub const ITEM_IDS_MAX: usize = 100;
/// Most purposes that one item is narrowed to.
pub const ITEM_PURPOSES_MAX: usize = 100;
/// Most purposes of one consent statement, withdrawal or token.
pub const PURPOSES_MAX: usize = 50;
/// Most processors of one consent statement, withdrawal or watcher.
pub const PROCESSORS_MAX: usize = 50;
/// Most kinds of events that a watcher names; a kind may stand twice.
pub const EVENT_KINDS_MAX: usize = 100;
/// Largest policy, in bytes of its message; the file may have as many.
pub const POLICY_BYTES_MAX: usize = 1024 * 1024;
/// Most entries of one batch.
pub const BATCH_ENTRIES_MAX: usize = 1_000;
/// Entries of a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: usize = 50;
/// Most entries of a page.
pub const PAGE_SIZE_MAX: usize = 1_000;
/// Longest page token, cursor or revision, in bytes.
pub const OPAQUE_BYTES_MAX: usize = 1_024;
/// Longest identifier value, in bytes, before normalisation; its type may allow less.
pub const IDENTIFIER_VALUE_BYTES_MAX: usize = 1_024;
/// Longest wording of a consent question, in bytes.
pub const WORDING_BYTES_MAX: usize = 8 * 1024;
/// Longest language tag (BCP 47), in bytes.
pub const LOCALE_BYTES_MAX: usize = 35;
/// Longest reference to original evidence, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 1_024;
/// Longest name of who took a consent, in bytes.
pub const COLLECTED_BY_BYTES_MAX: usize = 256;
/// Longest name that a recipient has for a disclosure, in bytes.
pub const EXTERNAL_REFERENCE_BYTES_MAX: usize = 256;
/// Most purposes that a legal hold names.
pub const HOLD_PURPOSES_MAX: usize = 100;
/// Longest name of the matter of a legal hold, in bytes.
pub const MATTER_BYTES_MAX: usize = 256;
/// Longest article that a legal hold rests on, in bytes.
pub const ARTICLE_BYTES_MAX: usize = 64;
/// Longest correlation id of a stream, in bytes.
pub const CORRELATION_ID_BYTES_MAX: usize = 128;
/// Longest name of an action or caller in a filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 64;
