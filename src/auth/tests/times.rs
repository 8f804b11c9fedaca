//! When a token counts.

use super::*;

#[tokio::test]
async fn a_token_counts_until_just_before_it_expires() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = signer.sign(&claims());
    scene.clock.advance(Duration::from_micros(59_999_999));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_micros(1));
    assert_eq!(scene.refusal(&header).await, AuthError::TokenExpired);
}

#[tokio::test]
async fn a_token_may_expire_at_a_fraction_of_a_second() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of this century are exact in 53 bits"
    )]
    let header = signer.sign(&with("exp", json!(seconds(0) as f64 + 0.5)));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_millis(500));
    assert_eq!(scene.refusal(&header).await, AuthError::TokenExpired);
}

#[tokio::test]
async fn a_token_is_refused_before_its_time_but_for_a_small_skew() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    assert!(
        scene
            .verify(&signer.sign(&with("nbf", json!(seconds(10)))))
            .await
            .is_ok()
    );
    is_invalid(
        scene
            .refusal(&signer.sign(&with("nbf", json!(seconds(11)))))
            .await,
        "not valid yet",
    );
}

#[tokio::test]
async fn instants_that_are_none_are_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    for exp in [
        json!(1e300),
        json!("tomorrow"),
        json!(null),
        json!(-1),
        json!([1]),
    ] {
        let refused = scene.refusal(&signer.sign(&with("exp", exp.clone()))).await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{exp}: {refused:?}"
        );
    }
}
