//! The issuer's keys: read again, out of date, over HTTP.

use super::*;

#[tokio::test]
async fn a_new_key_in_the_file_is_found_when_a_token_names_it() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let scene = Scene::of(&[&old]).await;
    write_keys(&scene.directory, &[&old, &new]);
    is_invalid(scene.refusal(&new.sign(&claims())).await, "not known");
    scene.clock.advance(Duration::from_secs(5));
    assert!(scene.verify(&new.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn a_key_that_left_the_file_counts_until_the_keys_are_read_again() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let scene = Scene::of(&[&old]).await;
    write_keys(&scene.directory, &[&new]);
    assert!(scene.verify(&old.sign(&claims())).await.is_ok());
    keep_fresh_until(&scene, async |scene: &Scene| {
        scene.verify(&old.sign(&claims())).await.is_err()
    })
    .await;
    assert!(scene.verify(&new.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn keys_that_cannot_be_read_again_count_until_they_are_too_old() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    fs::write(scene.directory.path().join("jwks.json"), "{").unwrap();
    let header = signer.sign(&with("exp", json!(seconds(86_400))));
    scene.clock.advance(Duration::from_hours(1));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_secs(1));
    is_invalid(scene.refusal(&header).await, "cannot be checked");
    write_keys(&scene.directory, &[&signer]);
    scene.clock.advance(Duration::from_secs(5));
    assert!(scene.verify(&header).await.is_ok());
}

async fn keep_fresh_until(scene: &Scene, done: impl AsyncFn(&Scene) -> bool) {
    let soft = CancellationToken::new();
    let worker = tokio::spawn(scene.verifier.jwks().keep_fresh(soft.clone()));
    for _ in 0..500 {
        if done(scene).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(done(scene).await);
    soft.cancel();
    assert!(worker.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_set_without_a_usable_key_opens_no_verifier() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("jwks.json");
    let (one, two) = (Signer::ed25519("same"), Signer::ed25519("same"));
    let sets = [
        ("{\"keys\":[]}".to_owned(), JwksError::NoKey),
        ("not json".to_owned(), JwksError::Malformed),
        (
            json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string(),
            JwksError::NoKey,
        ),
        (
            json!({"keys": [one.jwk, two.jwk]}).to_string(),
            JwksError::Ambiguous,
        ),
        (" ".repeat(fetch::JWKS_BYTES_MAX + 1), JwksError::TooLarge),
    ];
    for (text, expected) in sets {
        fs::write(&path, &text).unwrap();
        let clock = Arc::new(TestClock::at(now()));
        let opened = TokenVerifier::open(&auth(JwksSource::File(path.clone())), clock).await;
        assert_eq!(opened.unwrap_err(), expected);
    }
    let missing = auth(JwksSource::File("/nowhere/jwks.json".into()));
    let opened = TokenVerifier::open(&missing, Arc::new(TestClock::at(now()))).await;
    assert!(matches!(opened.unwrap_err(), JwksError::Unreachable(_)));
}

/// A server that answers every request with this, and counts them.
async fn serve(answer: String) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn keys_come_over_http_and_a_storm_of_unknown_keys_asks_once() {
    let signer = Signer::ed25519("ed");
    let (url, count) = serve(ok(&json!({"keys": [signer.jwk]}).to_string())).await;
    let clock = Arc::new(TestClock::at(now()));
    let verifier = TokenVerifier::open(&auth(JwksSource::Url(url)), clock.clone())
        .await
        .unwrap();
    assert!(
        verifier
            .verify(Some(&signer.sign(&claims())), now())
            .await
            .is_ok()
    );
    clock.advance(Duration::from_secs(5));
    let unknown = Signer::ed25519("unknown").sign(&claims());
    for _ in 0..20 {
        assert!(verifier.verify(Some(&unknown), clock.now()).await.is_err());
    }
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn redirects_and_errors_and_oversized_answers_open_no_verifier() {
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: https://id.example.com/\r\ncontent-length: 0\r\n\r\n";
    let broken = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
    let oversized = ok(&" ".repeat(fetch::JWKS_BYTES_MAX + 1));
    for answer in [redirect.to_owned(), broken.to_owned(), oversized] {
        let (url, _) = serve(answer).await;
        let clock = Arc::new(TestClock::at(now()));
        let opened = TokenVerifier::open(&auth(JwksSource::Url(url)), clock).await;
        assert!(matches!(
            opened,
            Err(JwksError::Unreachable(_) | JwksError::TooLarge)
        ));
    }
}
