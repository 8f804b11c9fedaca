//! The way of a client command to a server: a development server is found in its data directory,
//! another one is named.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{development, output::Output};

/// Where the server is, and who asks.
#[derive(Clone, Debug, clap::Args)]
pub struct Connection {
    /// The data directory of a development server, which is found there.
    #[arg(long, value_name = "DIR", default_value = development::DATA_DIR, global = true)]
    pub data_dir: PathBuf,
    /// The server's address: https://registry.internal:8443. Default: the development server.
    #[arg(long, value_name = "URL", env = "PDR_ADDRESS", global = true)]
    pub address: Option<String>,
    /// The file with the token. Default: the development server's with every scope.
    #[arg(long, value_name = "FILE", env = "PDR_TOKEN_FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// The certificate authority of the server, PEM. Default: the system's.
    #[arg(long, value_name = "FILE", env = "PDR_CA", global = true)]
    pub ca: Option<PathBuf>,
    /// Tables for people, or JSON for machines.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub output: Output,
}

/// A channel that carries the token.
pub type Way = InterceptedService<Channel, Bearer>;

/// Puts the token into every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Connection {
    /// Connects.
    pub async fn connect(&self) -> Result<Way> {
        let address = self.find_address()?;
        let mut endpoint = Endpoint::from_shared(address.clone())
            .with_context(|| format!("--address {address} is not a URL"))?
            .tcp_nodelay(true);
        if address.starts_with("https:") {
            endpoint = endpoint.tls_config(self.tls()?)?;
        }
        let channel = endpoint.connect().await.with_context(|| {
            format!("no server answers at {address}; start one with `pdr serve --dev`")
        })?;
        Ok(InterceptedService::new(channel, self.bearer()?))
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
        let tls = ClientTlsConfig::new();
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
        let value = format!("Bearer {}", token.trim()).parse();
        Ok(Bearer(value.with_context(|| {
            format!("{} holds no token", file.display())
        })?))
    }
}
