//! How a replica hears of changes: one connection of its own, on which it listens, asks what was committed since
//! it asked last, and keeps its place among the replicas. What the messages mean is `snapshot`'s to know.

use std::time::Duration;

use jiff::Timestamp;
use sea_orm::sqlx::{
    self, Executor, Row,
    postgres::{PgListener, PgNotification, PgRow},
};
use uuid::Uuid;

use super::{Changes, dialect::PLANNING, error::StoreError};
use crate::domain::id::SubjectId;

/// Changes that one round hears of; more than these are heard as "everything changed".
pub const HEARD_MAX: i64 = 50_000;
/// Says that something was committed: `replica:number`, to be acknowledged, or `replica:`.
const CHANGED: &str = "pdr_changed";
/// Says that somebody has forgotten: `replica:writer:number`.
const FORGOTTEN: &str = "pdr_forgotten";

const JOIN: &str = "INSERT INTO replicas (replica_id, renewals, lease_ms) VALUES ($1, 0, $2)
    RETURNING place";
/// The number of the first place ever; the numbers outlive the rows.
const FIRST_PLACE: i64 = 1;
const LEAVE: &str = "DELETE FROM replicas WHERE replica_id = $1";
const REMOVE: &str = "DELETE FROM replicas WHERE replica_id = $1 AND renewals = $2";
const SNAPSHOT: &str = "SELECT pg_current_snapshot()::text";
// One statement, so one state: whatever was committed when it began is heard, however late its number was
// given, since it is told by whether the state before could see its transaction.
const ROUND: &str = "
    WITH renewed AS (
        UPDATE replicas SET renewals = renewals + 1 WHERE replica_id = $1 AND $3 RETURNING 1
    ), heard AS (
        SELECT subject_id, identifier_hash FROM changes
        WHERE xid >= pg_snapshot_xmin($2::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot)
        LIMIT $5
    )
    SELECT 0 AS what, NULL::uuid AS id, NULL::bytea AS hash,
        (SELECT count(*) FROM renewed) AS number,
        pg_current_snapshot()::text AS seen,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
        CASE WHEN $4::text IS NOT NULL THEN pg_notify('pdr_changed', $4) IS NULL END AS told
    UNION ALL
    SELECT 1, subject_id, identifier_hash, 0, NULL, NULL, NULL FROM heard
    UNION ALL
    SELECT 2, replica_id, NULL, renewals, lease_ms::text, NULL, NULL FROM replicas";

/// A replica's place among the others, and its ear.
pub struct Post {
    listener: PgListener,
    replica_id: Uuid,
    seen: String,
    is_first: bool,
}

/// Another replica, or this one, as it stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub replica_id: Uuid,
    /// How often it has renewed its lease.
    pub renewals: i64,
    /// How long a lease of it lasts.
    pub lease: Duration,
}

/// What one round is to do beside hearing.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Whether to renew the lease.
    pub renew: bool,
    /// Whether to tell the others, and under which number they are to answer.
    pub tell: Option<Option<u64>>,
}

/// What one round has heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What was committed since the round before; `None`: too much to say.
    pub changes: Option<Changes>,
    /// Every replica.
    pub members: Vec<Member>,
    /// The database's clock, while the round was under way.
    pub now: Timestamp,
    /// Whether the lease was renewed. When it was asked for and was not, this replica has been removed.
    pub renewed: bool,
}

/// What one replica says to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Something was committed.
    Changed {
        /// By whom, where that is said.
        writer: Option<Uuid>,
        /// Under which number it is to be acknowledged, if it is.
        number: Option<u64>,
    },
    /// `replica` has forgotten whatever `writer` had committed before it asked under `number`.
    Forgotten {
        /// Who has forgotten.
        replica: Uuid,
        /// Who had asked.
        writer: Uuid,
        /// Under which number, and all before.
        number: u64,
    },
}

impl Post {
    /// Takes a place. The connection must be a direct one: a pooler that gives it to others between statements
    /// loses what is to be heard.
    pub async fn join(url: &str, replica_id: Uuid, lease: Duration) -> Result<Self, StoreError> {
        let mut listener = PgListener::connect(url)
            .await
            .map_err(|error| lost(&error))?;
        // A lost connection is the end of this place; it is not to be mended behind our back.
        listener.eager_reconnect(false);
        let planning = listener.execute(PLANNING).await;
        planning.map_err(|error| lost(&error))?;
        listener
            .listen_all([CHANGED, FORGOTTEN])
            .await
            .map_err(|error| lost(&error))?;
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let join = sqlx::query(JOIN).bind(replica_id).bind(lease_ms);
        // On the disk before the first lease: after a crash of the database the others must find it.
        let durably = sqlx::query("SET synchronous_commit = on");
        durably
            .execute(&mut listener)
            .await
            .map_err(|error| lost(&error))?;
        let joined = join.fetch_one(&mut listener).await;
        let place: i64 = joined
            .and_then(|row| row.try_get("place"))
            .map_err(|error| lost(&error))?;
        // What a crash takes back of everything after this is not relied on.
        let quick = sqlx::query("SET synchronous_commit = off");
        quick
            .execute(&mut listener)
            .await
            .map_err(|error| lost(&error))?;
        let seen = sqlx::query_scalar(SNAPSHOT);
        let seen = seen
            .fetch_one(&mut listener)
            .await
            .map_err(|error| lost(&error))?;
        Ok(Self {
            listener,
            replica_id,
            seen,
            is_first: place == FIRST_PLACE,
        })
    }

    /// Whether nobody ever had a place before.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Hears what was committed before the round began and after the one before it.
    pub async fn round(&mut self, round: &Round) -> Result<Heard, StoreError> {
        let told = round.tell.map(|number| match number {
            Some(number) => format!("{}:{number}", self.replica_id),
            None => format!("{}:", self.replica_id),
        });
        let query = sqlx::query(ROUND)
            .bind(self.replica_id)
            .bind(&self.seen)
            .bind(round.renew)
            .bind(told)
            .bind(HEARD_MAX + 1);
        let rows = query
            .fetch_all(&mut self.listener)
            .await
            .map_err(|error| lost(&error))?;
        let (heard, seen) = read(&rows).map_err(|error| lost(&error))?;
        self.seen = seen;
        Ok(heard)
    }

    /// Tells writers that this replica has forgotten what they asked about.
    pub async fn acknowledge(&mut self, asked: &[(Uuid, u64)]) -> Result<(), StoreError> {
        let payloads: Vec<_> = asked
            .iter()
            .map(|(writer, number)| format!("{}:{writer}:{number}", self.replica_id))
            .collect();
        let tell = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload");
        let tell = tell.bind(FORGOTTEN).bind(payloads);
        tell.execute(&mut self.listener)
            .await
            .map_err(|error| lost(&error))?;
        Ok(())
    }

    /// Waits for a message. An error is the end of this place.
    pub async fn next(&mut self) -> Result<Option<Message>, StoreError> {
        let heard = self
            .listener
            .try_recv()
            .await
            .map_err(|error| lost(&error))?;
        let heard = heard.ok_or_else(|| StoreError::Unavailable("the connection is gone".into()));
        Ok(message(&heard?))
    }

    /// The next message that has come already. `None`: none has; one that is not ours is left out.
    pub fn next_buffered(&mut self) -> Option<Message> {
        loop {
            let heard = self.listener.next_buffered()?;
            if let Some(message) = message(&heard) {
                return Some(message);
            }
        }
    }

    /// Takes a replica that is silent off the table, unless it has renewed its lease since.
    pub async fn remove(&mut self, silent: Member) -> Result<(), StoreError> {
        let remove = sqlx::query(REMOVE).bind(silent.replica_id);
        let remove = remove.bind(silent.renewals);
        remove
            .execute(&mut self.listener)
            .await
            .map_err(|error| lost(&error))?;
        Ok(())
    }

    /// Gives the place back: nobody waits for this replica any more.
    pub async fn leave(mut self) -> Result<(), StoreError> {
        let leave = sqlx::query(LEAVE).bind(self.replica_id);
        leave
            .execute(&mut self.listener)
            .await
            .map_err(|error| lost(&error))?;
        Ok(())
    }
}

fn read(rows: &[PgRow]) -> Result<(Heard, String), sqlx::Error> {
    let (mut changes, mut heard_rows) = (Changes::default(), 0);
    let mut heard = Heard {
        changes: None,
        members: Vec::new(),
        now: Timestamp::UNIX_EPOCH,
        renewed: false,
    };
    let mut seen = String::new();
    for row in rows {
        match row.try_get("what")? {
            0_i32 => {
                heard.renewed = row.try_get::<i64, _>("number")? > 0;
                seen = row.try_get("seen")?;
                heard.now = Timestamp::from_microsecond(row.try_get("now")?).unwrap_or_default();
            }
            1 => {
                heard_rows += 1;
                note(&mut changes, row)?;
            }
            _ => heard.members.push(member(row)?),
        }
    }
    heard.changes = (heard_rows <= HEARD_MAX).then_some(changes);
    Ok((heard, seen))
}

fn note(changes: &mut Changes, row: &PgRow) -> Result<(), sqlx::Error> {
    let subject: Option<Uuid> = row.try_get("id")?;
    let hash: Option<Vec<u8>> = row.try_get("hash")?;
    changes.policies |= subject.is_none() && hash.is_none();
    changes.subjects.extend(subject.map(SubjectId));
    changes.identifiers.extend(hash);
    Ok(())
}

fn member(row: &PgRow) -> Result<Member, sqlx::Error> {
    let lease_ms: String = row.try_get("seen")?;
    Ok(Member {
        replica_id: row.try_get("id")?,
        renewals: row.try_get("number")?,
        lease: Duration::from_millis(lease_ms.parse().unwrap_or(u64::MAX)),
    })
}

fn message(heard: &PgNotification) -> Option<Message> {
    let mut parts = heard.payload().split(':');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    if heard.channel() == CHANGED {
        let writer = next().map(str::parse).transpose().ok()?;
        let number = next().map(str::parse).transpose().ok()?;
        return Some(Message::Changed { writer, number });
    }
    Some(Message::Forgotten {
        replica: next()?.parse().ok()?,
        writer: next()?.parse().ok()?,
        number: next()?.parse().ok()?,
    })
}

/// Whatever befalls this connection is the end of it. The text quotes nothing of a row: these statements have
/// none of a person.
fn lost(error: &sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
