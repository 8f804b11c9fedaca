//! What a restored database is given back: denials and deletions, without the texts and keys that
//! the journal does not have. Every statement changes nothing when it is run again.

mod keys;

use jiff::Timestamp;
use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use super::{
    error::StoreError,
    name_list,
    session::{Session, Tx},
};
use crate::domain::{
    id::{ObjectionId, RestrictionId, SubjectId, SubjectRequestId},
    journal::{DeniedConsent, HashedIdentifier},
    name::{DataCategory, Purpose},
};

impl Session {
    /// Whether a subject's key is there: it was neither destroyed nor lost.
    pub async fn has_key(&self, subject: SubjectId) -> Result<bool, StoreError> {
        match self.prepare_keys(&[subject]).await {
            Ok(()) => Ok(self.keys.lock().await.contains_key(&subject.0)),
            Err(error) => Err(error),
        }
    }
}

impl Tx {
    pub(super) async fn run(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        let backend = connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(connection.execute_raw(statement).await?.rows_affected())
    }

    /// Puts a denial back, without the texts of its evidence.
    pub async fn restore_denial(
        &mut self,
        subject: SubjectId,
        denied: &DeniedConsent,
    ) -> Result<(), StoreError> {
        let DeniedConsent {
            consent_id,
            purpose,
            processors,
            choice,
            method,
            has_reference,
            given_by,
            policy_version,
            occurred_at,
            recorded_at,
            recorded_by,
            expires_at,
        } = denied;
        self.run(
            "INSERT INTO consents (subject_id, consent_id, purpose, processors, choice, method,
                has_reference, given_by, policy_version, occurred_at, recorded_at, recorded_by,
                expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT DO NOTHING",
            vec![
                subject.0.into(),
                consent_id.0.into(),
                purpose.as_str().into(),
                name_list::write(processors).into(),
                choice.as_str().into(),
                method.as_str().into(),
                (*has_reference).into(),
                given_by.as_str().into(),
                policy_version.as_str().into(),
                occurred_at.as_microsecond().into(),
                recorded_at.as_microsecond().into(),
                recorded_by.as_str().into(),
                expires_at.map(Timestamp::as_microsecond).into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Puts an objection back.
    pub async fn restore_objection(
        &mut self,
        subject: SubjectId,
        objection: ObjectionId,
        purpose: &Purpose,
        [occurred_at, recorded_at]: [Timestamp; 2],
        request: Option<SubjectRequestId>,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO objections (subject_id, objection_id, purpose, occurred_at, recorded_at,
                subject_request_id)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            vec![
                subject.0.into(),
                objection.0.into(),
                purpose.as_str().into(),
                occurred_at.as_microsecond().into(),
                recorded_at.as_microsecond().into(),
                request.map(Uuid::from).into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Rejects an objection again.
    pub async fn restore_rejection(
        &mut self,
        subject: SubjectId,
        objection: ObjectionId,
        rejected_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE objections SET rejected_at = $3
             WHERE subject_id = $1 AND objection_id = $2 AND rejected_at IS NULL",
            vec![
                subject.0.into(),
                objection.0.into(),
                rejected_at.as_microsecond().into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Puts a restriction back.
    pub async fn restore_restriction(
        &mut self,
        subject: SubjectId,
        restriction: RestrictionId,
        data_categories: &[DataCategory],
        [started_at, recorded_at]: [Timestamp; 2],
        request: Option<SubjectRequestId>,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO restrictions (subject_id, restriction_id, data_categories, started_at,
                recorded_at, subject_request_id)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            vec![
                subject.0.into(),
                restriction.0.into(),
                name_list::write(data_categories).into(),
                started_at.as_microsecond().into(),
                recorded_at.as_microsecond().into(),
                request.map(Uuid::from).into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Lifts a restriction again.
    pub async fn restore_lifting(
        &mut self,
        subject: SubjectId,
        restriction: RestrictionId,
        lifted_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE restrictions SET lifted_at = $3
             WHERE subject_id = $1 AND restriction_id = $2 AND lifted_at IS NULL",
            vec![
                subject.0.into(),
                restriction.0.into(),
                lifted_at.as_microsecond().into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Takes an identifier off a subject again, unless it was linked later than `unlinked_at`.
    pub async fn unlink_hashed(
        &mut self,
        subject: SubjectId,
        identifier: &HashedIdentifier,
        unlinked_at: Timestamp,
    ) -> Result<(), StoreError> {
        let named = || -> [Value; 4] {
            [
                subject.0.into(),
                identifier.hash.0.clone().into(),
                identifier.index_key.as_str().into(),
                identifier.identifier_type.as_str().into(),
            ]
        };
        let mut values = Vec::from(named());
        values.push(unlinked_at.as_microsecond().into());
        self.run(
            "DELETE FROM identifiers
             WHERE subject_id = $1 AND linked_at <= $5 AND identifier_id IN (
                SELECT identifier_id FROM identifier_index
                WHERE subject_id = $1 AND hash = $2 AND index_key = $3 AND identifier_type = $4
             )",
            values,
        )
        .await?;
        self.run(
            "DELETE FROM identifier_index
             WHERE subject_id = $1 AND hash = $2 AND index_key = $3 AND identifier_type = $4
             AND NOT EXISTS (
                SELECT 1 FROM identifiers AS linked
                WHERE linked.subject_id = identifier_index.subject_id
                AND linked.identifier_id = identifier_index.identifier_id
             )",
            named().into(),
        )
        .await?;
        Ok(())
    }

    /// Takes every identifier off a subject.
    pub async fn unlink_everything(&mut self, subject: SubjectId) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM identifier_index WHERE subject_id = $1",
            "DELETE FROM identifiers WHERE subject_id = $1",
        ] {
            self.run(sql, vec![subject.0.into()]).await?;
        }
        Ok(())
    }

    /// Marks a subject as erased, and its key as to be destroyed once this is committed.
    pub async fn restore_erasure(
        &mut self,
        subject: SubjectId,
        erased_at: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.now().as_microsecond();
        self.run(
            "UPDATE subjects SET erased_at = $2 WHERE subject_id = $1 AND erased_at IS NULL",
            vec![subject.0.into(), erased_at.as_microsecond().into()],
        )
        .await?;
        self.run(
            "INSERT INTO key_destructions (subject_id, intended_at) VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
            vec![subject.0.into(), now.into()],
        )
        .await?;
        Ok(())
    }

    /// Moves what is sealed under a key that is destroyed, without what was sealed: what leads to
    /// `from` leads to `into`, its consent facts and disclosures have no texts any more, its items are
    /// gone but for those with a key of their own. What is not sealed is moved as in any merge.
    pub async fn move_without_key(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        let both = || vec![Value::from(from.0), into.0.into()];
        let only_from = || vec![Value::from(from.0)];
        let gone_at = vec![Value::from(from.0), self.now().as_microsecond().into()];
        self.run(
            "INSERT INTO item_history
                (subject_id, item_id, change_id, change, collected_at, recorded_at, policy_version,
                 purposes, subject_category, data_category, source)
             SELECT subject_id, item_id, item_id, 'DELETED', collected_at, $2, policy_version,
                 purposes, subject_category, data_category, source
             FROM items WHERE subject_id = $1 AND sealed_under IS NULL AND deleted_at IS NULL
             ON CONFLICT DO NOTHING",
            gone_at,
        )
        .await?;
        self.run(
            "DELETE FROM items WHERE subject_id = $1 AND sealed_under IS NULL",
            only_from(),
        )
        .await?;
        self.run("DELETE FROM identifiers WHERE subject_id = $1", only_from())
            .await?;
        for sql in [
            "DELETE FROM identifier_index WHERE subject_id = $1 AND EXISTS (
                SELECT 1 FROM identifier_index AS other
                WHERE other.subject_id = $2 AND other.hash = identifier_index.hash
                AND other.index_key = identifier_index.index_key
             )",
            "UPDATE identifier_index SET subject_id = $2,
                slot = CASE WHEN slot = $1 THEN $2 ELSE slot END
             WHERE subject_id = $1",
            "UPDATE items SET subject_id = $2 WHERE subject_id = $1",
            "UPDATE consents SET subject_id = $2, texts_sealed = NULL WHERE subject_id = $1",
            "UPDATE disclosures SET subject_id = $2, external_reference_sealed = NULL
             WHERE subject_id = $1",
            "UPDATE disclosed_items SET subject_id = $2 WHERE subject_id = $1",
            "UPDATE item_history SET subject_id = $2 WHERE subject_id = $1",
        ] {
            self.run(sql, both()).await?;
        }
        Ok(())
    }
}
