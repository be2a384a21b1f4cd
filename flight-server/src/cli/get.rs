//! `noctuary get`: one packet, as it was sent.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use noctuary_packet::json::to_json;
use noctuary_storage::Snapshot;
use noctuary_storage::packets::{StoredPacket, find};

use super::as_of::VersionArg;
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::open;
use crate::output::Sink;
use crate::output::sink::note;

/// Get a packet back, byte for byte as it was sent.
///
/// It is found by the id of its alert (LSST: diaSourceId, ZTF: candid). As a frame it is byte for byte what was sent,
/// and its SHA-256 is checked on the way. As avro it is a file of one record that any Avro reader opens. As json it can
/// be read by people; images are left out there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary get 170239611403501617                          to the terminal, as JSON
  noctuary get 170239611403501617 -o packet.bin            exactly as it was sent
  noctuary get 170239611403501617 --format avro -o a.avro  for Avro readers
  noctuary get 689143710515010006 --survey ztf | sha256sum")]
pub struct GetArgs {
    /// Id of the alert.
    pub id: String,
    #[command(flatten)]
    pub which: Which,
    /// Its form [default: json on a terminal, frame elsewhere].
    #[arg(long, value_enum)]
    pub format: Option<GetFormat>,
    /// Write to a file, which appears once it is whole.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Which of several packets with the same id.
#[derive(Debug, Args)]
pub struct Which {
    /// Its survey; needed only if two surveys have an alert of this id.
    #[arg(long, value_name = "SURVEY")]
    pub survey: Option<String>,
    /// Which of several packets with this id and other bytes, from 0 [default: the newest].
    #[arg(long, value_name = "N")]
    pub revision: Option<i32>,
    #[command(flatten)]
    pub version: VersionArg,
}

/// The forms of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GetFormat {
    /// Byte for byte as it was sent, frame included.
    Frame,
    /// An Avro object container file of one record.
    Avro,
    /// JSON for people; bytes are shown by their length.
    Json,
}

/// Runs the command.
pub async fn run(config: &Config, args: &GetArgs) -> Result<ExitCode> {
    let (packet, _) = one_packet(config, &args.id, &args.which).await?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let format = args.format.unwrap_or(if sink.is_terminal() { GetFormat::Json } else { GetFormat::Frame });
    let bytes = match format {
        GetFormat::Frame => {
            sink.refuse_terminal("a packet as it was sent")?;
            packet.bytes()?
        }
        GetFormat::Avro => {
            sink.refuse_terminal("an Avro file")?;
            packet.container()?
        }
        GetFormat::Json => {
            let value = to_json(&packet.schema, &packet.datum)?;
            let mut text =
                if sink.is_terminal() { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }
                    .map_err(|e| Failure::internal(e.to_string()))?;
            text.push(b'\n');
            text
        }
    };
    sink.write_all(&bytes)?;
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The packet that is meant, and the version in which it was found; says on standard error when there are others.
///
/// # Errors
/// When there is none, or it is not clear which.
pub async fn one_packet(config: &Config, id: &str, which: &Which) -> Result<(StoredPacket, Snapshot)> {
    let (archive, _) = open::for_reader(config).await?;
    let snapshot = open::version(&archive, which.version.as_of.as_ref()).await?;
    let mut found = find(&archive, &snapshot, id, which.survey.as_deref(), &config.rights.value).await?;
    let mut surveys: Vec<&str> = found.iter().map(|p| p.survey.as_str()).collect();
    surveys.dedup();
    surveys.sort_unstable();
    surveys.dedup();
    if surveys.len() > 1 {
        let surveys = surveys.join(" and ");
        return Err(Failure::request(format!("{surveys} have an alert {id} each; say which with --survey")));
    }
    let revisions: Vec<String> = found.iter().map(|p| p.revision.to_string()).collect();
    let chosen = match which.revision {
        Some(revision) => found.iter().position(|p| p.revision == revision),
        None => found.len().checked_sub(1),
    };
    match chosen {
        Some(at) => {
            if which.revision.is_none() && found.len() > 1 {
                note(format_args!(
                    "there are revisions {} of alert {id}; this is the newest, --revision chooses another",
                    revisions.join(", ")
                ));
            }
            Ok((found.swap_remove(at), snapshot))
        }
        None if found.is_empty() => {
            Err(Failure::not_found(format!("no alert {id} here; `noctuary sql` finds ids by what alerts are like")))
        }
        None => Err(Failure::not_found(format!("alert {id} has revisions {}", revisions.join(", ")))),
    }
}
