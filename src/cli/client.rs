//! The way of a client command to a server: a development server is found in its data directory,
//! another one is named.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{development, output::Output};

/// How long a server may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the server is, and who asks.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "The server")]
pub struct Connection {
    /// The data directory of a development server, which is found there.
    #[arg(long, value_name = "DIR", default_value = development::DATA_DIR, global = true)]
    pub data_dir: PathBuf,
    /// The server's address: `https://registry.internal:8443`. Default: the development server.
    #[arg(long, value_name = "URL", env = "PDR_ADDRESS", global = true)]
    pub address: Option<String>,
    /// The file with the token. Default: the development server's with every scope.
    #[arg(long, value_name = "FILE", env = "PDR_TOKEN_FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// The certificate authority of the server, PEM. Default: the system's.
    #[arg(long, value_name = "FILE", env = "PDR_CA", global = true)]
    pub ca: Option<PathBuf>,
    /// The name in the server's certificate, when it is not that of the address.
    #[arg(long, value_name = "NAME", global = true)]
    pub tls_name: Option<String>,
    /// Tables for people, or JSON for machines.
    #[arg(
        long,
        value_enum,
        value_name = "table|json",
        default_value_t,
        hide_possible_values = true,
        global = true
    )]
    pub output: Output,
}

/// A channel that carries the token.
pub type Way = InterceptedService<Channel, Bearer>;

/// Puts the token into every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// Of a token as it was minted.
    pub fn new(token: &str) -> Result<Self> {
        let value = format!("Bearer {}", token.trim()).parse();
        Ok(Self(
            value.context("a token is one word of letters and digits")?,
        ))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Connection {
    /// Connects, to call with the token.
    pub async fn connect(&self) -> Result<Way> {
        // Where there is no server there is no token either, and the server is what to start.
        let channel = self.channel().await?;
        Ok(InterceptedService::new(channel, self.bearer()?))
    }

    /// Connects, to call what needs no token.
    pub async fn channel(&self) -> Result<Channel> {
        let address = self.find_address()?;
        let mut endpoint = Endpoint::from_shared(address.clone())
            .with_context(|| format!("--address {address} is not a URL"))?
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT);
        if address.starts_with("https:") {
            endpoint = endpoint.tls_config(self.tls()?)?;
        }
        endpoint.connect().await.with_context(|| {
            format!("no server answers at {address}; is it running? (`pdr serve --dev` starts one)")
        })
    }

    fn find_address(&self) -> Result<String> {
        if let Some(address) = &self.address {
            return Ok(address.clone());
        }
        let file = development::address_file(&self.data_dir);
        let address = fs::read_to_string(&file).with_context(|| {
            format!(
                "no development server runs in {}; start one with `pdr serve --dev --data-dir {}`, \
                 or name a server with --address",
                self.data_dir.display(),
                self.data_dir.display()
            )
        })?;
        Ok(format!("http://{}", address.trim()))
    }

    fn tls(&self) -> Result<ClientTlsConfig> {
        let mut tls = ClientTlsConfig::new();
        if let Some(name) = &self.tls_name {
            tls = tls.domain_name(name);
        }
        Ok(match &self.ca {
            Some(ca) => {
                let pem = fs::read(ca).with_context(|| ca.display().to_string())?;
                tls.ca_certificate(Certificate::from_pem(pem))
            }
            None => tls.with_enabled_roots(),
        })
    }

    fn bearer(&self) -> Result<Bearer> {
        let file = match (&self.token_file, &self.address) {
            (Some(file), _) => file.clone(),
            (None, None) => development::admin_token_file(&self.data_dir),
            (None, Some(_)) => bail!("--address needs --token-file: which token is it to be?"),
        };
        let token = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Bearer::new(&token).with_context(|| format!("{} holds no token", file.display()))
    }
}
