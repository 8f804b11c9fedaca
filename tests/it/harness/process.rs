//! The real binary in a process of its own, for what only a process can show: being killed, its log.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::Clients;

/// A `pdr serve` in a process of its own. Dropping it kills it.
pub struct Process {
    child: Child,
    address: String,
    dir: PathBuf,
}

impl Process {
    /// Starts a development server on a free port, and waits until it listens.
    pub fn serve(dir: &Path) -> Self {
        let dev = ["--dev", "--listen", "127.0.0.1:0", "--data-dir"];
        Self::start(dir, "stderr.log", Self::pdr().args(dev).arg(dir))
    }

    /// Starts a server with a configuration file, and waits until it listens. Its log and the tokens of its
    /// development issuer are in `dir`.
    pub fn configured(dir: &Path, config: &Path, log: &str) -> Self {
        Self::start(dir, log, Self::pdr().arg("--config").arg(config))
    }

    /// The command, with no configuration of the surroundings.
    fn pdr() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdr"));
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PDR_") {
                command.env_remove(name);
            }
        }
        command.arg("serve");
        command
    }

    fn start(dir: &Path, log: &str, command: &mut Command) -> Self {
        fs::create_dir_all(dir).expect("the directory can be made");
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.join(log))
            .expect("the log can be written");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let out = child.stdout.take().expect("its output is piped");
        let address = BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
            .expect("it says where it listens");
        Self {
            child,
            address: format!("http://{address}"),
            dir: dir.to_owned(),
        }
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.expect("kill runs").success(), "it runs");
    }

    /// Clients with the token that has every scope.
    pub async fn admin(&self) -> Clients {
        let token = fs::read_to_string(self.dir.join("dev").join("admin.token"));
        Clients::connect(&self.address, token.expect("the token was written").trim()).await
    }

    /// Everything that it wrote to standard error so far.
    pub fn log(&self) -> Vec<u8> {
        fs::read(self.dir.join("stderr.log")).expect("the log is readable")
    }

    /// Kills it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
