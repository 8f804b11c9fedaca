//! `pdr serve`: the server.

use std::{
    fs,
    io::{IsTerminal, Write, stderr, stdout},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use super::{
    compose::{self, Assembled},
    development,
};
use crate::{config::Config, store::TimeSource};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Run a development server: loopback, embedded database, keys and tokens of its own, the
    /// example policy.
    #[arg(long)]
    dev: bool,
    /// Where the development server keeps its data.
    #[arg(long, value_name = "DIR", default_value = development::DATA_DIR, requires = "dev")]
    data_dir: PathBuf,
    /// Where the development server listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = development::LISTEN, requires = "dev")]
    listen: SocketAddr,
    /// The configuration file; PDR_… variables win over it.
    #[arg(long, value_name = "FILE", env = "PDR_CONFIG", conflicts_with = "dev")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    if args.dev {
        serve_development(&args.data_dir, args.listen).await
    } else {
        serve(args).await
    }
}

async fn serve(args: Args) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    compose::start_logging(&config)?;
    let store = compose::open_store(&config, TimeSource::Database).await?;
    if compose::is_embedded(&config.database.url) {
        // An embedded file has no other replica that a changed schema could surprise.
        store.migrate().await?;
    }
    store.check_schema().await?;
    let assembled = compose::assemble(&config, store, compose::system_clock()).await?;
    announce(&assembled)?;
    assembled.run().await?;
    Ok(ExitCode::SUCCESS)
}

async fn serve_development(data_dir: &Path, listen: SocketAddr) -> Result<ExitCode> {
    let clock = compose::system_clock();
    let config = development::prepare(data_dir, listen, &*clock)?;
    compose::start_logging(&config)?;
    let _lock = development::lock(data_dir)?;
    let store = compose::open_store(&config, TimeSource::Database).await?;
    store.migrate().await?;
    let assembled = compose::assemble(&config, store, clock).await?;
    development::publish_example(&assembled.registry).await?;
    let address_file = development::address_file(data_dir);
    fs::write(&address_file, assembled.address.to_string())
        .with_context(|| address_file.display().to_string())?;
    greet(data_dir, assembled.address);
    announce(&assembled)?;
    let outcome = assembled.run().await;
    // A server that is gone is not to be found.
    drop(fs::remove_file(&address_file));
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// Scripts wait for this line.
fn announce(assembled: &Assembled) -> Result<()> {
    let mut out = stdout();
    writeln!(out, "listening on {}", assembled.address)?;
    Ok(out.flush()?)
}

/// What a newcomer pastes next. It goes where the log goes, so that standard output stays for scripts.
fn greet(data_dir: &Path, address: SocketAddr) {
    let dir = data_dir.display();
    let (bold, plain) = if stderr().is_terminal() {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let token = development::admin_token_file(data_dir);
    eprintln!(
        "
{bold}A DEVELOPMENT SERVER{plain} — never for real people's data: it makes its own keys and tokens,
speaks without TLS, and listens on this machine only ({address}).
Data, keys and a token with every scope lie in {dir}.

{bold}Paste next, in another terminal:{plain}

  1. ask a question, as the mailing service would:
     cargo run --release -- check --data-dir {dir} --identifier email=ada@example.com \\
       --data email_address --purpose newsletter --processor aweber

  2. the same over plain gRPC:
     grpcurl -plaintext -H \"authorization: Bearer $(cat {token})\" \\
       -d '{{\"subject\":{{\"identifier\":{{\"type\":\"email\",\"value\":\"ada@example.com\"}}}},\"data_categories\":[\"email_address\"],\"purpose\":\"newsletter\",\"processor\":\"aweber\"}}' \\
       {address} personaldata.registry.v1.PurposeService/CheckPurpose

  3. three lives from the first visit to the last, each call and answer shown:
     cargo run --release -- demo
",
        token = token.display(),
    );
}
