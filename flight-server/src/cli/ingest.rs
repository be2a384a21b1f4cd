//! `noctuary ingest`: taking packets in.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use noctuary_packet::container::Header;
use noctuary_packet::frame::{Form, form_of};
use noctuary_packet::schema::Schema;
use noctuary_storage::ingest::{IngestOptions, Progress, Report, Source, ingest};
use noctuary_storage::{Archive, Snapshot};

use super::QUARANTINED;
use crate::bytesize::{ByteSize, human};
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::sink::{note, print};
use crate::output::table::Grid;
use crate::progress::{Step, Unit, Watch};

/// Take packets in.
///
/// They are Confluent frames, Avro object container files, or bare datums of a schema that you name. Each packet is
/// read to its last byte, stored exactly as it is, and shown in columns. What cannot be read is quarantined with its
/// bytes and the reason, and never takes a good packet with it. An ingest that was stopped goes on where it was when it
/// is started again; packets that are already there are counted as duplicates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary ingest ~/alerts                        a folder with everything below it
  noctuary ingest ztf_public_20260407.tar.gz      a nightly tarball
  noctuary ingest --schema 'lsst 9.0' datums/     bare datums, all written with this schema
  producer | noctuary ingest -                    packets from standard input

The exit code is 0 if everything was stored or had been before, 3 if something was quarantined (`noctuary quarantine
list` shows what), 1 if the ingest failed, 2 if a source does not exist.")]
pub struct IngestArgs {
    /// Files, folders, .gz, .tar, .tar.gz, or - for standard input.
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Schema of datums without a frame: a name from `noctuary schema list`, or an .avsc or container file. A datum
    /// can read cleanly under the wrong version, so it is never guessed.
    #[arg(long, value_name = "NAME|FILE")]
    pub schema: Option<String>,
    /// Transmitted bytes after which a commit is made: more is faster, less is seen sooner.
    #[arg(long, value_name = "BYTES", default_value = "64MiB")]
    pub commit_size: ByteSize,
}

/// Runs the command.
pub async fn run(config: &Config, args: &IngestArgs) -> Result<ExitCode> {
    let archive = open::archive_or_new(config).await?;
    let snapshot = archive.snapshot().await?;
    let schema = args.schema.as_deref().map(|name| schema_of(name, &snapshot)).transpose()?;
    let options = options(config, schema, args.commit_size);
    let sources = args.sources.iter().map(|s| Source::parse(s)).collect();
    let progress = Arc::new(Progress::default());
    let watch = watch("ingest", &progress);
    let taken = take_in(&archive, sources, &options, &progress).await;
    drop(watch);
    let report = taken.map_err(as_typed)?;
    print(&summary(&report))?;
    Ok(exit_code(&report))
}

/// Takes sources in until they end or the user stops it.
///
/// # Errors
/// When the ingest fails or is stopped.
pub async fn take_in(
    archive: &Archive,
    sources: Vec<Source>,
    options: &IngestOptions,
    progress: &Arc<Progress>,
) -> Result<Report> {
    tokio::select! {
        report = ingest(archive, sources, options, progress) => Ok(report?),
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Err(Failure::new(Kind::Interrupted, format!(
                "stopped after {} commits; what was committed stays, and the same command goes on from there",
                progress.commits()
            )))
        }
    }
}

/// A source that is not there was most likely mistyped.
fn as_typed(failure: Failure) -> Failure {
    match failure.kind {
        Kind::NotFound => Failure::request(failure.message),
        _ => failure,
    }
}

/// Options of an ingest or a retry.
pub fn options(config: &Config, schema: Option<Arc<Schema>>, commit_size: ByteSize) -> IngestOptions {
    IngestOptions {
        schema,
        commit_bytes: usize::try_from(commit_size.0).unwrap_or(usize::MAX).max(1),
        threads: config.threads.value,
    }
}

/// Shows how an ingest comes along.
pub fn watch(label: &'static str, progress: &Arc<Progress>) -> Watch {
    let progress = Arc::clone(progress);
    Watch::start(label, Unit::Bytes, move || Step {
        done: progress.bytes_read(),
        total: progress.total_bytes(),
        message: format!(
            "{} packets, {} stored, {} quarantined",
            progress.packets(),
            progress.stored(),
            progress.quarantined()
        ),
    })
}

/// 0, or 3 if something was quarantined or could not be read at all.
pub fn exit_code(report: &Report) -> ExitCode {
    let told = match (report.reasons.is_empty(), report.refused_sources.is_empty()) {
        (true, true) => return ExitCode::SUCCESS,
        (false, _) => "something was quarantined: `noctuary quarantine list` shows it",
        // Nothing of it was a packet that could be kept.
        (true, false) => "a source was refused: `noctuary ledger --by source` shows why",
    };
    note(told);
    ExitCode::from(QUARANTINED)
}

/// The counts of an ingest, as text.
pub fn summary(report: &Report) -> String {
    let counts = &report.counts;
    let mut grid = Grid::new(&["", ">packets"]);
    for (name, count) in [
        ("received", counts.received),
        ("stored", counts.stored),
        ("duplicate", counts.duplicate),
        ("quarantined", counts.quarantined),
    ] {
        grid.row([name.to_owned(), count.to_string()]);
    }
    for (name, count) in [
        ("stored as revisions", counts.revisions),
        ("stored and flagged", counts.flagged),
        ("stored whole, not in parts", counts.inline),
    ] {
        if count > 0 {
            grid.row([name.to_owned(), count.to_string()]);
        }
    }
    let mut out = grid.render();
    out.push_str(&reasons(report));
    for (source, why) in &report.refused_sources {
        out.push_str(&format!("refused {source}: {why}\n"));
    }
    if !report.skipped.is_empty() {
        let few: Vec<&str> = report.skipped.iter().take(3).map(String::as_str).collect();
        let more = if report.skipped.len() > few.len() { ", ..." } else { "" };
        out.push_str(&format!("not alerts by their names, {} files: {}{more}\n", report.skipped.len(), few.join(", ")));
    }
    let already = match report.already {
        0 => String::new(),
        n => format!(", {n} of them taken in before"),
    };
    out.push_str(&format!(
        "{} in {} sources{already}; the archive is at version {}\n",
        human(counts.bytes.unsigned_abs()),
        report.sources,
        report.version
    ));
    out
}

/// Why packets were refused, and what can be done; nothing if none were.
pub fn reasons(report: &Report) -> String {
    if report.reasons.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(&["quarantined for", ">packets", "what to do"]);
    for (reason, count) in &report.reasons {
        grid.whole_row([reason.to_string(), count.to_string(), reason.remedy().to_owned()]);
    }
    format!("\n{}", grid.render())
}

/// A schema by what people call it, or from a file.
///
/// # Errors
/// When it is neither, or the file holds no schema.
pub fn schema_of(name: &str, snapshot: &Snapshot) -> Result<Arc<Schema>> {
    let path = std::path::Path::new(name);
    if path.is_file() {
        return schema_file(path);
    }
    Ok(snapshot.schemas().named(name)?)
}

/// The schema in an .avsc file, or in the header of a container file.
///
/// # Errors
/// When there is none.
pub fn schema_file(path: &std::path::Path) -> Result<Arc<Schema>> {
    let at = |e: Failure| e.during(path.display());
    let bytes = std::fs::read(path).map_err(|e| at(e.into()))?;
    let text = match form_of(&bytes) {
        Form::Container => {
            let (header, _) = Header::parse(&bytes).map_err(|e| at(Failure::request(e.to_string())))?;
            header.schema().to_owned()
        }
        _ => String::from_utf8(bytes)
            .map_err(|_| at(Failure::request("neither an .avsc file nor an Avro object container file")))?,
    };
    Ok(Arc::new(Schema::parse(&text).map_err(|e| at(e.into()))?))
}
