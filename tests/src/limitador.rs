//! The rate limit service of tests: the `limitador` crate, and the Redis in which it counts.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// How long a Redis may take until it listens.
const START: Duration = Duration::from_secs(20);

/// A process that ends with its owner.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Sends it a signal, as `kill` names it: `-STOP`.
    ///
    /// # Errors
    /// There is no such process, or no such signal.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().context("start kill")?;
        ensure!(sent.success(), "kill {signal}: {sent}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _: std::io::Result<()> = self.0.kill();
        let _: std::io::Result<std::process::ExitStatus> = self.0.wait();
    }
}

/// A port that nobody listens on.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A Redis on a port, with nothing in it, and with more arguments.
///
/// # Errors
/// It does not start.
pub fn redis(port: u16, arguments: &[&str]) -> Result<Process> {
    let child = Command::new(tool("MESHWARD_REDIS")?)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start Redis")?;
    let process = Process(child);
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(begin.elapsed() < START, "Redis does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}

/// The service, with its counters in the Redis on a port; what is `counted` passes so many times in ten minutes, a nonce once.
///
/// # Errors
/// It does not start.
pub fn limitador(port: u16, max: u32) -> Result<(Process, SocketAddr)> {
    let mut child = Command::new(tool("MESHWARD_LIMITADOR")?)
        .args(["--redis", &format!("redis://127.0.0.1:{port}"), "--max", &max.to_string(), "--seconds", "600"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the rate limit service")?;
    let out = child.stdout.take();
    let process = Process(child);
    let mut line = String::new();
    BufReader::new(out.context("no output")?).read_line(&mut line)?;
    Ok((process, line.trim().parse().context("the rate limit service names no address")?))
}

fn tool(variable: &str) -> Result<OsString> {
    std::env::var_os(variable)
        .with_context(|| format!("{variable} is not set: `cargo xtask test --only limits --only once` does"))
}
