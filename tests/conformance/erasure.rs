//! What an erasure takes away cannot be read any more, by nobody who has the files either; and what has to
//! stay is read under keys of its own.

use std::{fs, path::PathBuf};

use registry::{
    app::Registry,
    domain::{
        id::{ItemId, NoticeId, SubjectId, SubjectRequestId},
        item::ItemState,
        task::{Recipient, TaskPayload},
    },
    store::{StoreError, Tx, item::RetainedItems, notice::Notice},
};
use sea_orm::{ConnectionTrait, Statement};

use uuid::Uuid;

use crate::{
    harness::{Place, execute, number},
    on_both,
    sample::{by, identifier, items, keyed, register, subject_of, text, visitor},
};

async fn ada(registry: &Registry) -> SubjectId {
    let mut ada = visitor(by("email", "ada@example.org"));
    ada.items = ["1", "2", "3"]
        .map(|key| keyed("navigation", key, &format!("page {key}")))
        .into();
    subject_of(registry, ada).await
}

async fn write<F>(place: &Place, registry: &Registry, body: F)
where
    F: for<'t> Fn(&'t mut Tx) -> futures::future::BoxFuture<'t, Result<(), StoreError>>
        + Send
        + Sync
        + 'static,
{
    let written = registry.store().write("test", place.now(), body);
    written.await.expect("written");
}

async fn states(place: &Place, registry: &Registry, subject: SubjectId) -> Vec<ItemState> {
    let snapshot = registry
        .store()
        .snapshot(place.now())
        .await
        .expect("a snapshot");
    let listed = snapshot.list_item_states(&[subject], &[]).await;
    snapshot.close().await.expect("closed");
    listed.expect("listed").remove(&subject).unwrap_or_default()
}

/// Lets the first item stay for statistics and the second for nothing, and everything else go.
async fn erase(
    place: &Place,
    registry: &Registry,
    subject: SubjectId,
    lives: bool,
) -> Vec<ItemState> {
    let mut all = states(place, registry, subject).await;
    all[0].retained_for = Some(vec!["traffic_statistics".parse().expect("a name")]);
    all[1].retained_for = Some(Vec::new());
    let items = all.clone();
    write(place, registry, move |tx| {
        let items = items.clone();
        Box::pin(async move {
            let retained = RetainedItems {
                subject,
                items: &items[..2],
                retained_by: Some(SubjectRequestId(Uuid::nil())),
                subject_lives: lives,
            };
            tx.retain_items(retained).await?;
            let gone: Vec<ItemId> = items[2..].iter().map(|it| it.item_id).collect();
            tx.delete_items(subject, &gone).await?;
            if !lives {
                tx.unlink_everything(subject).await?;
                tx.destroy_texts(subject).await?;
                tx.restore_erasure(subject, tx.now()).await?;
            }
            Ok(())
        })
    })
    .await;
    let done = registry
        .store()
        .complete_key_destructions(place.now())
        .await;
    done.expect("completed");
    all
}

/// What stands sealed in the columns of the items, and the wrapped keys.
async fn sealed(place: &Place) -> Vec<Vec<u8>> {
    let (data, keys) = (place.connect().await, place.connect_to_keys().await);
    let mut found = Vec::new();
    for (connection, sql) in [
        (
            &data,
            "SELECT content_sealed AS b FROM items WHERE content_sealed IS NOT NULL",
        ),
        (
            &data,
            "SELECT item_key_sealed AS b FROM items WHERE item_key_sealed IS NOT NULL",
        ),
        (&data, "SELECT value_sealed AS b FROM identifiers"),
        (
            &keys,
            "SELECT wrapped AS b FROM subject_keys WHERE wrapped IS NOT NULL",
        ),
    ] {
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await.expect("rows");
        found.extend(
            rows.iter()
                .map(|row| row.try_get::<Vec<u8>>("", "b").expect("bytes")),
        );
    }
    found
}

/// Every file of the database as it lies on the disk, once it has put everything away: of PostgreSQL
/// without the log that a server writes ahead, which goes with its archive.
async fn files(place: &Place) -> Vec<Vec<u8>> {
    let data = place.connect().await;
    if place.url.starts_with("sqlite") {
        let keys = place.connect_to_keys().await;
        for connection in [&data, &keys] {
            execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
        let path = |url: &str| {
            let path = url.trim_start_matches("sqlite:");
            PathBuf::from(path.split('?').next().expect("a path"))
        };
        let folder = path(&place.url).parent().expect("a folder").to_owned();
        return read_below(folder);
    }
    for table in ["items", "identifiers", "subject_keys", "consents"] {
        execute(&data, &format!("VACUUM FULL {table}")).await;
    }
    execute(&data, "CHECKPOINT").await;
    let place_of = |sql: &'static str| {
        let data = &data;
        async move {
            let statement = Statement::from_string(data.get_database_backend(), sql);
            let row = data.query_one_raw(statement).await.expect("a row");
            row.expect("one").try_get::<String>("", "p").expect("text")
        }
    };
    let root = PathBuf::from(place_of("SELECT current_setting('data_directory') AS p").await);
    let base = number(
        &data,
        "SELECT oid::bigint AS n FROM pg_database WHERE datname = current_database()",
    )
    .await;
    read_below(root.join("base").join(base.to_string()))
}

/// What PostgreSQL does by itself when a table has grown: it looks at values, and keeps some for its planner.
async fn sample(place: &Place) {
    if !place.url.starts_with("sqlite") {
        execute(&place.connect().await, "ANALYZE").await;
        execute(&place.connect_to_keys().await, "ANALYZE").await;
    }
}

fn read_below(folder: PathBuf) -> Vec<Vec<u8>> {
    let (mut files, mut pending) = (Vec::new(), vec![folder]);
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else {
                files.push(fs::read(path).expect("readable"));
            }
        }
    }
    files
}

fn is_in(files: &[Vec<u8>], wanted: &[u8]) -> bool {
    // A value may be cut where a page ends; its middle is not.
    let middle = &wanted[wanted.len() / 4..][..wanted.len().min(24) / 2];
    files
        .iter()
        .any(|file| file.windows(middle.len()).any(|window| window == middle))
}

on_both! {
    async fn what_stays_opens_under_a_key_of_its_own_when_the_persons_key_is_gone(place: Place) {
        let registry = place.registry().await;
        let ada = ada(&registry).await;
        let before = states(&place, &registry, ada).await;
        erase(&place, &registry, ada, false).await;
        let snapshot = registry.store().snapshot(place.now()).await.unwrap();
        assert!(!snapshot.has_key(ada).await.unwrap());
        let keys = snapshot.list_own_keys(ada).await.unwrap();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0].1, keys[1].1, "each has its own");
        let read = items(&registry, ada).await.unwrap();
        let read: Vec<_> = read.iter().map(|it| (it.state.item_id, text(it).to_owned())).collect();
        let expected = |at: usize| before[at].item_id;
        assert_eq!(read.iter().map(|it| it.0).collect::<Vec<_>>(), [expected(0), expected(1)]);
        assert!(read.iter().all(|it| it.1.starts_with("page ")));
        let left = states(&place, &registry, ada).await;
        assert_eq!(left[0].retained_for.as_ref().unwrap().len(), 1);
        assert_eq!(left[1].retained_for, Some(Vec::new()));
        let waiting = snapshot.list_retained_subjects(SubjectId(Uuid::nil()), 10).await.unwrap();
        assert_eq!(waiting, [ada]);
        snapshot.close().await.unwrap();
        let first = keys[0].0;
        write(&place, &registry, move |tx| Box::pin(async move {
            tx.delete_items(ada, &[first]).await.map(|_| ())
        })).await;
        registry.store().complete_key_destructions(place.now()).await.unwrap();
        let snapshot = registry.store().snapshot(place.now()).await.unwrap();
        assert_eq!(snapshot.list_own_keys(ada).await.unwrap(), keys[1..]);
        assert!(!snapshot.has_own_key(keys[0].1).await.unwrap());
        assert!(snapshot.has_own_key(keys[1].1).await.unwrap());
    }

    async fn what_is_collected_again_is_another_item_than_the_one_that_stays(place: Place) {
        let registry = place.registry().await;
        let ada_id = ada(&registry).await;
        let before = erase(&place, &registry, ada_id, true).await;
        let staying = items(&registry, ada_id).await.unwrap();
        let staying = staying.iter().find(|it| it.state.item_id == before[0].item_id);
        let key = staying.expect("it stays").key.expose().to_owned();
        let page = |text: &str, at: &str| {
            let mut again = visitor(by("email", "ada@example.org"));
            again.items = vec![keyed("navigation", &key, text)];
            again.collected_at = Some(at.parse().unwrap());
            again
        };
        // Late, of before the erasure.
        register(&registry, page("late", "2026-06-01T11:00:00Z")).await.unwrap();
        assert_eq!(states(&place, &registry, ada_id).await.len(), 2);
        place.clock.advance(std::time::Duration::from_mins(1));
        for _ in 0..2 {
            register(&registry, page("new", "2026-06-01T12:01:00Z")).await.unwrap();
        }
        let after = states(&place, &registry, ada_id).await;
        let ordinary: Vec<_> = after.iter().filter(|it| !it.is_retained()).collect();
        assert_eq!((after.len(), ordinary.len()), (3, 1));
        assert!(before.iter().all(|it| it.item_id != ordinary[0].item_id));
    }

    async fn neither_the_sealed_values_nor_the_keys_of_what_went_are_left_in_the_files(place: Place) {
        let registry = place.registry().await;
        let gone = ada(&registry).await;
        let mut bob = visitor(by("email", "bob@example.org"));
        bob.items = vec![keyed("navigation", "1", "a page of somebody else")];
        bob.identifiers = vec![identifier("skype", "bob.b")];
        subject_of(&registry, bob).await;
        let before = sealed(&place).await;
        sample(&place).await;
        let on_disk = files(&place).await;
        assert!(before.iter().all(|value| is_in(&on_disk, value)), "the search finds what is there");
        erase(&place, &registry, gone, false).await;
        let left = sealed(&place).await;
        let on_disk = files(&place).await;
        let (mut kept, mut destroyed) = (0, 0);
        for value in before {
            if left.contains(&value) {
                assert!(is_in(&on_disk, &value));
                kept += 1;
            } else {
                assert!(!is_in(&on_disk, &value), "what went is left in a file");
                destroyed += 1;
            }
        }
        // Three contents, their keys, an address, and the key of them all.
        assert_eq!(destroyed, 8);
        assert!(kept > 4);
    }

    async fn a_notice_keeps_whom_to_name_and_goes_with_its_key(place: Place) {
        let registry = place.registry().await;
        let ada = ada(&registry).await;
        let mut all = states(&place, &registry, ada).await;
        let first = all.remove(0).item_id;
        let recipient = Recipient::Processor("aweber".parse().unwrap());
        let payload = TaskPayload {
            identifiers: vec![identifier("email", "ada@example.org")],
            items: Vec::new(),
        };
        let (sent, to) = (payload.clone(), recipient.clone());
        write(&place, &registry, move |tx| {
            let (payload, recipient) = (sent.clone(), to.clone());
            Box::pin(async move {
                let notice = Notice {
                    notice_id: NoticeId(tx.new_key_id().await?),
                    subject_id: ada,
                    subject_request_id: SubjectRequestId(Uuid::nil()),
                    recipient,
                    item_ids: vec![first],
                };
                tx.put_notice(&notice, &payload).await?;
                tx.put_notice(&notice, &payload).await
            })
        })
        .await;
        let snapshot = registry.store().snapshot(place.now()).await.unwrap();
        let notices = snapshot.list_notices(ada).await.unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!((&notices[0].recipient, notices[0].item_ids.as_slice()), (&recipient, &[first][..]));
        let notice = notices[0].clone();
        let id = notice.notice_id;
        assert_eq!(snapshot.read_notice(id).await.unwrap(), Some(payload));
        snapshot.close().await.unwrap();
        place.clock.advance(std::time::Duration::from_hours(48));
        registry.store().sweep_orphan_keys(place.now()).await.unwrap();
        write(&place, &registry, move |tx| {
            let notice = notice.clone();
            Box::pin(async move {
                assert!(tx.has_own_key(id).await?, "the sweep leaves it");
                tx.remove_notice(&notice).await
            })
        })
        .await;
        registry.store().complete_key_destructions(place.now()).await.unwrap();
        let snapshot = registry.store().snapshot(place.now()).await.unwrap();
        assert!(!snapshot.has_own_key(id).await.unwrap());
        assert_eq!(snapshot.read_notice(id).await.unwrap(), None);
    }
}
