//! What a token permits.

use super::*;

#[tokio::test]
async fn absent_claims_permit_nothing() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let mut bare = claims();
    for name in ["scope", "sources", "purposes", "processors"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    let caller = scene.verify(&signer.sign(&bare)).await.unwrap();
    assert!(caller.scopes.is_empty());
    assert_eq!(caller.sources, Bound::Nothing);
    assert_eq!(caller.purposes, Bound::Nothing);
    assert_eq!(caller.processors, Bound::Nothing);
}

#[tokio::test]
async fn an_asterisk_permits_everything_of_its_claim_alone() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let caller = scene
        .verify(&signer.sign(&with("purposes", json!("*"))))
        .await
        .unwrap();
    assert_eq!(caller.purposes, Bound::Everything);
    assert!(!caller.may_speak_for_source(&"forum".parse().unwrap()));
    let caller = scene
        .verify(&signer.sign(&with("scope", json!("*"))))
        .await
        .unwrap();
    assert!(caller.scopes.is_empty());
}

#[tokio::test]
async fn scopes_that_repeat_count_once_and_unknown_ones_not_at_all() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let scope = json!("check check openid  Check records.delete");
    let caller = scene
        .verify(&signer.sign(&with("scope", scope)))
        .await
        .unwrap();
    assert_eq!(
        caller.scopes.iter().copied().collect::<Vec<_>>(),
        [Scope::Check]
    );
}

#[tokio::test]
async fn claims_of_the_wrong_form_are_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let wrong = [
        ("sub", json!("")),
        ("sub", json!("registry")),
        ("sub", json!("check out")),
        ("sub", json!(7)),
        ("purposes", json!(["no name"])),
        ("purposes", json!({"all": true})),
        ("sources", json!(7)),
        ("processors", json!(["--"])),
        ("scope", json!(["check", 7])),
    ];
    for (name, value) in wrong {
        let refused = scene
            .refusal(&signer.sign(&with(name, value.clone())))
            .await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{name}={value}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_claim_holds_256_names_and_no_more() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let names = |count: usize| (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>();
    assert!(
        scene
            .verify(&signer.sign(&with("purposes", json!(names(256)))))
            .await
            .is_ok()
    );
    for value in [json!(names(257)), json!(names(257).join(" "))] {
        is_invalid(
            scene.refusal(&signer.sign(&with("purposes", value))).await,
            "256 names",
        );
    }
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "EdDSA", "kid": "ed"}).to_string());
    let twice = claims().to_string().replacen('{', "{\"sub\":\"other\",", 1);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(twice));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &signer.key, Algorithm::EdDSA).unwrap();
    let token = format!("{message}.{signature}");
    is_invalid(
        scene.refusal(&format!("Bearer {token}")).await,
        "cannot be read",
    );
}
