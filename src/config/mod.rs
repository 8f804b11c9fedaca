//! The configuration: one struct per section, read from a TOML file and from `PDR_…` variables,
//! which win. The variable of the key `listen` in the section `server` is `PDR_SERVER_LISTEN`.
//!
//! Reading it reports every problem at once. Unknown keys and variables are problems, since a
//! misspelt limit is no limit; half-configured security is one, since it is none.

pub mod auth;
pub mod connectors;
pub mod database;
pub mod events;
pub mod exports;
pub mod journal;
pub mod keys;
mod load;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod requests;
pub mod retention;
pub mod server;
mod settings;

use std::{ffi::OsString, fmt, net::SocketAddr, path::Path};

pub use auth::{Auth, JwksSource};
pub use connectors::{Connectors, Credential, ValueSource};
pub use database::{Database, DatabaseKind, DatabaseUrl};
pub use events::Events;
pub use exports::Exports;
pub use journal::Journal;
pub use keys::Keys;
pub use log::{Log, LogFormat, LogLevel};
pub use memory::Memory;
pub use metrics::Metrics;
pub use requests::Requests;
pub use retention::Retention;
pub use server::{Server, Tls};

use settings::Settings;

/// A configuration file that says what every key means. It is a valid configuration.
pub const SAMPLE: &str = include_str!("config.sample.toml");

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener.
    pub server: Server,
    /// Where the data lies.
    pub database: Database,
    /// Where the keys lie.
    pub keys: Keys,
    /// Where is kept what was taken away.
    pub journal: Journal,
    /// What checks are answered from.
    pub memory: Memory,
    /// How long events are kept, and how slow a reader may be.
    pub events: Events,
    /// Packages for people.
    pub exports: Exports,
    /// How often is looked for what goes because its time has run out.
    pub retention: Retention,
    /// Whose tokens are accepted.
    pub auth: Auth,
    /// Which processors the registry calls itself.
    pub connectors: Connectors,
    /// By what deadlines of requests are counted.
    pub requests: Requests,
    /// What is logged, and how.
    pub log: Log,
    /// Where the figures for monitoring are fetched.
    pub metrics: Metrics,
}

impl Config {
    /// What `serve --dev` runs with: loopback only, everything in `data_dir`, keys of its own.
    pub fn development(data_dir: &Path, listen: SocketAddr) -> Result<Self, ConfigError> {
        if !listen.ip().is_loopback() {
            let what = "a development server listens on loopback only (127.0.0.1 or [::1])";
            let place = format!("--listen {listen}");
            return Err(ConfigError {
                problems: vec![Problem::new(place, what)],
            });
        }
        let sqlite = |name| {
            let path = data_dir.join(name);
            DatabaseUrl::of_sqlite_file(&path).map_err(|what| ConfigError::one(&path, what))
        };
        Ok(Self {
            server: Server::development(listen),
            database: Database::development(sqlite("registry.db")?),
            keys: Keys::development(data_dir, sqlite("keys.db")?),
            journal: Journal::development(data_dir),
            memory: Memory::development(),
            events: Events::development(),
            exports: Exports::development(),
            retention: Retention::development(),
            auth: Auth::development(data_dir),
            connectors: Connectors::default(),
            requests: Requests::default(),
            log: Log::development(),
            metrics: Metrics::default(),
        })
    }

    fn read(
        file: &str,
        text: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Settings::gather(file, text, variables);
        let database = Database::read(&mut settings.section("database"));
        let server = Server::read(&mut settings.section("server"));
        let config = Self {
            metrics: Metrics::read(&mut settings.section("metrics"), &server),
            server,
            keys: Keys::read(&mut settings.section("keys")),
            journal: Journal::read(&mut settings.section("journal"), &database),
            memory: Memory::read(&mut settings.section("memory")),
            events: Events::read(&mut settings.section("events")),
            exports: Exports::read(&mut settings.section("exports")),
            database,
            retention: Retention::read(&mut settings.section("retention")),
            auth: Auth::read(&mut settings.section("auth")),
            connectors: Connectors::read(&mut settings.section("connectors")),
            requests: Requests::read(&mut settings.section("requests")),
            log: Log::read(&mut settings.section("log")),
        };
        let problems = settings.into_problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { problems })
        }
    }
}

/// Every problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    fn one(path: &Path, what: impl Into<String>) -> Self {
        Self {
            problems: vec![Problem::new(path.display().to_string(), what)],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration has {} problem(s):",
            self.problems.len()
        )?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// One problem of a configuration. Its texts never repeat a value: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The key in the file, or the variable.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;

    const COMPLETE: &str = r#"
        [server]
        tls_terminates_in_front = "a proxy in front of this listener terminates TLS"
        [database]
        url = "postgres://registry:s3cret@db.internal/registry"
        [keys]
        encryption_file = "/keys/encryption.keys"
        index_file = "/keys/index.keys"
        secret_file = "/keys/secret.keys"
        signing_file = "/keys/signing.keys"
        [journal]
        url = "postgres://registry:s3cret@other.internal/journal"
        [auth]
        issuer = "https://id.example.com"
        audience = "registry"
        jwks_file = "/keys/jwks.json"
    "#;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Config::read("registry.toml", text, variables)
    }

    fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let refused = read(text, variables).unwrap_err();
        refused.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_sample_is_a_configuration() {
        let config = read(SAMPLE, &[]).unwrap();
        assert_eq!(config.auth.issuer, "https://id.example.com/realms/services");
        assert!(matches!(config.server.tls, Tls::Files { .. }));
    }

    #[test]
    fn the_sample_names_every_key() {
        let asked = settings::tests::asked_keys(|settings| {
            let server = Server::read(&mut settings.section("server"));
            Metrics::read(&mut settings.section("metrics"), &server);
            let database = Database::read(&mut settings.section("database"));
            Journal::read(&mut settings.section("journal"), &database);
            Keys::read(&mut settings.section("keys"));
            Memory::read(&mut settings.section("memory"));
            Events::read(&mut settings.section("events"));
            Exports::read(&mut settings.section("exports"));
            Retention::read(&mut settings.section("retention"));
            Auth::read(&mut settings.section("auth"));
            Connectors::read(&mut settings.section("connectors"));
            Requests::read(&mut settings.section("requests"));
            Log::read(&mut settings.section("log"));
        });
        assert!(asked.len() > 20, "{asked:?}");
        for (section, key) in asked {
            let (_, rest) = SAMPLE.split_once(&format!("[{section}]")).unwrap();
            let body = rest.split("\n[").next().unwrap();
            assert!(body.contains(&format!("{key} = ")), "{section}.{key}");
        }
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        let config = read(COMPLETE, &[]).unwrap();
        assert_eq!(config.server.stop_deadline, Duration::from_secs(30));
        assert_eq!(config.server.tls, Tls::EndsInFront);
        assert_eq!(config.log.level, LogLevel::Info);
        assert_eq!(config.events.keep, SignedDuration::from_hours(90 * 24));
        assert_eq!(config.events.reader_patience, Duration::from_secs(30));
        assert_eq!(config.exports.lifetime, SignedDuration::from_hours(30 * 24));
        assert_eq!(config.retention.sweep_interval, Duration::from_hours(1));
        assert!(config.keys.url.is_none());
    }

    #[test]
    fn connectors_are_off_unless_they_are_named_and_a_variable_names_them_with_commas() {
        assert_eq!(
            read(COMPLETE, &[]).unwrap().connectors,
            Connectors::default()
        );
        let text = format!("{COMPLETE}\n[connectors]\nenabled = [\"stripe\", \"paypal\"]");
        let names = |config: Config| {
            let enabled = config.connectors.enabled.iter();
            enabled.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(read(&text, &[]).unwrap()), ["stripe", "paypal"]);
        let variables = [("PDR_CONNECTORS_ENABLED", "aweber, stripe,")];
        assert_eq!(
            names(read(&text, &variables).unwrap()),
            ["aweber", "stripe"]
        );
    }

    #[test]
    fn half_a_choice_of_connectors_is_refused() {
        for (section, refused) in [
            (
                "directory = \"/etc/registry/connectors\"",
                "connectors.enabled (PDR_CONNECTORS_ENABLED): is required, since `directory` is set: \
                 nothing there is switched on by itself",
            ),
            (
                "enabled = \"stripe\"",
                "registry.toml: connectors.enabled: must be a list of texts",
            ),
            (
                "enabled = [\"stripe\", \"stripe\"]",
                "registry.toml: connectors.enabled: names stripe twice",
            ),
            (
                "enabled = [\"Stripe, Inc.\"]",
                "registry.toml: connectors.enabled: must name processors as policies do",
            ),
        ] {
            let text = format!("{COMPLETE}\n[connectors]\n{section}");
            assert_eq!(problems(&text, &[]), [refused], "{section}");
        }
    }

    #[test]
    fn a_variable_wins_over_the_file() {
        let variables = [
            ("PDR_SERVER_LISTEN", "0.0.0.0:9000"),
            ("PDR_LOG_LEVEL", "debug"),
        ];
        let config = read(COMPLETE, &variables).unwrap();
        assert_eq!(config.server.listen.port(), 9000);
        assert_eq!(config.log.level, LogLevel::Debug);
    }

    #[test]
    fn variables_alone_suffice() {
        let variables = [
            ("PDR_SERVER_TLS_CERTIFICATE_FILE", "/tls/tls.crt"),
            ("PDR_SERVER_TLS_KEY_FILE", "/tls/tls.key"),
            ("PDR_DATABASE_URL", "sqlite:///data/registry.db"),
            ("PDR_KEYS_ENCRYPTION_FILE", "/keys/encryption.keys"),
            ("PDR_KEYS_INDEX_FILE", "/keys/index.keys"),
            ("PDR_KEYS_SECRET_FILE", "/keys/secret.keys"),
            ("PDR_KEYS_SIGNING_FILE", "/keys/signing.keys"),
            ("PDR_AUTH_ISSUER", "https://id.example.com"),
            ("PDR_AUTH_AUDIENCE", "registry"),
            ("PDR_AUTH_JWKS_URL", "https://id.example.com/jwks.json"),
        ];
        let config = read("", &variables).unwrap();
        assert_eq!(config.database.url.kind(), DatabaseKind::Sqlite);
    }

    #[test]
    fn an_empty_configuration_lists_all_that_is_needed() {
        assert_eq!(
            problems("", &[]),
            [
                "auth.audience (PDR_AUTH_AUDIENCE): is required",
                "auth.issuer (PDR_AUTH_ISSUER): is required",
                "auth.jwks_file (PDR_AUTH_JWKS_FILE): is required, or jwks_url in its place",
                "database.url (PDR_DATABASE_URL): is required",
                "keys.encryption_file (PDR_KEYS_ENCRYPTION_FILE): is required",
                "keys.index_file (PDR_KEYS_INDEX_FILE): is required",
                "keys.secret_file (PDR_KEYS_SECRET_FILE): is required",
                "keys.signing_file (PDR_KEYS_SIGNING_FILE): is required",
                "server.tls_certificate_file (PDR_SERVER_TLS_CERTIFICATE_FILE): is required, \
                 with tls_key_file; or else tls_terminates_in_front = \"a proxy in front of this \
                 listener terminates TLS\"",
            ]
        );
    }

    #[test]
    fn unknown_keys_sections_and_variables_are_all_reported() {
        let text = format!("{COMPLETE}\n[server.more]\na = 1\n[metrics]\nport = 1\n");
        let text = text.replace("audience =", "audiance =");
        let variables = [("PDR_SERVER_LISTENS", "x"), ("PDR_SERVERLISTEN", "x")];
        assert_eq!(
            problems(&text, &variables),
            [
                "PDR_SERVERLISTEN: is not a variable of the registry",
                "PDR_SERVER_LISTENS: is not a variable of the registry",
                "auth.audience (PDR_AUTH_AUDIENCE): is required",
                "registry.toml: auth.audiance: is not a key of the registry",
                "registry.toml: metrics.port: is not a key of the registry",
                "registry.toml: server.more: is not a key of the registry",
            ]
        );
    }

    #[test]
    fn wrong_values_are_all_reported_and_none_is_repeated() {
        let variables = [
            ("PDR_SERVER_LISTEN", "localhost"),
            ("PDR_SERVER_MESSAGE_BYTES_MAX", "1"),
            ("PDR_SERVER_REQUEST_TIMEOUT", "-3s"),
            ("PDR_DATABASE_URL", "mysql://root:s3cret@db/registry"),
            ("PDR_EXPORTS_LIFETIME_DAYS", "367"),
            ("PDR_LOG_LEVEL", "loud"),
            ("PDR_AUTH_JWKS_URL", "http://id.example.com/jwks.json"),
        ];
        let found = problems(COMPLETE, &variables);
        assert_eq!(
            found,
            [
                "PDR_AUTH_JWKS_URL: must begin with https:// (http:// on loopback only)",
                "PDR_AUTH_JWKS_URL: must not be set beside jwks_file",
                "PDR_DATABASE_URL: must begin with sqlite: or postgres://",
                "PDR_EXPORTS_LIFETIME_DAYS: must be a number from 1 to 366",
                "PDR_LOG_LEVEL: must be error, warn, info, debug or trace",
                "PDR_SERVER_LISTEN: must be an address and a port, such as 0.0.0.0:8443",
                "PDR_SERVER_MESSAGE_BYTES_MAX: must be a number from 65536 to 67108864",
                "PDR_SERVER_REQUEST_TIMEOUT: must be a duration from 1s to 10m, such as 30s",
            ]
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_reported_with_its_key() {
        let text = COMPLETE.replace("audience = \"registry\"", "audience = [\"registry\"]");
        assert_eq!(
            problems(&text, &[]),
            ["registry.toml: auth.audience: must be text"]
        );
        let text = format!("log = \"debug\"\n{COMPLETE}");
        assert_eq!(
            problems(&text, &[]),
            ["registry.toml: log: must be a section"]
        );
    }

    #[test]
    fn a_file_that_is_no_toml_is_reported_with_its_line_and_the_variables_are_read_still() {
        let found = problems("[server\nlisten = 1", &[("PDR_NOTHING_HERE", "x")]);
        assert!(
            found
                .iter()
                .any(|problem| problem.starts_with("registry.toml: line 1")),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|problem| problem.starts_with("PDR_NOTHING_HERE")),
            "{found:?}"
        );
    }

    #[test]
    fn half_of_tls_is_refused() {
        let text = COMPLETE.replace("[server]", "[server]\ntls_key_file = \"/tls/key.pem\"");
        let found = problems(&text, &[]);
        assert_eq!(
            found,
            [
                "registry.toml: server.tls_key_file: needs tls_certificate_file beside it",
                "registry.toml: server.tls_terminates_in_front: must not be set beside tls_key_file",
            ]
        );
    }

    #[test]
    fn other_words_for_tls_in_front_are_refused() {
        let text = COMPLETE.replace("a proxy in front of this listener terminates TLS", "yes");
        let found = problems(&text, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("must be \"a proxy in front"), "{found:?}");
    }

    #[test]
    fn metrics_are_off_by_default_and_never_on_the_servers_own_listener() {
        assert_eq!(read(COMPLETE, &[]).unwrap().metrics.listen, None);
        let variables = [("PDR_METRICS_LISTEN", "127.0.0.1:9464")];
        let listen = read(COMPLETE, &variables).unwrap().metrics.listen;
        assert_eq!(listen.map(|address| address.port()), Some(9464));
        for (address, problem) in [
            (
                "127.0.0.1:8443",
                "must not be the address of the server itself",
            ),
            (
                "9464",
                "must be an address and a port, such as 127.0.0.1:9464",
            ),
        ] {
            let found = problems(COMPLETE, &[("PDR_METRICS_LISTEN", address)]);
            assert_eq!(found, [format!("PDR_METRICS_LISTEN: {problem}")]);
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let config = read(COMPLETE, &[]).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn a_development_server_keeps_to_loopback_and_to_its_directory() {
        let directory = Path::new("/tmp/a b%?#");
        let config = Config::development(directory, "127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(config.server.tls, Tls::Development);
        assert_eq!(
            config.database.url.expose(),
            "sqlite:///tmp/a b%25%3F%23/registry.db?mode=rwc"
        );
        assert!(
            config
                .keys
                .encryption_file
                .starts_with(directory.join("dev"))
        );
        let refused = Config::development(directory, "0.0.0.0:0".parse().unwrap());
        assert!(refused.unwrap_err().to_string().contains("loopback only"));
    }
}
