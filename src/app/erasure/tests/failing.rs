//! Erasures in which one call to the databases fails, and the next try.

use super::*;

/// Whether what an erasure must take away is there, and in what state the whole is.
async fn is_whole(it: &Erasures, anna: SubjectId) -> bool {
    let snapshot = it.snapshot().await;
    let found = snapshot.find_subject(anna).await.expect("looked");
    let is_erased = found.expect("a subject").erased_at.is_some();
    let live = it.states(anna).await;
    if is_erased {
        assert_eq!(live.len(), 1, "the order stays");
        assert_eq!(snapshot.list_erasures(anna).await.expect("listed").len(), 1);
    } else {
        // Nothing was taken away, and everything opens.
        assert_eq!(it.contents(anna).await.len(), 3);
        assert_eq!(snapshot.list_erasures(anna).await.expect("listed"), []);
        assert_eq!(snapshot.list_open_tasks(anna).await.expect("listed"), []);
        assert!(live.iter().all(|it| !it.is_retained()));
    }
    is_erased
}

#[tokio::test]
async fn whichever_call_fails_an_erasure_is_done_as_a_whole_or_not_at_all_and_the_next_try_does_it()
{
    let it = Erasures::new().await;
    let faults = it.registry().store().faults().clone();
    let anna = it.anna().await;
    let (mut struck, mut call) = (0, 0);
    loop {
        let work = Arc::new(Erase {
            subject_id: anna,
            subject_request_id: SubjectRequestId(Uuid::from_u128(call + 1)),
            scope: ErasureScope::default(),
            ground: ErasureGround::ConsentWithdrawn,
        });
        faults.fail_call(u32::try_from(call).expect("a number"));
        let done = it.try_carry_out(work).await;
        let has_struck = faults.clear();
        let is_erased = is_whole(&it, anna).await;
        // A fault after the commit leaves the answer open, and the erasure done.
        assert!(is_erased || done.is_err(), "call {call}");
        if is_erased {
            assert!(struck > 40, "only {struck} calls");
            assert_eq!(done.is_err(), has_struck);
            break;
        }
        struck += 1;
        call += 1;
    }
    // A crash before the keys went: the upkeep completes it.
    assert!(it.snapshot().await.has_key(anna).await.expect("looked"));
    it.registry().keep_up().await.expect("kept up");
    assert!(!it.snapshot().await.has_key(anna).await.expect("looked"));
    assert_eq!(text(&it.contents(anna).await[0]), "a lamp");
    it.registry().flush_journal().await.expect("flushed");
    let journal = std::fs::read_to_string(it.it.dir.path().join("journal.log"));
    let journal = journal.expect("it is there");
    assert_eq!(journal.matches("\"kind\":\"ERASED\"").count(), 1);
}

#[tokio::test]
async fn whichever_call_fails_when_what_stayed_goes_it_goes_once() {
    let it = Erasures::new().await;
    let faults = it.registry().store().faults().clone();
    let anna = it.anna().await;
    let request = it.erase(anna, &[]).await;
    it.at("2030-01-02T00:00:00Z");
    for call in 0.. {
        faults.fail_call(call);
        let resumed = it.registry().resume_erasure(anna).await;
        let has_struck = faults.clear();
        let is_gone = it.states(anna).await.is_empty();
        if !has_struck {
            assert!(call > 15, "only {call} calls");
            break;
        }
        assert!(resumed.is_err(), "call {call}");
        if !is_gone {
            assert_eq!(text(&it.contents(anna).await[0]), "a lamp");
        }
    }
    it.registry().keep_up().await.expect("kept up");
    let tasks = it.tasks(request).await;
    let of_ledger = tasks
        .iter()
        .filter(|it| it.data_categories[0].as_str() == "order_contents");
    assert_eq!(of_ledger.count(), 1, "the ledger is told once");
    assert_eq!(
        it.snapshot()
            .await
            .list_own_keys(anna)
            .await
            .expect("listed"),
        []
    );
}
