//! Who else answers the questions of look-ups: DuckDB over Parquet, and a PostgreSQL of their own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Failure;
use crate::ask::How;
use crate::process::{Sample, sample_of};

const DUCKDB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/duckdb_lookups.py");
const POSTGRES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/postgres_lookups.py");
/// Name of the one that reads files.
pub const DUCKDB_NAME: &str = "DuckDB";
/// Name of the one that needs a server.
pub const POSTGRES_NAME: &str = "PostgreSQL";

/// One of them, and what it reads.
#[derive(Debug)]
pub enum Peer {
    /// Reads the files themselves.
    DuckDb {
        /// Of the environment that it is installed in.
        python: PathBuf,
        /// Parquet files.
        files: Vec<PathBuf>,
    },
    /// Has taken the files in.
    Postgres {
        /// Of the environment with its driver.
        python: PathBuf,
        /// Ends with this value.
        server: Server,
    },
}

impl Peer {
    /// DuckDB, without files yet.
    pub fn duckdb(python: PathBuf) -> Self {
        Self::DuckDb { python, files: Vec::new() }
    }

    /// A new server of PostgreSQL.
    ///
    /// # Errors
    /// When it is not here and cannot be installed; the error says why.
    pub fn postgres(python: PathBuf) -> Result<Self, Failure> {
        let server = Server::start(&python)?;
        Ok(Self::Postgres { python, server })
    }

    /// Name of its rows.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DuckDb { .. } => DUCKDB_NAME,
            Self::Postgres { .. } => POSTGRES_NAME,
        }
    }

    /// What its answers come from.
    pub fn what(&self) -> &'static str {
        match self {
            Self::DuckDb { .. } => "one Parquet file by place, object and time, with Bloom filters of the objects",
            Self::Postgres { .. } => {
                "15, the rows in the order of that file; B-trees of object and time, of time, and of the cells of Q3C; \
                 answers over a socket into Arrow, and the memory of the server is not counted"
            }
        }
    }

    /// Rows of more files.
    pub fn add(&mut self, more: &[PathBuf]) -> Result<(), Failure> {
        match self {
            Self::DuckDb { files, .. } => {
                files.extend(more.iter().cloned());
                Ok(())
            }
            Self::Postgres { python, server } => {
                let status = Command::new(python).args([POSTGRES, "load", &server.socket]).args(more).status()?;
                if status.success() {
                    Ok(())
                } else {
                    Err(Failure(format!("{POSTGRES_NAME}: load ended with {status}")))
                }
            }
        }
    }

    /// True if it can be asked with nothing in memory: what it reads are files of ours.
    pub fn forgets(&self) -> bool {
        matches!(self, Self::DuckDb { .. })
    }

    /// Asks the questions of a file.
    pub fn ask(&self, asked: &Path, how: How) -> Result<Sample, Failure> {
        let (asked, how) = (OsString::from(asked), OsString::from(how.word()));
        match self {
            Self::DuckDb { python, files } => {
                sample_of(Command::new(python).args([DUCKDB.into(), asked, how]).args(files))
            }
            Self::Postgres { python, server } => {
                let words = [POSTGRES.into(), "ask".into(), OsString::from(&server.socket), asked, how];
                sample_of(Command::new(python).args(words))
            }
        }
    }
}

/// A server with nothing but this benchmark in it. It goes, and its folder with it, when this does, or this process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    socket: String,
}

impl Server {
    fn start(python: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(python)
            .args([POSTGRES, "serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let socket = line.trim().to_owned();
        if !socket.is_empty() {
            return Ok(Self { child, socket });
        }
        let mut why = String::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_string(&mut why)?;
        }
        child.wait()?;
        Err(Failure(why.lines().last().unwrap_or("it ended at once").to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        // One that is gone already needs no waiting for.
        let _ = self.child.wait();
    }
}
