//! The registry's own connectors, from a task to its end, against vendors that answer as their published
//! descriptions say, and against vendors on bad days.

mod crash;
mod faults;
mod world;

use std::time::Duration;

use registry::proto::v1::{
    Item, ListAuditEntriesRequest, RetryTaskRequest, TaskOutcome, TaskState,
};

use crate::{
    connector::world::{ADA, World, stripe_of},
    harness::sample::text,
    on_each,
    vendors::{aweber::Aweber, google::Google, stripe::Stripe},
};

const DAY: Duration = Duration::from_hours(24);

on_each! {
    async fn aweber_deletes_every_entry_of_every_list_and_nobody_elses(place: Place) {
        let vendor = Aweber::new(3, &[(1, ADA), (2, "other@example.org"), (3, ADA), (3, "third@example.org"), (3, "ADA.QX7@geheim.example")]);
        let world = World::open(place, "aweber", vendor).await;
        world.erase(ADA, "visitor", "email_address", &[]).await;
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!((task.outcome(), task.evidence.as_str()), (TaskOutcome::Done, "3 done, 0 gone already"));
        assert_eq!(world.vendor.with(|aweber| aweber.deleted.clone()), [100, 102, 104]);
        let left = ["other@example.org", "third@example.org"];
        assert_eq!(world.vendor.with(|aweber| aweber.emails().len()), left.len());
        assert_eq!(world.vendor.with(|aweber| aweber.tokens.issued), 1, "one token serves all calls");
    }

    async fn what_a_connector_does_stands_in_the_log_under_the_registrys_own_name(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        world.erase(ADA, "visitor", "email_address", &[]).await;
        world.becomes(TaskState::Completed).await;
        let mut admin = world.server.admin().await;
        let asked = ListAuditEntriesRequest { caller: "registry".to_owned(), ..ListAuditEntriesRequest::default() };
        let entries = admin.audit.list_audit_entries(asked).await.expect("listed").into_inner().entries;
        let actions: Vec<_> = entries.iter().rev().map(|entry| entry.action.as_str()).collect();
        assert_eq!((actions[0], actions[actions.len() - 1]), ("LeaseTasks", "CompleteTask"));
        assert!(entries.iter().all(|entry| entry.processors == ["aweber"]), "{entries:?}");
    }

    async fn whoever_is_on_no_list_is_gone_already_and_that_is_no_failure(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(2, &[(1, "other@example.org")])).await;
        world.erase(ADA, "visitor", "email_address", &[]).await;
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::AlreadyGone);
        assert_eq!(world.vendor.with(|aweber| aweber.deleted.len()), 0);
    }

    async fn a_withdrawal_unsubscribes_at_aweber_and_deletes_nothing(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(2, &[(1, ADA), (2, ADA), (1, "other@example.org")])).await;
        world.register(ADA, "visitor", &[]).await;
        world.withdraw(ADA, "newsletter").await;
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::Done);
        let of_ada = |aweber: &mut Aweber| {
            let hers = aweber.subscribers.iter().filter(|one| one.email == ADA);
            hers.map(|one| one.status.clone()).collect::<Vec<_>>()
        };
        assert_eq!(world.vendor.with(of_ada), ["unsubscribed", "unsubscribed"]);
        assert_eq!(world.vendor.with(|aweber| aweber.subscribers[2].status.clone()), "subscribed");
    }

    async fn google_hides_each_pseudonym_and_has_purged_it_two_months_later(place: Place) {
        let world = World::open(place, "google_analytics", Google::new()).await;
        world.erase(ADA, "visitor", "navigation", &["11.22", "33.44"]).await;
        let hidden = world.becomes(TaskState::Suppressed).await;
        let begun = world.start();
        let expected = hidden.expected_completion.expect("an instant").seconds;
        assert_eq!(expected - begun.as_second(), i64::from(3 + 65) * 86_400, "72 hours, then 65 days");
        let done = world.becomes(TaskState::Completed).await;
        assert_eq!(done.outcome(), TaskOutcome::Done);
        assert!(done.suppressed_at.is_some());
        let mut asked = world.vendor.with(|google| google.deletions.clone());
        asked.sort();
        assert_eq!(asked, ["11.22", "33.44"], "once for each");
    }

    async fn whom_google_cannot_know_needs_a_person_and_is_not_done(place: Place) {
        let world = World::open(place, "google_analytics", Google::new()).await;
        world.erase(ADA, "visitor", "navigation", &[]).await;
        let dead = world.becomes(TaskState::DeadLetter).await;
        assert_eq!(dead.failure, "IDENTIFIER_MISSING");
        assert_eq!(world.vendor.count(), 0);
    }

    async fn a_kind_of_task_that_no_call_does_goes_to_a_person_at_once(place: Place) {
        let world = World::open(place, "google_analytics", Google::new()).await;
        world.register(ADA, "visitor", &["11.22"]).await;
        world.withdraw(ADA, "interface_research").await;
        let dead = world.becomes(TaskState::DeadLetter).await;
        assert_eq!(dead.failure, "KIND_NOT_SERVED");
    }

    async fn an_erasure_of_one_payment_of_several_is_for_a_person_and_stripe_is_not_called(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA)]).await;
        world.register(ADA, "client", &[]).await;
        let second = Item { item_key: "order 2".to_owned(), ..text("payment_details", "card 4242") };
        let second = world.register_item(ADA, "client", second).await;
        world.delete_item(ADA, &second).await;
        let dead = world.becomes(TaskState::DeadLetter).await;
        assert_eq!(dead.failure, "MORE_WOULD_GO");
        assert_eq!(world.vendor.count(), 0);
        // Once nothing else of the person is there, it is done.
        world.clock.advance(Duration::from_secs(1));
        world.delete(ADA, "payment_details").await;
        world.last_becomes(TaskState::Completed).await;
        let mut admin = world.server.admin().await;
        let again = RetryTaskRequest { task_id: dead.task_id.clone(), ..RetryTaskRequest::default() };
        admin.task.retry_task(again).await.expect("taken up");
        world.all_become(TaskState::Completed).await;
        assert_eq!(world.tasks().await.len(), 2);
        assert_eq!(world.vendor.with(|stripe| stripe.runs), 1);
    }

    async fn an_erasure_of_a_part_is_done_where_more_may_go(place: Place) {
        let world = World::open(place, "google_analytics", Google::new()).await;
        world.register(ADA, "visitor", &["11.22"]).await;
        let second = Item { item_key: "visit 2".to_owned(), ..text("navigation", "/shop") };
        let second = world.register_item(ADA, "visitor", second).await;
        world.delete_item(ADA, &second).await;
        world.becomes(TaskState::Suppressed).await;
        assert_eq!(world.vendor.with(|google| google.deletions.clone()), ["11.22"]);
    }

    async fn stripe_waits_ninety_days_validates_runs_and_keeps_what_the_law_makes_it_keep(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA), ("cus_2", "other@example.org")]).await;
        let ten_days_ago = world.start() - 10 * DAY;
        world.vendor.with(|stripe| stripe.charges.push(("cus_1".to_owned(), ten_days_ago)));
        world.erase(ADA, "client", "payment_details", &[]).await;
        let waiting = world.until(|task| task.not_before.is_some_and(|at| at.seconds > world.start().as_second())).await;
        assert_eq!(waiting.not_before.expect("an instant").seconds, (ten_days_ago + 90 * DAY).as_second());
        assert_eq!(world.vendor.with(|stripe| stripe.jobs.len()), 0, "not before it can be done");
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::Partial);
        assert!(task.ground.contains("Art. 17(3)(b)") && task.evidence.contains("prj_1"), "{task:?}");
        let (jobs, runs, customers) = world.vendor.with(|stripe| (stripe.jobs.len(), stripe.runs, stripe.customers.clone()));
        assert_eq!((jobs, runs), (1, 1));
        assert_eq!((customers["cus_1"].as_str(), customers["cus_2"].as_str()), ("[redacted]", "other@example.org"));
    }

    async fn more_than_ten_customers_of_one_address_make_two_jobs(place: Place) {
        let ids: Vec<String> = (0..11).map(|n| format!("cus_{n:02}")).collect();
        let customers: Vec<_> = ids.iter().map(|id| (id.as_str(), ADA)).collect();
        let world = stripe_of(place, &customers).await;
        world.erase(ADA, "client", "payment_details", &[]).await;
        world.becomes(TaskState::Completed).await;
        let sizes = world.vendor.with(|stripe| stripe.jobs.iter().map(|job| job.customers.len()).collect::<Vec<_>>());
        assert_eq!((sizes, world.vendor.with(|stripe| stripe.runs)), (vec![10, 1], 2));
    }

    async fn a_job_that_does_not_validate_is_validated_again_when_a_person_has_seen_to_it(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA)]).await;
        world.vendor.with(|stripe| stripe.is_disputed = true);
        world.erase(ADA, "client", "payment_details", &[]).await;
        let dead = world.becomes(TaskState::DeadLetter).await;
        assert_eq!(dead.failure, "VALIDATION_FAILED in step validated, status 200");
        world.vendor.with(|stripe| stripe.is_disputed = false);
        let mut admin = world.server.admin().await;
        let retry = RetryTaskRequest { task_id: dead.task_id, request_id: String::new() };
        admin.task.retry_task(retry).await.expect("taken up again");
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::Partial);
        assert_eq!(world.vendor.with(|stripe| (stripe.jobs.len(), stripe.runs)), (1, 1), "the same job");
    }

    async fn a_recipient_without_any_call_takes_it_from_the_person_only(place: Place) {
        // PayPal's declaration under the name of a processor that this policy shares with.
        let edit = |text: String| text.replace("processor: paypal", "processor: stripe");
        let vendor = Stripe::new(crate::harness::clock(), &[]);
        let world = World::edited(place, "paypal", "stripe", vendor, edit).await;
        world.erase(ADA, "client", "payment_details", &[]).await;
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::DirectedToRecipient);
        assert!(task.ground.contains("Turn to: PayPal, signed in to the account"), "{}", task.ground);
    }

    async fn a_connector_that_is_switched_off_in_the_middle_strands_nobody(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA)]).await;
        let yesterday = world.start() - DAY;
        world.vendor.with(|stripe| stripe.charges.push(("cus_1".to_owned(), yesterday)));
        world.erase(ADA, "client", "payment_details", &[]).await;
        world.until(|task| task.not_before.is_some_and(|at| at.seconds > world.start().as_second())).await;
        let world = world.switched_off().await;
        // Nobody leases it any more: time alone takes it to the dead letters, and then to its end.
        let ended = world.grows_old_until(TaskState::Unconfirmed).await;
        assert!(ended.completed_at.is_some());
        assert_eq!(world.vendor.with(|stripe| stripe.jobs.len()), 0);
    }
}
