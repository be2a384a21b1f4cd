//! What is timed. Each of these runs in a process of its own and writes a [`Sample`] as JSON.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Subcommand;
use futures::TryStreamExt;
use noctuary_packet::decode::Decoder;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::schema::NodeId;
use noctuary_packet::survey::Surveys;
use noctuary_packet::time::Night;
use noctuary_packet::walk::{Validate, walk};
use noctuary_storage::compact::{Policy, compact};
use noctuary_storage::ingest::{IngestOptions, Progress, Source, ingest};
use noctuary_storage::night::in_order;
use noctuary_storage::{Access, Archive, Location, Meter, Table, packets};

use crate::Failure;
use crate::ask::{self, How};
use crate::consume;
use crate::corpus::{self, Packet};
use crate::process::{Sample, Watch, bytes_read, median};

/// Rows that are put in columns at a time.
const BATCH_ROWS: usize = 256;

/// Something that is timed.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Takes packets into a new archive.
    Ingest {
        /// A folder that does not exist yet.
        archive: PathBuf,
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// Merges all commits of an archive.
    Compact {
        /// The archive.
        archive: PathBuf,
    },
    /// Zstandard, level 3, two threads, over the packets one after the other.
    Zstd {
        /// How often.
        runs: usize,
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// Gzip of each packet by itself.
    Gzip {
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// Zstandard, level 19, over the packets one after the other, with the longest window there is.
    ZstdLong {
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// SHA-256 of each packet, one core.
    Sha256 {
        /// How often.
        runs: usize,
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// Following each datum to its last byte, one core.
    Walk {
        /// How often.
        runs: usize,
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// Putting datums in columns, cutouts left out, one core.
    Decode {
        /// How often.
        runs: usize,
        /// Files and folders.
        sources: Vec<PathBuf>,
    },
    /// Looks packets up by id.
    Get {
        /// The archive.
        archive: PathBuf,
        /// A file with one id a line.
        ids: PathBuf,
        /// Open the archive anew for each.
        #[arg(long)]
        reopen: bool,
        /// Ask for all of them once before.
        #[arg(long)]
        warm: bool,
    },
    /// Gives back the packets of every night in order.
    Nights {
        /// The archive.
        archive: PathBuf,
    },
    /// Serves an archive until it is killed; says where.
    Serve {
        /// The archive.
        archive: PathBuf,
    },
    /// Takes a replay from a server.
    Consume {
        /// Where it listens.
        address: String,
        /// What to ask for, JSON.
        request: String,
        /// So many at a time, each with all of it.
        consumers: usize,
    },
    /// Asks a server questions over Flight SQL.
    AskServed {
        /// Where it listens.
        address: String,
        /// A file with a list of questions, JSON.
        questions: PathBuf,
    },
    /// Loads flat rows of past sources.
    Load {
        /// The archive.
        archive: PathBuf,
        /// Parquet files.
        files: Vec<PathBuf>,
        /// Each in one commit, however many rows it has.
        #[arg(long)]
        whole: bool,
    },
    /// Asks questions.
    Ask {
        /// The archive.
        archive: PathBuf,
        /// A JSON list of them.
        questions: PathBuf,
        /// With a clock or without.
        #[arg(long)]
        how: How,
        /// Milliseconds that each request to the store takes longer; requests are counted then.
        #[arg(long)]
        far: Option<u64>,
    },
    /// Reads gzip'd files, one a packet.
    GetFile {
        /// The folder.
        folder: PathBuf,
        /// A file with one id a line.
        ids: PathBuf,
        /// Read all of them once before.
        #[arg(long)]
        warm: bool,
    },
}

/// Runs it and writes the sample.
pub fn run(step: &Step) -> Result<(), Failure> {
    let sample = match step {
        Step::Ingest { archive, sources } => take_in(archive, sources)?,
        Step::Compact { archive } => merge(archive)?,
        Step::Zstd { runs, sources } => repeat(*runs, sources, zstd)?,
        Step::Gzip { sources } => repeat(1, sources, gzip)?,
        Step::ZstdLong { sources } => repeat(1, sources, zstd_long)?,
        Step::Nights { archive } => nights(archive)?,
        Step::Serve { archive } => return serve(archive),
        Step::Consume { address, request, consumers } => {
            runtime()?.block_on(consume::consume(address, request, *consumers))?
        }
        Step::AskServed { address, questions } => runtime()?.block_on(ask::ask_served(address, questions))?,
        Step::Sha256 { runs, sources } => repeat(*runs, sources, |packets| {
            for packet in packets {
                black_box(PacketHash::of(&[&packet.bytes]));
            }
            Ok(None)
        })?,
        Step::Walk { runs, sources } => repeat(*runs, sources, |packets| {
            for packet in packets {
                walk(&packet.schema, packet.datum(), &mut Validate).map_err(|e| Failure(e.to_string()))?;
            }
            Ok(None)
        })?,
        Step::Decode { runs, sources } => repeat(*runs, sources, decode)?,
        Step::Get { archive, ids, reopen, warm } => get(archive, ids, *reopen, *warm)?,
        Step::Load { archive, files, whole } => runtime()?.block_on(ask::take_in(archive, files, *whole))?,
        Step::Ask { archive, questions, how, far: None } => runtime()?.block_on(ask::ask(archive, questions, *how))?,
        Step::Ask { archive, questions, how, far: Some(far) } => {
            runtime()?.block_on(ask::ask_far(archive, questions, *how, Duration::from_millis(*far)))?
        }
        Step::GetFile { folder, ids, warm } => {
            get_each(&read_ids(ids)?, *warm, |id| Ok(corpus::gunzip(&std::fs::read(file_of(folder, id))?)?.len()))?
        }
    };
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}

/// The file of a packet among files of one packet each.
pub fn file_of(folder: &std::path::Path, id: &str) -> PathBuf {
    // A few thousand files a folder.
    folder.join(&id[id.len().saturating_sub(2)..]).join(format!("{id}.avro.gz"))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Of the files that are merged: `bytes` are those that are read, `output` those that are written.
fn merge(archive: &std::path::Path) -> Result<Sample, Failure> {
    let policy = Policy { now: true, ..Policy::of(chrono::Utc::now().date_naive()) };
    let watch = Watch::start();
    let report = runtime()?.block_on(async {
        let archive = Archive::open(Location::folder(archive)?).await?;
        compact(&archive, &policy, &Meter::default()).await
    })?;
    Ok(Sample { packets: 0, bytes: report.bytes.0, output: Some(report.bytes.1), ..watch.stop() })
}

fn take_in(archive: &std::path::Path, sources: &[PathBuf]) -> Result<Sample, Failure> {
    let options = IngestOptions::default();
    let watch = Watch::start();
    let report = runtime()?.block_on(async {
        let archive = Archive::open_or_create(Location::folder(archive)?).await?;
        let sources = sources.iter().map(|path| Source::Path(path.clone())).collect();
        ingest(&archive, sources, &options, &Arc::new(Progress::default())).await
    })?;
    let mut sample = watch.stop();
    let counts = report.counts;
    if counts.quarantined > 0 || counts.stored + counts.duplicate != counts.received {
        return Err(Failure(format!("not everything was stored: {report:?}")));
    }
    sample.packets = counts.received.unsigned_abs();
    sample.bytes = counts.bytes.unsigned_abs();
    sample.output = Some(corpus::size_of(archive)?);
    Ok(sample)
}

/// Loads packets into memory and times something over them; the median of several runs.
fn repeat(
    runs: usize,
    sources: &[PathBuf],
    mut timed: impl FnMut(&[Packet]) -> Result<Option<u64>, Failure>,
) -> Result<Sample, Failure> {
    let packets = corpus::in_memory(sources)?;
    let mut samples = Vec::new();
    for _ in 0..runs.max(1) {
        let watch = Watch::start();
        let output = timed(&packets)?;
        samples.push(Sample { output, ..watch.stop() });
    }
    let mut sample = median(samples).unwrap_or_default();
    sample.packets = packets.len() as u64;
    sample.bytes = packets.iter().map(|p| p.bytes.len() as u64).sum();
    Ok(sample)
}

fn zstd(packets: &[Packet]) -> Result<Option<u64>, Failure> {
    let mut encoder = zstd::Encoder::new(CountingSink(0), 3)?;
    encoder.multithread(2)?;
    for packet in packets {
        encoder.write_all(&packet.bytes)?;
    }
    Ok(Some(encoder.finish()?.0))
}

fn gzip(packets: &[Packet]) -> Result<Option<u64>, Failure> {
    let mut bytes = 0;
    for packet in packets {
        let mut encoder = flate2::write::GzEncoder::new(CountingSink(0), flate2::Compression::new(6));
        encoder.write_all(&packet.bytes)?;
        bytes += encoder.finish()?.0;
    }
    Ok(Some(bytes))
}

fn zstd_long(packets: &[Packet]) -> Result<Option<u64>, Failure> {
    let mut encoder = zstd::Encoder::new(CountingSink(0), 19)?;
    encoder.multithread(2)?;
    encoder.long_distance_matching(true)?;
    encoder.window_log(31)?;
    for packet in packets {
        encoder.write_all(&packet.bytes)?;
    }
    Ok(Some(encoder.finish()?.0))
}

/// Serves as the program does.
fn serve(archive: &std::path::Path) -> Result<(), Failure> {
    let words = ["noctuary", "serve", "--listen", "127.0.0.1:0", "--archive"].map(std::ffi::OsString::from);
    noctuary::run_with(words.into_iter().chain([archive.as_os_str().to_owned()]));
    Err(Failure("the server has ended".into()))
}

/// Every packet of an archive, night by night, as it would be replayed.
fn nights(archive: &std::path::Path) -> Result<Sample, Failure> {
    let before = bytes_read();
    let watch = Watch::start();
    let (packets, bytes) = runtime()?.block_on(async {
        let archive = Archive::open(Location::folder(archive)?).await?;
        let snapshot = archive.snapshot().await?;
        let (mut packets, mut bytes) = (0, 0);
        for survey in snapshot.survey_names() {
            let files = snapshot.files(Table::Packets, Some(&survey));
            let nights: BTreeSet<i32> = files.filter_map(|f| f.stats.night).flat_map(|(from, to)| from..=to).collect();
            for night in nights {
                let mut stream = pin!(in_order(&archive, &snapshot, &survey, Night(night)));
                while let Some(packet) = stream.try_next().await? {
                    packets += 1;
                    bytes += packet.bytes()?.len() as u64;
                }
            }
        }
        Ok::<_, Failure>((packets, bytes))
    })?;
    let read = bytes_read().zip(before).map(|(now, before)| now - before);
    Ok(Sample { packets, bytes, output: read, ..watch.stop() })
}

fn decode(packets: &[Packet]) -> Result<Option<u64>, Failure> {
    let surveys = Surveys::built_in();
    let mut rest = packets;
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|p| p.schema.fingerprint() == first.schema.fingerprint()).count();
        let (run, later) = rest.split_at(same);
        let survey = surveys.recognise(&first.schema);
        let cutouts: Vec<NodeId> = survey
            .map(|survey| survey.cutout_nodes(&first.schema).into_iter().map(|(_, node)| node).collect())
            .unwrap_or_default();
        let mut decoder = Decoder::new(&first.schema, &cutouts, BATCH_ROWS).map_err(|e| Failure(e.to_string()))?;
        for rows in run.chunks(BATCH_ROWS) {
            for packet in rows {
                decoder.push(packet.datum()).map_err(|e| Failure(e.to_string()))?;
            }
            black_box(decoder.finish().map_err(|e| Failure(e.to_string()))?);
        }
        rest = later;
    }
    Ok(None)
}

/// Counts what is written and forgets it.
struct CountingSink(u64);

impl Write for CountingSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn read_ids(file: &std::path::Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::at(file, e))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn get(archive: &std::path::Path, ids: &std::path::Path, reopen: bool, warm: bool) -> Result<Sample, Failure> {
    let runtime = runtime()?;
    let open = || runtime.block_on(async { Archive::open(Location::folder(archive)?).await });
    let kept = open()?;
    get_each(&read_ids(ids)?, warm, |id| {
        let archive = if reopen { open()? } else { kept.clone() };
        runtime.block_on(async {
            let snapshot = archive.snapshot().await?;
            let found = packets::find(&archive, &snapshot, id, None, &Access::Everything).await?;
            let packet = found.first().ok_or_else(|| Failure(format!("alert {id} was not found")))?;
            Ok(packet.bytes()?.len())
        })
    })
}

fn get_each(
    ids: &[String],
    warm: bool,
    mut get: impl FnMut(&str) -> Result<usize, Failure>,
) -> Result<Sample, Failure> {
    if warm {
        for id in ids {
            get(id)?;
        }
    }
    let mut latencies = Vec::with_capacity(ids.len());
    let mut bytes = 0;
    let before = bytes_read();
    let watch = Watch::start();
    for id in ids {
        let began = Instant::now();
        bytes += get(id)? as u64;
        latencies.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let read = bytes_read().zip(before).map(|(now, before)| now - before);
    Ok(Sample { packets: ids.len() as u64, bytes, output: read, latencies, ..watch.stop() })
}
