//! Runs `pdr`, and development servers of a test's own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The binary, with nothing of the surroundings.
pub fn pdr() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pdr"));
    for name in ["PDR_ADDRESS", "PDR_CA", "PDR_CONFIG", "PDR_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Ran {
    Ran::of(pdr().args(arguments))
}

/// What a run left behind.
pub struct Ran(Output);

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self(command.output().expect("pdr runs"))
    }

    pub fn code(&self) -> i32 {
        self.0.status.code().expect("it ended by itself")
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("it prints UTF-8")
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The same run, when it ended with this code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "stdout: {}\nstderr: {}",
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Each line of what it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let lines = self.stdout();
        let read = lines.lines().map(serde_json::from_str);
        read.collect::<Result<_, _>>().expect("lines of JSON")
    }
}

/// A development server on a free port, killed when it is dropped.
pub struct Server {
    child: Child,
    dir: TempDir,
    pub address: String,
}

impl Server {
    /// Starts one in an empty directory.
    pub fn start() -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"))
    }

    /// Starts one where another has run before.
    pub fn start_in(dir: TempDir) -> Self {
        let mut child = pdr()
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("pdr runs");
        let mut said = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut said)
            .expect("it prints UTF-8");
        let address = said
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("it said {said:?}"))
            .to_owned();
        Self {
            child,
            dir,
            address,
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a client command against it.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = pdr()
            .args(arguments)
            .arg("--data-dir")
            .arg(self.dir())
            .output();
        Ran(output.expect("pdr runs"))
    }

    /// Runs a client command against it, and reads what it prints as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [arguments, &["--output", "json"]].concat();
        self.run(&arguments).ended(0).json()
    }

    /// Writes a file beside the server's own.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, text).expect("the directory is writable");
        path
    }

    /// Asks it to stop, as a supervisor does.
    pub fn stop(mut self) -> (ExitStatus, TempDir) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(asked.expect("kill runs").success());
        let ended = self.child.wait().expect("it ends");
        let empty = TempDir::new().expect("a temporary directory");
        (ended, std::mem::replace(&mut self.dir, empty))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
