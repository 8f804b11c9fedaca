//! Withdrawal tokens by their id. What a person holds is made from the id and a secret; what is kept
//! here opens nothing.

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{
    error::StoreError,
    name_list,
    session::{Session, Tx},
};
use crate::domain::{
    id::{SubjectId, WithdrawalTokenId},
    name::Purpose,
};

const TABLE: &str = "withdrawal_tokens";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "withdrawal_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_id: Uuid,
        pub subject_id: Uuid,
        pub purposes: String,
        pub created_at: i64,
        pub expires_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a withdrawal token permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalTokenRecord {
    /// Its id.
    pub token_id: WithdrawalTokenId,
    /// Whose consent it withdraws.
    pub subject_id: SubjectId,
    /// For which purposes.
    pub purposes: Vec<Purpose>,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl Session {
    /// A token, also one that has run out.
    pub async fn find_withdrawal_token(
        &self,
        token: WithdrawalTokenId,
    ) -> Result<Option<WithdrawalTokenRecord>, StoreError> {
        let row = row::Entity::find_by_id(token.0)
            .one(self.connection()?)
            .await?;
        row.map(WithdrawalTokenRecord::try_from).transpose()
    }
}

impl Tx {
    /// Keeps a token.
    pub async fn insert_withdrawal_token(
        &mut self,
        token: &WithdrawalTokenRecord,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            token_id: Set(token.token_id.0),
            subject_id: Set(token.subject_id.0),
            purposes: Set(name_list::write(&token.purposes)),
            created_at: Set(self.now().as_microsecond()),
            expires_at: Set(token.expires_at.as_microsecond()),
        };
        row::Entity::insert(row)
            .exec_without_returning(self.connection()?)
            .await?;
        Ok(())
    }

    /// Lets the tokens of one subject withdraw another's consent, for a merge. Lock both subjects
    /// first.
    pub async fn move_withdrawal_tokens(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Forgets tokens that have run out. Returns how many.
    pub async fn forget_withdrawal_tokens(&mut self) -> Result<u64, StoreError> {
        let deleted = row::Entity::delete_many()
            .filter(row::Column::ExpiresAt.lte(self.now().as_microsecond()))
            .exec(self.connection()?)
            .await?;
        Ok(deleted.rows_affected)
    }
}

impl TryFrom<row::Model> for WithdrawalTokenRecord {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            token_id,
            subject_id,
            purposes,
            created_at: _,
            expires_at,
        } = row;
        Ok(Self {
            token_id: WithdrawalTokenId(token_id),
            subject_id: SubjectId(subject_id),
            purposes: name_list::read(&purposes).ok_or_else(|| StoreError::Corrupt {
                table: TABLE,
                column: "purposes",
                row: token_id.to_string(),
                reason: "is no list of names".into(),
            })?,
            expires_at: super::instant(TABLE, "expires_at", token_id, expires_at)?,
        })
    }
}
