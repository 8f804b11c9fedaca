//! Erasures met again by a database that is older than they are, and tasks that have lost their key.

use super::*;
use crate::{
    app::{restore::apply_missing, task::LeaseTasks},
    domain::{
        audit::Chore,
        journal::{ErasedSubject, JournalEntry, JournalKind, RetainedItem},
        task::{LEASE_DEFAULT, StateName},
    },
};

impl Erasures {
    /// Lets the journal alone have this, as if the database were older.
    async fn restore_with(&self, number: u128, subject: SubjectId, what: JournalKind) {
        let entry = JournalEntry {
            entry_id: Uuid::from_u128(number).into(),
            at: self.registry().clock_now(),
            subject_id: subject,
            identifiers: Vec::new(),
            what,
        };
        let entries = Arc::new(vec![entry]);
        let applied = self
            .registry()
            .do_chore(Chore::Restore, move |tx, policies| {
                let entries = entries.clone();
                Box::pin(async move { apply_missing(tx, policies, &entries).await })
            });
        assert_eq!(applied.await.expect("applied"), Some((1, 0)));
        self.registry().restore().await.expect("restored");
    }

    async fn orders(&self, subject: SubjectId) -> Vec<ItemState> {
        let mut states = self.states(subject).await;
        states.retain(|it| it.data_category.as_str() == "order_contents");
        states
    }

    /// Destroys a key and forgets that it was to be done, as a restore of the data alone does.
    async fn lose_key(&self, owner: Uuid) {
        self.write(move |tx| Box::pin(async move { tx.intend_key_destruction(owner).await }))
            .await;
        self.registry()
            .complete_erasures()
            .await
            .expect("completed");
    }
}

fn books(items: &[ItemState]) -> Vec<RetainedItem> {
    let items = items.iter().map(|item| RetainedItem {
        item_id: item.item_id,
        purposes: vec!["bookkeeping".parse().expect("a name")],
    });
    items.collect()
}

fn erased(retained: Vec<RetainedItem>, at: Timestamp) -> JournalKind {
    JournalKind::Erased(ErasedSubject {
        erased_at: at,
        retained,
        subject_request_id: Some(SubjectRequestId(Uuid::from_u128(5))),
        suppressed: Vec::new(),
        objected: Vec::new(),
    })
}

#[tokio::test]
async fn of_a_backup_with_its_keys_what_the_law_keeps_stays_and_the_rest_is_gone_again() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let retained = books(&it.orders(anna).await);
    let now = it.registry().clock_now();
    it.restore_with(1, anna, erased(retained, now)).await;
    assert!(!it.snapshot().await.has_key(anna).await.expect("looked"));
    assert!(
        it.check(anna, "order_contents", "bookkeeping")
            .await
            .is_ok()
    );
    assert_eq!(text(&it.contents(anna).await[0]), "a lamp");
    let denied = it.check(anna, "email_address", "contact_and_support").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
    // It went later, and the backup did not know that either.
    let gone = JournalKind::deleted(&it.orders(anna).await, now);
    it.restore_with(2, anna, gone).await;
    assert_eq!(it.states(anna).await, []);
}

#[tokio::test]
async fn of_a_backup_whose_keys_are_destroyed_nothing_comes_back_not_even_what_the_law_keeps() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let retained = books(&it.orders(anna).await);
    it.lose_key(anna.0).await;
    let now = it.registry().clock_now();
    it.restore_with(1, anna, erased(retained, now)).await;
    assert_eq!(it.states(anna).await, []);
    let denied = it.check(anna, "order_contents", "bookkeeping").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
}

#[tokio::test]
async fn what_was_erased_in_part_answers_for_its_ground_alone_again_and_keeps_its_key() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let mut orders = it.orders(anna).await;
    orders[0].retained_for = Some(vec!["bookkeeping".parse().expect("a name")]);
    let retained = JournalKind::retained(&orders, None);
    it.restore_with(1, anna, retained).await;
    let denied = it.check(anna, "order_contents", "service_rendering").await;
    assert_eq!(denied, Err(DecisionReason::PurposeExcluded));
    assert!(
        it.check(anna, "order_contents", "bookkeeping")
            .await
            .is_ok()
    );
    // The person is erased without a word in the journal: the key of what stays is not the person's.
    it.lose_key(anna.0).await;
    assert_eq!(it.registry().restore().await.expect("restored").erased, 1);
    assert!(
        it.check(anna, "order_contents", "bookkeeping")
            .await
            .is_ok()
    );
    let read: Vec<_> = it
        .contents(anna)
        .await
        .iter()
        .map(|it| text(it).to_owned())
        .collect();
    assert_eq!(read, ["a lamp"]);
    let denied = it.check(anna, "email_address", "contact_and_support").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
}

#[tokio::test]
async fn a_task_whose_key_is_gone_holds_no_other_up_and_a_person_looks_at_it() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let mut ben = collections::client(&[("shop_user", "ben")]);
    ben.items = vec![collections::item("email_address", "ben@example.org")];
    let ben = it.register(ben).await.expect("registered");
    let of_aweber = |tasks: Vec<Task>| {
        let aweber = |task: &Task| {
            task.recipient
                .processor()
                .is_some_and(|it| it.as_str() == "aweber")
        };
        tasks.into_iter().find(aweber).expect("it is told").task_id
    };
    let lost = of_aweber(it.tasks(it.erase(anna, &[]).await).await);
    let good = of_aweber(it.tasks(it.erase(ben, &[]).await).await);
    it.lose_key(lost.0).await;
    let lease = LeaseTasks {
        recipient: Recipient::Processor("aweber".parse().expect("a name")),
        kinds: Vec::new(),
        max: 10,
        length: LEASE_DEFAULT,
    };
    let leased = it
        .registry()
        .lease_tasks(it.it.caller.clone(), lease.clone())
        .await;
    let leased: Vec<_> = leased
        .expect("leased")
        .iter()
        .map(|it| it.task.task_id)
        .collect();
    assert_eq!(leased, [good]);
    let task = it.snapshot().await.find_task(lost).await.expect("found");
    let task = task.expect("a task");
    assert_eq!(task.state_name(), StateName::DeadLetter);
    assert!(task.failure.contains("key"), "{}", task.failure);
    let again = it
        .registry()
        .retry_task(it.call(Action::RetryTask), lost)
        .await;
    again.expect("taken up again");
    let leased = it.registry().lease_tasks(it.it.caller.clone(), lease).await;
    assert_eq!(leased.expect("leased").len(), 0);
}

#[tokio::test]
async fn a_task_to_correct_what_is_gone_ends() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let address = it.states(anna).await;
    let address = address
        .iter()
        .find(|it| it.data_category.as_str() == "email_address");
    let correct = crate::app::record::Correct {
        subject: SubjectRef::Id(anna),
        item_id: address.expect("an address").item_id,
        content: Content::Text("anna@example.net".into()),
        corrected_at: None,
    };
    let call = it.call(Action::CorrectRecord);
    it.registry()
        .correct_record(call, correct)
        .await
        .expect("corrected");
    it.erase(anna, &["first_name"]).await;
    let open = it
        .snapshot()
        .await
        .list_tasks_of_kind(anna, TaskKind::Rectify)
        .await;
    assert!(open.expect("listed").iter().all(|it| !it.is_ended()));
    it.erase(anna, &[]).await;
    let ended = it
        .snapshot()
        .await
        .list_tasks_of_kind(anna, TaskKind::Rectify)
        .await;
    let ended = ended.expect("listed");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].state_name(), StateName::Cancelled);
    assert!(
        !it.snapshot()
            .await
            .has_own_key(ended[0].task_id)
            .await
            .expect("looked")
    );
}

#[tokio::test]
async fn a_request_that_has_erased_nothing_has_no_certificate() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let caller = &it.it.caller;
    let id = SubjectRequestId(Uuid::from_u128(3));
    let unknown = it.registry().erasure_certificate(caller, id).await;
    assert!(
        matches!(unknown, Err(Error::NotFound(Missing::SubjectRequest))),
        "{unknown:?}"
    );
    let now = it.registry().clock_now();
    it.write(move |tx| {
        Box::pin(async move {
            let work = Erase {
                subject_id: anna,
                subject_request_id: id,
                scope: ErasureScope::default(),
                ground: ErasureGround::Child,
            };
            tx.insert_request(&request(&work, now), &[]).await
        })
    })
    .await;
    let nothing = it.registry().erasure_certificate(caller, id).await;
    assert!(
        matches!(nothing, Err(Error::IllegalTransition(_))),
        "{nothing:?}"
    );
}
