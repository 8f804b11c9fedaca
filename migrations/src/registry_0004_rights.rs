//! People's rights: requests, tasks, exports, legal holds, erasures and what they leave, sweeps.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE subject_requests (
        subject_request_id {uuid} NOT NULL PRIMARY KEY,
        subject_id {uuid} NOT NULL,
        state text NOT NULL,
        received_at {int} NOT NULL,
        due_at {int},
        answered_at {int},
        completed_at {int},
        document text NOT NULL,
        corrections_sealed {bytes},
        worked_until {int}
    )",
    "CREATE INDEX subject_requests_by_subject ON subject_requests (subject_id)",
    "CREATE INDEX subject_requests_by_due ON subject_requests (due_at, subject_request_id)",
    "CREATE INDEX subject_requests_open ON subject_requests (subject_request_id)
        WHERE completed_at IS NULL",
    "CREATE TABLE tasks (
        task_id {uuid} NOT NULL PRIMARY KEY,
        subject_id {uuid} NOT NULL,
        subject_request_id {uuid},
        processor text,
        holder text,
        kind text NOT NULL,
        cause text NOT NULL,
        state text NOT NULL,
        attempts {int} NOT NULL,
        not_before {int} NOT NULL,
        lease_id {uuid},
        lease_until {int},
        leased_by text,
        created_at {int} NOT NULL,
        completed_at {int},
        document text NOT NULL,
        payload_sealed {bytes},
        progress_sealed {bytes}
    )",
    "CREATE INDEX tasks_by_subject ON tasks (subject_id)",
    "CREATE INDEX tasks_by_request ON tasks (subject_request_id)",
    "CREATE INDEX tasks_due_of_processor ON tasks (processor, not_before) WHERE completed_at IS NULL",
    "CREATE INDEX tasks_due_of_holder ON tasks (holder, not_before) WHERE completed_at IS NULL",
    "CREATE INDEX tasks_open ON tasks (state, not_before) WHERE completed_at IS NULL",
    "CREATE INDEX tasks_by_age ON tasks (created_at, task_id)",
    "CREATE TABLE exports (
        export_id {uuid} NOT NULL PRIMARY KEY,
        subject_request_id {uuid} NOT NULL,
        subject_id {uuid} NOT NULL,
        kind text NOT NULL,
        created_at {int} NOT NULL,
        ready_at {int},
        expires_at {int},
        destroyed_at {int},
        document text NOT NULL
    )",
    "CREATE INDEX exports_by_request ON exports (subject_request_id)",
    "CREATE INDEX exports_by_subject ON exports (subject_id)",
    "CREATE TABLE export_chunks (
        export_id {uuid} NOT NULL,
        format text NOT NULL,
        seq {int} NOT NULL,
        first_byte {int} NOT NULL,
        bytes {int} NOT NULL,
        data_sealed {bytes} NOT NULL,
        PRIMARY KEY (export_id, format, seq)
    )",
    // What holders handed over for a copy, until it is written into the package.
    "CREATE TABLE export_provided (
        export_id {uuid} NOT NULL,
        item_id {uuid} NOT NULL,
        content_sealed {bytes} NOT NULL,
        provided_at {int} NOT NULL,
        PRIMARY KEY (export_id, item_id)
    )",
    "CREATE TABLE legal_holds (
        subject_id {uuid} NOT NULL,
        legal_hold_id {uuid} NOT NULL,
        item_ids text NOT NULL,
        data_categories text NOT NULL,
        purposes text NOT NULL,
        matter text NOT NULL,
        article text NOT NULL,
        placed_at {int} NOT NULL,
        placed_by text NOT NULL,
        released_at {int},
        released_by text,
        PRIMARY KEY (subject_id, legal_hold_id)
    )",
    "CREATE UNIQUE INDEX legal_holds_by_id ON legal_holds (legal_hold_id)",
    "ALTER TABLE objections ADD COLUMN subject_request_id {uuid}",
    "ALTER TABLE objections ADD COLUMN upheld_at {int}",
    "ALTER TABLE objections ADD COLUMN grounds text",
    "ALTER TABLE restrictions ADD COLUMN subject_request_id {uuid}",
    "ALTER TABLE restrictions ADD COLUMN informed_at {int}",
    // An item that would have been erased and must stay for now: the purposes that are the ground for
    // keeping it (possibly none), the request that waits, and the key of its own that it is sealed under.
    "ALTER TABLE items ADD COLUMN retained_for text",
    "ALTER TABLE items ADD COLUMN retained_by {uuid}",
    "ALTER TABLE items ADD COLUMN sealed_under {uuid}",
    "CREATE INDEX items_by_key ON items (sealed_under) WHERE sealed_under IS NOT NULL",
    "CREATE INDEX items_retained ON items (subject_id, item_id) WHERE retained_for IS NOT NULL",
    // What an erasure did, for its certificate. No personal data.
    "CREATE TABLE erasures (
        subject_request_id {uuid} NOT NULL PRIMARY KEY,
        subject_id {uuid} NOT NULL,
        erased_at {int} NOT NULL,
        document text NOT NULL
    )",
    // Identifiers of erased people, as keyed hashes only.
    "CREATE TABLE suppressions (
        hash {bytes} NOT NULL,
        index_key text NOT NULL,
        identifier_type text NOT NULL,
        suppressed_at {int} NOT NULL,
        objected_purposes text NOT NULL,
        PRIMARY KEY (hash, index_key, identifier_type)
    )",
    // Where a sweep over all subjects stands, so that it goes on after a restart.
    "CREATE TABLE sweeps (
        name text NOT NULL PRIMARY KEY,
        cursor text NOT NULL,
        started_at {int} NOT NULL,
        finished_at {int},
        document text NOT NULL
    )",
    // Processors that have been told that their own retention of an item has run out.
    "CREATE TABLE processor_purges (
        subject_id {uuid} NOT NULL,
        item_id {uuid} NOT NULL,
        processor text NOT NULL,
        collected_at {int} NOT NULL,
        told_at {int} NOT NULL,
        PRIMARY KEY (subject_id, item_id, processor)
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE processor_purges",
    "DROP TABLE sweeps",
    "DROP TABLE suppressions",
    "DROP TABLE erasures",
    "DROP INDEX items_retained",
    "DROP INDEX items_by_key",
    "ALTER TABLE items DROP COLUMN sealed_under",
    "ALTER TABLE items DROP COLUMN retained_by",
    "ALTER TABLE items DROP COLUMN retained_for",
    "ALTER TABLE restrictions DROP COLUMN informed_at",
    "ALTER TABLE restrictions DROP COLUMN subject_request_id",
    "ALTER TABLE objections DROP COLUMN grounds",
    "ALTER TABLE objections DROP COLUMN upheld_at",
    "ALTER TABLE objections DROP COLUMN subject_request_id",
    "DROP TABLE legal_holds",
    "DROP TABLE export_provided",
    "DROP TABLE export_chunks",
    "DROP TABLE exports",
    "DROP TABLE tasks",
    "DROP TABLE subject_requests",
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
