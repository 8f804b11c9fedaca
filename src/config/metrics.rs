//! `[metrics]`: where the figures for monitoring are fetched.

use std::net::SocketAddr;

use super::{server::Server, settings::Section};

/// Where the figures for monitoring are fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// The address and port of a listener of its own; without one there is none.
    pub listen: Option<SocketAddr>,
}

impl Metrics {
    pub(super) fn read(section: &mut Section<'_>, server: &Server) -> Self {
        let listen = section.text("listen").map(|text| text.parse());
        let listen: Option<SocketAddr> = match listen {
            None => None,
            Some(Ok(listen)) => Some(listen),
            Some(Err(_)) => {
                let must = "must be an address and a port, such as 127.0.0.1:9464";
                section.problem("listen", must);
                None
            }
        };
        if listen.is_some_and(|listen| listen.port() != 0 && listen == server.listen) {
            section.problem("listen", "must not be the address of the server itself");
        }
        Self { listen }
    }
}
