use std::collections::BTreeSet;

use super::*;
use crate::{
    app::{
        scene::{people, say},
        testing::{TestRegistry, registry},
    },
    domain::consent::ConsentChoice::{Given, Withdrawn},
};

fn newsletter() -> Query {
    Query {
        data_categories: vec!["email_address".parse().unwrap()],
        item_ids: Vec::new(),
        purpose: "newsletter".parse().unwrap(),
        processor: Some("aweber".parse().unwrap()),
    }
}

async fn part(
    test: &TestRegistry,
    query: &Query,
    cursor: Option<&str>,
) -> Result<AudiencePart, Error> {
    test.registry
        .list_lawful_subjects(&test.caller, query, None, cursor)
        .await
}

#[tokio::test]
async fn an_audience_of_several_parts_has_everybody_once_and_nobody_who_said_no() {
    let test = registry().await;
    let crowd = people(&test, 1_100, "visitor", &["email_address"]).await;
    let (yes, no) = crowd.split_at(900);
    say(&test, yes, Given, "newsletter").await;
    say(&test, no, Withdrawn, "newsletter").await;
    let (mut found, mut parts, mut cursor) = (Vec::new(), 0, None);
    loop {
        let part = part(&test, &newsletter(), cursor.as_deref()).await.unwrap();
        parts += 1;
        assert!(part.subjects.iter().all(|(_, items)| items.len() == 1));
        found.extend(part.subjects.into_iter().map(|(id, _)| id));
        if part.is_last {
            break;
        }
        cursor = Some(part.cursor);
    }
    assert_eq!(parts, 3);
    assert_eq!(found.len(), yes.len());
    let found: BTreeSet<_> = found.into_iter().collect();
    assert_eq!(found, yes.iter().copied().collect());
}

#[tokio::test]
async fn a_withdrawal_between_two_parts_is_seen_by_the_second() {
    let test = registry().await;
    let crowd = people(&test, 501, "visitor", &["email_address"]).await;
    say(&test, &crowd, Given, "newsletter").await;
    let first = part(&test, &newsletter(), None).await.unwrap();
    assert_eq!((first.subjects.len(), first.is_last), (500, false));
    say(&test, &crowd, Withdrawn, "newsletter").await;
    let second = part(&test, &newsletter(), Some(&first.cursor))
        .await
        .unwrap();
    assert_eq!((second.subjects.len(), second.is_last), (0, true));
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_question_only() {
    let test = registry().await;
    let first = part(&test, &newsletter(), None).await.unwrap();
    let mut other = newsletter();
    other.processor = None;
    let refused = part(&test, &other, Some(&first.cursor)).await;
    assert!(matches!(refused, Err(Error::CursorInvalid)));
    let refused = part(&test, &newsletter(), Some("not ours")).await;
    assert!(matches!(refused, Err(Error::CursorInvalid)));
}

#[tokio::test]
async fn what_the_policy_permits_to_nobody_is_not_looked_for() {
    let test = registry().await;
    let crowd = people(&test, 3, "visitor", &["email_address"]).await;
    say(&test, &crowd, Given, "newsletter").await;
    let mut unknown = newsletter();
    unknown.purpose = "telemarketing".parse().unwrap();
    let part = part(&test, &unknown, None).await.unwrap();
    assert!(part.is_last && part.subjects.is_empty());
}

#[test]
fn a_part_is_full_before_its_items_are_too_many_but_one_persons_stay_together() {
    let items = |count: usize| Some(vec![ItemId(uuid::Uuid::from_u128(7)); count]);
    let id = |n: u128| SubjectId(uuid::Uuid::from_u128(n));
    let mut found = Found::default();
    assert!(found.take(id(1), None));
    assert!(found.take(id(2), items(ITEMS_MAX + 1)));
    assert!(found.take(id(3), None));
    assert!(!found.take(id(4), items(1)));
    assert_eq!((found.last, found.subjects.len()), (Some(id(3)), 1));
}
