//! A server in a process of its own, and what it uses of the processor.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Clock ticks of `/proc` in a second: `USER_HZ`, which is this on every Linux that Rust's targets have.
const TICKS_PER_SECOND: f64 = 100.0;
/// A page of `/proc/PID/statm`, in bytes, on x86-64 and most others.
const PAGE_BYTES: u64 = 4_096;

/// A server. Dropping it kills it.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
    pub fn start(command: &mut Command) -> Result<Self> {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.context("a server does not start")?;
        let out = child.stdout.take().context("its output is piped")?;
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        let mut said =
            lines.filter_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        match said.next() {
            Some(address) => Ok(Self {
                child,
                address: format!("http://{address}"),
            }),
            None => bail!("a server ended before it listened: {}", child.wait()?),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has used of the processor, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).context(path)?;
        // The name, in brackets, may hold spaces. Behind it, utime and stime are the 12th and the 13th.
        let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// Runs it on one core only.
    pub fn pin(&self, core: usize) -> Result<()> {
        let pid = self.child.id().to_string();
        let core = core.to_string();
        let pinned = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", &core, &pid])
            .stdout(Stdio::null())
            .status();
        if !pinned.context("taskset")?.success() {
            bail!("the server cannot be kept on core {core}");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What of this process is in memory, in bytes.
pub fn resident_bytes() -> Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1);
    let pages: u64 = pages.context("a second field")?.parse()?;
    Ok(pages * PAGE_BYTES)
}
