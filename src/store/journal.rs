//! The journal's outbox: entries are written in the transaction of what they tell of, and reach the
//! journal outside the database after its commit and before its answer. So the journal never holds
//! what was rolled back, and nothing is answered that a restored backup could undo unnoticed.

mod file;
mod postgres;
mod sink;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::sink::Sink;
pub use self::sink::{Kept, Written};
use super::{
    Store,
    error::StoreError,
    rows::KEYS_MAX,
    session::{Session, Tx},
};
use crate::domain::{
    id::{JournalEntryId, SubjectId},
    journal::{JournalEntry, JournalKind},
};

const TABLE: &str = "journal_entries";
/// Entries that one round takes to the journal.
const ROUND: u64 = 1_000;
/// Ids that are compared at once.
const PAGE: u64 = 10_000;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal_entries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entry_id: Uuid,
        pub document: String,
        pub recorded_at: i64,
        pub journaled_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where the journal is kept: never where the data's backup would bring an older one back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalPlace {
    /// A file that one process appends to.
    File(PathBuf),
    /// A PostgreSQL database that replicas share.
    Postgres(String),
    /// Nowhere: entries wait in the database until there is a place.
    Nowhere,
}

/// Ids of entries, each behind the one before in this process: a restore takes the entries of one instant in
/// this order. Ids of one millisecond are in no order by themselves.
#[derive(Default)]
pub(super) struct EntryIds(std::sync::Mutex<u128>);

impl EntryIds {
    fn next(&self, new: Uuid) -> JournalEntryId {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = new.as_u128().max(last.saturating_add(1));
        JournalEntryId(Uuid::from_u128(*last))
    }
}

/// The journal, and who writes to it.
pub(super) struct Journal {
    sink: Option<Sink>,
    /// One at a time takes what is pending; who waited for that is served by it.
    turn: Mutex<()>,
    /// How many have asked.
    asked: AtomicU64,
    /// How many of those are served.
    served: AtomicU64,
}

/// What one of the two, database and journal, has and the other lacks.
#[derive(Debug, Default)]
pub struct JournalGaps {
    /// What the journal has and the database lacks, by time: the database was restored.
    pub lost_here: Vec<Kept>,
    /// What the database has given to the journal and the journal lacks: the journal was lost.
    pub lost_there: Vec<JournalEntryId>,
}

impl Journal {
    pub(super) async fn open(place: JournalPlace) -> Result<Self, StoreError> {
        Ok(Self {
            sink: Sink::open(place).await?,
            turn: Mutex::new(()),
            asked: AtomicU64::new(0),
            served: AtomicU64::new(0),
        })
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        match &self.sink {
            Some(sink) => sink.migrate().await,
            None => Ok(()),
        }
    }

    pub(super) async fn pending_migrations(&self) -> Result<usize, StoreError> {
        match &self.sink {
            Some(sink) => sink.pending_migrations().await,
            None => Ok(0),
        }
    }
}

impl Session {
    /// Whether this transaction owes the journal something: it must be there before the answer.
    pub(super) fn owes_journal(&self) -> bool {
        self.owes_journal.load(Ordering::Relaxed)
    }

    /// That the answer to this transaction must wait until everything pending is in the journal: for
    /// the repeat of a request whose first answer may have been lost before that.
    pub fn owe_journal(&self) {
        self.owes_journal.store(true, Ordering::Relaxed);
    }

    /// Those of `ids` that the database has.
    pub async fn list_journal_entries(
        &self,
        ids: &[JournalEntryId],
    ) -> Result<HashSet<JournalEntryId>, StoreError> {
        let mut found = HashSet::with_capacity(ids.len());
        for ids in ids.chunks(KEYS_MAX) {
            let rows: Vec<Uuid> = row::Entity::find()
                .select_only()
                .column(row::Column::EntryId)
                .filter(row::Column::EntryId.is_in(ids.iter().map(|id| id.0)))
                .into_tuple()
                .all(self.connection()?)
                .await?;
            found.extend(rows.into_iter().map(JournalEntryId));
        }
        Ok(found)
    }

    /// These entries, as far as the database has them.
    pub(super) async fn read_entries(
        &self,
        ids: &[JournalEntryId],
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let mut entries = Vec::with_capacity(ids.len());
        for ids in ids.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::EntryId.is_in(ids.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                entries.push(Written::try_from(row)?.entry()?);
            }
        }
        Ok(entries)
    }

    async fn pending_entries(&self) -> Result<Vec<Written>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::JournaledAt.is_null())
            .order_by_asc(row::Column::RecordedAt)
            .order_by_asc(row::Column::EntryId)
            .limit(ROUND)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Written::try_from).collect()
    }

    /// Ids behind `after` with whether the journal is said to have them, in order.
    async fn page_of_entries(&self, after: Uuid) -> Result<Vec<(Uuid, bool)>, StoreError> {
        let rows: Vec<(Uuid, Option<i64>)> = row::Entity::find()
            .select_only()
            .columns([row::Column::EntryId, row::Column::JournaledAt])
            .filter(row::Column::EntryId.gt(after))
            .order_by_asc(row::Column::EntryId)
            .limit(PAGE)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let rows = rows.into_iter().map(|(id, at)| (id, at.is_some()));
        Ok(rows.collect())
    }

    /// How many entries there are, and the last of them by id.
    async fn size_of_entries(&self) -> Result<(u64, Option<Uuid>), StoreError> {
        let count = row::Entity::find().count(self.connection()?).await?;
        let last: Option<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::EntryId)
            .order_by_desc(row::Column::EntryId)
            .limit(1)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok((count, last))
    }
}

impl Tx {
    /// Writes what is to be in the journal before this transaction is answered.
    pub async fn append_journal(
        &mut self,
        entries: Vec<(SubjectId, JournalKind)>,
    ) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let of_people = entries.iter().filter(|(_, what)| what.is_of_person());
        let of_people: Vec<_> = of_people.map(|(subject, _)| *subject).collect();
        let identifiers = self.list_hashes_of(&of_people).await?;
        let mut rows = Vec::with_capacity(entries.len());
        for (subject_id, what) in entries {
            let of_person = identifiers.get(&subject_id).filter(|_| what.is_of_person());
            let entry = JournalEntry {
                entry_id: self.vault.entry_ids.next(self.new_id()),
                at: self.now(),
                subject_id,
                identifiers: of_person.cloned().unwrap_or_default(),
                what,
            };
            rows.push(Self::entry_row(&entry, None)?);
        }
        self.insert_rows(rows).await?;
        self.owe_journal();
        Ok(())
    }

    /// Notes entries that the journal has and that are applied here now.
    pub async fn insert_applied_entries(
        &mut self,
        entries: &[JournalEntry],
    ) -> Result<(), StoreError> {
        let rows = entries
            .iter()
            .map(|entry| Self::entry_row(entry, Some(self.now())));
        let rows = rows.collect::<Result<_, _>>()?;
        self.insert_rows(rows).await
    }

    fn entry_row(
        entry: &JournalEntry,
        journaled_at: Option<Timestamp>,
    ) -> Result<row::ActiveModel, StoreError> {
        let document = serde_json::to_string(entry)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(row::ActiveModel {
            entry_id: Set(entry.entry_id.0),
            document: Set(document),
            recorded_at: Set(entry.at.as_microsecond()),
            journaled_at: Set(journaled_at.map(Timestamp::as_microsecond)),
        })
    }

    async fn mark_journaled(
        &mut self,
        ids: &[Uuid],
        journaled_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let at = journaled_at.map(Timestamp::as_microsecond);
        for ids in ids.chunks(KEYS_MAX) {
            row::Entity::update_many()
                .col_expr(row::Column::JournaledAt, Expr::value(at))
                .filter(row::Column::EntryId.is_in(ids.iter().copied()))
                .exec(self.connection()?)
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// Takes everything that is committed and pending to the journal, durably. Whoever comes while
    /// another is at it waits, and is served by the next round together with all who wait. Returns
    /// how many entries this call took. Errors: [`StoreError::Unavailable`], the journal cannot be
    /// written; what is committed stays pending.
    pub async fn flush_journal(&self, now: Timestamp) -> Result<u64, StoreError> {
        let journal = &self.journal;
        let Some(sink) = &journal.sink else {
            return Ok(0);
        };
        let place = journal.asked.fetch_add(1, Ordering::SeqCst);
        let _turn = journal.turn.lock().await;
        if journal.served.load(Ordering::SeqCst) > place {
            return Ok(0);
        }
        // Whoever has asked by now had committed before.
        let serving = journal.asked.load(Ordering::SeqCst);
        let mut taken = 0;
        loop {
            let snapshot = self.snapshot(now).await?;
            let pending = snapshot.pending_entries().await?;
            snapshot.close().await?;
            if pending.is_empty() {
                journal.served.store(serving, Ordering::SeqCst);
                return Ok(taken);
            }
            self.faults().step()?;
            sink.append(&pending).await?;
            taken += pending.len() as u64;
            let ids: Vec<Uuid> = pending.iter().map(|entry| entry.entry_id).collect();
            self.mark_entries(now, ids, Some(now)).await?;
        }
    }

    async fn mark_entries(
        &self,
        now: Timestamp,
        ids: Vec<Uuid>,
        journaled_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.commit("mark_journaled", now, move |tx| {
            let ids = ids.clone();
            Box::pin(async move { tx.mark_journaled(&ids, journaled_at).await })
        })
        .await
    }

    /// Compares the database with the journal. Equal numbers with the same last entry are taken for
    /// equal: entries are only ever added, to both.
    pub async fn journal_gaps(&self, now: Timestamp) -> Result<JournalGaps, StoreError> {
        let Some(sink) = &self.journal.sink else {
            return Ok(JournalGaps::default());
        };
        // The journal first: what is in it was committed, so a later look at the database sees it.
        let size = sink.size().await?;
        let snapshot = self.snapshot(now).await?;
        let gaps = if snapshot.size_of_entries().await? == size {
            JournalGaps::default()
        } else {
            let kept = sink.list().await?;
            compare(&snapshot, kept).await?
        };
        snapshot.close().await?;
        Ok(gaps)
    }

    /// The entries of which the journal said that it keeps them, in the order asked.
    pub async fn read_journal(&self, kept: &[Kept]) -> Result<Vec<JournalEntry>, StoreError> {
        let Some(sink) = &self.journal.sink else {
            return Ok(Vec::new());
        };
        let written = sink.read(kept).await?;
        written.iter().map(Written::entry).collect()
    }

    /// Makes entries pending again that the journal has lost.
    pub async fn refill_journal(
        &self,
        now: Timestamp,
        lost: &[JournalEntryId],
    ) -> Result<(), StoreError> {
        let ids = lost.iter().map(|id| id.0).collect();
        self.mark_entries(now, ids, None).await?;
        self.flush_journal(now).await?;
        Ok(())
    }

    /// Lets this process write to the journal, and no other where only one may. Errors: the journal
    /// is damaged, another process writes to it, or it does not answer.
    pub async fn open_journal(&self) -> Result<(), StoreError> {
        match &self.journal.sink {
            Some(sink) => sink.prepare().await,
            None => Ok(()),
        }
    }
}

/// Walks through both in the order of their ids. `kept` is what the journal has.
async fn compare(session: &Session, mut kept: Vec<Kept>) -> Result<JournalGaps, StoreError> {
    kept.sort_unstable_by_key(|one| one.entry_id);
    kept.dedup_by_key(|one| one.entry_id);
    let mut kept = kept.into_iter().peekable();
    let mut gaps = JournalGaps::default();
    let mut after = Uuid::nil();
    loop {
        let page = session.page_of_entries(after).await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = *last;
        for (id, is_journaled) in page {
            while let Some(one) = kept.next_if(|one| one.entry_id < id) {
                gaps.lost_here.push(one);
            }
            if kept.next_if(|one| one.entry_id == id).is_none() && is_journaled {
                gaps.lost_there.push(JournalEntryId(id));
            }
        }
    }
    gaps.lost_here.extend(kept);
    gaps.lost_here
        .sort_unstable_by_key(|one| (one.at, one.entry_id));
    Ok(gaps)
}

impl TryFrom<row::Model> for Written {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            entry_id,
            document,
            recorded_at,
            journaled_at: _,
        } = row;
        Ok(Self {
            entry_id,
            at: super::instant(TABLE, "recorded_at", entry_id, recorded_at)?,
            document,
        })
    }
}
