//! A server of an archive, as users have it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Failure;

/// A server in a process of its own, which ends with this.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Serves an archive.
    pub fn start(archive: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["step", "serve"]).arg(archive).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening on grpc://").map(str::to_owned);
        let mut server = Self { child, address: String::new() };
        server.address = address.ok_or_else(|| Failure(format!("the server said {line:?}")))?;
        Ok(server)
    }

    /// Where it listens, host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The number of its process.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
