//! `noctuary simulate`: nights of invented alerts, into files or into an archive.

mod tables;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::{Args, ValueEnum};
use noctuary_packet::hash::PacketHash;
use noctuary_simulator::hostile::Kind as Damage;
use noctuary_simulator::{Form, Plan, Simulation, SimulationError, Survey, Target};
use noctuary_storage::ingest::{IngestOptions, Progress, Source};

use super::ingest::{exit_code, summary, take_in};
use crate::bytesize::{ByteSize, human};
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::sink::print;
use crate::progress::{Step, Unit, Watch};

/// What stands for the archive where a folder could.
pub const ARCHIVE: &str = "archive:";
/// Objects in a field that are given when there are that many alerts in a visit, and at the natural rate.
const OBJECTS_PER_ALERT: u32 = 4;
const OBJECTS_PER_FIELD: u32 = 1_000;
/// Numbers of sources have room for this many objects in a field beside as many alerts as there can be.
const MOST_PER_FIELD: u32 = 200_000;

/// Make nights of alerts as a survey would send them.
///
/// The bytes of the packets and their statistics are like those of the real ones. One seed makes one stream, the same to the last byte on every machine and with any number of threads. Objects vary
/// as periodic stars, supernovae, flares, active nuclei and lenses do; their history grows from packet to packet;
/// minor planets pass and artefacts occur. --labels writes what everything really is. docs/simulator.md says what is
/// like the sky, and what is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary simulate --nights 2 alerts                       a folder for each night, a file for each packet
  noctuary simulate --nights 30 --rate 1000 --packet-size 82kB --form tar nights/
  noctuary simulate --field cosmos --field-radius 0.1 --rate 1100 --visits 100 archive:
  noctuary simulate --survey ztf --restricted 0.3 --form tar nights/
  noctuary simulate --late 0.05 --duplicates 0.02 --revisions 0.01 --labels truth.parquet archive:
  noctuary simulate --hostile all --nights 1 bad/           packets that have to be refused
  noctuary simulate --form rows --rate natural --objects 1000000 --fields 200 --nights 30 rows/

The exit code is 3 if the archive quarantined something, as it has to with --hostile.")]
pub struct SimulateArgs {
    /// A folder, made if it is not there, or `archive:` to take the alerts in at once; --archive says where.
    #[arg(value_name = "OUT")]
    pub out: String,
    /// Whose alerts: lsst or ztf.
    #[arg(long, value_name = "SURVEY", default_value = "lsst", value_parser = survey)]
    pub survey: Survey,
    /// Version of the packets: 9.0, 10.0, 11.0 or 11.1 of LSST, 3.3 or 4.02 of ZTF [default: the newest].
    #[arg(long, value_name = "VERSION")]
    pub schema: Option<String>,
    /// Everything follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many nights.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub nights: u32,
    /// The evening of the first, as 2026-11-09.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub from: Option<i32>,
    /// Visits in a night.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub visits: u32,
    /// Share of the visits that clouds take, by nights and by hours.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub weather: f64,
    /// Alerts in a visit, or `natural` for whatever is detected.
    #[arg(long, value_name = "N|natural", default_value = "25", value_parser = rate)]
    pub rate: Rate,
    /// Mean size of a packet, such as 82kB, reached through the length of history.
    #[arg(long, value_name = "BYTES")]
    pub packet_size: Option<ByteSize>,
    /// Where to look: RA,DEC in degrees, or a name such as cosmos, lmc, galactic-centre, north-pole, ra-zero. Can be
    /// given several times.
    #[arg(long, value_name = "NAME|RA,DEC")]
    pub field: Vec<Target>,
    /// Pointings of the telescope [default: those of --field, or 8 with the deep drilling fields].
    #[arg(long, value_name = "N")]
    pub fields: Option<u32>,
    /// Degrees around the middle of a field in which its objects are crowded together.
    #[arg(long, value_name = "DEGREES")]
    pub field_radius: Option<f64>,
    /// Objects on the sky, shared among the fields [default: four for each alert in a visit and field].
    #[arg(long, value_name = "N")]
    pub objects: Option<u32>,
    /// Share of alerts that are solar-system bodies.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub solar_system: f64,
    /// Share of alerts that are artefacts.
    #[arg(long, value_name = "SHARE", default_value_t = 0.08)]
    pub bogus: f64,
    /// Share of packets that arrive after others of later visits.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub late: f64,
    /// Share of packets that arrive twice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub duplicates: f64,
    /// Share of alerts that are sent again with other contents.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub revisions: f64,
    /// Share of ZTF's exposures that are not public: one half of the partnership, the other of Caltech.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub restricted: f64,
    /// Damage packets: kinds such as truncated,nan-position, or `all`. A kind that does not exist is answered with
    /// those that do.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub hostile: Vec<String>,
    /// Share of packets that --hostile damages.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub hostile_share: f64,
    /// How packets lie in the folder [default: frames].
    #[arg(long, value_enum, value_name = "FORM")]
    pub form: Option<FormName>,
    /// Write what everything really is to a table: .parquet, .csv or .json.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
}

/// The forms of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormName {
    /// Each packet as it is transmitted, a file each, a folder for each night.
    Frames,
    /// An Avro object container file for each visit.
    Containers,
    /// An Avro object container file for each packet.
    PacketContainers,
    /// A tar.gz for each night.
    Tar,
    /// No packets: their sources and objects as Parquet tables, millions of rows a second.
    Rows,
}

/// How many alerts there are in a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As many in each.
    Fixed(u32),
    /// As many as are detected.
    Natural,
}

fn survey(text: &str) -> Result<Survey, String> {
    let known = Survey::ALL.map(Survey::as_str);
    let found = Survey::ALL.into_iter().find(|known| known.as_str() == text);
    found.ok_or_else(|| format!("can be simulated: {}", known.join(", ")))
}

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "natural" => Ok(Rate::Natural),
        number => number.parse().map(Rate::Fixed).map_err(|_| "write a whole number, or natural".to_owned()),
    }
}

/// `2026-11-09`, or the digits alone. Whether there is such a day is checked with the plan.
fn date(text: &str) -> Result<i32, String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let date = digits.parse().ok().filter(|_| digits.len() == 8 && digits.chars().all(|c| c.is_ascii_digit()));
    date.ok_or_else(|| "write a date as 2026-11-09".to_owned())
}

/// Runs the command.
pub async fn run(config: &Config, args: &SimulateArgs) -> Result<ExitCode> {
    let plan = plan(args)?;
    if args.out == ARCHIVE && args.form.is_some() {
        return Err(Failure::request(format!("--form is for folders; into {ARCHIVE} packets go as they are")));
    }
    let simulation = {
        let _watch = Watch::start("making the sky", Unit::Count, Step::default);
        tokio::task::spawn_blocking(move || Simulation::new(plan)).await?.map_err(as_failure)?
    };
    let code = match (&*args.out, args.form.unwrap_or(FormName::Frames)) {
        (ARCHIVE, _) => into_archive(config, &simulation).await?,
        (folder, FormName::Rows) => tables::rows(&simulation, Path::new(folder)).await?,
        (folder, form) => into_folder(config, &simulation, form, Path::new(folder)).await?,
    };
    if let Some(path) = &args.labels {
        tables::labels(&simulation, path).await?;
    }
    Ok(code)
}

/// What the arguments ask for.
fn plan(args: &SimulateArgs) -> Result<Plan> {
    let defaults = Plan::default();
    let named = u32::try_from(args.field.len()).unwrap_or(u32::MAX);
    let fields = args.fields.unwrap_or(if named == 0 { 8 } else { named });
    let (alerts_per_visit, each, natural_rate) = match args.rate {
        Rate::Fixed(alerts) => (alerts, alerts.saturating_mul(OBJECTS_PER_ALERT).min(MOST_PER_FIELD), false),
        Rate::Natural => (defaults.alerts_per_visit, OBJECTS_PER_FIELD, true),
    };
    let packet_bytes = args.packet_size.map(|size| u32::try_from(size.0)).transpose();
    let mut hostile = Vec::new();
    for name in &args.hostile {
        match name.as_str() {
            "all" => hostile.extend(Damage::ALL),
            name => hostile.push(name.parse::<Damage>().map_err(|e| Failure::request(format!("--hostile: {e}, all")))?),
        }
    }
    let plan = Plan {
        survey: args.survey,
        schema: args.schema.clone(),
        seed: args.seed,
        nights: args.nights,
        first_night: args.from.unwrap_or(defaults.first_night),
        visits_per_night: args.visits,
        weather_loss: args.weather,
        alerts_per_visit,
        natural_rate,
        objects: args.objects.unwrap_or_else(|| each.saturating_mul(fields).clamp(1, 2_000_000)),
        fields,
        targets: args.field.clone(),
        field_radius: args.field_radius,
        packet_bytes: packet_bytes.map_err(|_| Failure::request("--packet-size: packets are smaller than 4 GiB"))?,
        solar_system_share: args.solar_system,
        bogus_share: args.bogus,
        late_share: args.late,
        duplicate_share: args.duplicates,
        revision_share: args.revisions,
        restricted_share: args.restricted,
        hostile,
        hostile_share: args.hostile_share,
    };
    plan.check().map_err(as_failure)?;
    Ok(plan)
}

fn as_failure(error: SimulationError) -> Failure {
    match error {
        SimulationError::NoSchema(_) => Failure::internal(error.to_string()),
        _ => Failure::request(error.to_string()),
    }
}

/// How many packets come, unless that takes long to find out.
fn known_total(simulation: &Simulation) -> Option<u64> {
    (!simulation.plan().natural_rate).then(|| simulation.total())
}

async fn into_archive(config: &Config, simulation: &Simulation) -> Result<ExitCode> {
    let archive = open::archive_or_new(config).await?;
    let progress = Arc::new(Progress::default());
    let (watched, total) = (Arc::clone(&progress), known_total(simulation));
    let watch = Watch::start("simulating and taking in", Unit::Count, move || Step {
        done: watched.packets(),
        total,
        message: human(watched.bytes_read()),
    });
    // The name says what the packets are made from: another plan makes another source.
    let text = serde_json::to_string(simulation.plan()).map_err(|e| Failure::internal(e.to_string()))?;
    let digest = PacketHash::of(&[text.as_bytes()]).to_hex();
    let name = format!("simulated-{}-{}", simulation.plan().seed, digest.get(..12).unwrap_or(&digest));
    let packets = Box::new(simulation.packets_on(config.threads.value).map(|packet| packet.bytes));
    let options = IngestOptions { threads: config.threads.value, ..IngestOptions::default() };
    let taken = take_in(&archive, vec![Source::packets(&name, packets)], &options, &progress).await;
    drop(watch);
    let report = taken?;
    print(&summary(&report))?;
    Ok(exit_code(&report))
}

/// How far the writing is, and whether it is to stop.
#[derive(Debug, Default)]
struct Writing {
    packets: AtomicU64,
    bytes: AtomicU64,
    stop: AtomicBool,
}

async fn into_folder(config: &Config, simulation: &Simulation, form: FormName, folder: &Path) -> Result<ExitCode> {
    let form = match form {
        FormName::Containers => Form::Containers,
        FormName::PacketContainers => Form::PacketContainers,
        FormName::Tar => Form::Tar,
        FormName::Frames | FormName::Rows => Form::Frames,
    };
    let writing = Arc::new(Writing::default());
    let (watched, total) = (Arc::clone(&writing), known_total(simulation));
    let watch = Watch::start("simulating", Unit::Count, move || Step {
        done: watched.packets.load(Ordering::Relaxed),
        total,
        message: human(watched.bytes.load(Ordering::Relaxed)),
    });
    let (simulation, to, seen) = (simulation.clone(), folder.to_owned(), Arc::clone(&writing));
    let threads = config.threads.value;
    let mut work = tokio::task::spawn_blocking(move || {
        simulation.write(simulation.packets_on(threads), form, &to, |packet| {
            if seen.stop.load(Ordering::Relaxed) {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
            seen.packets.fetch_add(1, Ordering::Relaxed);
            seen.bytes.fetch_add(packet.bytes.len() as u64, Ordering::Relaxed);
            Ok(())
        })
    });
    let written = tokio::select! {
        written = &mut work => written?.map_err(|e| Failure::from(e).during(folder.display()))?,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            writing.stop.store(true, Ordering::Relaxed);
            // It stops at the next packet; how it fails then is known.
            let _ = work.await;
            drop(watch);
            return Err(Failure::new(Kind::Interrupted, "stopped; the files that have their names are whole"));
        }
    };
    drop(watch);
    print(&format!(
        "{} packets, {}, in {} files below {}\n",
        written.packets,
        human(written.bytes),
        written.files,
        folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_rates_are_read() {
        assert_eq!(date("2026-11-09"), Ok(20_261_109));
        assert_eq!(date("20261109"), Ok(20_261_109));
        assert!(date("9.11.2026").is_err() && date("2026-1-1").is_err() && date("").is_err());
        assert_eq!(rate("natural"), Ok(Rate::Natural));
        assert_eq!(rate("300"), Ok(Rate::Fixed(300)));
        assert!(rate("-3").is_err() && survey("gaia").is_err() && survey("lsst") == Ok(Survey::Lsst));
    }
}
