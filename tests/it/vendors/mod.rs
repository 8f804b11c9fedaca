//! Vendors of a test's own: HTTP servers on loopback that behave as the vendors' published API descriptions
//! say, and, when a test plans it, as vendors behave on bad days. Bytes are written by hand, since what is
//! to be shown includes answers that no HTTP library would send.

pub mod aweber;
pub mod google;
pub mod stripe;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What a vendor is asked.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Call {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The fields of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The segments of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').collect()
    }

    /// `METHOD /path`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string(),
        }
    }

    /// No body at all.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A page for people.
    pub fn html(status: u16) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            body: "<html><body>We are down for maintenance</body></html>".to_owned(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a vendor does.
pub trait Vendor: Send + 'static {
    /// Does what it is asked, and says so.
    fn answer(&mut self, call: &Call) -> Answer;

    /// Whether a call is for a token: such calls are not counted among those that faults befall.
    fn is_token(&self, call: &Call) -> bool {
        call.path.contains("token")
    }
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Something else is answered, and nothing is done.
    Instead(Answer),
    /// It is done, and something else is answered.
    DoneBut(Answer),
    /// It is done, and the answer breaks off in its middle.
    DoneButCutOff,
    /// It is done, and the connection breaks without an answer.
    DoneButDropped,
    /// Nothing is done, and the connection breaks.
    Dropped,
    /// It is done, and no answer ever comes.
    DoneButSilent,
    /// Nothing is done, and no answer ever comes.
    Silent,
    /// It is done, and the answer takes its time.
    Late(Duration),
}

struct State<V> {
    vendor: V,
    calls: Vec<Call>,
    /// Which call, counted from 0 without those for tokens, meets which fault.
    planned: BTreeMap<usize, Fault>,
    /// What befalls every call that nothing is planned for.
    always: Option<Fault>,
    counted: usize,
    at_once: usize,
    most_at_once: usize,
}

/// A vendor that listens.
pub struct Stand<V> {
    /// Where: `http://127.0.0.1:1234`.
    pub url: String,
    state: Arc<Mutex<State<V>>>,
    listening: JoinHandle<()>,
}

impl<V: Vendor> Stand<V> {
    pub async fn open(vendor: V) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            vendor,
            calls: Vec::new(),
            planned: BTreeMap::new(),
            always: None,
            counted: 0,
            at_once: 0,
            most_at_once: 0,
        }));
        let shared = state.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                tokio::spawn(async move { converse(stream, &state).await });
            }
        });
        Self {
            url: format!("http://{address}"),
            state,
            listening,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().expect("no vendor panics")
    }

    /// Looks at the vendor, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut V) -> T) -> T {
        look(&mut self.state().vendor)
    }

    /// Plans what befalls one call, counted from 0 without those for tokens.
    pub fn plan(&self, nth: usize, fault: Fault) {
        self.state().planned.insert(nth, fault);
    }

    /// What befalls every call from now on that nothing is planned for.
    pub fn always(&self, fault: Option<Fault>) {
        self.state().always = fault;
    }

    /// Every call so far, those for tokens included.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls there were that were not for a token.
    pub fn count(&self) -> usize {
        self.state().counted
    }

    /// The most calls that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    /// Stops listening.
    pub fn close(&self) {
        self.listening.abort();
    }
}

impl<V> Drop for Stand<V> {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn converse<V: Vendor>(stream: TcpStream, state: &Arc<Mutex<State<V>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(call) = receive(&mut stream).await {
        let (answer, fault) = {
            let mut state = state.lock().expect("no vendor panics");
            let fault = state.fault(&call);
            let is_done = !matches!(
                fault,
                Some(Fault::Instead(_) | Fault::Dropped | Fault::Silent)
            );
            let answer = is_done.then(|| state.vendor.answer(&call));
            state.calls.push(call);
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            (answer, fault)
        };
        let ended = finish(&mut stream, answer, fault).await;
        state.lock().expect("no vendor panics").at_once -= 1;
        if ended {
            return;
        }
    }
}

/// Answers, or does not. Says whether the connection is at its end.
async fn finish(
    stream: &mut BufReader<TcpStream>,
    answer: Option<Answer>,
    fault: Option<Fault>,
) -> bool {
    match fault {
        Some(Fault::Instead(other) | Fault::DoneBut(other)) => send(stream, &other, false).await,
        Some(Fault::Dropped | Fault::DoneButDropped) => return true,
        Some(Fault::Silent | Fault::DoneButSilent) => {
            // Until whoever waits has lost patience and hung up.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            return true;
        }
        Some(Fault::DoneButCutOff) => {
            send(stream, &answer.expect("it was done"), true).await;
            return true;
        }
        Some(Fault::Late(by)) => {
            tokio::time::sleep(by).await;
            send(stream, &answer.expect("it was done"), false).await;
        }
        None => send(stream, &answer.expect("it was done"), false).await,
    }
    false
}

impl<V: Vendor> State<V> {
    fn fault(&mut self, call: &Call) -> Option<Fault> {
        if self.vendor.is_token(call) {
            return None;
        }
        let nth = self.counted;
        self.counted += 1;
        self.planned.remove(&nth).or_else(|| self.always.clone())
    }
}

async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").map_or("0", String::as_str);
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Call {
        method,
        path: decode(path),
        query: pairs(query),
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

async fn send(stream: &mut BufReader<TcpStream>, answer: &Answer, is_cut_off: bool) {
    let mut text = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
    let body = if is_cut_off {
        &answer.body[..answer.body.len() / 2]
    } else {
        &answer.body
    };
    text.push_str(body);
    // Whoever asked may have hung up.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// OAuth 2.0 tokens (RFC 6749), as far as a refresh goes.
pub struct Tokens {
    pub client: (String, String),
    pub refresh: String,
    /// The access tokens that count.
    pub valid: Vec<String>,
    pub issued: usize,
    /// The refresh token is taken back.
    pub is_revoked: bool,
}

impl Tokens {
    pub fn new() -> Self {
        Self {
            client: ("client".to_owned(), "secret".to_owned()),
            refresh: "refresh".to_owned(),
            valid: Vec::new(),
            issued: 0,
            is_revoked: false,
        }
    }

    /// Whether a call has a token that counts.
    pub fn accept(&self, call: &Call) -> bool {
        let token = call.header("authorization").strip_prefix("Bearer ");
        token.is_some_and(|token| self.valid.iter().any(|valid| valid == token))
    }

    /// Answers a call for a token, whose client may be in the header or in the body.
    pub fn grant(&mut self, call: &Call, lifetime: u64) -> Answer {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let form: BTreeMap<String, String> = call.form().into_iter().collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let header = call.header("authorization").strip_prefix("Basic ");
        let header = header.and_then(|text| STANDARD.decode(text).ok());
        let header = header.and_then(|bytes| String::from_utf8(bytes).ok());
        let client = header
            .as_deref()
            .and_then(|text| text.split_once(':'))
            .map_or(
                (field("client_id"), field("client_secret")),
                |(id, secret)| (id.to_owned(), secret.to_owned()),
            );
        if client != self.client {
            return Answer::json(401, &json!({"error": "invalid_client"}));
        }
        let is_known = field("refresh_token") == self.refresh && !self.is_revoked;
        if field("grant_type") != "refresh_token" || !is_known {
            let body = json!({"error": "invalid_grant", "error_description": "Bad Request"});
            return Answer::json(400, &body);
        }
        self.issued += 1;
        let access = format!("access-{}", self.issued);
        self.valid.push(access.clone());
        let body = json!({
            "access_token": access,
            "refresh_token": self.refresh,
            "token_type": "bearer",
            "expires_in": lifetime,
        });
        Answer::json(200, &body)
    }
}
