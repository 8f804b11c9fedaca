//! Vendors on bad days.

use std::time::Duration;

use registry::proto::v1::{TaskOutcome, TaskState};

use super::world::{ADA, Place, World, stripe_of};
use crate::{
    on_each,
    vendors::{Answer, Fault, aweber::Aweber, google::Google, stripe::Stripe},
};

/// An AWeber with one list and Ada on it, whose calls time out after a second.
async fn impatient(place: Place) -> World<Aweber> {
    let edit = |text: String| text.replace("timeout: 20s", "timeout: 1s");
    let vendor = Aweber::new(1, &[(1, ADA)]);
    World::edited(place, "aweber", "aweber", vendor, edit).await
}

/// Everything after which the same call is made again.
fn passing() -> Vec<(&'static str, Fault)> {
    let throttled = Aweber::error(403, "ForbiddenError", "Rate Limit Error");
    vec![
        ("late", Fault::Late(Duration::from_millis(300))),
        ("HTML under 200", Fault::Instead(Answer::html(200))),
        ("HTML after it was done", Fault::DoneBut(Answer::html(200))),
        ("cut off", Fault::DoneButCutOff),
        (
            "half a body of JSON",
            Fault::DoneBut(Answer {
                body: "{\"entries\": [{\"id\":".to_owned(),
                ..Answer::json(200, &serde_json::Value::Null)
            }),
        ),
        (
            "429 with Retry-After",
            Fault::Instead(Answer::empty(429).with("retry-after", "30")),
        ),
        ("its own throttling", Fault::Instead(throttled)),
        (
            "500",
            Fault::Instead(Aweber::error(500, "InternalError", "oops")),
        ),
        ("503 in HTML", Fault::Instead(Answer::html(503))),
        ("dropped", Fault::Dropped),
        ("dropped after it was done", Fault::DoneButDropped),
        ("never, though done", Fault::DoneButSilent),
        ("never", Fault::Silent),
        (
            "a token taken back",
            Fault::Instead(Aweber::error(
                401,
                "UnauthorizedError",
                "access_token has expired",
            )),
        ),
    ]
}

on_each! {
    async fn a_bad_answer_is_asked_for_again_and_never_taken_for_done(place: Place) {
        let world = impatient(place).await;
        for (nth, (what, fault)) in passing().into_iter().enumerate() {
            // A person each, and the fault at another call each time.
            let email = format!("p{nth}@example.org");
            world.clock.advance(Duration::from_secs(1));
            world.vendor.with(|aweber| aweber.subscribe(200 + nth, &email));
            world.vendor.plan(world.vendor.count() + nth % 4, fault);
            world.erase(&email, "visitor", "email_address", &[]).await;
            let task = world.last_becomes(TaskState::Completed).await;
            let ends = [TaskOutcome::Done, TaskOutcome::AlreadyGone];
            assert!(ends.contains(&task.outcome()), "{what}: {task:?}");
            let deleted = world.vendor.with(|aweber| aweber.deleted.iter().filter(|id| **id == 200 + nth).count());
            assert_eq!(deleted, 1, "{what}");
        }
    }

    async fn after_a_500_a_job_at_stripe_is_looked_for_before_it_is_made_again(place: Place) {
        let oops = Stripe::error(500, "api_error", "", "Something went wrong");
        for (fault, what) in [
            (Fault::DoneBut(oops.clone()), "done"),
            (Fault::Instead(oops), "not done"),
            (Fault::DoneButDropped, "dropped"),
            (Fault::DoneBut(Answer::html(200)), "HTML"),
            (Fault::DoneButCutOff, "cut off"),
        ] {
            let world = stripe_of(place, &[("cus_1", ADA)]).await;
            world.vendor.plan(2, fault);
            world.erase(ADA, "client", "payment_details", &[]).await;
            let task = world.becomes(TaskState::Completed).await;
            assert_eq!(task.outcome(), TaskOutcome::Partial, "{what}");
            assert_eq!(world.vendor.with(|stripe| (stripe.jobs.len(), stripe.runs)), (1, 1), "{what}");
        }
    }

    async fn the_same_key_under_way_is_waited_for_under_the_same_key(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA)]).await;
        let busy = Stripe::error(409, "idempotency_error", "idempotency_key_in_use", "There is currently another in-progress request");
        world.vendor.plan(2, Fault::DoneBut(busy));
        world.erase(ADA, "client", "payment_details", &[]).await;
        world.becomes(TaskState::Completed).await;
        assert_eq!(world.vendor.with(|stripe| stripe.jobs.len()), 1);
        let created = "POST /v1/privacy/redaction_jobs";
        let calls = world.vendor.calls();
        let keys: Vec<_> = calls.iter().filter(|call| call.line() == created).map(|call| call.header("idempotency-key")).collect();
        assert_eq!((keys.len(), keys[0]), (2, keys[1]));
    }

    async fn a_redirect_is_not_followed_and_a_person_looks(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        let elsewhere = Answer::empty(302).with("location", format!("{}/1.0/elsewhere", world.vendor.url));
        world.vendor.plan(0, Fault::Instead(elsewhere));
        world.erase(ADA, "visitor", "email_address", &[]).await;
        let dead = world.becomes(TaskState::DeadLetter).await;
        assert_eq!(dead.failure, "ANSWER_UNEXPECTED in step accounts, status 302");
        assert_eq!(world.vendor.count(), 1);
    }

    async fn a_next_page_at_another_host_is_not_fetched(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        let lure = serde_json::json!({"entries": [], "next_collection_link": "http://127.0.0.1:9/1.0/accounts"});
        world.vendor.always(Some(Fault::Instead(Answer::json(200, &lure))));
        world.erase(ADA, "visitor", "email_address", &[]).await;
        let failed = world.until(|task| task.attempts > 0).await;
        assert_eq!(failed.failure, "ANSWER_MALFORMED in step accounts, status 200");
    }

    async fn nobody_at_home_is_tried_again_later_and_later(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        world.vendor.with(|aweber| aweber.tokens.valid.push("unused".to_owned()));
        world.vendor.close();
        world.erase(ADA, "visitor", "email_address", &[]).await;
        let failed = world.until(|task| task.attempts == 1).await;
        assert_eq!(failed.failure, "CONNECTION_FAILED in step accounts");
        let first = failed.not_before.expect("an instant").seconds - world.start().as_second();
        assert!(first >= 60, "{first}");
        let again = world.passes(|task| task.attempts == 2).await;
        assert!(again.not_before.expect("an instant").seconds > world.server.now().as_second() + 60);
    }

    async fn a_processor_that_fails_is_given_up_for_a_while_and_then_tried_with_one_call(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        world.vendor.always(Some(Fault::Instead(Answer::html(500))));
        for nth in 0..12 {
            world.erase(&format!("p{nth}@example.org"), "visitor", "email_address", &[]).await;
        }
        world.called(5).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        // The one that was under way beside the fifth may have been made as well.
        let given_up = world.vendor.count();
        assert!((5..=6).contains(&given_up), "{given_up}");
        world.clock.advance(Duration::from_secs(61));
        world.called(given_up + 1).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.vendor.count(), given_up + 1, "one tries, and no other");
        world.vendor.always(None);
        world.all_become(TaskState::Completed).await;
    }

    async fn refused_credentials_burn_no_attempt_and_work_goes_on_when_they_are_right(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        world.vendor.with(|aweber| aweber.tokens.is_revoked = true);
        world.erase(ADA, "visitor", "email_address", &[]).await;
        world.erase("other@example.org", "visitor", "email_address", &[]).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let asked = world.vendor.calls().len();
        assert!((1..=2).contains(&asked), "{asked} calls for a token");
        for round in 1..=3 {
            world.clock.advance(Duration::from_mins(16));
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            assert!(world.vendor.calls().len() <= asked + 2 * round, "it is not asked again and again");
        }
        let tasks = world.tasks().await;
        assert!(tasks.iter().all(|task| task.state() == TaskState::Pending && task.attempts == 0), "{tasks:?}");
        world.vendor.with(|aweber| aweber.tokens.is_revoked = false);
        world.all_become(TaskState::Completed).await;
    }

    async fn credentials_that_nobody_mends_end_before_a_person_and_not_in_waiting_for_ever(place: Place) {
        let world = World::open(place, "google_analytics", Google::new()).await;
        let denied = Google::error(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.");
        world.vendor.always(Some(Fault::Instead(denied)));
        world.erase(ADA, "visitor", "navigation", &["11.22"]).await;
        world.until(|task| task.not_before.is_some_and(|at| at.seconds > world.start().as_second())).await;
        world.clock.advance(Duration::from_hours(8 * 24));
        let dead = world.becomes(TaskState::DeadLetter).await;
        assert_eq!(dead.failure, "AUTHENTICATION_REFUSED in step request, status 403");
    }

    async fn a_quota_pauses_every_call_and_fails_no_task(place: Place) {
        for answer in [
            Google::error(429, "RESOURCE_EXHAUSTED", "Quota exceeded"),
            Google::older_error(403, "userRateLimitExceeded"),
            Google::older_error(403, "dailyLimitExceeded"),
        ] {
            let world = World::open(place, "google_analytics", Google::new()).await;
            world.vendor.plan(0, Fault::Instead(answer));
            world.erase(ADA, "visitor", "navigation", &["11.22"]).await;
            let waiting = world.until(|task| task.not_before.is_some_and(|at| at.seconds > world.start().as_second())).await;
            assert_eq!((waiting.state(), waiting.attempts), (TaskState::Pending, 0));
            world.becomes(TaskState::Suppressed).await;
            assert_eq!(world.vendor.with(|google| google.deletions.clone()), ["11.22"]);
        }
    }

    async fn no_more_calls_are_made_than_the_declared_rate_and_at_once(place: Place) {
        let edit = |text: String| {
            text.replace("{ calls: 100, per: 1m }", "{ calls: 6, per: 1m }")
                .replace("concurrency: 2", "concurrency: 1")
        };
        let vendor = Aweber::new(1, &[(1, ADA)]);
        let world = World::edited(place, "aweber", "aweber", vendor, edit).await;
        world.vendor.always(Some(Fault::Late(Duration::from_millis(50))));
        for nth in 0..3 {
            world.erase(&format!("p{nth}@example.org"), "visitor", "email_address", &[]).await;
        }
        world.called(6).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.vendor.count(), 6, "three calls for each of three people");
        world.clock.advance(Duration::from_secs(61));
        world.called(9).await;
        assert_eq!(world.vendor.most_at_once(), 1);
        world.all_become(TaskState::Completed).await;
    }
}
