//! What stood before it was changed, so that a check as of an earlier instant can be answered: rows of
//! subjects as they stood, identifiers that led to somebody, activity by day, when subjects were merged, and
//! what the decision sees of an item at each of its changes. What was changed before this migration is not
//! known; `history_start` says from when on it is.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // A merge repoints `merged_into` later on; these two stay.
    "ALTER TABLE subjects ADD COLUMN merged_at {int}",
    "ALTER TABLE subjects ADD COLUMN merged_first_into {uuid}",
    "UPDATE subjects SET merged_at = 0, merged_first_into = merged_into
     WHERE merged_into IS NOT NULL",
    // A membership fact, item, consent, objection or restriction, as it stood until an instant: whose it
    // was, and the two instants of it that can change.
    "CREATE TABLE past_rows (
        subject_id {uuid} NOT NULL,
        row_id {uuid} NOT NULL,
        until {int} NOT NULL,
        held_by {uuid} NOT NULL,
        began_at {int},
        ended_at {int},
        PRIMARY KEY (subject_id, row_id, until)
    )",
    // An identifier that led to `held_by` until an instant: keyed hashes only.
    "CREATE TABLE past_links (
        subject_id {uuid} NOT NULL,
        identifier_id {uuid} NOT NULL,
        until {int} NOT NULL,
        index_key text NOT NULL,
        hash {bytes} NOT NULL,
        held_by {uuid} NOT NULL,
        linked_at {int} NOT NULL,
        PRIMARY KEY (subject_id, identifier_id, until, index_key)
    )",
    "CREATE INDEX past_links_by_hash ON past_links (hash)",
    // The first and the latest activity that was heard of on a day (in UTC, counted from the epoch).
    "CREATE TABLE activity_history (
        subject_id {uuid} NOT NULL,
        source text NOT NULL,
        day {int} NOT NULL,
        first_at {int} NOT NULL,
        first_recorded_at {int} NOT NULL,
        last_at {int} NOT NULL,
        last_recorded_at {int} NOT NULL,
        PRIMARY KEY (subject_id, source, day)
    )",
    "INSERT INTO activity_history
        (subject_id, source, day, first_at, first_recorded_at, last_at, last_recorded_at)
     SELECT subject_id, source, 0, last_at, 0, last_at, 0 FROM activity",
    // `place`: the order of changes of one instant.
    "ALTER TABLE item_history ADD COLUMN place {int}",
    "ALTER TABLE item_history ADD COLUMN subject_category text",
    "ALTER TABLE item_history ADD COLUMN data_category text",
    "ALTER TABLE item_history ADD COLUMN source text",
    "ALTER TABLE item_history ADD COLUMN retained_for text",
    // Only what is live needs it: what was deleted before is deleted at any instant that can be asked for.
    "UPDATE item_history SET
        subject_category = (SELECT subject_category FROM items WHERE
            items.subject_id = item_history.subject_id AND items.item_id = item_history.item_id),
        data_category = (SELECT data_category FROM items WHERE
            items.subject_id = item_history.subject_id AND items.item_id = item_history.item_id),
        source = (SELECT source FROM items WHERE
            items.subject_id = item_history.subject_id AND items.item_id = item_history.item_id),
        retained_for = (SELECT retained_for FROM items WHERE
            items.subject_id = item_history.subject_id AND items.item_id = item_history.item_id)
     WHERE EXISTS (SELECT 1 FROM items WHERE deleted_at IS NULL
        AND items.subject_id = item_history.subject_id AND items.item_id = item_history.item_id)",
    // The instant of the last change before: whatever changes after it leaves what stood.
    "CREATE TABLE history_start (
        history_id {int} NOT NULL PRIMARY KEY,
        known_from {int} NOT NULL
    )",
    "INSERT INTO history_start (history_id, known_from)
     SELECT 1, COALESCE(MAX(latest), 0) FROM (
        SELECT MAX(recorded_at) AS latest FROM events
        UNION ALL SELECT MAX(at) AS latest FROM audit
     ) AS changes",
];

const DOWN: &[&str] = &[
    "DROP TABLE history_start",
    "ALTER TABLE item_history DROP COLUMN retained_for",
    "ALTER TABLE item_history DROP COLUMN source",
    "ALTER TABLE item_history DROP COLUMN data_category",
    "ALTER TABLE item_history DROP COLUMN subject_category",
    "ALTER TABLE item_history DROP COLUMN place",
    "DROP TABLE activity_history",
    "DROP TABLE past_links",
    "DROP TABLE past_rows",
    "ALTER TABLE subjects DROP COLUMN merged_first_into",
    "ALTER TABLE subjects DROP COLUMN merged_at",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
