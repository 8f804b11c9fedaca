//! Sealing: every audit entry gets exactly one place, whoever seals, however late a commit comes and
//! wherever a sealing ends; and the tree is the one that its entries make.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use futures::{StreamExt, TryStreamExt, future::join_all};
use registry::{
    app::{
        Error, Registry,
        audit_log::{Exported, SignedCheckpoint},
    },
    domain::audit::{Action, AuditDetail},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Place, count, everything, number},
    on_both,
};

type Hash = [u8; 32];

/// Writes `count` entries in one transaction.
async fn write(registry: &Registry, count: usize) {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let written = registry.store().write("entries", now, move |tx| {
        Box::pin(async move {
            let details = vec![AuditDetail::default(); count];
            tx.append_audit("tests", Action::FetchRecords.name(), &details)
                .await?;
            Ok::<_, Error>(())
        })
    });
    written.await.expect("the entries are written");
}

/// The tree as RFC 9162 defines it, by recursion: knows nothing of how the registry keeps it.
fn root(leaves: &[Hash]) -> Hash {
    let hash = |bytes: &[u8]| {
        digest(&SHA256, bytes)
            .as_ref()
            .try_into()
            .expect("32 bytes")
    };
    match leaves {
        [] => hash(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            hash(&[&[1][..], &root(left), &root(right)].concat())
        }
    }
}

fn leaf(entry: &str) -> Hash {
    let bytes = [&[0], entry.as_bytes()].concat();
    digest(&SHA256, &bytes)
        .as_ref()
        .try_into()
        .expect("32 bytes")
}

/// Reads the whole log and holds every checkpoint against what stands before it. Returns how many
/// entries there are.
async fn check(registry: &Registry) -> usize {
    let exported = registry.export_audit_log(everything("auditor"), 0).await;
    let parts: Vec<_> = exported
        .expect("it may be exported")
        .try_collect()
        .await
        .expect("read");
    let (mut leaves, mut last) = (Vec::new(), None);
    for part in parts {
        match part {
            Exported::Start { from, edge } => assert!(from == 0 && edge.is_empty()),
            Exported::Entry {
                position,
                leaf: sealed,
                entry,
            } => {
                assert_eq!(
                    position,
                    leaves.len() as u64,
                    "no place is skipped or given twice"
                );
                assert_eq!(leaf(&entry), sealed);
                leaves.push(sealed);
            }
            Exported::Checkpoint(SignedCheckpoint {
                checkpoint,
                root_hash,
                ..
            }) => {
                assert_eq!(checkpoint.tree_size, leaves.len() as u64);
                assert_eq!(root_hash, root(&leaves));
                last = Some(checkpoint.tree_size);
            }
        }
    }
    assert_eq!(
        last,
        Some(leaves.len() as u64),
        "a checkpoint covers the last entry"
    );
    leaves.len()
}

async fn seal_until(registry: &Registry, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        registry.seal_audit().await.expect("sealing works");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

on_both! {
    async fn two_replicas_that_seal_while_others_write_give_every_entry_one_place(place: Place) {
        let first = place.empty_replica().await;
        let second = if place.url.starts_with("sqlite") { first.clone() } else { place.empty_replica().await };
        let replicas = [first, second];
        let (stop, mine) = (CancellationToken::new(), &replicas);
        let work = async {
            join_all((0..8).map(|writer: usize| async move {
                for n in 0..25 {
                    write(&mine[writer % 2], 1 + n % 3).await;
                }
            }))
            .await;
            stop.cancel();
        };
        let sealing = join_all(replicas.iter().map(|replica| seal_until(replica, &stop)));
        tokio::join!(work, sealing);
        while replicas[0].seal_audit().await.expect("sealing works") > 0 {}
        let written = count(&place.connect().await, "audit").await;
        assert_eq!(check(&replicas[1]).await, usize::try_from(written).expect("a count"));
    }

    async fn a_sealing_that_ends_at_any_call_leaves_the_log_as_it_was(place: Place) {
        let registry = place.empty_replica().await;
        write(&registry, 3).await;
        registry.seal_audit().await.expect("sealed");
        let mut planned = 0;
        loop {
            write(&registry, 2).await;
            let before = check(&registry).await;
            registry.store().faults().fail_call(planned);
            let sealed = registry.seal_audit().await;
            if !registry.store().faults().clear() {
                assert!(sealed.is_ok(), "no call failed");
                break;
            }
            assert!(sealed.is_err(), "call {planned} failed and nobody said so");
            assert_eq!(check(&registry).await, before, "call {planned}");
            planned += 1;
        }
        assert!(planned > 5, "only {planned} calls were tried");
        while registry.seal_audit().await.expect("sealing works") > 0 {}
        assert_eq!(check(&registry).await, 3 + 2 * (planned as usize + 1));
    }

    async fn more_entries_than_one_round_seals_are_sealed_in_their_order(place: Place) {
        let registry = place.empty_replica().await;
        write(&registry, 2_500).await;
        let mut rounds = Vec::new();
        while let sealed @ 1.. = registry.seal_audit().await.expect("sealing works") {
            rounds.push(sealed);
        }
        assert_eq!(rounds, [1_000, 1_000, 500]);
        assert_eq!(check(&registry).await, 2_500);
        let db = place.connect().await;
        let unordered = "SELECT count(*) AS n FROM audit AS a JOIN audit AS b
            ON b.position = a.position + 1 WHERE b.seq < a.seq";
        assert_eq!(number(&db, unordered).await, 0);
    }

    async fn an_entry_whose_row_is_lost_is_exported_as_missing(place: Place) {
        let registry = place.empty_replica().await;
        write(&registry, 5).await;
        registry.seal_audit().await.expect("sealed");
        crate::harness::execute(&place.connect().await, "DELETE FROM audit WHERE position = 3").await;
        let exported = registry.export_audit_log(everything("auditor"), 0).await.expect("exported");
        let missing: Vec<_> = exported
            .filter_map(|part| async {
                match part.expect("read") {
                    Exported::Entry { position, entry, .. } if entry.is_empty() => Some(position),
                    _ => None,
                }
            })
            .collect()
            .await;
        assert_eq!(missing, [3]);
    }
}

/// On PostgreSQL a transaction that wrote its entry first can commit last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_was_written_first_and_committed_last_is_not_skipped() {
    let place = Place::on_postgres().await;
    let registry = place.empty_replica().await;
    let (written, commit) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (has_written, may_commit) = (written.clone(), commit.clone());
    let long = registry.store().write("long", place.now(), move |tx| {
        let (has_written, may_commit) = (has_written.clone(), may_commit.clone());
        Box::pin(async move {
            tx.append_audit(
                "late",
                Action::FetchRecords.name(),
                &[AuditDetail::default()],
            )
            .await?;
            has_written.add_permits(1);
            may_commit
                .acquire()
                .await
                .expect("it is not closed")
                .forget();
            Ok::<_, Error>(())
        })
    });
    let meanwhile = async {
        written.acquire().await.expect("it is not closed").forget();
        write(&registry, 5).await;
        assert_eq!(registry.seal_audit().await.expect("sealed"), 5);
        commit.add_permits(1);
    };
    let (long, ()) = tokio::join!(long, meanwhile);
    long.expect("it commits");
    assert_eq!(registry.seal_audit().await.expect("sealed"), 1);
    assert_eq!(check(&registry).await, 6);
    let db = place.connect().await;
    let late = "SELECT position AS n FROM audit WHERE caller = 'late'";
    assert_eq!(number(&db, late).await, 5);
}
