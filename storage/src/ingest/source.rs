//! Where packets come from, and in which order.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Result, StorageError};
use crate::log::SourceId;

/// Something to take packets from.
pub enum Source {
    /// A file, or a folder with everything below it.
    Path(PathBuf),
    /// Standard input. With a name it can be taken up again where it was left.
    Stdin {
        /// What it is called in the ledger.
        name: Option<String>,
    },
    /// Packets that the program makes itself, each with its frame.
    Packets {
        /// What they are called in the ledger; the same name must always mean the same packets.
        name: String,
        /// The packets.
        packets: Box<dyn Iterator<Item = Vec<u8>> + Send>,
    },
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stdin { name } => f.debug_tuple("Stdin").field(name).finish(),
            Self::Packets { name, .. } => f.debug_tuple("Packets").field(name).finish(),
        }
    }
}

impl Source {
    /// What is written on a command line: a path, or `-` for standard input.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "-" { Self::Stdin { name: None } } else { Self::Path(text.into()) }
    }

    /// Packets that the program makes itself.
    #[must_use]
    pub fn packets(name: &str, packets: Box<dyn Iterator<Item = Vec<u8>> + Send>) -> Self {
        Self::Packets { name: name.to_owned(), packets }
    }
}

/// One input, opened on its own, with a position of its own.
pub(super) struct Input {
    pub id: SourceId,
    pub from: From,
    /// Bytes to read, where that is known.
    pub size: Option<u64>,
}

pub(super) enum From {
    File(PathBuf),
    Stdin,
    Packets(Box<dyn Iterator<Item = Vec<u8>> + Send>),
}

/// What the sources come down to.
#[derive(Default)]
pub(super) struct Inputs {
    pub inputs: Vec<Input>,
    /// Files of folders that do not look like alerts.
    pub skipped: Vec<String>,
    /// Sources that cannot be used at all, and why.
    pub refused: Vec<(String, String)>,
}

/// Lists the inputs of all sources, folders in the order of their names.
///
/// # Errors
/// When a path that was named does not exist: most likely a typing error, so nothing is begun.
pub(super) fn list(sources: Vec<Source>, run: &str) -> Result<Inputs> {
    let mut found = Inputs::default();
    for source in sources {
        match source {
            Source::Stdin { name } => {
                let (url, mark) = match name {
                    Some(name) => (format!("stdin:{name}"), String::new()),
                    None => ("stdin:".to_owned(), run.to_owned()),
                };
                found.inputs.push(Input { id: SourceId { url, mark }, from: From::Stdin, size: None });
            }
            Source::Packets { name, packets } => {
                let id = SourceId { url: format!("made:{name}"), mark: String::new() };
                found.inputs.push(Input { id, from: From::Packets(packets), size: None });
            }
            Source::Path(path) => {
                let doing = || path.display().to_string();
                let absolute = path.canonicalize().map_err(|e| StorageError::from(e).during(doing()))?;
                if absolute.is_dir() {
                    folder(&absolute, &mut found);
                } else {
                    file(absolute, &mut found);
                }
            }
        }
    }
    // What was named twice, or lies in a folder that was named too, is one input.
    let mut seen = HashSet::new();
    found.inputs.retain(|input| seen.insert(input.id.clone()));
    Ok(found)
}

fn folder(folder: &Path, found: &mut Inputs) {
    let before = found.inputs.len() + found.refused.len();
    let mut open = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    // Links may lead back to where they lie.
    let mut been = HashSet::new();
    while let Some(at) = open.pop() {
        if !at.canonicalize().is_ok_and(|place| been.insert(place)) {
            continue;
        }
        let entries = match std::fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(e) => {
                found.refused.push((url_of(&at), format!("the folder cannot be read ({e})")));
                continue;
            }
        };
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(e) => {
                    found.refused.push((url_of(&at), format!("the folder cannot be read to its end ({e})")));
                    break;
                }
            };
            if path.is_dir() {
                open.push(path);
            } else if looks_like_alerts(&path) {
                files.push(path);
            } else {
                found.skipped.push(path.display().to_string());
            }
        }
    }
    files.sort();
    found.skipped.sort();
    for path in files {
        file(path, found);
    }
    if found.inputs.len() + found.refused.len() == before {
        found.refused.push((url_of(folder), "no alerts in this folder".to_owned()));
    }
}

fn file(path: PathBuf, found: &mut Inputs) {
    match readable(&path) {
        Ok(meta) => {
            let id = id_of(&path, &meta);
            found.inputs.push(Input { id, from: From::File(path), size: Some(meta.len()) });
        }
        Err(e) => found.refused.push((url_of(&path), format!("the file cannot be read ({e})"))),
    }
}

fn id_of(path: &Path, meta: &std::fs::Metadata) -> SourceId {
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    SourceId { url: url_of(path), mark: format!("{}-{}", meta.len(), modified.map_or(0, |t| t.as_nanos())) }
}

/// What a file is called as a source.
pub(crate) fn id_of_file(path: &Path) -> std::io::Result<SourceId> {
    let path = path.canonicalize()?;
    Ok(id_of(&path, &std::fs::metadata(&path)?))
}

/// A file that cannot be opened is refused and not taken for an empty one, so that it is read once it can be.
fn readable(path: &Path) -> std::io::Result<std::fs::Metadata> {
    let meta = std::fs::metadata(path)?;
    if meta.is_file() { std::fs::File::open(path)?.metadata() } else { Ok(meta) }
}

fn url_of(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from)
}

/// By its name: a file that is named on the command line is always tried, one that merely lies in a folder has to
/// look like alerts. Schemas, notes and pictures lie there too.
pub(super) fn looks_like_alerts(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.starts_with('.') {
        return false;
    }
    let inner = name.strip_suffix(".gz").unwrap_or(&name);
    match Path::new(inner).extension().and_then(|e| e.to_str()) {
        None => true,
        Some(extension) => {
            matches!(extension, "avro" | "ocf" | "bin" | "dat" | "msg" | "frame" | "tar" | "tgz")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_known_by_their_names() {
        for yes in ["1.avro", "1.avro.gz", "night.tar.gz", "night.tgz", "20260407", "a.OCF"] {
            assert!(looks_like_alerts(Path::new(yes)), "{yes}");
        }
        for no in ["schema.json", "README.md", ".hidden.avro", "x.avsc", "plot.png", "x.json.gz"] {
            assert!(!looks_like_alerts(Path::new(no)), "{no}");
        }
    }
}
