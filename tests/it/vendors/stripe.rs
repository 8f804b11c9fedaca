//! Stripe's redaction jobs (<https://docs.stripe.com/privacy/redaction>, <https://docs.stripe.com/api/privacy/redaction-job>),
//! the look-ups before them, and its idempotency keys, which it forgets after 24 hours.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use registry::runtime::clock::{Clock, TestClock};
use serde_json::{Value, json};

use super::{Answer, Call, Vendor};

/// How long a job is validated, and how long it redacts.
const SLOWNESS: Duration = Duration::from_mins(3);
const NINETY_DAYS: Duration = Duration::from_hours(90 * 24);
const KEYS_LAST: Duration = Duration::from_hours(24);

#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub customers: Vec<String>,
    status: &'static str,
    since: Timestamp,
}

pub struct Stripe {
    clock: Arc<TestClock>,
    /// Id and address.
    pub customers: BTreeMap<String, String>,
    /// Charges: customer and when.
    pub charges: Vec<(String, Timestamp)>,
    pub jobs: Vec<Job>,
    /// What a person must see to before a job can be validated.
    pub is_disputed: bool,
    /// How often a job was set to run.
    pub runs: usize,
    keys: BTreeMap<String, (Timestamp, String, Answer)>,
    pub api_key: &'static str,
}

impl Stripe {
    pub fn new(clock: Arc<TestClock>, customers: &[(&str, &str)]) -> Self {
        let customers = customers.iter();
        let customers = customers.map(|(id, email)| ((*id).to_owned(), (*email).to_owned()));
        Self {
            clock,
            customers: customers.collect(),
            charges: Vec::new(),
            jobs: Vec::new(),
            is_disputed: false,
            runs: 0,
            keys: BTreeMap::new(),
            api_key: "rk_test_123",
        }
    }

    /// Jobs that others have made, each for a customer of its own, and none of them run.
    pub fn add_jobs_of_others(&mut self, count: usize) {
        for _ in 0..count {
            let id = format!("prj_{}", self.jobs.len() + 1);
            self.jobs.push(Job {
                customers: vec![format!("cus_of_{id}")],
                id,
                status: "ready",
                since: self.clock.now(),
            });
        }
    }

    pub fn error(status: u16, kind: &str, code: &str, message: &str) -> Answer {
        let body = json!({"error": {"type": kind, "code": code, "message": message}});
        Answer::json(status, &body)
    }

    fn invalid(message: &str) -> Answer {
        Self::error(400, "invalid_request_error", "parameter_invalid", message)
    }

    fn missing() -> Answer {
        let message = "No such object";
        Self::error(404, "invalid_request_error", "resource_missing", message)
    }

    /// Lets time do its work on the jobs.
    fn age(&mut self) {
        let now = self.clock.now();
        let since_validated: Vec<_> = self.jobs.iter().map(|job| self.fails(job, now)).collect();
        for (job, fails) in self.jobs.iter_mut().zip(since_validated) {
            if now < job.since + SLOWNESS {
                continue;
            }
            job.status = match job.status {
                "validating" if fails => "failed",
                "validating" => "ready",
                "redacting" => {
                    for customer in &job.customers {
                        self.customers
                            .insert(customer.clone(), "[redacted]".to_owned());
                    }
                    "succeeded"
                }
                other => other,
            };
        }
    }

    fn fails(&self, job: &Job, now: Timestamp) -> bool {
        let is_young = self
            .charges
            .iter()
            .any(|(customer, at)| job.customers.contains(customer) && now < *at + NINETY_DAYS);
        let is_locked = self.jobs.iter().any(|other| {
            other.id < job.id
                && ["validating", "ready", "redacting"].contains(&other.status)
                && other
                    .customers
                    .iter()
                    .any(|one| job.customers.contains(one))
        });
        is_young || is_locked || self.is_disputed
    }

    fn create(&mut self, call: &Call) -> Answer {
        let (mut customers, mut behaviour) = (Vec::new(), "error".to_owned());
        for (name, value) in call.form() {
            match name.as_str() {
                "objects[customers][]" => customers.push(value),
                "validation_behavior" => behaviour = value,
                _ => return Self::invalid("Received unknown parameter"),
            }
        }
        if customers.is_empty()
            || customers.len() > 10
            || !["error", "fix"].contains(&behaviour.as_str())
        {
            return Self::invalid("Invalid objects");
        }
        if customers.iter().any(|id| !self.customers.contains_key(id)) {
            return Self::missing();
        }
        self.jobs.push(Job {
            id: format!("prj_{}", self.jobs.len() + 1),
            customers,
            status: "validating",
            since: self.clock.now(),
        });
        Answer::json(200, &render(self.jobs.last().expect("it was made"), false))
    }

    fn step(&mut self, id: &str, from: &str, to: &'static str) -> Answer {
        let now = self.clock.now();
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else {
            return Self::missing();
        };
        if job.status != from {
            return Self::invalid(&format!("The job must be {from}, and it is {}", job.status));
        }
        (job.status, job.since) = (to, now);
        self.runs += usize::from(to == "redacting");
        Answer::json(200, &render(job, false))
    }

    fn list(&self, call: &Call) -> Answer {
        let expanded = call.parameter("expand[]") == Some("data.objects");
        let limit = call.parameter("limit").and_then(|text| text.parse().ok());
        let latest_first: Vec<&Job> = self.jobs.iter().rev().collect();
        let after = call.parameter("starting_after");
        let start = after.map_or(0, |id| {
            let at = latest_first.iter().position(|job| job.id == id);
            at.map_or(latest_first.len(), |at| at + 1)
        });
        // Few on a page, so that one page is not all.
        let limit = usize::min(limit.unwrap_or(10), 2);
        let page = latest_first.iter().skip(start).take(limit);
        let data: Vec<_> = page.map(|job| render(job, expanded)).collect();
        let body = json!({
            "object": "list",
            "url": "/v1/privacy/redaction_jobs",
            "has_more": start + limit < latest_first.len(),
            "data": data,
        });
        Answer::json(200, &body)
    }

    fn search(&self, call: &Call) -> Answer {
        let query = call.parameter("query").unwrap_or_default();
        let Some(email) = query
            .strip_prefix("email:\"")
            .and_then(|rest| rest.strip_suffix('"'))
        else {
            return Self::invalid("We were unable to parse your search query");
        };
        let found = self.customers.iter();
        let found = found.filter(|(_, known)| known.eq_ignore_ascii_case(email));
        let data: Vec<_> = found
            .map(|(id, email)| json!({"id": id, "object": "customer", "email": email}))
            .collect();
        let body = json!({
            "object": "search_result", "url": "/v1/customers/search", "has_more": false,
            "next_page": null, "data": data,
        });
        Answer::json(200, &body)
    }

    fn list_charges(&self, call: &Call) -> Answer {
        let customer = call.parameter("customer").unwrap_or_default();
        if !self.customers.contains_key(customer) {
            return Self::error(
                400,
                "invalid_request_error",
                "resource_missing",
                "No such customer",
            );
        }
        let mut of: Vec<_> = self
            .charges
            .iter()
            .filter(|(of, _)| of == customer)
            .collect();
        of.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        let data: Vec<_> = of
            .iter()
            .take(1)
            .map(|(_, at)| json!({"id": "ch_1", "object": "charge", "created": at.as_second()}))
            .collect();
        Answer::json(
            200,
            &json!({"object": "list", "has_more": of.len() > 1, "data": data}),
        )
    }

    fn dispatch(&mut self, call: &Call) -> Answer {
        match (call.method.as_str(), call.segments().as_slice()) {
            ("GET", ["v1", "customers", "search"]) => self.search(call),
            ("GET", ["v1", "charges"]) => self.list_charges(call),
            (_, ["v1", "privacy", ..]) if !call.header("stripe-version").ends_with(".preview") => {
                Self::error(404, "invalid_request_error", "", "Unrecognized request URL")
            }
            ("POST", ["v1", "privacy", "redaction_jobs"]) => self.create(call),
            ("GET", ["v1", "privacy", "redaction_jobs"]) => self.list(call),
            ("GET", ["v1", "privacy", "redaction_jobs", id]) => {
                let job = self.jobs.iter().find(|job| job.id == *id);
                job.map_or_else(Self::missing, |job| Answer::json(200, &render(job, false)))
            }
            ("POST", ["v1", "privacy", "redaction_jobs", id, "run"]) => {
                self.step(id, "ready", "redacting")
            }
            ("POST", ["v1", "privacy", "redaction_jobs", id, "validate"]) => {
                self.step(id, "failed", "validating")
            }
            _ => Self::error(404, "invalid_request_error", "", "Unrecognized request URL"),
        }
    }
}

impl Vendor for Stripe {
    fn answer(&mut self, call: &Call) -> Answer {
        if call.header("authorization") != format!("Bearer {}", self.api_key) {
            let body = json!({"error": {
                "type": "invalid_request_error", "message": "Invalid API Key provided: rk_****"
            }});
            return Answer::json(401, &body);
        }
        self.age();
        let key = call.header("idempotency-key").to_owned();
        if call.method != "POST" || key.is_empty() {
            return self.dispatch(call);
        }
        let now = self.clock.now();
        let asked = format!("{} {}", call.path, call.body);
        match self.keys.get(&key) {
            Some((at, same, answer)) if now < *at + KEYS_LAST && *same == asked => answer.clone(),
            Some((at, ..)) if now < *at + KEYS_LAST => Self::error(
                400,
                "idempotency_error",
                "",
                "Keys for idempotent requests can only be used with the same parameters",
            ),
            _ => {
                let answer = self.dispatch(call);
                // What is refused before anything is done is not remembered.
                if answer.status != 429 && answer.status != 409 {
                    self.keys.insert(key, (now, asked, answer.clone()));
                }
                answer
            }
        }
    }

    fn is_token(&self, _: &Call) -> bool {
        false
    }
}

fn render(job: &Job, with_objects: bool) -> Value {
    let objects = with_objects.then(|| json!({"customers": job.customers, "charges": null}));
    json!({
        "id": job.id,
        "object": "privacy.redaction_job",
        "created": job.since.as_second(),
        "livemode": false,
        "objects": objects,
        "status": job.status,
        "validation_behavior": "fix",
    })
}
