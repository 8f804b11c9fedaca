//! `pdr policy show` and `list`: the published versions.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    cli::{
        client::Connection,
        output::{Grid, Output, json, print, print_json, printable, refusal, time},
    },
    proto::v1::{
        GetPolicyRequest, GetPolicyResponse, ListPoliciesRequest, PolicySummary,
        policy_service_client::PolicyServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The version. Default: the one in force.
    #[arg(default_value = "", hide_default_value = true)]
    policy_version: String,
}

pub(super) async fn show(args: ShowArgs, connection: &Connection) -> Result<ExitCode> {
    let mut client = PolicyServiceClient::new(connection.connect().await?);
    let request = GetPolicyRequest {
        version: args.policy_version,
    };
    let answer = client.get_policy(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    match connection.output {
        Output::Json => print_json("GetPolicyResponse", &answer)?,
        Output::Table => print(&render(&answer)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn list(connection: &Connection) -> Result<ExitCode> {
    let mut client = PolicyServiceClient::new(connection.connect().await?);
    let mut request = ListPoliciesRequest::default();
    loop {
        let page = client.list_policies(request.clone()).await;
        let page = page.map_err(|status| refusal(&status))?.into_inner();
        match connection.output {
            Output::Json => page
                .policies
                .iter()
                .try_for_each(|policy| print_json("PolicySummary", policy))?,
            Output::Table => print(&table(&page.policies))?,
        }
        if page.next_page_token.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        request.page_token = page.next_page_token;
    }
}

fn table(policies: &[PolicySummary]) -> String {
    let mut grid = Grid::new(&["policy", "version", "in force from", "published at", ""]);
    for policy in policies {
        grid.row([
            policy.id.clone(),
            policy.version.clone(),
            time(policy.effective_from.as_ref()),
            time(policy.published_at.as_ref()),
            if policy.in_force { "in force" } else { "" }.to_owned(),
        ]);
    }
    grid.to_string()
}

fn render(answer: &GetPolicyResponse) -> Result<String> {
    let policy = answer.policy.as_ref().context("an answer has a policy")?;
    let state = if answer.in_force {
        "in force"
    } else {
        "not in force"
    };
    let at = time(answer.published_at.as_ref());
    let mut text = format!("# published at {at}, {state}\n");
    write(&mut text, &json("Policy", policy)?, 0);
    Ok(text)
}

/// A value in the manner of YAML: for reading, with every text quoted as JSON has it.
fn write(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                text.push_str(&format!("{indent}{}:", printable(name)));
                write_below(text, value, depth + 1);
            }
        }
        Value::Array(values) => {
            for value in values {
                text.push_str(&format!("{indent}-"));
                match value {
                    Value::Object(fields) if !fields.is_empty() => {
                        let mut entry = String::new();
                        write(&mut entry, value, depth + 1);
                        text.push_str(&format!(" {}", entry.trim_start()));
                    }
                    value => write_below(text, value, depth + 1),
                }
            }
        }
        scalar => text.push_str(&format!("{indent}{}\n", printable(&scalar.to_string()))),
    }
}

fn write_below(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if fields.is_empty() => text.push_str(" {}\n"),
        Value::Array(values) if values.iter().all(is_scalar) => {
            let values: Vec<_> = values.iter().map(Value::to_string).collect();
            text.push_str(&format!(" [{}]\n", printable(&values.join(", "))));
        }
        scalar if is_scalar(scalar) => {
            text.push_str(&format!(" {}\n", printable(&scalar.to_string())));
        }
        nested => {
            text.push('\n');
            write(text, nested, depth);
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_reads_as_an_outline() {
        let mut text = String::new();
        let value = json!({
            "id": "shop",
            "purposes": [{"id": "a", "inferred": ["x", "y"]}, {"id": "b"}],
            "rights": {"channel": "c\u{1b}"},
        });
        write(&mut text, &value, 0);
        assert_eq!(
            text,
            "id: \"shop\"\n\
             purposes:\n\
             \x20 - id: \"a\"\n\
             \x20   inferred: [\"x\", \"y\"]\n\
             \x20 - id: \"b\"\n\
             rights:\n\
             \x20 channel: \"c\\u001b\"\n"
        );
    }
}
