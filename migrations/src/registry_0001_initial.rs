//! The first schema. Instants are microseconds since the epoch. A subject's rows have `subject_id`
//! first in their keys; directory tables have keys of their own.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Subjects and what leads to them.
    "CREATE TABLE subjects (
        subject_id {uuid} NOT NULL PRIMARY KEY,
        created_at {int} NOT NULL,
        revision {int} NOT NULL,
        merged_into {uuid},
        erased_at {int}
    )",
    "CREATE INDEX subjects_by_merge ON subjects (merged_into)",
    "CREATE TABLE identifiers (
        subject_id {uuid} NOT NULL,
        identifier_id {uuid} NOT NULL,
        identifier_type text NOT NULL,
        value_sealed {bytes} NOT NULL,
        linked_at {int} NOT NULL,
        linked_by text NOT NULL,
        PRIMARY KEY (subject_id, identifier_id)
    )",
    // `slot` is the nil UUID where an identifier may lead to one subject only, and the subject
    // where it may be shared: the primary key then keeps accounts unique and contacts not.
    "CREATE TABLE identifier_index (
        identifier_type text NOT NULL,
        index_key text NOT NULL,
        hash {bytes} NOT NULL,
        slot {uuid} NOT NULL,
        subject_id {uuid} NOT NULL,
        identifier_id {uuid} NOT NULL,
        PRIMARY KEY (hash, index_key, identifier_type, slot)
    )",
    "CREATE INDEX identifier_index_by_subject ON identifier_index (subject_id, identifier_id)",
    // Facts: memberships begin and end, nothing is overwritten.
    "CREATE TABLE membership_facts (
        subject_id {uuid} NOT NULL,
        fact_id {uuid} NOT NULL,
        subject_category text NOT NULL,
        began boolean NOT NULL,
        occurred_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        recorded_by text NOT NULL,
        PRIMARY KEY (subject_id, fact_id)
    )",
    "CREATE TABLE items (
        subject_id {uuid} NOT NULL,
        item_id {uuid} NOT NULL,
        subject_category text NOT NULL,
        data_category text NOT NULL,
        source text NOT NULL,
        item_key_tag {bytes} NOT NULL,
        item_key_sealed {bytes},
        content_sealed {bytes},
        collected_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        policy_version text NOT NULL,
        purposes text NOT NULL,
        deleted_at {int},
        PRIMARY KEY (subject_id, item_id),
        UNIQUE (subject_id, subject_category, data_category, source, item_key_tag)
    )",
    "CREATE INDEX items_by_data ON items (data_category, subject_id) WHERE deleted_at IS NULL",
    "CREATE TABLE item_history (
        subject_id {uuid} NOT NULL,
        item_id {uuid} NOT NULL,
        change_id {uuid} NOT NULL,
        change text NOT NULL,
        collected_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        policy_version text NOT NULL,
        purposes text NOT NULL,
        PRIMARY KEY (subject_id, item_id, change_id)
    )",
    "CREATE TABLE activity (
        subject_id {uuid} NOT NULL,
        source text NOT NULL,
        last_at {int} NOT NULL,
        PRIMARY KEY (subject_id, source)
    )",
    "CREATE TABLE consents (
        subject_id {uuid} NOT NULL,
        consent_id {uuid} NOT NULL,
        purpose text NOT NULL,
        processors text NOT NULL,
        choice text NOT NULL,
        method text NOT NULL,
        has_reference boolean NOT NULL,
        given_by text NOT NULL,
        policy_version text NOT NULL,
        texts_sealed {bytes},
        occurred_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        recorded_by text NOT NULL,
        expires_at {int},
        PRIMARY KEY (subject_id, consent_id)
    )",
    "CREATE TABLE objections (
        subject_id {uuid} NOT NULL,
        objection_id {uuid} NOT NULL,
        purpose text NOT NULL,
        occurred_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        rejected_at {int},
        PRIMARY KEY (subject_id, objection_id)
    )",
    "CREATE TABLE restrictions (
        subject_id {uuid} NOT NULL,
        restriction_id {uuid} NOT NULL,
        data_categories text NOT NULL,
        started_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        lifted_at {int},
        PRIMARY KEY (subject_id, restriction_id)
    )",
    "CREATE TABLE disclosures (
        subject_id {uuid} NOT NULL,
        disclosure_id {uuid} NOT NULL,
        purpose text NOT NULL,
        processor text NOT NULL,
        decision_id {uuid} NOT NULL,
        external_reference_sealed {bytes},
        occurred_at {int} NOT NULL,
        recorded_at {int} NOT NULL,
        recorded_by text NOT NULL,
        PRIMARY KEY (subject_id, disclosure_id)
    )",
    "CREATE TABLE disclosed_items (
        subject_id {uuid} NOT NULL,
        disclosure_id {uuid} NOT NULL,
        item_id {uuid} NOT NULL,
        data_category text NOT NULL,
        PRIMARY KEY (subject_id, disclosure_id, item_id)
    )",
    // Directories.
    "CREATE TABLE policies (
        version text NOT NULL PRIMARY KEY,
        effective_from {int} NOT NULL UNIQUE,
        document text NOT NULL,
        published_at {int} NOT NULL,
        published_by text NOT NULL,
        revision {int} NOT NULL
    )",
    "CREATE TABLE withdrawal_tokens (
        token_id {uuid} NOT NULL PRIMARY KEY,
        subject_id {uuid} NOT NULL,
        purposes text NOT NULL,
        created_at {int} NOT NULL,
        expires_at {int} NOT NULL
    )",
    "CREATE INDEX withdrawal_tokens_by_subject ON withdrawal_tokens (subject_id)",
    "CREATE TABLE decisions (
        decision_id {uuid} NOT NULL PRIMARY KEY,
        subject_id {uuid},
        decided_at {int} NOT NULL,
        decided_for text NOT NULL,
        document text NOT NULL
    )",
    "CREATE INDEX decisions_by_subject ON decisions (subject_id, decided_at)",
    "CREATE TABLE imports (
        caller text NOT NULL,
        import_id {uuid} NOT NULL,
        checkpoint {int} NOT NULL,
        updated_at {int} NOT NULL,
        PRIMARY KEY (caller, import_id)
    )",
    "CREATE TABLE idempotency (
        caller text NOT NULL,
        action text NOT NULL,
        request_id {uuid} NOT NULL,
        fingerprint {bytes} NOT NULL,
        response text NOT NULL,
        revision {int} NOT NULL,
        created_at {int} NOT NULL,
        PRIMARY KEY (caller, action, request_id)
    )",
    "CREATE INDEX idempotency_by_age ON idempotency (created_at)",
    // `seq` grows in commit order within a subject; `position` is given once committed, so that the
    // global order has no gap that a late commit could fill behind a reader's back.
    "CREATE TABLE events (
        seq {sequence},
        event_id {uuid} NOT NULL,
        position {int},
        kind text NOT NULL,
        subject_id {uuid},
        processors text NOT NULL,
        document text NOT NULL,
        recorded_at {int} NOT NULL
    )",
    "CREATE UNIQUE INDEX events_by_position ON events (position)",
    "CREATE INDEX events_unplaced ON events (seq) WHERE position IS NULL",
    "CREATE TABLE audit (
        seq {sequence},
        audit_id {uuid} NOT NULL UNIQUE,
        at {int} NOT NULL,
        caller text NOT NULL,
        action text NOT NULL,
        subject_pseudonym {bytes},
        data_categories text NOT NULL,
        document text NOT NULL
    )",
    "CREATE INDEX audit_by_subject ON audit (subject_pseudonym, seq)",
    "CREATE INDEX audit_by_time ON audit (at)",
    // The durable intent to destroy a subject's key, completed before the erasure returns.
    "CREATE TABLE key_destructions (
        subject_id {uuid} NOT NULL PRIMARY KEY,
        intended_at {int} NOT NULL,
        completed_at {int}
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE key_destructions",
    "DROP TABLE audit",
    "DROP TABLE events",
    "DROP TABLE idempotency",
    "DROP TABLE imports",
    "DROP TABLE decisions",
    "DROP TABLE withdrawal_tokens",
    "DROP TABLE policies",
    "DROP TABLE disclosed_items",
    "DROP TABLE disclosures",
    "DROP TABLE restrictions",
    "DROP TABLE objections",
    "DROP TABLE consents",
    "DROP TABLE activity",
    "DROP TABLE item_history",
    "DROP TABLE items",
    "DROP TABLE membership_facts",
    "DROP TABLE identifier_index",
    "DROP TABLE identifiers",
    "DROP TABLE subjects",
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
