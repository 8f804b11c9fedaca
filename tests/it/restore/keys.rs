//! Keys that are older than the data: what they bring back goes again, and without those that are lost
//! nobody is answered.

use registry::{
    app::restore::LostKeys,
    proto::v1::{
        CreateRequestRequest, DecisionReason, IdentityMethod, RequestKind, VerifyIdentityRequest,
    },
};

use super::*;

/// More people than there are keys made ahead.
const NEWCOMERS: usize = 70;

/// Erases somebody, as support does.
pub(super) async fn erase(admin: &mut Clients, who: &str) {
    let create = CreateRequestRequest {
        kinds: vec![RequestKind::Erasure.into()],
        subject: Some(by("email", &address(who))),
        channel: "mail".to_owned(),
        ..CreateRequestRequest::default()
    };
    let created = admin.request.create_request(create).await;
    let created = created.expect("created").into_inner();
    let verify = VerifyIdentityRequest {
        subject_request_id: created.request.expect("a request").subject_request_id,
        method: IdentityMethod::Login.into(),
        request_id: String::new(),
    };
    let verified = admin.request.verify_identity(verify).await;
    verified.expect("verified");
}

/// Stops the server and puts older keys in place of its own.
async fn with_older_keys(server: TestServer, keys: &Backup) -> (Config, TestServer) {
    let mut config = server.config.clone();
    config.keys.url = Some(keys.restore(server.dir.path()).await);
    (config, server)
}

async fn open(config: &Config, clock: &Arc<impl Clock + 'static>) -> Registry {
    let store = compose::open_store(config, TimeSource::Caller).await;
    let store = Arc::new(store.expect("the store opens"));
    Registry::new(store, clock.clone(), CancellationToken::new())
}

async fn reason_for(admin: &mut Clients, subject_id: &str) -> DecisionReason {
    let check = CheckPurposeRequest {
        subject: Some(by_id(subject_id)),
        data_categories: vec!["email_address".to_owned()],
        purpose: NEWSLETTER.to_owned(),
        ..CheckPurposeRequest::default()
    };
    let checked = admin.purpose.check_purpose(check).await;
    let checked = checked.expect("answered").into_inner();
    checked.decision.expect("a decision").reason()
}

on_both! {
    async fn keys_that_an_older_backup_brings_back_are_destroyed_again(server: TestServer) {
        let server = apart(server).await;
        let mut admin = server.admin().await;
        let gone = register(&mut admin, "gone").await;
        register(&mut admin, "kept").await;
        let [_, keys] = backup(&server).await;
        server.clock.advance(Duration::from_mins(1));
        erase(&mut admin, "gone").await;
        drop(admin);
        let (config, server) = with_older_keys(server, &keys).await;
        let (dir, clock) = (server.dir.clone(), server.clock.clone());
        server.end().await;
        let preview = missing(&config, &clock).await;
        assert!(preview.revived >= 1 && preview.lost_keys == 0, "{preview:?}");
        let server = TestServer::begin(config, dir, clock).await;
        assert!(missing(&server.config, &server.clock).await.is_empty());
        let mut admin = server.admin().await;
        assert_eq!(reason_for(&mut admin, &gone).await, DecisionReason::SubjectErased);
        assert!(is_allowed(&mut admin, "kept").await);
    }

    async fn without_the_keys_of_living_people_nobody_is_answered_until_they_are_back_or_given_up(server: TestServer) {
        let server = apart(server).await;
        let mut admin = server.admin().await;
        register(&mut admin, "kept").await;
        let [_, keys] = backup(&server).await;
        let mut newcomers = Vec::new();
        for number in 0..NEWCOMERS {
            newcomers.push(register(&mut admin, &format!("newcomer{number}")).await);
        }
        drop(admin);
        let (config, server) = with_older_keys(server, &keys).await;
        let (newer, dir, clock) = (server.config.clone(), server.dir.clone(), server.clock.clone());
        server.end().await;
        let lost = missing(&config, &clock).await.lost_keys;
        assert!(0 < lost && lost < NEWCOMERS as u64, "{lost}");
        let registry = open(&config, &clock).await;
        let refused = registry.restore().await.expect_err("keys are lost").for_operators();
        assert!(refused.contains(&format!("the keys of {lost} subjects are lost")), "{refused}");
        assert!(refused.contains("--give-up-lost-keys"), "{refused}");
        drop(registry);

        let server = TestServer::begin(newer, dir.clone(), clock.clone()).await;
        let mut admin = server.admin().await;
        assert_eq!(reason_for(&mut admin, &newcomers[NEWCOMERS - 1]).await, DecisionReason::Lawful);
        drop(admin);
        server.end().await;

        let registry = open(&config, &clock).await;
        let restored = registry.restore_with(LostKeys::GiveUp).await.expect("given up");
        assert_eq!(restored.given_up, lost);
        drop(registry);
        let server = TestServer::begin(config, dir, clock).await;
        let mut admin = server.admin().await;
        assert_eq!(reason_for(&mut admin, &newcomers[NEWCOMERS - 1]).await, DecisionReason::SubjectErased);
        assert!(is_allowed(&mut admin, "kept").await);
        // They were not erased because they wanted it: they may register again.
        register(&mut admin, &format!("newcomer{}", NEWCOMERS - 1)).await;
        assert!(is_allowed(&mut admin, &format!("newcomer{}", NEWCOMERS - 1)).await);
    }
}
