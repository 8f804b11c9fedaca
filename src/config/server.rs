//! `[server]`: the listener and its limits.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::settings::Section;

/// The words by which an operator says that TLS ends in front of the listener.
pub const TLS_TERMINATES_IN_FRONT: &str = "a proxy in front of this listener terminates TLS";

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
const MESSAGE_BYTES: u32 = 4 * 1024 * 1024;
const MESSAGE_BYTES_LIMITS: [u32; 2] = [64 * 1024, 64 * 1024 * 1024];
const CONCURRENT_REQUESTS: u32 = 1_024;
const CONCURRENT_STREAMS: u32 = 256;
const CONCURRENCY_LIMITS: [u32; 2] = [1, 65_536];
const THREADS_LIMITS: [u32; 2] = [0, 256];
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const DURATION_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(10)];

/// The listener and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The address and port to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// How calls are kept from eavesdroppers.
    pub tls: Tls,
    /// Threads that serve connections; `None`: one for each core.
    pub threads: Option<u32>,
    /// Longest message, in bytes.
    pub message_bytes_max: u32,
    /// Most requests that are worked on at once; one more is refused.
    pub concurrent_requests_max: u32,
    /// Most requests that one connection may have open at once.
    pub concurrent_streams_max: u32,
    /// Longest time that a unary call may take.
    pub request_timeout: Duration,
    /// Longest time that running work is given when the process is asked to stop.
    pub stop_deadline: Duration,
}

/// How calls are kept from eavesdroppers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The listener speaks TLS with this certificate chain and key, both PEM.
    Files {
        /// The certificate chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// The operator says that TLS ends in front of the listener.
    EndsInFront,
    /// A development server on loopback.
    Development,
}

impl Server {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let address = "must be an address and a port, such as 0.0.0.0:8443";
        Self {
            listen: section.parsed("listen", LISTEN, address),
            tls: read_tls(section),
            threads: read_threads(section),
            message_bytes_max: section.number(
                "message_bytes_max",
                MESSAGE_BYTES,
                MESSAGE_BYTES_LIMITS,
            ),
            concurrent_requests_max: section.number(
                "concurrent_requests_max",
                CONCURRENT_REQUESTS,
                CONCURRENCY_LIMITS,
            ),
            concurrent_streams_max: section.number(
                "concurrent_streams_max",
                CONCURRENT_STREAMS,
                CONCURRENCY_LIMITS,
            ),
            request_timeout: section.duration("request_timeout", REQUEST_TIMEOUT, DURATION_LIMITS),
            stop_deadline: section.duration("stop_deadline", STOP_DEADLINE, DURATION_LIMITS),
        }
    }

    pub(super) fn development(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: Tls::Development,
            threads: None,
            message_bytes_max: MESSAGE_BYTES,
            concurrent_requests_max: CONCURRENT_REQUESTS,
            concurrent_streams_max: CONCURRENT_STREAMS,
            request_timeout: REQUEST_TIMEOUT,
            stop_deadline: STOP_DEADLINE,
        }
    }
}

/// 0: as many as there are cores.
fn read_threads(section: &mut Section<'_>) -> Option<u32> {
    let threads = section.number("threads", 0, THREADS_LIMITS);
    (threads > 0).then_some(threads)
}

fn read_tls(section: &mut Section<'_>) -> Tls {
    let certificate = section.text("tls_certificate_file");
    let key = section.text("tls_key_file");
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            refuse_in_front(section, "a certificate");
            Tls::Files {
                certificate: certificate.into(),
                key: key.into(),
            }
        }
        (Some(_), None) => {
            section.problem("tls_certificate_file", "needs tls_key_file beside it");
            refuse_in_front(section, "tls_certificate_file");
            Tls::EndsInFront
        }
        (None, Some(_)) => {
            section.problem("tls_key_file", "needs tls_certificate_file beside it");
            refuse_in_front(section, "tls_key_file");
            Tls::EndsInFront
        }
        (None, None) => read_in_front(section),
    }
}

fn refuse_in_front(section: &mut Section<'_>, beside: &str) {
    if section.text("tls_terminates_in_front").is_some() {
        section.problem(
            "tls_terminates_in_front",
            format!("must not be set beside {beside}"),
        );
    }
}

fn read_in_front(section: &mut Section<'_>) -> Tls {
    match section.text("tls_terminates_in_front").as_deref() {
        Some(TLS_TERMINATES_IN_FRONT) => {}
        Some(_) => section.problem(
            "tls_terminates_in_front",
            format!("must be \"{TLS_TERMINATES_IN_FRONT}\", or be left out"),
        ),
        None => section.problem(
            "tls_certificate_file",
            format!(
                "is required, with tls_key_file; \
                 or else tls_terminates_in_front = \"{TLS_TERMINATES_IN_FRONT}\""
            ),
        ),
    }
    Tls::EndsInFront
}
