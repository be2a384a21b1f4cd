//! What the program goes by: a file, then the environment, then flags, the later ones first. Nothing here connects.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use noctuary_engine::EngineOptions;
use noctuary_storage::Access;
use serde::{Deserialize, Deserializer};

use crate::bytesize::ByteSize;
use crate::duration::Deadline;
use crate::error::{Failure, Result};

/// Where the archive lies if nobody says.
pub const DEFAULT_ARCHIVE: &str = "noctuary-archive";
/// Where `noctuary serve` listens if nobody says.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:50051";
/// The file that is read if it is there and no other is named.
pub const DEFAULT_FILE: &str = "noctuary.toml";

/// What may stand in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    archive: Option<String>,
    memory: Option<ByteSize>,
    threads: Option<NonZeroUsize>,
    deadline: Option<Deadline>,
    #[serde(default, deserialize_with = "labels")]
    rights: Option<Access>,
    listen: Option<String>,
}

fn labels<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Access>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Flags and environment, which clap has already put in order.
#[derive(Debug, Default, Clone)]
pub struct Given {
    /// Folder or URL of the archive.
    pub archive: Option<String>,
    /// Memory of queries.
    pub memory: Option<ByteSize>,
    /// Threads.
    pub threads: Option<NonZeroUsize>,
    /// Time that a question may take.
    pub deadline: Option<Deadline>,
    /// What may be seen.
    pub rights: Option<Access>,
    /// Address to listen on.
    pub listen: Option<String>,
    /// File to read instead of the default one.
    pub file: Option<PathBuf>,
}

/// A setting and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// What it is.
    pub value: T,
    /// `flag or environment`, the name of the file, or `default`.
    pub origin: String,
}

/// The effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folder or URL of the archive.
    pub archive: Setting<String>,
    /// Memory that queries may use together.
    pub memory: Setting<ByteSize>,
    /// Threads that queries and ingests use.
    pub threads: Setting<usize>,
    /// Time that a question may take.
    pub deadline: Setting<Deadline>,
    /// What whoever asks may see.
    pub rights: Setting<Access>,
    /// Address to listen on.
    pub listen: Setting<String>,
}

impl Config {
    /// Puts file, environment and flags together.
    ///
    /// # Errors
    /// When the file cannot be read, or says something unknown.
    pub fn load(given: Given) -> Result<Self> {
        let path = given.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && given.file.is_none() => ConfigFile::default(),
            Err(e) => return Err(Failure::request(format!("{}: {e}", path.display()))),
        };
        Ok(Self::resolve(given, file, &path))
    }

    fn resolve(given: Given, file: ConfigFile, path: &Path) -> Self {
        let defaults = EngineOptions::default();
        let name = path.display().to_string();
        Self {
            archive: pick(given.archive, file.archive, &name, || DEFAULT_ARCHIVE.to_owned()),
            memory: pick(given.memory, file.memory, &name, || ByteSize(defaults.memory_bytes as u64)),
            threads: pick(given.threads.map(Into::into), file.threads.map(Into::into), &name, || defaults.threads),
            deadline: pick(given.deadline, file.deadline, &name, || Deadline(defaults.deadline)),
            rights: pick(given.rights, file.rights, &name, || Access::Everything),
            listen: pick(given.listen, file.listen, &name, || DEFAULT_LISTEN.to_owned()),
        }
    }

    /// The configuration as a file that says the same, each line with where it comes from.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
        let mut line = |key: &str, value: String, origin: &str| {
            let _ = writeln!(out, "{key} = {value}  # {origin}");
        };
        line("archive", text(&self.archive.value), &self.archive.origin);
        line("memory", text(&self.memory.value.to_string()), &self.memory.origin);
        line("threads", self.threads.value.to_string(), &self.threads.origin);
        line("deadline", text(&self.deadline.value.to_string()), &self.deadline.origin);
        line("rights", text(&self.rights.value.to_string()), &self.rights.origin);
        line("listen", text(&self.listen.value), &self.listen.origin);
        out
    }
}

/// The user's folder for state that may be lost, by the XDG rules; `None` without a home.
pub fn state_folder() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("noctuary"))
}

/// How the user called this program, for commands that can be copied.
pub fn invocation() -> &'static str {
    // Cargo sets it for what it runs.
    if std::env::var_os("CARGO").is_some() { "cargo run --release --" } else { "noctuary" }
}

fn parse(path: &Path, text: &str) -> Result<ConfigFile> {
    toml::from_str(text).map_err(|e| Failure::request(format!("{}: {e}", path.display())))
}

fn pick<T>(given: Option<T>, file: Option<T>, name: &str, default: impl FnOnce() -> T) -> Setting<T> {
    match (given, file) {
        (Some(value), _) => Setting { value, origin: "flag or environment".to_owned() },
        (None, Some(value)) => Setting { value, origin: name.to_owned() },
        (None, None) => Setting { value: default(), origin: "default".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let text = "archive = '/data'\nthreads = 3\nmemory = '1GiB'\ndeadline = '30s'\nrights = 'public, partnership'";
        let file = parse(Path::new("a.toml"), text).unwrap();
        let given = Given { archive: Some("s3://b/p".to_owned()), ..Given::default() };
        let config = Config::resolve(given, file, Path::new("a.toml"));
        assert_eq!(config.archive.value, "s3://b/p");
        assert_eq!((config.threads.value, config.threads.origin.as_str()), (3, "a.toml"));
        assert_eq!(config.memory.value, ByteSize(1 << 30));
        assert_eq!(config.deadline.value.0, Some(std::time::Duration::from_secs(30)));
        assert_eq!(config.rights.value.to_string(), "partnership,public");
        assert_eq!(config.listen, Setting { value: DEFAULT_LISTEN.to_owned(), origin: "default".to_owned() });
    }

    #[test]
    fn what_is_printed_reads_back() {
        let config = Config::resolve(Given::default(), ConfigFile::default(), Path::new(DEFAULT_FILE));
        let file = parse(Path::new("printed.toml"), &config.to_toml()).unwrap();
        let again = Config::resolve(Given::default(), file, Path::new("printed.toml"));
        assert_eq!(again.archive.value, config.archive.value);
        assert_eq!(again.memory.value, config.memory.value);
        assert_eq!(again.threads.value, config.threads.value);
        assert_eq!(again.deadline.value, config.deadline.value);
        assert_eq!(again.rights.value, config.rights.value);
    }

    #[test]
    fn unknown_settings_are_refused() {
        let refused = parse(Path::new("a.toml"), "archve = '/data'").unwrap_err();
        assert!(refused.message.contains("archve"), "{refused}");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (text, told) in [
            ("threads = 0", "nonzero"),
            ("threads = -2", "-2"),
            ("memory = -1", "64MiB"),
            ("memory = true", "64MiB"),
            ("memory = 'lots'", "64MiB"),
            ("deadline = '30'", "30s"),
            ("deadline = 30", "string"),
            ("rights = ''", "public"),
        ] {
            let refused = parse(Path::new("a.toml"), text).unwrap_err();
            assert!(refused.message.contains("a.toml") && refused.message.contains(told), "{text}: {refused}");
        }
    }
}
