//! Packages against their published schemas.

use jsonschema::Validator;

use super::{people::*, *};

const ACCESS: &str = include_str!("../../../../docs/schemas/access-export-1.schema.json");
const PORTABILITY: &str = include_str!("../../../../docs/schemas/portability-export-1.schema.json");

fn schema(kind: ExportKind) -> Value {
    let text = match kind {
        ExportKind::Access => ACCESS,
        ExportKind::Portability => PORTABILITY,
    };
    serde_json::from_str(text).expect("JSON")
}

fn validator(kind: ExportKind) -> Validator {
    let schema = schema(kind);
    assert_eq!(schema["$id"], kind.schema(), "a package names its schema");
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(&schema).expect("a schema")
}

/// What the schema says against a package; the texts of the errors may quote it, and so do tests.
fn complaints(validator: &Validator, package: &Value) -> Vec<String> {
    let errors = validator.iter_errors(package);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Paths of lists and values that a package leaves empty, so that the schema says nothing of them.
fn empty(package: &Value, path: &str, found: &mut Vec<String>) {
    match package {
        Value::Array(values) if values.is_empty() => found.push(path.to_owned()),
        Value::Array(values) => values.iter().for_each(|one| empty(one, path, found)),
        Value::Object(fields) => {
            for (name, one) in fields {
                empty(one, &format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn packages_with_everything_in_them_are_as_their_schemas_say() {
    let test = registry().await;
    let ada = everything(&test).await;
    let kinds = [RequestKind::Access, RequestKind::Portability];
    let request = ask(&test, ada, &kinds, &[]).await;
    test.clock.advance(days(61));
    test.registry.age_tasks().await.expect("given up");
    test.clock.advance(days(61));
    test.registry.age_tasks().await.expect("given up");
    assert_eq!(build(&test).await, 2, "nobody waits for ever for a holder");
    for kind in ExportKind::ALL {
        let package = json_of(&test, request, kind).await;
        assert_eq!(complaints(&validator(kind), &package), [""; 0], "{kind:?}");
        let mut lists = Vec::new();
        empty(&package, "", &mut lists);
        lists.retain(|path| path.matches('/').count() == 1);
        assert_eq!(lists, ["/asked_for"], "the package shows what there can be");
    }
}

#[tokio::test]
async fn packages_of_which_only_the_frame_is_left_are_as_their_schemas_say() {
    let test = registry().await;
    let nobody = person(&test, &[]).await;
    let kinds = [RequestKind::Access, RequestKind::Portability];
    let request = ask(&test, nobody, &kinds, &["navigation"]).await;
    assert_eq!(build(&test).await, 2);
    for kind in ExportKind::ALL {
        let package = json_of(&test, request, kind).await;
        assert_eq!(complaints(&validator(kind), &package), [""; 0], "{kind:?}");
    }
}

#[test]
fn a_schema_refuses_what_it_does_not_know_and_what_is_missing() {
    for kind in ExportKind::ALL {
        let (validator, schema) = (validator(kind), schema(kind));
        let required = schema["required"].as_array().expect("a list").len();
        let nothing = Value::Object(serde_json::Map::new());
        assert_eq!(complaints(&validator, &nothing).len(), required);
        let stranger = serde_json::json!({"stranger": 1});
        assert_eq!(complaints(&validator, &stranger).len(), required + 1);
    }
}
