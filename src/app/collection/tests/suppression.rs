//! Registrations of people who were erased, by identifiers that are suppressed.

use jiff::Timestamp;

use super::*;
use crate::{
    app::resolve::identifier_key,
    domain::{caller::Scope, name::Purpose, suppression::Suppression},
};

const ERASED: &str = "2019-12-01T00:00:00Z";
const OBJECTED: &str = "2019-11-01T00:00:00Z";

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A registry that erased somebody with this address, this account and this browser, who had said no to
/// the newsletter.
async fn after_an_erasure() -> Collections {
    let it = Collections::new().await;
    for (kind, value) in [
        ("email", "anna@example.com"),
        ("shop_user", "1"),
        ("ga_client", "b1"),
    ] {
        suppress(&it, kind, value).await;
    }
    it
}

async fn suppress(it: &Collections, kind: &str, value: &str) {
    let (registry, identifier) = (it.it.registry.clone(), identifier(kind, value));
    let now = registry.clock_now();
    let policies = registry.view(&it.it.caller, Action::GetSubject, None);
    let policies = policies.await.unwrap().policies;
    let suppressed = registry.store().write("suppress", now, move |tx| {
        let (identifier, policies) = (identifier.clone(), policies.clone());
        Box::pin(async move {
            let policy = in_force(&policies, tx.now())?;
            let key = identifier_key(policy, &identifier, "identifier")?;
            let hashes = tx.hash_identifier(&key);
            let newsletter: Purpose = "newsletter".parse().unwrap();
            let suppression = Suppression {
                suppressed_at: instant(ERASED),
                objected: vec![(newsletter, instant(OBJECTED))],
            };
            tx.suppress(&hashes, &suppression).await?;
            tx.suppress(&hashes, &suppression).await?;
            Ok::<_, Error>(())
        })
    });
    suppressed.await.unwrap();
}

fn returning(identifiers: &[(&str, &str)]) -> Registration {
    Registration {
        returning_subject: true,
        ..client(identifiers)
    }
}

fn fields(refused: Result<Registered, Error>) -> Vec<String> {
    match refused {
        Err(Error::IdentifierSuppressed(violations)) => {
            violations.iter().map(|it| it.field.clone()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_erased_person_is_not_registered_again_and_every_field_is_named() {
    let it = after_an_erasure().await;
    let refused = it
        .register(client(&[
            ("email", "Anna@Example.com"),
            ("skype", "anna"),
            ("ga_client", "b1"),
        ]))
        .await;
    assert_eq!(fields(refused), ["subject", "identifiers[1]"]);
    assert!(it.get(by("skype", "anna")).await.is_err());
    let preview = client(&[("email", "anna@example.com")]);
    let preview = it.it.registry.preview_collection(&it.it.caller, &preview);
    assert_eq!(fields(preview.await), ["subject"]);
}

#[tokio::test]
async fn a_living_persons_registration_goes_through_without_a_suppressed_contact_or_device() {
    let it = after_an_erasure().await;
    let ben = it.subject_of(client(&[("shop_user", "2")])).await;
    let registered = it
        .register(client(&[
            ("shop_user", "2"),
            ("email", "anna@example.com"),
            ("ga_client", "b1"),
        ]))
        .await
        .unwrap();
    assert_eq!(registered.subject_id, Some(ben));
    let left_out: Vec<_> = registered
        .unlinked
        .iter()
        .map(|one| (one.field.as_str(), one.reason))
        .collect();
    let expected = UnlinkedReason::Suppressed;
    assert_eq!(
        left_out,
        [("identifiers[0]", expected), ("identifiers[1]", expected)]
    );
    assert!(it.get(by("email", "anna@example.com")).await.is_err());
}

#[tokio::test]
async fn a_suppressed_account_or_name_is_refused_whoever_it_is_said_to_be() {
    let it = after_an_erasure().await;
    it.subject_of(client(&[("email", "ben@example.com")])).await;
    let account = client(&[("email", "ben@example.com"), ("shop_user", "1")]);
    assert_eq!(fields(it.register(account).await), ["identifiers[0]"]);
    let name = client(&[("ga_client", "b1"), ("email", "ben@example.com")]);
    assert_eq!(fields(it.register(name).await), ["subject"]);
}

#[tokio::test]
async fn an_address_that_a_living_person_has_too_is_not_blocked() {
    let it = Collections::new().await;
    let family = || client(&[("email", "family@example.com")]);
    let ben = it.subject_of(family()).await;
    suppress(&it, "email", "family@example.com").await;
    assert_eq!(it.subject_of(family()).await, ben);
}

#[tokio::test]
async fn a_further_identifier_of_an_erased_person_is_not_linked() {
    let it = after_an_erasure().await;
    let ben = it.subject_of(client(&[("shop_user", "2")])).await;
    let call = it.call(Action::LinkIdentifier);
    let linked =
        it.it
            .registry
            .link_identifier(call, ben.into(), identifier("email", "anna@example.com"));
    let Err(Error::IdentifierSuppressed(refused)) = linked.await else {
        panic!("it was linked");
    };
    assert_eq!(refused.iter().next().unwrap().field, "identifier");
}

#[tokio::test]
async fn whoever_comes_back_is_a_new_person_whose_no_to_marketing_holds_on() {
    let it = after_an_erasure().await;
    let anna = it
        .register(returning(&[
            ("email", "anna@example.com"),
            ("shop_user", "1"),
        ]))
        .await
        .unwrap();
    assert!(anna.subject_created);
    let anna = anna.subject_id.unwrap();
    let view = it
        .it
        .registry
        .view(&it.it.caller, Action::GetSubject, None)
        .await
        .unwrap();
    let objections = view.snapshot.list_objections(&[anna]).await.unwrap();
    let [objection] = objections[&anna].as_slice() else {
        panic!("{objections:?}");
    };
    assert_eq!(objection.purpose.as_str(), "newsletter");
    assert_eq!(objection.occurred_at, instant(OBJECTED));
    view.snapshot.close().await.unwrap();
    let again = it
        .subject_of(client(&[("email", "anna@example.com")]))
        .await;
    assert_eq!(again, anna, "the suppression is lifted");
    let browser = it.register(client(&[("ga_client", "b1")])).await;
    assert_eq!(fields(browser), ["subject"], "of these identifiers only");
}

#[tokio::test]
async fn without_its_scope_nobody_says_that_a_person_has_come_back() {
    let it = after_an_erasure().await;
    let mut caller = (*it.it.caller).clone();
    caller.scopes.remove(&Scope::CollectReturning);
    let call = Call::new(Arc::new(caller), Action::RegisterCollection);
    let registration = returning(&[("email", "anna@example.com")]);
    let refused = it.it.registry.register_collection(call, registration).await;
    assert!(matches!(
        refused,
        Err(Error::ScopeMissing("collect.returning"))
    ));
}
