//! The sealed audit log as an auditor meets it: proofs are verified here by a verifier that shares no
//! code with the registry; exports, also of a database that somebody has changed, by the registry's own.

use std::io::Cursor;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use registry::{
    app::verify::{Fault, LogReport, LogVerifier, Trusted},
    cli::compose::key_files,
    crypto::{keyring::KeyRing, signature::VerifyingKeys},
    domain::{
        audit_log::{checkpoint_line, entry_line, start_line},
        caller::Scope,
    },
    proto::v1::{
        AuditCheckpoint, DeleteRecordsRequest, ExportAuditLogRequest, GetCheckpointRequest,
        GetConsistencyProofRequest, GetInclusionProofRequest, ListAuditEntriesRequest,
        MergeSubjectsRequest, export_audit_log_response::Part,
    },
};
use sea_orm::{ConnectionTrait, Database};
use tokio::time::Duration;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    harness::{
        Clients, TestServer,
        sample::{by, by_id, everything_of},
        status::{fields, reason},
    },
    on_both,
};

type Hash = Vec<u8>;

fn hash(parts: &[&[u8]]) -> Hash {
    digest(&SHA256, &parts.concat()).as_ref().to_vec()
}

/// The root that a leaf and its path lead to, by the recursion of RFC 9162, 2.1.3.1.
fn root_of(position: i64, size: i64, leaf: &Hash, path: &[Hash]) -> Hash {
    let Some((top, below)) = path.split_last() else {
        assert_eq!(size, 1, "the path is too short");
        return leaf.clone();
    };
    assert!(size > 1, "the path is too long");
    let middle = largest_power_below(size);
    if position < middle {
        hash(&[&[1], &root_of(position, middle, leaf, below), top])
    } else {
        hash(&[
            &[1],
            top,
            &root_of(position - middle, size - middle, leaf, below),
        ])
    }
}

/// The roots of both logs that a consistency proof leads to, by the recursion of 2.1.4.1.
fn roots_of(from: i64, to: i64, known: Option<&Hash>, path: &[Hash]) -> (Hash, Hash) {
    if from == to {
        let root = known.unwrap_or_else(|| path.first().expect("a step"));
        return (root.clone(), root.clone());
    }
    let (top, below) = path.split_last().expect("a step");
    let middle = largest_power_below(to);
    if from <= middle {
        let (old, new) = roots_of(from, middle, known, below);
        (old, hash(&[&[1], &new, top]))
    } else {
        let (old, new) = roots_of(from - middle, to - middle, None, below);
        (hash(&[&[1], top, &old]), hash(&[&[1], top, &new]))
    }
}

fn largest_power_below(size: i64) -> i64 {
    1 << (63 - (size - 1).leading_zeros())
}

async fn register(clients: &mut Clients, email: &str) -> String {
    let registration = everything_of("visitor", email);
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered").into_inner().subject_id
}

async fn checkpoint(clients: &mut Clients, tree_size: i64) -> Result<AuditCheckpoint, Status> {
    let request = GetCheckpointRequest { tree_size };
    let answer = clients.audit.get_checkpoint(request).await?;
    Ok(answer.into_inner().checkpoint.expect("a checkpoint"))
}

/// Waits until the log has so many sealed entries.
async fn sealed(clients: &mut Clients, entries: i64) -> AuditCheckpoint {
    for _ in 0..100 {
        match checkpoint(clients, 0).await {
            Ok(checkpoint) if checkpoint.tree_size >= entries => return checkpoint,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("{entries} entries were not sealed in time")
}

async fn export(clients: &mut Clients, from_position: i64) -> Result<Vec<Part>, Status> {
    let request = ExportAuditLogRequest { from_position };
    let mut stream = clients.audit.export_audit_log(request).await?.into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await? {
        parts.push(part.part.expect("a part"));
    }
    Ok(parts)
}

/// An exported log as `pdr audit export` writes it.
fn written(parts: &[Part]) -> String {
    let number = |number: i64| u64::try_from(number).expect("positive");
    let lines = parts.iter().map(|part| match part {
        Part::Start(start) => {
            let edge: Vec<_> = start
                .edge
                .iter()
                .map(|hash| STANDARD.encode(hash))
                .collect();
            start_line(number(start.from_position), &edge)
        }
        Part::Entry(entry) => {
            let leaf = STANDARD.encode(&entry.leaf_hash);
            entry_line(number(entry.position), &leaf, &entry.entry)
        }
        Part::Checkpoint(checkpoint) => checkpoint_line(&checkpoint.envelope),
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn public_keys(server: &TestServer) -> VerifyingKeys {
    let ring = KeyRing::load(&key_files(&server.config.keys)).expect("the keys are there");
    ring.signing().verifying()
}

/// What a verifier finds who kept `older` and exports the log now.
async fn verified(
    server: &TestServer,
    clients: &mut Clients,
    older: &AuditCheckpoint,
) -> LogReport {
    let keys = public_keys(server);
    let older = serde_json::from_str(&older.envelope).expect("an envelope");
    let older = Trusted::read(&older, &keys).expect("it is genuine");
    let exported = written(&export(clients, 0).await.expect("exported"));
    let mut verifier = LogVerifier::new(&keys, Some(older));
    verifier
        .read_file(&mut Cursor::new(exported))
        .expect("read");
    verifier.finish()
}

/// Does to the database what whoever has it can do.
async fn attack(server: &TestServer, sql: &[&str]) {
    let database = Database::connect(server.config.database.url.expose()).await;
    let database = database.expect("it is there");
    for sql in sql {
        let done = database.execute_unprepared(sql).await.expect("done");
        assert!(done.rows_affected() > 0, "{sql}");
    }
    database.close().await.expect("closed");
}

/// A log of seven entries that is sealed, and a checkpoint over them.
async fn sealed_log(admin: &mut Clients) -> AuditCheckpoint {
    for n in 0..6 {
        register(admin, &format!("p{n}@example.com")).await;
    }
    sealed(admin, 7).await
}

on_both! {
    async fn an_entry_that_was_changed_by_one_byte_in_the_database_is_named(server: TestServer) {
        let mut admin = server.admin().await;
        let older = sealed_log(&mut admin).await;
        let report = verified(&server, &mut admin, &older).await;
        assert!(report.is_good(), "{:?}", report.findings);
        assert_eq!((report.entries, report.agrees_with), (7, Some(7)));
        attack(&server, &["UPDATE audit SET caller = 'admiN' WHERE position = 3"]).await;
        let report = verified(&server, &mut admin, &older).await;
        let faults: Vec<_> = report.findings.iter().map(|one| &one.fault).collect();
        assert_eq!(faults, [&Fault::Changed { position: 3 }]);
    }

    async fn an_entry_that_was_removed_or_moved_in_the_database_is_named(server: TestServer) {
        let mut admin = server.admin().await;
        let older = sealed_log(&mut admin).await;
        attack(&server, &["DELETE FROM audit WHERE position = 2"]).await;
        let report = verified(&server, &mut admin, &older).await;
        assert_eq!(report.findings[0].fault, Fault::Lost { position: 2 });
        attack(&server, &[
            "UPDATE audit SET position = 2 WHERE position = 4",
            "UPDATE audit SET position = 4 WHERE position = 5",
        ]).await;
        let report = verified(&server, &mut admin, &older).await;
        let faults: Vec<_> = report.findings.iter().map(|one| &one.fault).collect();
        assert_eq!(faults, [
            &Fault::Changed { position: 2 },
            &Fault::Changed { position: 4 },
            &Fault::Lost { position: 5 },
        ]);
    }

    async fn a_log_whose_hashes_were_rewritten_as_well_does_not_lead_to_the_signed_root(server: TestServer) {
        let mut admin = server.admin().await;
        let older = sealed_log(&mut admin).await;
        let parts = export(&mut admin, 0).await.expect("exported");
        let entry = parts.iter().find_map(|part| match part {
            Part::Entry(entry) if entry.position == 3 => Some(entry.entry.clone()),
            _ => None,
        });
        let forged = entry.expect("an entry").replace("\"caller\":\"admin\"", "\"caller\":\"admiN\"");
        let leaf = hash(&[&[0], forged.as_bytes()]);
        let hex = leaf.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let literal = if server.config.database.url.expose().starts_with("sqlite:") {
            format!("x'{hex}'")
        } else {
            format!("'\\x{hex}'")
        };
        attack(&server, &[
            "UPDATE audit SET caller = 'admiN' WHERE position = 3",
            &format!("UPDATE audit_nodes SET hash = {literal} WHERE level = 0 AND node_index = 3"),
        ]).await;
        let report = verified(&server, &mut admin, &older).await;
        assert_eq!(report.findings[0].fault, Fault::Rewritten { size: 7 });
        assert!(report.findings.iter().any(|one| matches!(one.fault, Fault::Between { .. })));
    }

    async fn a_log_that_was_cut_off_in_the_database_is_shorter_than_the_checkpoint_that_was_kept(server: TestServer) {
        let mut admin = server.admin().await;
        register(&mut admin, "first@example.com").await;
        sealed(&mut admin, 2).await;
        let older = sealed_log(&mut admin).await;
        let size = older.tree_size;
        attack(&server, &[
            "DELETE FROM audit WHERE position >= 2",
            "DELETE FROM audit_nodes WHERE node_index >= 2 AND level = 0",
            "DELETE FROM audit_checkpoints WHERE tree_size > 2",
        ]).await;
        let report = verified(&server, &mut admin, &older).await;
        let size = size.try_into().expect("positive");
        assert_eq!(report.findings[0].fault, Fault::Shorter { size, found: 2 });
    }

    async fn the_log_stays_valid_when_what_it_tells_of_is_deleted(server: TestServer) {
        let mut admin = server.admin().await;
        let older = sealed_log(&mut admin).await;
        let deletion = DeleteRecordsRequest {
            subject: Some(by("email", "p1@example.com")),
            data_categories: vec!["email_address".to_owned(), "navigation".to_owned()],
            ..DeleteRecordsRequest::default()
        };
        admin.record.delete_records(deletion).await.expect("deleted");
        sealed(&mut admin, older.tree_size + 1).await;
        let report = verified(&server, &mut admin, &older).await;
        assert!(report.is_good(), "{:?}", report.findings);
        assert!(report.entries > 7);
    }

    async fn every_entry_is_proved_to_stand_in_the_log(server: TestServer) {
        let mut admin = server.admin().await;
        for n in 0..6 {
            register(&mut admin, &format!("p{n}@example.com")).await;
        }
        let latest = sealed(&mut admin, 7).await;
        let listed = admin.audit.list_audit_entries(ListAuditEntriesRequest::default()).await;
        let entries = listed.expect("listed").into_inner().entries;
        assert_eq!(entries.len(), 7);
        for (entry, position) in entries.iter().rev().zip(0..) {
            assert_eq!(entry.position, Some(position));
            let request = GetInclusionProofRequest { audit_id: entry.audit_id.clone(), tree_size: 0 };
            let proof = admin.audit.get_inclusion_proof(request).await.expect("proved").into_inner();
            assert_eq!((proof.position, proof.tree_size), (position, latest.tree_size));
            assert!(proof.entry.contains(&entry.audit_id));
            assert_eq!(hash(&[&[0], proof.entry.as_bytes()]), proof.leaf_hash);
            let root = root_of(position, proof.tree_size, &proof.leaf_hash, &proof.path);
            assert_eq!(root, latest.root_hash);
            assert_eq!(proof.checkpoint.as_ref(), Some(&latest));
        }
    }

    async fn a_later_log_is_proved_to_begin_with_an_earlier_one(server: TestServer) {
        let mut admin = server.admin().await;
        register(&mut admin, "ada@example.com").await;
        let earlier = sealed(&mut admin, 2).await;
        for n in 0..5 {
            register(&mut admin, &format!("p{n}@example.com")).await;
        }
        let later = sealed(&mut admin, 7).await;
        let request = GetConsistencyProofRequest { from_tree_size: earlier.tree_size, to_tree_size: 0 };
        let proof = admin.audit.get_consistency_proof(request).await.expect("proved").into_inner();
        let known = earlier.tree_size.count_ones() == 1;
        let known = known.then_some(&earlier.root_hash);
        let (old, new) = roots_of(earlier.tree_size, later.tree_size, known, &proof.path);
        assert_eq!((old, new), (earlier.root_hash.clone(), later.root_hash.clone()));
        assert_eq!(checkpoint(&mut admin, earlier.tree_size).await.expect("kept"), earlier);
        assert_eq!(earlier.origin, later.origin);
    }

    async fn the_log_is_exported_whole_and_from_any_place(server: TestServer) {
        let mut admin = server.admin().await;
        for n in 0..4 {
            register(&mut admin, &format!("p{n}@example.com")).await;
        }
        let latest = sealed(&mut admin, 5).await;
        for from in 0..5_usize {
            let parts = export(&mut admin, from.try_into().expect("small")).await.expect("exported");
            let Part::Start(start) = &parts[0] else { panic!("{parts:?}") };
            assert_eq!(start.edge.len(), from.count_ones() as usize);
            let entries = parts.iter().filter(|part| matches!(part, Part::Entry(_)));
            assert_eq!(entries.count(), 5 - from);
            assert_eq!(parts.last(), Some(&Part::Checkpoint(latest.clone())));
        }
    }

    async fn the_log_names_nobody_also_when_subjects_were_merged(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = register(&mut admin, "ada@example.com").await;
        let bob = register(&mut admin, "bob@example.com").await;
        let merge = MergeSubjectsRequest { into: Some(by_id(&ada)), from: Some(by("email", "bob@example.com")), ..Default::default() };
        admin.subject.merge_subjects(merge).await.expect("merged");
        sealed(&mut admin, 5).await;
        let printed = format!("{:?}", export(&mut admin, 0).await.expect("exported"));
        assert!(printed.contains("MergeSubjects"), "{printed}");
        for personal in [ada.as_str(), bob.as_str(), "ada@example.com", "bob@example.com"] {
            assert!(!printed.contains(personal), "{personal} in {printed}");
        }
    }

    async fn what_cannot_be_proved_is_refused_with_the_reason(server: TestServer) {
        let mut admin = server.admin().await;
        let latest = sealed(&mut admin, 1).await;
        let status = checkpoint(&mut admin, latest.tree_size + 1_000).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "CHECKPOINT_NOT_FOUND"));
        let unknown = GetInclusionProofRequest { audit_id: Uuid::new_v4().to_string(), tree_size: 0 };
        let status = admin.audit.get_inclusion_proof(unknown).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "AUDIT_ENTRY_NOT_FOUND"));
        let nothing = GetInclusionProofRequest { audit_id: String::new(), tree_size: -1 };
        let status = admin.audit.get_inclusion_proof(nothing).await.unwrap_err();
        assert_eq!(fields(&status), ["audit_id", "tree_size"]);
        let ahead = GetConsistencyProofRequest { from_tree_size: 1, to_tree_size: latest.tree_size + 1_000 };
        let status = admin.audit.get_consistency_proof(ahead).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NOT_SEALED_YET"));
        let from_nothing = GetConsistencyProofRequest::default();
        let status = admin.audit.get_consistency_proof(from_nothing).await.unwrap_err();
        assert_eq!(fields(&status), ["from_tree_size"]);
        let status = export(&mut admin, latest.tree_size + 1_000).await.unwrap_err();
        assert_eq!(fields(&status), ["from_position"]);
        let mut shop = server.service("shop", &[Scope::Collect]).await;
        let status = checkpoint(&mut shop, 0).await.unwrap_err();
        assert_eq!(reason(&status), "SCOPE_MISSING");
        let status = export(&mut shop, 0).await.unwrap_err();
        assert_eq!(reason(&status), "SCOPE_MISSING");
    }
}
