//! Imports: batches of registrations, each batch in one transaction with the checkpoint that it
//! reaches. A record that is refused holds up no other; one that is sent again is answered as
//! before.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{Registered, Registration, register};
use crate::{
    app::{
        error::Error,
        registry::{Call, Change, Registry, Written, answered, authorise, record_all},
    },
    crypto::derived_id::derived_id,
    domain::{audit::Action, caller::Caller, id::ImportId},
    store::{Store, Tx, idempotency::Remembered},
};

/// Records that one batch holds at most: bounds how long everybody else waits for it.
pub const BATCH_RECORDS_MAX: usize = 200;
/// Bytes that one batch holds at most, by the encoding of its records.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Identifiers that one batch holds at most. PostgreSQL has room for some six thousand locks of all
/// transactions together, and a batch takes one for each.
pub const BATCH_IDENTIFIERS_MAX: usize = 1_000;

/// One record as it was sent.
#[derive(Debug)]
pub struct ImportRecord {
    /// Its place in the import, from 1.
    pub sequence: i64,
    /// The message in a canonical encoding: when it is sent again it must be the same.
    pub canonical: Vec<u8>,
    /// What was collected, or why the message does not say it.
    pub registration: Result<Registration, Error>,
}

/// What became of one record.
#[derive(Debug)]
pub struct ImportedRecord {
    /// Its place in the import.
    pub sequence: i64,
    /// What became of it.
    pub outcome: ImportOutcome,
}

/// What became of a record.
#[derive(Debug)]
pub enum ImportOutcome {
    /// It was registered, now or earlier under this sequence.
    Registered(Written<Registered>),
    /// It was refused.
    Refused(Error),
    /// It was settled earlier: refused, or registered so long ago that the answer is forgotten.
    Settled,
}

/// What became of a batch.
#[derive(Debug)]
pub struct ImportedBatch {
    /// Its records, in their order.
    pub records: Vec<ImportedRecord>,
    /// The last record up to which everything is settled and durable.
    pub checkpoint: i64,
}

impl Registry {
    /// The last record of an import that is settled; 0 for one that has not begun.
    pub async fn import_checkpoint(&self, caller: &Caller, import: ImportId) -> Result<i64, Error> {
        let view = self.view(caller, Action::ImportCollections, None).await?;
        let service = caller.service.as_str();
        let checkpoint = view.snapshot.import_checkpoint(service, import).await?;
        view.snapshot.close().await?;
        Ok(checkpoint)
    }

    /// Registers a batch of records whose sequences rise, and that keeps to the limits of a batch.
    /// The error is that of the whole batch, of which then nothing was registered.
    pub async fn import_batch(
        &self,
        caller: &Arc<Caller>,
        import: ImportId,
        records: Vec<ImportRecord>,
    ) -> Result<ImportedBatch, Error> {
        authorise(caller, Action::ImportCollections)?;
        let mut refusals = HashMap::new();
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            let registration = match record.registration {
                Ok(registration) => Some(registration),
                Err(error) => {
                    refusals.insert(record.sequence, error);
                    None
                }
            };
            let call = call(caller, import, record.sequence, record.canonical);
            sent.push(Sent {
                sequence: record.sequence,
                call,
                registration,
            });
        }
        let (store, caller, sent) = (self.store.clone(), caller.clone(), Arc::new(sent));
        let name = Action::ImportCollections.name();
        let mut batch = self
            .store
            .write(name, self.clock_now(), move |tx| {
                let (store, caller, sent) = (store.clone(), caller.clone(), sent.clone());
                Box::pin(async move { import_all(&store, tx, &caller, import, &sent).await })
            })
            .await?;
        self.changed.notify_one();
        for record in &mut batch.records {
            if let ImportOutcome::Refused(error) = &mut record.outcome
                && let Some(unread) = refusals.remove(&record.sequence)
            {
                *error = unread;
            }
        }
        Ok(batch)
    }
}

struct Sent {
    sequence: i64,
    call: Call,
    /// `None`: the message does not say it; why, is known to whoever sent it here.
    registration: Option<Registration>,
}

/// A record's own idempotency key: the import and its place in it.
fn call(caller: &Arc<Caller>, import: ImportId, sequence: i64, canonical: Vec<u8>) -> Call {
    let place = [import.0.as_bytes().as_slice(), &sequence.to_be_bytes()].concat();
    Call::new(caller.clone(), Action::ImportCollections)
        .idempotent(Some(derived_id(&place)), canonical)
}

async fn import_all(
    store: &Store,
    tx: &mut Tx,
    caller: &Caller,
    import: ImportId,
    sent: &[Sent],
) -> Result<ImportedBatch, Error> {
    let service = caller.service.as_str();
    tx.lock_import(import).await?;
    let settled = tx.import_checkpoint(service, import).await?;
    let (old, new): (Vec<_>, Vec<_>) = sent.iter().partition(|one| one.sequence <= settled);
    let mut outcomes = repeat(tx, service, &old).await?;
    outcomes.extend(register_new(store, tx, caller, &new).await?);
    let checkpoint = new.iter().map(|one| one.sequence).fold(settled, i64::max);
    if checkpoint > settled {
        tx.set_import_checkpoint(service, import, checkpoint)
            .await?;
    }
    let sequences = old.iter().chain(&new).map(|one| one.sequence);
    let records = sequences
        .zip(outcomes)
        .map(|(sequence, outcome)| ImportedRecord { sequence, outcome });
    Ok(ImportedBatch {
        records: records.collect(),
        checkpoint,
    })
}

/// Records that are settled, answered as before.
async fn repeat(tx: &mut Tx, service: &str, old: &[&Sent]) -> Result<Vec<ImportOutcome>, Error> {
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Uuid> = old.iter().filter_map(|one| one.call.request_id).collect();
    let action = Action::ImportCollections;
    let remembered: HashMap<Uuid, Remembered> = tx.list_remembered(service, action, &keys).await?;
    let outcomes = old.iter().map(|one| {
        let key = one.call.request_id;
        match key.and_then(|key| remembered.get(&key)) {
            None => ImportOutcome::Settled,
            Some(answer) => match answered(tx, &one.call, answer) {
                Ok(written) => ImportOutcome::Registered(written),
                Err(error) => ImportOutcome::Refused(error),
            },
        }
    });
    Ok(outcomes.collect())
}

async fn register_new(
    store: &Store,
    tx: &mut Tx,
    caller: &Caller,
    new: &[&Sent],
) -> Result<Vec<ImportOutcome>, Error> {
    let policies = store.policies(tx).await?;
    let readable: Vec<_> = new
        .iter()
        .filter_map(|one| Some((caller, one.registration.as_ref()?)))
        .collect();
    let mut outcomes = register::all(tx, &policies, &readable).await?.into_iter();
    let mut results: Vec<Result<(), Error>> = Vec::with_capacity(new.len());
    let mut changes: Vec<(Call, Change<Registered>)> = Vec::with_capacity(new.len());
    for one in new {
        let outcome = match &one.registration {
            Some(_) => outcomes.next(),
            None => None,
        };
        results.push(match outcome {
            Some(Ok(change)) => {
                changes.push((one.call.clone(), change));
                Ok(())
            }
            Some(Err(error)) => Err(error),
            None => Err(Error::Internal("a record does not read".into())),
        });
    }
    let mut written = record_all(tx, changes).await?.into_iter();
    let outcomes = results.into_iter().map(|result| match result {
        Ok(()) => written.next().map_or_else(
            || ImportOutcome::Refused(Error::Internal("a record got lost".into())),
            ImportOutcome::Registered,
        ),
        Err(error) => ImportOutcome::Refused(error),
    });
    Ok(outcomes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::collection::tests::{Collections, by, client, item};

    const IMPORT: ImportId = ImportId(Uuid::from_u128(1));

    fn record(sequence: i64, registration: Registration) -> ImportRecord {
        ImportRecord {
            sequence,
            canonical: format!("{sequence}").into_bytes(),
            registration: Ok(registration),
        }
    }

    fn person(number: i64) -> Registration {
        let mut registration = client(&[("email", &format!("p{number}@example.com"))]);
        registration.items = vec![item("first_name", "Anna")];
        registration
    }

    async fn import(it: &Collections, records: Vec<ImportRecord>) -> ImportedBatch {
        let registry = &it.it.registry;
        let batch = registry.import_batch(&it.it.caller, IMPORT, records);
        batch.await.unwrap()
    }

    fn registered(batch: &ImportedBatch) -> Vec<Option<&Registered>> {
        let outcomes = batch.records.iter().map(|record| match &record.outcome {
            ImportOutcome::Registered(written) => Some(&written.value),
            ImportOutcome::Refused(_) | ImportOutcome::Settled => None,
        });
        outcomes.collect()
    }

    #[tokio::test]
    async fn a_bad_record_is_answered_and_does_not_hold_up_the_rest() {
        let it = Collections::new().await;
        let mut undeclared = person(2);
        undeclared.items = vec![item("shoe_size", "38")];
        let unreadable = ImportRecord {
            sequence: 5,
            canonical: Vec::new(),
            registration: Err(Error::invalid("registration", "is required")),
        };
        let records = vec![
            record(1, person(1)),
            record(2, undeclared),
            record(4, person(4)),
            unreadable,
            record(6, person(1)),
        ];
        let batch = import(&it, records).await;
        let sequences: Vec<_> = batch.records.iter().map(|record| record.sequence).collect();
        assert_eq!(sequences, [1, 2, 4, 5, 6]);
        assert_eq!(batch.checkpoint, 6);
        let registered = registered(&batch);
        let is_registered: Vec<_> = registered.iter().map(Option::is_some).collect();
        assert_eq!(is_registered, [true, false, true, false, true]);
        assert_eq!(
            registered[0].unwrap().subject_id,
            registered[4].unwrap().subject_id,
            "a later record finds what an earlier one of its batch has made"
        );
        assert!(matches!(
            batch.records[1].outcome,
            ImportOutcome::Refused(Error::CollectionUndeclared(_))
        ));
        assert!(matches!(
            batch.records[3].outcome,
            ImportOutcome::Refused(Error::Invalid(_))
        ));
        assert!(it.get(by("email", "p2@example.com")).await.is_err());
    }

    #[tokio::test]
    async fn what_is_sent_again_is_answered_as_before_and_registered_once() {
        let it = Collections::new().await;
        let mut undeclared = person(2);
        undeclared.items = vec![item("shoe_size", "38")];
        let first = vec![record(1, person(1)), record(2, undeclared)];
        let first = import(&it, first).await;
        let again = vec![
            record(1, person(1)),
            record(2, person(2)),
            record(3, person(3)),
        ];
        let again = import(&it, again).await;
        assert_eq!(registered(&first)[0], registered(&again)[0]);
        assert!(matches!(
            &again.records[0].outcome,
            ImportOutcome::Registered(written) if written.replayed
        ));
        assert!(matches!(again.records[1].outcome, ImportOutcome::Settled));
        assert!(registered(&again)[2].is_some());
        let caller = &it.it.caller;
        let checkpoint = it.it.registry.import_checkpoint(caller, IMPORT);
        assert_eq!(checkpoint.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn another_record_under_a_settled_sequence_is_refused() {
        let it = Collections::new().await;
        import(&it, vec![record(1, person(1))]).await;
        let mut other = record(1, person(9));
        other.canonical = b"other".to_vec();
        let batch = import(&it, vec![other]).await;
        assert!(matches!(
            batch.records[0].outcome,
            ImportOutcome::Refused(Error::RequestIdReused)
        ));
        assert!(it.get(by("email", "p9@example.com")).await.is_err());
    }

    #[tokio::test]
    async fn a_device_in_the_middle_of_a_batch_is_merged_and_the_order_is_kept() {
        let it = Collections::new().await;
        let mut visit = client(&[("ga_client", "b1")]);
        visit.items = vec![item("navigation", "/")];
        let signin = client(&[("email", "p1@example.com"), ("ga_client", "b1")]);
        let records = vec![
            record(1, visit),
            record(2, person(1)),
            record(3, signin),
            record(4, person(2)),
        ];
        let batch = import(&it, records).await;
        let registered = registered(&batch);
        assert!(registered.iter().all(Option::is_some));
        let anna = registered[1].unwrap().subject_id.unwrap();
        assert_eq!(registered[2].unwrap().subject_id, Some(anna));
        assert_eq!(it.items(anna).await.len(), 2);
    }

    #[tokio::test]
    async fn whichever_call_to_the_database_fails_the_whole_batch_is_as_if_never_sent() {
        let it = Collections::new().await;
        let faults = it.it.registry.store().faults().clone();
        for call in 0.. {
            faults.fail_call(call);
            let records = vec![record(1, person(1)), record(2, person(2))];
            let outcome = it
                .it
                .registry
                .import_batch(&it.it.caller, IMPORT, records)
                .await;
            if !faults.clear() {
                assert!(call > 10, "{call}");
                assert_eq!(outcome.unwrap().checkpoint, 2);
                return;
            }
            assert!(outcome.is_err(), "call {call}");
            assert!(it.get(by("email", "p1@example.com")).await.is_err());
        }
    }
}
