//! Tokens that come again.

use super::*;
use crate::auth::verified::{VERIFIED_MAX, VerifiedTokens};

#[tokio::test]
async fn a_token_that_comes_again_is_known_and_makes_the_same_caller() {
    let signer = Signer::p256("ec");
    let scene = Scene::of(&[&signer]).await;
    let header = signer.sign(&claims());
    let first = scene.verify(&header).await.unwrap();
    let again = scene.verify(&header).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(scene.verifier.verified.len(), 1);
}

#[tokio::test]
async fn a_token_is_not_taken_for_one_that_differs_in_its_signature_or_claims() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = signer.sign(&claims());
    assert!(scene.verify(&header).await.is_ok());
    let other = signer.sign(&with("sub", json!("billing")));
    let (content, _) = header.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let mixed = format!("{content}.{signature}");
    is_invalid(scene.refusal(&mixed).await, "signature");
    let forged = Signer::ed25519("ed").sign(&claims());
    is_invalid(scene.refusal(&forged).await, "signature");
    assert_eq!(
        scene.verifier.verified.len(),
        1,
        "what is refused is not remembered"
    );
}

#[tokio::test]
async fn a_known_token_counts_within_its_own_time_only() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = signer.sign(&with("nbf", json!(seconds(0))));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_secs(59));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.refusal(&header).await, AuthError::TokenExpired);
    scene.clock.set(now() - Duration::from_secs(11));
    is_invalid(scene.refusal(&header).await, "not valid yet");
}

#[tokio::test]
async fn a_known_token_is_verified_again_by_keys_that_were_read_again() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let scene = Scene::of(&[&old]).await;
    let header = old.sign(&claims());
    assert!(scene.verify(&header).await.is_ok());
    write_keys(&scene.directory, &[&new]);
    scene.clock.advance(Duration::from_secs(5));
    assert!(scene.verify(&new.sign(&claims())).await.is_ok());
    is_invalid(scene.refusal(&header).await, "not known");
}

#[test]
fn no_more_tokens_are_remembered_than_there_is_room_for() {
    let tokens = VerifiedTokens::new();
    for n in 0..VERIFIED_MAX * 2 {
        tokens.remember(fingerprint(&n.to_string()), verified());
        assert!(tokens.len() <= VERIFIED_MAX, "{n}");
    }
}

fn verified() -> Verified {
    let claims: Claims = serde_json::from_value(claims()).unwrap();
    Verified {
        period: claims.period().unwrap(),
        caller: Arc::new(claims.into_caller().unwrap()),
        generation: 0,
    }
}
