//! `noctuary schema`: what the bytes of packets mean.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use noctuary_packet::schema::{Change, NodeId, RegistryId, Schema, Shape, diff};
use noctuary_storage::Snapshot;

use super::ingest::{schema_file, schema_of};
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::output::table::Grid;

/// List, show, compare and add schemas: what the bytes of packets mean.
///
/// LSST 7.4 to 11.1 come with the program. A container file brings its schema with it. For other Confluent frames the
/// schema has to be added with the id that the frames carry.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary schema list
  noctuary schema show 'lsst 11.1'
  noctuary schema diff 'lsst 11.0' 'lsst 11.1'
  noctuary schema add alert-12.0.avsc --id 1200      frames with id 1200 are read with it
  noctuary schema add alert.avro                     the schema of a container file, with its descriptions")]
pub struct SchemaArgs {
    #[command(subcommand)]
    pub command: SchemaCommand,
}

/// What to do with schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// List the schemas that are known, and how many packets each has.
    #[command(after_help = "Example:\n  noctuary schema list")]
    List,
    /// Show the fields of a schema with types, units and descriptions.
    #[command(after_help = "Examples:\n  noctuary schema show 1101\n  noctuary schema show ztf/3.3 --json")]
    Show {
        /// A name (`lsst 11.1`), the id of frames, the beginning of a fingerprint, or a file.
        name: String,
        /// The schema itself, as Avro's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what changed from one schema to another. Exit code 0 whether or not something did.
    #[command(after_help = "Example:\n  noctuary schema diff 'lsst 10.0' new.avsc")]
    Diff {
        /// The earlier one: a name or a file.
        from: String,
        /// The later one: a name or a file.
        to: String,
    },
    /// Add the schema of an .avsc file or of a container file.
    #[command(after_help = "Example:\n  noctuary schema add alert-12.0.avsc --id 1200")]
    Add {
        /// The file.
        file: PathBuf,
        /// The id by which Confluent frames name it; an id never gets a second meaning.
        #[arg(long, value_name = "N")]
        id: Option<u32>,
    },
}

/// Runs the command.
pub async fn run(config: &Config, args: &SchemaArgs) -> Result<ExitCode> {
    match &args.command {
        SchemaCommand::List => print(&list(&snapshot(config).await?))?,
        SchemaCommand::Show { name, json } => {
            let schema = schema_of(name, &snapshot(config).await?)?;
            if *json {
                print(&format!("{}\n", schema.json().trim_end()))?;
            } else {
                print(&show(&schema))?;
            }
        }
        SchemaCommand::Diff { from, to } => {
            let snapshot = snapshot(config).await?;
            let (from, to) = (schema_of(from, &snapshot)?, schema_of(to, &snapshot)?);
            print(&differences(&from, &to))?;
        }
        SchemaCommand::Add { file, id } => {
            let schema = schema_file(file)?;
            let archive = open::archive_or_new(config).await?;
            let snapshot = archive.add_schemas(&[(std::sync::Arc::clone(&schema), id.map(RegistryId))]).await?;
            let mut text = format!("added {} ({})", schema.label(), schema.fingerprint());
            match snapshot.registry_id(schema.fingerprint()) {
                Some(id) => text.push_str(&format!(" for frames with id {}\n", id.0)),
                None => text.push_str(
                    "\nframes name their schema by a number: if these packets come in Confluent frames, add it again \
                     with --id N (`noctuary quarantine show` tells the id of a packet that was refused)\n",
                ),
            }
            if snapshot.surveys().recognise(&schema).is_none() {
                text.push_str("no survey recognises it yet: `noctuary survey add FILE` says what its fields mean\n");
            }
            print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest version; without an archive, what comes with the program.
pub async fn snapshot(config: &Config) -> Result<Snapshot> {
    match open::archive(config).await {
        Ok(archive) => Ok(archive.snapshot().await?),
        Err(e) if e.kind == crate::error::Kind::NotFound => {
            let empty = noctuary_storage::Archive::open_or_create(noctuary_storage::Location::memory()?).await?;
            Ok(empty.snapshot().await?)
        }
        Err(e) => Err(e),
    }
}

fn list(snapshot: &Snapshot) -> String {
    let stored: Vec<_> = snapshot.survey_names().iter().flat_map(|s| snapshot.stored_schemas(s)).collect();
    let mut grid = Grid::new(&["survey", "name", "version", ">frame id", "fingerprint", ">packets"]);
    for schema in snapshot.schemas().list() {
        let packets: u64 =
            stored.iter().filter(|(s, _)| s.fingerprint() == schema.fingerprint()).map(|(_, rows)| rows).sum();
        grid.row([
            snapshot.surveys().recognise(&schema).map_or_else(|| "-".to_owned(), |s| s.name.clone()),
            schema.name().to_owned(),
            schema.version().unwrap_or("-").to_owned(),
            snapshot.registry_id(schema.fingerprint()).map_or_else(|| "-".to_owned(), |id| id.0.to_string()),
            schema.fingerprint().short(),
            packets.to_string(),
        ]);
    }
    grid.render()
}

fn show(schema: &Schema) -> String {
    let mut grid = Grid::new(&["field", "type", "unit", "description"]);
    fields(schema, NodeId::ROOT, "", &mut grid);
    format!("{} ({})\n{}", schema.label(), schema.fingerprint(), grid.render())
}

/// Fields in the writer's order, those of records and of lists of records below their own.
fn fields(schema: &Schema, record: NodeId, path: &str, grid: &mut Grid) {
    let Shape::Record(list) = &schema.node(record).shape else { return };
    for field in list {
        let at = if path.is_empty() { field.name.to_string() } else { format!("{path}.{}", field.name) };
        grid.row([
            at.clone(),
            schema.type_name(field.node),
            field.unit.as_deref().unwrap_or_default().to_owned(),
            field.doc.as_deref().unwrap_or_default().to_owned(),
        ]);
        let (mut node, _) = schema.unwrap_nullable(field.node);
        let mut below = at;
        while let Shape::Array(item) = &schema.node(node).shape {
            node = schema.unwrap_nullable(*item).0;
            below.push_str("[]");
        }
        fields(schema, node, &below, grid);
    }
}

fn differences(from: &Schema, to: &Schema) -> String {
    let changes = diff(from, to);
    if changes.is_empty() {
        return format!("{} and {} are the same\n", from.label(), to.label());
    }
    let mut grid = Grid::new(&["change", "field", from.label().as_str(), to.label().as_str()]);
    for change in changes {
        grid.row(match change {
            Change::Added { path, to } => ["added".to_owned(), path, String::new(), to],
            Change::Dropped { path, from } => ["dropped".to_owned(), path, from, String::new()],
            Change::Retyped { path, from, to } => ["type".to_owned(), path, from, to],
            Change::Unit { path, from, to } => ["unit".to_owned(), path, from, to],
            Change::Reordered { path } => {
                let record = if path.is_empty() { "(the alert)".to_owned() } else { path };
                ["order".to_owned(), record, String::new(), String::new()]
            }
        });
    }
    grid.render()
}
