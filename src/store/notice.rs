//! Notices: what a recipient will be told once items that stay here and with it go. By then the person is
//! erased, so what names the person is sealed in the notice, under a key of its own that goes with it.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::{
    error::StoreError,
    name_list,
    rows::name,
    session::{Session, Tx},
    task::{read_payload, write_payload},
    vault::At,
};
use crate::domain::{
    id::{ItemId, NoticeId, SubjectId, SubjectRequestId},
    journal::{JournalKind, KeptNotice, Sealed},
    task::{Recipient, TaskPayload},
};

const TABLE: &str = "erasure_notices";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "erasure_notices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub notice_id: Uuid,
        pub subject_id: Uuid,
        pub subject_request_id: Uuid,
        pub processor: Option<String>,
        pub holder: Option<String>,
        pub item_ids: String,
        pub payload_sealed: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A notice, without what names the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id; its key of its own has the same.
    pub notice_id: NoticeId,
    /// The person.
    pub subject_id: SubjectId,
    /// The request that it belongs to.
    pub subject_request_id: SubjectRequestId,
    /// Who will be told.
    pub recipient: Recipient,
    /// Of what.
    pub item_ids: Vec<ItemId>,
}

impl Session {
    /// The notices of a person, in the order in which they were made.
    pub async fn list_notices(&self, subject: SubjectId) -> Result<Vec<Notice>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(subject.0))
            .order_by_asc(row::Column::NoticeId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Notice::try_from).collect()
    }

    /// The notices of a request.
    pub async fn list_request_notices(
        &self,
        request: SubjectRequestId,
    ) -> Result<Vec<Notice>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectRequestId.eq(request.0))
            .order_by_asc(row::Column::NoticeId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Notice::try_from).collect()
    }

    /// What names the person to the recipient. `None`: there is no such notice, or its key is gone.
    pub async fn read_notice(&self, notice: NoticeId) -> Result<Option<TaskPayload>, StoreError> {
        let sealed: Option<Vec<u8>> = row::Entity::find_by_id(notice.0)
            .select_only()
            .column(row::Column::PayloadSealed)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        if !self.has_own_key(notice).await? {
            return Ok(None);
        }
        let opened = self.open(payload_at(notice), &sealed).await?;
        read_payload(TABLE, notice, &opened).map(Some)
    }
}

impl Tx {
    /// Keeps a notice, in place of what it said before. Its id comes from [`Tx::new_key_id`]. The journal
    /// has it.
    pub async fn put_notice(
        &mut self,
        notice: &Notice,
        payload: &TaskPayload,
    ) -> Result<(), StoreError> {
        let plain = write_payload(payload)?;
        let sealed = self.seal(payload_at(notice.notice_id), &plain).await?;
        self.put_sealed_notice(notice, sealed.clone()).await?;
        let kept = (notice.subject_id, kept(notice, Some(sealed)));
        self.append_journal(vec![kept]).await
    }

    /// As [`Tx::put_notice`], of one that the journal has, with what is sealed in it.
    pub async fn put_sealed_notice(
        &mut self,
        notice: &Notice,
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let item_ids: Vec<_> = notice.item_ids.iter().map(ToString::to_string).collect();
        let row = row::ActiveModel {
            notice_id: Set(notice.notice_id.0),
            subject_id: Set(notice.subject_id.0),
            subject_request_id: Set(notice.subject_request_id.0),
            processor: Set(notice.recipient.processor().map(ToString::to_string)),
            holder: Set(notice.recipient.holder().map(ToString::to_string)),
            item_ids: Set(name_list::write(&item_ids)),
            payload_sealed: Set(sealed),
        };
        let replace = OnConflict::column(row::Column::NoticeId)
            .update_columns([row::Column::ItemIds, row::Column::PayloadSealed])
            .to_owned();
        self.put_rows(vec![row], &replace).await
    }

    /// Takes a notice away, and its key with it. The journal has that as well.
    pub async fn remove_notice(&mut self, notice: &Notice) -> Result<(), StoreError> {
        self.remove_notice_again(notice.notice_id).await?;
        let gone = (notice.subject_id, kept(notice, None));
        self.append_journal(vec![gone]).await
    }

    /// As [`Tx::remove_notice`], of what the journal has.
    pub async fn remove_notice_again(&mut self, notice: NoticeId) -> Result<(), StoreError> {
        row::Entity::delete_many()
            .filter(row::Column::NoticeId.eq(notice.0))
            .exec(self.connection()?)
            .await?;
        self.intend_key_destruction(notice).await
    }

    /// Lets the notices of one request be those of another, which waits for the same items now.
    pub async fn hand_notices_on(
        &mut self,
        subject: SubjectId,
        request: SubjectRequestId,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::SubjectRequestId, Expr::value(request.0))
            .filter(row::Column::SubjectId.eq(subject.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

fn kept(notice: &Notice, payload: Option<Vec<u8>>) -> JournalKind {
    JournalKind::NoticeKept(KeptNotice {
        notice_id: notice.notice_id,
        subject_request_id: notice.subject_request_id,
        recipient: notice.recipient.clone(),
        item_ids: notice.item_ids.clone(),
        payload: payload.map(Sealed),
    })
}

fn payload_at(notice: NoticeId) -> At {
    At::of_owner(notice.0, TABLE, notice.0, "payload_sealed")
}

impl TryFrom<row::Model> for Notice {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            notice_id: id,
            subject_id,
            subject_request_id,
            processor,
            holder,
            item_ids,
            payload_sealed: _,
        } = row;
        let corrupt = |column| StoreError::Corrupt {
            table: TABLE,
            column,
            row: id.to_string(),
            reason: "is not what was written".into(),
        };
        let recipient = match (processor, holder) {
            (Some(processor), None) => {
                Recipient::Processor(name(TABLE, "processor", id, &processor)?)
            }
            (None, Some(holder)) => Recipient::Holder(name(TABLE, "holder", id, &holder)?),
            _ => return Err(corrupt("processor")),
        };
        Ok(Self {
            notice_id: NoticeId(id),
            subject_id: SubjectId(subject_id),
            subject_request_id: SubjectRequestId(subject_request_id),
            recipient,
            item_ids: name_list::read(&item_ids).ok_or_else(|| corrupt("item_ids"))?,
        })
    }
}
