//! The get benchmark: single packets by id, from an archive and from a folder with one gzip'd file per packet.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::corpus::{self, Corpus};
use crate::ingest::{arguments, remove};
use crate::machine::Machine;
use crate::process::{self, Sample};
use crate::report::{Report, Row, number};
use crate::step::file_of;
use crate::workload::Workload;
use crate::{Failure, Options};

/// Runs a workload.
pub fn run(workload: &Workload, corpus: &Corpus, options: &Options) -> Result<Report, Failure> {
    let machine = Machine::here();
    let work = options.work()?;
    let (archive, files, ids) = (work.join("archive"), work.join("files"), work.join("ids.txt"));
    let lookups = if options.quick { workload.lookups.div_ceil(5) } else { workload.lookups };
    std::fs::write(&ids, spread(&corpus.ids, lookups))?;

    eprintln!("  ingesting");
    remove(&archive)?;
    let mut paths = vec![archive.clone()];
    paths.extend(corpus.sources.iter().cloned());
    let taken = process::step(&arguments(&["ingest"], &paths))?;

    let mut report = Report::new(workload, machine);
    let mean = taken.bytes as f64 / taken.packets.max(1) as f64;
    report.fact("packets", format!("{} in the archive, {:.1} KB each on average", taken.packets, mean / 1e3));
    report.fact("look-ups", format!("{lookups} ids spread over the archive, one after the other"));
    report.fact(
        "runs",
        match workload.runs {
            1 => "1".to_owned(),
            runs => format!("{runs} of each; the middle one counts"),
        },
    );

    let of_archive = [archive.clone(), ids.clone()];
    let cold = forget(&archive)?;
    report.fact(
        "not in memory",
        if cold { "the system was told to forget the files first" } else { "not possible here: files may be cached" }
            .to_owned(),
    );
    eprintln!("  nights in order");
    let order = process::step(&arguments(&["nights"], std::slice::from_ref(&archive)))?;
    if order.packets != taken.packets {
        return Err(Failure(format!("{} packets of {} came back", order.packets, taken.packets)));
    }
    let read = order.output.map_or_else(String::new, |read| {
        format!(", {} bytes read for each that was given back", number(read as f64 / order.bytes as f64))
    });
    report.fact("nights in order", format!("{} MB/s{read}", number(order.rate())));
    eprintln!("  look-ups");
    let what = "an open archive; neither its footers nor the packets in memory";
    report.row(row("noctuary, not in memory", what, &middle(workload, &["get"], &of_archive, Some(&archive))?));
    let what = "the archive opened anew for each, as `noctuary get` does; files in the system's cache";
    report.row(row("noctuary, opened anew", what, &middle(workload, &["get", "--reopen"], &of_archive, None)?));
    let what = "an open archive, asked for the same packets before";
    report.row(row("noctuary, in memory", what, &middle(workload, &["get", "--warm"], &of_archive, None)?));
    if !options.no_references {
        eprintln!("  one file per packet: writing {} files", corpus.ids.len());
        let mut left = corpus.ids.iter();
        remove(&files)?;
        corpus::each(&corpus.sources, |bytes| {
            let Some(id) = left.next() else { return Ok(()) };
            let file = file_of(&files, &id.to_string());
            std::fs::create_dir_all(file.parent().unwrap_or(&files))?;
            let mut gzip = GzEncoder::new(std::fs::File::create(file)?, Compression::default());
            gzip.write_all(&bytes)?;
            gzip.finish()?;
            Ok(())
        })?;
        let of_files = [files.clone(), ids];
        let what = "each packet a gzip'd file of its own in a folder";
        report.row(row("files, not in memory", what, &middle(workload, &["get-file"], &of_files, Some(&files))?));
        let what = "the same files, read before";
        report.row(row("files, in memory", what, &middle(workload, &["get-file", "--warm"], &of_files, None)?));
        report.fact(
            "stored",
            format!(
                "{} MB in the archive (its columns included), {} MB as files",
                number(taken.output.unwrap_or_default() as f64 / 1e6),
                number(corpus::size_of(&files)? as f64 / 1e6)
            ),
        );
    }
    remove(&archive)?;
    remove(&files)?;
    Ok(report)
}

/// The middle one of a workload's runs of a step; before each, the system is told to forget a folder if one is named.
fn middle(workload: &Workload, words: &[&str], paths: &[PathBuf], forgotten: Option<&Path>) -> Result<Sample, Failure> {
    let mut samples = Vec::new();
    for _ in 0..workload.runs {
        if let Some(folder) = forgotten {
            forget(folder)?;
        }
        samples.push(process::step(&arguments(words, paths))?);
    }
    process::median(samples).ok_or_else(|| Failure("no run".into()))
}

/// Some of the ids, one a line, far from each other and in no order: steps of the golden section.
fn spread(ids: &[i64], count: usize) -> String {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let at = |n: usize| ids.get(((n as f64 * golden).fract() * ids.len() as f64) as usize);
    (1..=count.min(ids.len())).filter_map(at).map(|id| format!("{id}\n")).collect()
}

fn row(name: &str, what: &str, sample: &Sample) -> Row {
    let mut latencies = sample.latencies.clone();
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index.min(latencies.len().saturating_sub(1))).copied().map_or_else(String::new, number)
    };
    let each = |bytes: u64| number(bytes as f64 / 1e3 / sample.packets.max(1) as f64);
    Row::new(name, what, sample)
        .cell("median ms", at(0.5))
        .cell("p95 ms", at(0.95))
        .cell("slowest ms", at(1.0))
        .cell("KB a packet", each(sample.bytes))
        .cell("KB read", sample.output.map_or_else(String::new, each))
}

/// Has the system forget what it holds of the files of a folder. False where that cannot be asked for.
#[cfg(target_os = "linux")]
pub fn forget(folder: &Path) -> Result<bool, Failure> {
    use rustix::fs::{Advice, fadvise};
    for entry in std::fs::read_dir(folder).map_err(|e| Failure::at(folder, e))? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
            continue;
        }
        let file = std::fs::File::open(&path)?;
        // What is not on disk yet is not forgotten.
        file.sync_all()?;
        if fadvise(&file, 0, None, Advice::DontNeed).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
/// Has the system forget what it holds of the files of a folder: not possible here.
pub fn forget(_: &Path) -> Result<bool, Failure> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_spread() {
        let ids: Vec<i64> = (0..1_000).collect();
        let text = spread(&ids, 100);
        let mut chosen: Vec<i64> = text.lines().map(|line| line.parse().unwrap()).collect();
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 100);
        assert!(chosen.windows(2).all(|pair| pair[1] - pair[0] < 30));
        assert_eq!(spread(&ids[..3], 100).lines().count(), 3);
    }
}
