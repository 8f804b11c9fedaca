//! Who signed a token, with what, and whether any of it was changed.

use super::*;

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    for algorithm in ["none", "None", "NONE", ""] {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "ed"}).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        is_invalid(
            scene.refusal(&format!("Bearer {header}.{body}.")).await,
            "not signed with",
        );
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let (ed, rsa) = (Signer::ed25519("ed"), Signer::rsa("rsa"));
    let scene = Scene::of(&[&ed, &rsa]).await;
    for (signer, member) in [(&ed, "x"), (&rsa, "n")] {
        let public = signer.jwk[member].as_str().unwrap();
        for secret in [
            URL_SAFE_NO_PAD.decode(public).unwrap(),
            public.as_bytes().to_vec(),
        ] {
            let forger = Signer {
                algorithm: Algorithm::HS256,
                key: EncodingKey::from_secret(&secret),
                kid: signer.kid,
                jwk: Value::Null,
            };
            is_invalid(
                scene.refusal(&forger.sign(&claims())).await,
                "not signed with",
            );
        }
    }
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_only() {
    let (ed, ec) = (Signer::ed25519("one"), Signer::p256("two"));
    let scene = Scene::of(&[&ed, &ec]).await;
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("two".to_owned());
    is_invalid(
        scene.refusal(&ed.sign_with(&header, &claims())).await,
        "not known",
    );
}

#[tokio::test]
async fn other_algorithms_of_a_known_key_are_refused() {
    let rsa = Signer::rsa("rsa");
    let scene = Scene::of(&[&rsa]).await;
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let mut header = Header::new(algorithm);
        header.kid = Some("rsa".to_owned());
        is_invalid(
            scene.refusal(&rsa.sign_with(&header, &claims())).await,
            "not signed with",
        );
    }
}

#[tokio::test]
async fn a_token_signed_with_another_key_of_the_same_id_is_refused() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    is_invalid(
        scene.refusal(&Signer::ed25519("ed").sign(&claims())).await,
        "signature is wrong",
    );
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_used() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    let forger = Signer::ed25519("ed");
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("ed".to_owned());
    header.jwk = serde_json::from_value(forger.jwk.clone()).unwrap();
    is_invalid(
        scene.refusal(&forger.sign_with(&header, &claims())).await,
        "signature is wrong",
    );
}

#[tokio::test]
async fn a_token_of_an_unknown_key_is_refused() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    is_invalid(
        scene
            .refusal(&Signer::ed25519("other").sign(&claims()))
            .await,
        "not known",
    );
}

#[tokio::test]
async fn a_token_that_names_no_key_needs_a_single_key_of_its_algorithm() {
    let (one, two) = (Signer::ed25519("one"), Signer::ed25519("two"));
    let nameless = one.sign_with(&Header::new(Algorithm::EdDSA), &claims());
    assert!(Scene::of(&[&one]).await.verify(&nameless).await.is_ok());
    is_invalid(
        Scene::of(&[&one, &two]).await.refusal(&nameless).await,
        "not known",
    );
}

#[tokio::test]
async fn critical_extensions_are_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let mut header = Header::new(Algorithm::EdDSA);
    header.crit = Some(vec!["b64".to_owned()]);
    is_invalid(
        scene.refusal(&signer.sign_with(&header, &claims())).await,
        "critical",
    );
}

#[tokio::test]
async fn a_change_of_any_part_is_noticed() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let token = signer.sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let wider = URL_SAFE_NO_PAD.encode(with("scope", json!("records.read")).to_string());
    is_invalid(
        scene.refusal(&[parts[0], &wider, parts[2]].join(".")).await,
        "signature is wrong",
    );
    let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    signature[0] ^= 1;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    is_invalid(
        scene
            .refusal(&[parts[0], parts[1], &signature].join("."))
            .await,
        "signature is wrong",
    );
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_a_panic() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    for text in [
        "x",
        "..",
        "a.b.c",
        "....",
        "e30.e30.e30",
        "ä.ö.ü",
        "eyJhbGciOiJFZERTQSJ9.e30",
    ] {
        let refused = scene.refusal(&format!("Bearer {text}")).await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{text}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_token_at_the_limit_is_read_and_one_byte_longer_is_not() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let padded = |length: usize| signer.sign(&with("padding", json!("p".repeat(length))));
    // Base64 makes four bytes of three: walk up to the longest token within the limit.
    let within = |header: &String| header.len() - "Bearer ".len() <= TOKEN_BYTES_MAX;
    let longest = (5_000..7_000)
        .map(padded)
        .take_while(within)
        .last()
        .unwrap();
    assert!(longest.len() - "Bearer ".len() >= TOKEN_BYTES_MAX - 2);
    assert!(scene.verify(&longest).await.is_ok());
    let oversized = format!("Bearer {}", "x".repeat(TOKEN_BYTES_MAX + 1));
    is_invalid(scene.refusal(&oversized).await, "8192 bytes");
}
