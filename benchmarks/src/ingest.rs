//! The ingest benchmark: an archive from nothing, again and again, beside what the same bytes take otherwise.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::corpus::Corpus;
use crate::machine::Machine;
use crate::process::{self, Sample};
use crate::report::{Report, Row, number, share};
use crate::workload::Workload;
use crate::{Failure, Options, peer};

/// The row that all others are held against.
const OURS: &str = "noctuary ingest";

/// Runs a workload.
pub fn run(workload: &Workload, corpus: &Corpus, options: &Options) -> Result<Report, Failure> {
    let machine = Machine::here();
    let work = options.work()?;
    let archive = work.join("archive");
    let runs = workload.runs;
    let mut samples = Vec::new();
    for number in 1..=runs {
        eprint!("  {OURS}, run {number} of {runs}:");
        let sample = take_in(corpus, &archive)?;
        remove(&archive)?;
        eprintln!(" {:.1} MB/s", sample.rate());
        samples.push(sample);
    }
    let rates: Vec<f64> = samples.iter().map(Sample::rate).collect();
    let ours = process::median(samples).ok_or_else(|| Failure("no run".into()))?;
    let mut report = Report::new(workload, machine);
    let mean = ours.bytes as f64 / ours.packets.max(1) as f64;
    report.fact("packets", format!("{}, {:.1} KB each on average", ours.packets, mean / 1e3));
    report.fact("transmitted", format!("{:.1} MB", ours.bytes as f64 / 1e6));
    report.fact(
        "runs",
        format!("{}, each into an archive of its own; {} MB/s", runs, joined(rates.iter().map(|r| number(*r)))),
    );
    report.fact("goal", goals(&ours));
    report.row(row(
        OURS,
        "all cores; hash, walk, take apart, columns, proof of every packet and commit included",
        &ours,
        &ours,
    ));
    if !options.no_references {
        for (step, name, what) in REFERENCES {
            eprintln!("  {name}");
            let sample = process::step(&arguments(&[step, &runs.to_string()], &corpus.sources))?;
            report.row(row(name, what, &sample, &ours));
        }
        eprintln!("  {}", peer::NAME);
        match peer::run(&work, corpus, options.quick) {
            Ok(sample) => report.row(row(peer::NAME, peer::WHAT, &sample, &ours)),
            Err(Failure(why)) => report.row(Row::not_run(peer::NAME, &why)),
        }
    }
    Ok(report)
}

/// Step, name, and what it is.
const REFERENCES: [(&str, &str, &str); 4] = [
    ("zstd", "zstd -3 -T2", "libzstd with two threads, from memory to nowhere"),
    ("sha256", "SHA-256", "one core, from memory"),
    ("walk", "walk", "one core, from memory: each datum followed to its last byte"),
    ("decode", "columns", "one core, from memory: Arrow columns without cutouts, not written"),
];

/// Removes a folder of ours if it is there.
pub fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::at(folder, e)),
        _ => Ok(()),
    }
}

/// Takes the packets of a corpus into a new archive.
pub fn take_in(corpus: &Corpus, archive: &Path) -> Result<Sample, Failure> {
    remove(archive)?;
    let mut paths = vec![archive.to_owned()];
    paths.extend(corpus.sources.iter().cloned());
    process::step(&arguments(&["ingest"], &paths))
}

/// A command line.
pub fn arguments(words: &[&str], paths: &[PathBuf]) -> Vec<OsString> {
    words.iter().map(OsString::from).chain(paths.iter().map(OsString::from)).collect()
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn goals(ours: &Sample) -> String {
    let fast = if ours.rate() >= 100.0 { "met" } else { "missed" };
    let small = match ours.peak_memory {
        Some(peak) if peak < 1 << 30 => "met",
        Some(_) => "missed",
        None => "not known",
    };
    format!("100 MB/s {fast}; under 1 GiB of memory {small}")
}

fn row(name: &str, what: &str, sample: &Sample, ours: &Sample) -> Row {
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    Row::new(name, what, sample)
        .cell("MB", number(sample.bytes as f64 / 1e6))
        .cell("seconds", number(sample.seconds))
        .cell("MB/s", number(sample.rate()))
        .cell("CPU seconds", cell(sample.processor_seconds))
        .cell("MB per CPU second", cell(sample.processor_seconds.map(|cpu| sample.bytes as f64 / 1e6 / cpu)))
        .cell("peak MiB", cell(sample.peak_memory.map(|peak| peak as f64 / f64::from(1 << 20))))
        .cell("out / in", sample.output.map_or_else(String::new, |out| share(out as f64 / sample.bytes as f64)))
        .cell("ingest is faster by", format!("{}x", number(ours.rate() / sample.rate())))
}
