//! People as the decision sees them, found by id or by identifier, all in one statement: it reads one committed
//! state, as a transaction would in ten round trips. PostgreSQL alone; to SQLite the way is short.
//!
//! Only what is seen every day is seen here. Who was erased, merged away, objected or asked for restriction, and
//! who has more than fits, is left to `state`.

mod row;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use sea_orm::sqlx;
use uuid::Uuid;

use self::row::SeenRow;
use super::{
    Store,
    dialect::Dialect,
    doors::TimeSource,
    error::{StoreError, from_sqlx},
    policy::Stamp,
    state::KnownSubject,
};
use crate::domain::{id::SubjectId, policy::history::PolicyHistory, revision::Revision};

/// Ids and identifiers of one statement at most.
pub const SOUGHT_MAX: usize = 256;
/// How often a connection that turns out to be dead is replaced.
const TRIES_MAX: usize = 32;

/// Who stands under an identifier or an id, and every row of theirs that a decision may rest on. The clock is
/// read after the state: nothing in it is of a later instant.
///
/// The parameters stand in selects of their own, so that the planner never looks at them: then it sees at once
/// that planning anew gains nothing, and keeps the plan. Planning took longer than reading.
const SIGHT: &str = "
WITH named AS MATERIALIZED (
    SELECT subject_id, NULL::bytea AS hash FROM unnest((SELECT $1::uuid[])) AS subject_id
    UNION ALL SELECT subject_id, hash FROM identifier_index WHERE hash = ANY((SELECT $2::bytea[])::bytea[])
), published AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
        count(*) AS versions, max(published_at) AS published_at, max(revision) AS policy_revision
    FROM policies
)
SELECT p.now, p.versions, p.published_at, p.policy_revision, n.hash, n.subject_id, s.revision,
    s.revision IS NOT NULL AND s.merged_into IS NULL AND s.erased_at IS NULL
        AND NOT EXISTS (SELECT FROM objections o WHERE o.subject_id = n.subject_id)
        AND NOT EXISTS (SELECT FROM restrictions r WHERE r.subject_id = n.subject_id) AS is_common,
    (SELECT array_agg(ROW(fact_id, subject_category, began, occurred_at, recorded_at))
        FROM (SELECT * FROM membership_facts m WHERE m.subject_id = n.subject_id LIMIT 257) m
    ) AS memberships,
    (SELECT array_agg(ROW(item_id, subject_category, data_category, source, collected_at, policy_version,
            purposes, retained_for))
        FROM (SELECT * FROM items i WHERE i.subject_id = n.subject_id AND i.deleted_at IS NULL LIMIT 257) i
    ) AS items,
    (SELECT array_agg(ROW(consent_id, purpose, processors, choice, method, has_reference, policy_version,
            ROW(occurred_at, recorded_at, expires_at)))
        FROM (SELECT * FROM consents c WHERE c.subject_id = n.subject_id LIMIT 257) c
    ) AS consents,
    (SELECT array_agg(ROW(source, last_at))
        FROM (SELECT * FROM activity a WHERE a.subject_id = n.subject_id LIMIT 257) a
    ) AS activity
FROM published p CROSS JOIN named n LEFT JOIN subjects s ON s.subject_id = n.subject_id";

/// Whom somebody looks for.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// By their ids.
    pub ids: Vec<SubjectId>,
    /// By the sole keyed hash of an identifier.
    pub hashes: Vec<[u8; 32]>,
}

impl Sought {
    /// How many are looked for.
    pub fn len(&self) -> usize {
        self.ids.len() + self.hashes.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of several, each once.
    pub fn all<'s>(several: impl Iterator<Item = &'s Self> + Clone) -> Self {
        let ids: BTreeSet<_> = several.clone().flat_map(|one| &one.ids).collect();
        let hashes: BTreeSet<_> = several.flat_map(|one| &one.hashes).collect();
        Self {
            ids: ids.into_iter().copied().collect(),
            hashes: hashes.into_iter().copied().collect(),
        }
    }
}

/// What was seen of one committed state.
#[derive(Debug)]
pub struct Sight {
    /// The instant by which to decide.
    pub now: Timestamp,
    /// Every published version, and the state that the last publication led to.
    pub policies: Arc<PolicyHistory>,
    /// The state that the last publication led to.
    pub policy_revision: Revision,
    /// Everybody who is as most are.
    pub people: HashMap<SubjectId, Arc<KnownSubject>>,
    /// Whom each identifier leads to, oldest first; `people` may lack some of them.
    pub identified: HashMap<[u8; 32], Vec<SubjectId>>,
}

impl Store {
    /// Whether anybody is to be seen in one statement.
    pub fn has_sight(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    /// Looks for people, [`SOUGHT_MAX`] at most. `None`: this is not to be seen in one statement, of nobody at
    /// all or under policies that were not read yet.
    pub async fn see(&self, sought: &Sought, ours: Timestamp) -> Result<Option<Sight>, StoreError> {
        if !self.has_sight() || sought.is_empty() {
            return Ok(None);
        }
        let rows = self.read_sight(sought).await?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let stamp = Stamp {
            versions: first.versions,
            published_at: first.published_at,
            revision: first.policy_revision,
        };
        let Some((policies, policy_revision)) = self.policies_of(stamp).await else {
            return Ok(None);
        };
        let now = match self.time_source() {
            TimeSource::Caller => ours,
            TimeSource::Database => Timestamp::from_microsecond(first.now)
                .map_err(|error| StoreError::Internal(error.to_string()))?,
        };
        let mut sight = Sight {
            now,
            policies,
            policy_revision,
            people: HashMap::with_capacity(rows.len()),
            identified: HashMap::new(),
        };
        for row in rows {
            sight.add(row);
        }
        sight.identified.values_mut().for_each(|ids| {
            ids.sort_unstable();
            ids.dedup();
        });
        Ok(Some(sight))
    }

    /// A statement that failed on a dead connection has read nothing, so it may be tried again; the pool drops
    /// the connection.
    async fn read_sight(&self, sought: &Sought) -> Result<Vec<SeenRow>, StoreError> {
        let ids: Vec<Uuid> = sought.ids.iter().map(|id| id.0).collect();
        let hashes: Vec<&[u8]> = sought.hashes.iter().map(<[u8; 32]>::as_slice).collect();
        let mut tries = 1;
        loop {
            let query = sqlx::query_as(SIGHT).bind(&ids);
            let query = query.bind(&hashes);
            match query
                .fetch_all(self.pool.get_postgres_connection_pool())
                .await
            {
                Ok(rows) => return Ok(rows),
                Err(sqlx::Error::Io(_)) if tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(from_sqlx(&error)),
            }
        }
    }
}

impl Sight {
    fn add(&mut self, mut row: SeenRow) {
        let id = SubjectId(row.subject_id);
        if let Some(hash) = row.hash.take().and_then(|hash| hash.try_into().ok()) {
            self.identified.entry(hash).or_default().push(id);
        }
        // A row that cannot be read is none that is seen: `state` says what is wrong with it.
        if row.is_whole()
            && let Ok(Some(known)) = row.known()
        {
            self.people.insert(id, Arc::new(known));
        }
    }
}
