//! The way it is done in Python: fastavro decodes, pyarrow writes Parquet.

use std::path::{Path, PathBuf};
use std::process::Command;

use noctuary_packet::schema::SchemaStore;

use crate::corpus::Corpus;
use crate::process::{Sample, sample_of};
use crate::{Failure, corpus};

/// Name of the row.
pub const NAME: &str = "fastavro + pyarrow";
/// What it is.
pub const WHAT: &str =
    "Python, one process: decode and write Parquet with zstd 3; nothing hashed, checked or committed";

/// The script and the packages it needs, with the versions that were compared.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/fastavro_parquet.py");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/requirements.txt");

/// It is slow: so many bytes tell its rate.
const BYTES: u64 = 200_000_000;
const QUICK_BYTES: u64 = 30_000_000;

/// Runs it over the first of the packets.
pub fn run(work: &Path, corpus: &Corpus, quick: bool) -> Result<Sample, Failure> {
    let python = installed(work)?;
    let schemas = work.join("schemas");
    std::fs::create_dir_all(&schemas)?;
    let known = SchemaStore::with_known();
    for (id, fingerprint) in known.ids() {
        if let Some(schema) = known.get(fingerprint) {
            std::fs::write(schemas.join(format!("{}.avsc", id.0)), schema.json())?;
        }
    }
    let output = work.join("python");
    crate::ingest::remove(&output)?;
    let mut command = Command::new(python);
    let bytes = if quick { QUICK_BYTES } else { BYTES };
    command.arg(SCRIPT).arg(&schemas).arg(&output).arg(bytes.to_string()).args(&corpus.sources);
    let mut sample = sample_of(&mut command)?;
    sample.output = Some(corpus::size_of(&output)?);
    crate::ingest::remove(&output)?;
    Ok(sample)
}

/// The Python of an environment with the packages, which is made if it is not there.
pub fn installed(work: &Path) -> Result<PathBuf, Failure> {
    let folder = work.join("venv");
    let python = folder.join("bin/python");
    let wanted = std::fs::read_to_string(REQUIREMENTS)?;
    let mark = folder.join("installed.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("    installing {}", wanted.split_whitespace().collect::<Vec<_>>().join(", "));
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]))?;
    std::fs::write(mark, wanted)?;
    Ok(python)
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    let name = format!(
        "{} {}",
        command.get_program().display(),
        command.get_args().next().map_or("".as_ref(), |a| a).display()
    );
    let output = command.output().map_err(|e| Failure(format!("{name}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure(format!("{name}: {}", text.lines().last().unwrap_or("failed"))))
}
