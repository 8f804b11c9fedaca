//! AWeber's API 1.0 (<https://api.aweber.com>, <https://labs.aweber.com/docs/troubleshooting>): collections in pages
//! with `next_collection_link`, errors under `error`, tokens that last two hours.

use serde_json::{Value, json};

use super::{Answer, Call, Tokens, Vendor};

/// Entries of a page, whatever is asked for.
const PAGE: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub id: usize,
    pub list: usize,
    pub email: String,
    pub status: String,
}

pub struct Aweber {
    pub tokens: Tokens,
    pub lists: usize,
    pub subscribers: Vec<Subscriber>,
    /// Those that were deleted, once for each time.
    pub deleted: Vec<usize>,
}

impl Aweber {
    /// One account with some lists, and these subscribers: list and address.
    pub fn new(lists: usize, subscribers: &[(usize, &str)]) -> Self {
        let subscribers = subscribers.iter().enumerate();
        let subscribers = subscribers.map(|(n, (list, email))| Subscriber {
            id: 100 + n,
            list: *list,
            email: (*email).to_owned(),
            status: "subscribed".to_owned(),
        });
        Self {
            tokens: Tokens::new(),
            lists,
            subscribers: subscribers.collect(),
            deleted: Vec::new(),
        }
    }

    /// Puts somebody on the first list.
    pub fn subscribe(&mut self, id: usize, email: &str) {
        self.subscribers.push(Subscriber {
            id,
            list: 1,
            email: email.to_owned(),
            status: "subscribed".to_owned(),
        });
    }

    pub fn emails(&self) -> Vec<&str> {
        self.subscribers
            .iter()
            .map(|one| one.email.as_str())
            .collect()
    }

    pub fn error(status: u16, kind: &str, message: &str) -> Answer {
        let body = json!({"error": {
            "status": status,
            "message": message,
            "type": kind,
            "documentation_url": "https://labs.aweber.com/docs/troubleshooting",
        }});
        Answer::json(status, &body)
    }

    fn missing() -> Answer {
        Self::error(404, "NotFoundError", "Object: None, name: u'1'")
    }

    fn find(&self, call: &Call, list: usize) -> Answer {
        let (email, status) = (call.parameter("email"), call.parameter("status"));
        let found = self.subscribers.iter().filter(|one| {
            one.list == list
                && email.is_none_or(|email| one.email.eq_ignore_ascii_case(email))
                && status.is_none_or(|status| one.status == status)
        });
        page(call, found.map(entry).collect())
    }

    fn at(&mut self, list: usize, id: usize) -> Option<&mut Subscriber> {
        let mut all = self.subscribers.iter_mut();
        all.find(|one| one.list == list && one.id == id)
    }

    fn change(&mut self, call: &Call, list: usize, id: usize) -> Answer {
        let status = call.json()["status"].as_str().map(str::to_owned);
        let Some(one) = self.at(list, id) else {
            return Self::missing();
        };
        if let Some(status) = status {
            one.status = status;
        }
        Answer::json(209, &entry(one))
    }

    fn delete(&mut self, list: usize, id: usize) -> Answer {
        if self.at(list, id).is_none() {
            return Self::missing();
        }
        self.subscribers
            .retain(|one| one.list != list || one.id != id);
        self.deleted.push(id);
        Answer::empty(200)
    }
}

impl Vendor for Aweber {
    fn answer(&mut self, call: &Call) -> Answer {
        if self.is_token(call) {
            return self.tokens.grant(call, 7_200);
        }
        if !self.tokens.accept(call) {
            return Self::error(401, "UnauthorizedError", "access_token has expired");
        }
        let number = |text: &str| text.parse::<usize>().unwrap_or_default();
        match (call.method.as_str(), call.segments().as_slice()) {
            ("GET", ["1.0", "accounts"]) => {
                let account =
                    json!({"id": 1, "self_link": "https://api.aweber.com/1.0/accounts/1"});
                page(call, vec![account])
            }
            ("GET", ["1.0", "accounts", "1", "lists"]) => {
                let lists =
                    (1..=self.lists).map(|id| json!({"id": id, "name": format!("list {id}")}));
                page(call, lists.collect())
            }
            ("GET", ["1.0", "accounts", "1", "lists", list, "subscribers"]) => {
                match call.parameter("ws.op") {
                    Some("find") => self.find(call, number(list)),
                    _ => Self::error(400, "BadRequestError", "unexpected operation"),
                }
            }
            ("PATCH", ["1.0", "accounts", "1", "lists", list, "subscribers", id]) => {
                self.change(call, number(list), number(id))
            }
            ("DELETE", ["1.0", "accounts", "1", "lists", list, "subscribers", id]) => {
                self.delete(number(list), number(id))
            }
            _ => Self::missing(),
        }
    }
}

fn entry(one: &Subscriber) -> Value {
    json!({"id": one.id, "email": one.email, "status": one.status, "uuid": "", "tags": []})
}

fn page(call: &Call, all: Vec<Value>) -> Answer {
    let number = |name| {
        call.parameter(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let start = number("ws.start").unwrap_or(0);
    let size = number("ws.size").unwrap_or(100).min(PAGE);
    let total = all.len();
    let entries: Vec<_> = all.into_iter().skip(start).take(size).collect();
    let mut body = json!({"start": start, "total_size": total, "entries": entries});
    if start + size < total {
        let mut query: Vec<String> = Vec::new();
        for (key, value) in &call.query {
            if key != "ws.start" && key != "ws.size" {
                query.push(format!("{key}={}", value.replace('@', "%40")));
            }
        }
        query.push(format!("ws.start={}&ws.size={size}", start + size));
        let host = call.header("host");
        let link = format!("http://{host}{}?{}", call.path, query.join("&"));
        body["next_collection_link"] = link.into();
    }
    Answer::json(200, &body)
}
