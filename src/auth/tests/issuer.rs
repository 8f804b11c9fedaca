//! The issuer of a development server.

use super::*;

#[tokio::test]
async fn a_development_issuer_mints_what_its_server_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let auth = auth(JwksSource::File(
        directory.path().join("dev").join("jwks.json"),
    ));
    let issuer = DevIssuer::create_or_open(&auth).unwrap();
    let clock = Arc::new(TestClock::at(now()));
    let verifier = TokenVerifier::open(&auth, clock).await.unwrap();
    let hour = Duration::from_hours(1);
    let admin = issuer
        .mint(&Grant::everything("admin", hour), now())
        .unwrap();
    let caller = verifier
        .verify(Some(&format!("Bearer {admin}")), now())
        .await
        .unwrap();
    assert_eq!(caller.scopes.len(), Scope::ALL.len());
    assert!(caller.may_name_processor(None));

    let reopened = DevIssuer::create_or_open(&auth).unwrap();
    let narrow = Grant {
        service: "shop".to_owned(),
        scopes: vec![Scope::Collect],
        sources: vec!["shop".to_owned()],
        purposes: Vec::new(),
        processors: Vec::new(),
        lifetime: hour,
    };
    let token = reopened.mint(&narrow, now()).unwrap();
    let caller = verifier
        .verify(Some(&format!("Bearer {token}")), now())
        .await
        .unwrap();
    assert_eq!(caller.scopes.len(), 1);
    assert_eq!(caller.purposes, Bound::Nothing);
}

#[test]
fn the_development_key_is_its_owners_alone_and_lifetimes_have_bounds() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let auth = auth(JwksSource::File(directory.path().join("jwks.json")));
    let issuer = DevIssuer::create_or_open(&auth).unwrap();
    let key = directory.path().join("issuer.pk8");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for lifetime in [
        Duration::ZERO,
        dev_issuer::LIFETIME_MAX + Duration::from_secs(1),
    ] {
        assert!(
            issuer
                .mint(&Grant::everything("admin", lifetime), now())
                .is_err()
        );
    }
    fs::write(&key, "no key").unwrap();
    assert!(matches!(
        DevIssuer::open(&auth),
        Err(dev_issuer::DevIssuerError::Key)
    ));
}
