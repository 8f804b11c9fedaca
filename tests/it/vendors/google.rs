//! Google's token endpoint and the user deletion of the Analytics Admin API
//! (<https://developers.google.com/analytics/devguides/config/admin/v1/rest/v1alpha/properties/submitUserDeletion>).

use serde_json::json;

use super::{Answer, Call, Tokens, Vendor};

pub struct Google {
    pub tokens: Tokens,
    pub property: &'static str,
    /// The client ids whose deletion was asked for, once for each time.
    pub deletions: Vec<String>,
}

impl Google {
    pub fn new() -> Self {
        Self {
            tokens: Tokens::new(),
            property: "1234567",
            deletions: Vec::new(),
        }
    }

    /// The errors of Google's APIs: `code`, `message`, `status`.
    pub fn error(code: u16, status: &str, message: &str) -> Answer {
        let body = json!({"error": {"code": code, "message": message, "status": status}});
        Answer::json(code, &body)
    }

    /// Quotas are also reported in the older form.
    pub fn older_error(code: u16, reason: &str) -> Answer {
        let body = json!({"error": {
            "code": code,
            "message": "Quota exceeded",
            "errors": [{"domain": "usageLimits", "reason": reason, "message": "Quota exceeded"}],
        }});
        Answer::json(code, &body)
    }
}

impl Vendor for Google {
    fn answer(&mut self, call: &Call) -> Answer {
        if self.is_token(call) {
            return self.tokens.grant(call, 3_599);
        }
        if !self.tokens.accept(call) {
            return Self::error(401, "UNAUTHENTICATED", "invalid authentication credentials");
        }
        let asked = format!("/v1alpha/properties/{}:submitUserDeletion", self.property);
        if call.line() != format!("POST {asked}") {
            return Self::error(
                403,
                "PERMISSION_DENIED",
                "The caller does not have permission",
            );
        }
        let body = call.json();
        let fields = body.as_object().map_or(0, serde_json::Map::len);
        match body["clientId"].as_str() {
            Some(client) if fields == 1 => {
                self.deletions.push(client.to_owned());
                let at = "2026-06-01T12:00:00.000Z";
                Answer::json(200, &json!({"deletionRequestTime": at}))
            }
            _ => Self::error(400, "INVALID_ARGUMENT", "exactly one user is to be named"),
        }
    }
}
