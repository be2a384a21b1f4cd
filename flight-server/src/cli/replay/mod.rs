//! `noctuary replay`: nights as if they were sent again.

mod live;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use clap::{Args, ValueEnum};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use noctuary_queries::replay::{Condition, Moment, Nights, Object, Pace, Piece, Plan, Region, Replays, Request, Shape};

use super::as_of::VersionArg;
use crate::bytesize::human;
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::flight::until;
use crate::open;
use crate::output::sink::note;
use crate::output::{Format, Shown, Sink, write_rows};
use crate::progress::{Step, Unit, Watch};

pub use live::run as run_live;

/// Send the alerts of past nights again: to a pipe, to files, or live over Flight.
///
/// Packets come as they were transmitted, byte for byte, in the order of night, visit, detector and arrival, and each is
/// checked against its SHA-256. Which ones is chosen by night, time, place, object or an SQL condition, as of any version.
/// With --pace visits come as far apart as they were, or so many times faster. docs/replay.md has all of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary replay --night 2026-11-09 -o frames/                    a folder for each night, a file for each packet
  noctuary replay --night 2026-11-09 --form tar -o nights/         as ZTF's archive has them: lsst_20261109.tar.gz
  noctuary replay --night 2026-11-09 --form avro -o avro/          object container files, one for each schema
  noctuary replay --night 2026-11-09 --pace 10 | ./broker          each packet behind its length, four bytes, big endian
  noctuary replay --night 2026-11-09..2026-11-20 --where 'diaSource.snr > 20' --cone 150.1,2.2,1.5 --form tar | noctuary ingest - --archive bright
  noctuary replay --shape slim --fields diaSourceId,diaSource.psfFlux -o slim/
  noctuary replay --shape sources --night 2026-11-09 -o triggers.parquet
  noctuary replay --night 2026-11-09 --live --listen 127.0.0.1:50052

The same night, archive and version give the same bytes every time.")]
pub struct ReplayArgs {
    /// Whose alerts; of several, visits come by their time [default: the survey that has alerts, if it is one].
    #[arg(long, value_name = "SURVEY", value_delimiter = ',')]
    pub survey: Vec<String>,
    /// A night, as 2026-11-09, or a range of them, 2026-11-09..2026-11-20 [default: all].
    #[arg(long, visible_alias = "nights", value_name = "NIGHT", value_delimiter = ',')]
    pub night: Vec<Nights>,
    /// Not before this time: 2026-11-10T03:00:00Z, or an MJD TAI.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Moment>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<Moment>,
    /// From this visit on, by its number.
    #[arg(long, value_name = "VISIT")]
    pub from_visit: Option<i64>,
    /// Up to this visit, by its number.
    #[arg(long, value_name = "VISIT")]
    pub to_visit: Option<i64>,
    /// Alerts of which this is true: SQL, as after WHERE in a question of the table `alerts`.
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
    /// Alerts of these objects; @FILE takes their ids from a file.
    #[arg(long, value_name = "ID,ID,...|@FILE")]
    pub objects: Option<String>,
    /// Alerts within a radius of a point, all in degrees.
    #[arg(long, value_name = "RA,DEC,RADIUS", allow_hyphen_values = true)]
    pub cone: Option<String>,
    /// Alerts between two right ascensions, going east, and two declinations, in degrees.
    #[arg(long = "box", value_name = "WEST,EAST,SOUTH,NORTH", allow_hyphen_values = true, conflicts_with = "cone")]
    pub sky_box: Option<String>,
    /// Alerts inside a polygon of three vertices or more, in degrees.
    #[arg(long, value_name = "RA,DEC,RA,DEC,...", allow_hyphen_values = true, conflicts_with_all = ["cone", "sky_box"])]
    pub polygon: Option<String>,
    /// Alerts in a coverage map: MOC 2.0 as ASCII or JSON, in a file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cone", "sky_box", "polygon"])]
    pub moc: Option<PathBuf>,
    /// What is given of a packet.
    #[arg(long, value_enum, default_value = "packets")]
    pub shape: ShapeName,
    /// Fields of slim packets, columns of alerts, fields of the trigger.
    #[arg(long, value_name = "FIELD,FIELD,...", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Leave the history out of alerts.
    #[arg(long)]
    pub no_history: bool,
    /// Leave forced photometry out of alerts.
    #[arg(long)]
    pub no_forced: bool,
    /// Give images with alerts.
    #[arg(long)]
    pub cutouts: bool,
    /// So many times the speed of the night, 1 for its own [default: as fast as it goes; 1 with --live].
    #[arg(long, value_name = "TIMES", allow_hyphen_values = true)]
    pub pace: Option<f64>,
    /// When the first visit is due, as 2026-12-01T20:00:00Z [default: a second from now].
    #[arg(long, value_name = "TIME")]
    pub begin: Option<String>,
    /// How packets are written [default: frames; avro if they are slim].
    #[arg(long, value_enum)]
    pub form: Option<Form>,
    /// A folder for packets, a file (.csv, .json, .parquet) for alerts and sources [default: standard output].
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Serve the replay over Flight as if the night began now, to any number of consumers, each with the full stream.
    #[arg(long, conflicts_with_all = ["output", "form"])]
    pub live: bool,
    /// Address and port of --live, of this machine only [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDRESS", requires = "live")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub version: VersionArg,
}

/// How packets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Each as it was transmitted: a file of its own, or on standard output behind its length (four bytes, big endian).
    Frames,
    /// Object container files, packets of one survey, night and schema in each.
    Avro,
    /// For each survey and night a .tar.gz with a file for each packet; a plain tar on standard output.
    Tar,
}

/// The shapes by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShapeName {
    /// The bytes that were transmitted.
    Packets,
    /// Columns in the packet's own shape.
    Alerts,
    /// The trigger, flat.
    Sources,
    /// An Avro datum of chosen fields.
    Slim,
}

impl ReplayArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// When something written is not what it should be.
    pub fn request(&self) -> Result<Request> {
        let request = Request {
            survey: self.survey.clone(),
            nights: self.night.clone(),
            from: self.from,
            to: self.to,
            from_visit: self.from_visit,
            to_visit: self.to_visit,
            condition: self.condition.clone().map(Condition::All),
            region: self.region()?,
            objects: self.objects.as_deref().map(objects).transpose()?.unwrap_or_default(),
            as_of: self.version.as_of.as_ref().map(ToString::to_string),
            shape: match self.shape {
                ShapeName::Packets => Shape::Packets,
                ShapeName::Alerts => Shape::Alerts,
                ShapeName::Sources => Shape::Sources,
                ShapeName::Slim => Shape::Slim,
            },
            history: !self.no_history,
            forced: !self.no_forced,
            cutouts: self.cutouts,
            fields: self.fields.clone(),
            pace: self.pace.or_else(|| self.live.then_some(1.0)),
            begin: self.begin.clone(),
            ..Request::default()
        };
        request.check()?;
        Ok(request)
    }

    fn region(&self) -> Result<Option<Region>> {
        if let Some(text) = &self.cone {
            let [ra, dec, radius] = angles(text, "--cone", "150.1,2.2,1.5")?;
            return Ok(Some(Region::Circle { ra, dec, radius }));
        }
        if let Some(text) = &self.sky_box {
            let [west, east, south, north] = angles(text, "--box", "149,151,1,3")?;
            return Ok(Some(Region::Box { ra: [west, east], dec: [south, north] }));
        }
        if let Some(text) = &self.polygon {
            let all = numbers(text, "--polygon", "10,10,20,10,15,20")?;
            let (vertices, rest) = all.as_chunks::<2>();
            if !rest.is_empty() {
                return Err(Failure::request("--polygon: a declination is missing; write 10,10,20,10,15,20"));
            }
            return Ok(Some(Region::Polygon(vertices.to_vec())));
        }
        let moc = self.moc.as_ref().map(|path| read_text(path)).transpose()?;
        Ok(moc.map(Region::Moc))
    }
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::from(e).during(path.display()))
}

fn numbers(text: &str, flag: &str, example: &str) -> Result<Vec<f64>> {
    let number = |part: &str| {
        let wrong = || Failure::request(format!("{flag} {text:?}: {part:?} is no number; write degrees, as {example}"));
        part.trim().parse::<f64>().map_err(|_| wrong())
    };
    text.split(',').map(number).collect()
}

fn angles<const N: usize>(text: &str, flag: &str, example: &str) -> Result<[f64; N]> {
    numbers(text, flag, example)?.try_into().map_err(|found: Vec<f64>| {
        Failure::request(format!("{flag} {text:?}: {} numbers where there should be {N}, as {example}", found.len()))
    })
}

fn objects(text: &str) -> Result<Vec<Object>> {
    let list = match text.strip_prefix('@') {
        Some(path) => read_text(Path::new(path))?,
        None => text.to_owned(),
    };
    let ids = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|id| !id.is_empty());
    let ids: Vec<Object> =
        ids.map(|id| id.parse().map_or_else(|_| Object::Text(id.to_owned()), Object::Number)).collect();
    if ids.is_empty() {
        return Err(Failure::request(format!("--objects {text:?} names no object")));
    }
    Ok(ids)
}

/// Runs the command.
pub async fn run(config: &Config, args: &ReplayArgs) -> Result<ExitCode> {
    let request = args.request()?;
    // What cannot be written is found out before anything is read.
    let columns = matches!(request.shape, Shape::Alerts | Shape::Sources);
    let format = match (columns, args.form) {
        (true, Some(_)) => {
            return Err(Failure::request(
                "--form is for packets; alerts and sources go to a .parquet, .csv or .json file",
            ));
        }
        (true, None) => Some(Format::chosen(None, args.output.as_deref())?),
        (false, _) => None,
    };
    let engine = Arc::new(open::reader_engine(config).await?);
    let replays = Replays::new(engine, config.rights.value.clone(), 0);
    let plan = replays.plan(&request, Utc::now().timestamp_millis()).await?;
    if let Some(why) = &plan.note {
        note(why);
    }
    let count = Arc::new(Count::default());
    let told = tokio::select! {
        told = write_all(&replays, &plan, args, format, &count) => told,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Err(Failure::new(Kind::Interrupted, "stopped"))
        }
    };
    told.map(|()| ExitCode::SUCCESS)
}

/// What has been replayed.
#[derive(Debug, Default)]
struct Count {
    packets: AtomicU64,
    lost: AtomicU64,
    /// The worst of the visits that came late, in milliseconds.
    late: AtomicU64,
}

async fn write_all(
    replays: &Replays,
    plan: &Plan,
    args: &ReplayArgs,
    format: Option<Format>,
    count: &Arc<Count>,
) -> Result<()> {
    let (read, total) = (Arc::clone(count), plan.packets());
    let watch = Watch::start("replayed", Unit::Count, move || {
        let late = read.late.load(Ordering::Relaxed) as f64 / 1e3;
        let message = if late > 0.05 { format!("at worst {late:.1} s late") } else { String::new() };
        Step { done: read.packets.load(Ordering::Relaxed), total: Some(total), message }
    });
    let begun = std::time::Instant::now();
    let pieces = pieces(replays, plan, Arc::clone(count))?;
    match format {
        Some(format) => {
            let rows = pieces.map_ok(|piece| piece.batch).map_err(|e| DataFusionError::External(Box::new(e)));
            let rows = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&plan.schema), rows));
            let mut sink = Sink::open(args.output.as_deref())?;
            let shown = Shown { rows: 100, whole: false, more: "-o FILE writes all" };
            write_rows(rows, format, shown, &mut sink).await?;
            sink.finish()?;
        }
        None => {
            let slim = plan.request.shape == Shape::Slim;
            let form = args.form.unwrap_or(if slim { Form::Avro } else { Form::Frames });
            if slim && form != Form::Avro {
                return Err(Failure::request(
                    "slim packets have a schema of their own, which --form avro writes with them",
                ));
            }
            let mut writer = write::Writer::new(form, args.output.as_deref(), &plan.schema)?;
            let mut pieces = std::pin::pin!(pieces);
            while let Some(piece) = pieces.try_next().await? {
                count.lost.fetch_add(writer.write(&piece.batch)?, Ordering::Relaxed);
            }
            writer.finish()?;
        }
    }
    drop(watch);
    let (packets, lost) = (count.packets.load(Ordering::Relaxed), count.lost.load(Ordering::Relaxed));
    note(format_args!(
        "replayed {packets} packets of {} visits, {}, in {:.1} s",
        plan.visits,
        human(plan.bytes()),
        begun.elapsed().as_secs_f64()
    ));
    if lost > 0 {
        note(format_args!(
            "{lost} of them could not be given whole, and were left out: their images were purged by order"
        ));
    }
    let late = count.late.load(Ordering::Relaxed);
    if late > 50 {
        note(format_args!("the pace was not kept: visits came up to {:.1} s late", late as f64 / 1e3));
    }
    Ok(())
}

/// All pieces of a plan, each visit when it is due.
fn pieces(
    replays: &Replays,
    plan: &Plan,
    count: Arc<Count>,
) -> Result<impl Stream<Item = Result<Piece>> + Send + 'static> {
    let replays = replays.clone();
    let parts = stream::iter(plan.parts()?).map(Ok::<_, Failure>);
    let all = parts.and_then(move |part| {
        let replays = replays.clone();
        async move {
            let pace = part.pace()?;
            let (_, pieces) = replays.stream(&part, &Default::default()).await?;
            Ok(pieces.map_err(Failure::from).map_ok(move |piece| (pace, piece)))
        }
    });
    let paced = all.try_flatten().scan(None, move |last, next: Result<(Option<Pace>, Piece)>| {
        let new = next.as_ref().ok().map(|(_, piece)| (Arc::clone(&piece.survey), piece.visit));
        let begins = new.is_some() && *last != new;
        *last = new.or_else(|| last.take());
        let count = Arc::clone(&count);
        async move {
            Some(match next {
                Ok((pace, piece)) => {
                    if let (Some(pace), true) = (pace, begins) {
                        let due = pace.due(piece.begins);
                        until(due).await;
                        let late = Utc::now().timestamp_millis() as f64 - due * 1e3;
                        count.late.fetch_max(late.max(0.0) as u64, Ordering::Relaxed);
                    }
                    count.packets.fetch_add(piece.batch.num_rows() as u64, Ordering::Relaxed);
                    Ok(piece)
                }
                Err(failure) => Err(failure),
            })
        }
    });
    Ok(paced)
}
