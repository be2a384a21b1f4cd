//! The store benchmark: how small packets are kept, beside what the same bytes take otherwise.

use std::path::Path;

use noctuary_storage::space::{Space, space};
use noctuary_storage::{Archive, Location};

use crate::corpus::Corpus;
use crate::ingest::{arguments, remove, take_in};
use crate::machine::Machine;
use crate::process::{self, Sample};
use crate::report::{Report, Row, number, share};
use crate::workload::Workload;
use crate::{Failure, Options};

/// Runs a workload.
pub fn run(workload: &Workload, corpus: &Corpus, options: &Options) -> Result<Report, Failure> {
    let machine = Machine::here();
    let archive = options.work()?.join("archive");
    eprintln!("  ingesting");
    let taken = take_in(corpus, &archive)?;
    let space = shares_of(&archive)?;
    eprintln!("  merging");
    let merging = process::step(&arguments(&["compact"], std::slice::from_ref(&archive)))?;
    let merged = shares_of(&archive)?;
    remove(&archive)?;

    let mut report = Report::new(workload, machine);
    let mean = space.transmitted as f64 / space.packets.max(1) as f64;
    report.fact("packets", format!("{} stored, {:.1} KB each on average", space.packets, mean / 1e3));
    report.fact("transmitted", format!("{:.2} MB", space.transmitted as f64 / 1e6));
    let but_planes = |space: &Space| {
        let planes = space.shares.iter().filter(|(of, _)| of.kind == "planes").map(|(_, share)| share.bytes);
        share((space.bytes() - planes.sum::<u64>()) as f64 / space.transmitted as f64)
    };
    report.fact("all but planes", format!("{} of the transmitted bytes", but_planes(&space)));
    report.fact("all but planes, merged", format!("{} of the transmitted bytes", but_planes(&merged)));
    report.fact("ingest, proof and commit", format!("{} MB/s", number(taken.rate())));
    let peak = merging.peak_memory.map_or_else(String::new, |peak| format!(", peak memory {} MiB", peak >> 20));
    report
        .fact("merging, proof and commit", format!("{} MB/s of the files that it reads{peak}", number(merging.rate())));
    report.row(row("noctuary", "all that commits have put", space.bytes(), &space));
    report.row(row("noctuary, merged", "the same when all commits are merged", merged.bytes(), &space));
    for (of, share) in space.shares.iter().chain(merged.shares.iter().filter(|(of, _)| of.level != "commit")) {
        let level = if matches!(of.level, "" | "commit") { "" } else { ", merged" };
        let name = format!("{}: {}{level}", of.table, of.kind);
        report.row(row(&name, &format!("{} files, {} rows", share.files, share.rows), share.bytes, &space));
    }
    if !options.no_references {
        for (step, name, what) in REFERENCES {
            eprintln!("  {name}");
            let sample = process::step(&arguments(&[step], &corpus.sources))?;
            report.row(row(name, what, sample.output.unwrap_or_default(), &space));
        }
    }
    Ok(report)
}

/// What takes how much room in an archive.
fn shares_of(archive: &Path) -> Result<Space, Failure> {
    let work = async {
        let archive = Archive::open(Location::folder(archive)?).await?;
        let snapshot = archive.snapshot().await?;
        Ok(space(&archive, &snapshot, None).await?)
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Step, name, and what it is.
const REFERENCES: [(&str, &str, &str); 2] = [
    ("gzip", "gzip per packet", "each packet by itself, level 6, as brokers keep them in object stores"),
    ("zstd-long", "zstd -19 --long=31", "all packets one after the other, with a window over all of them"),
];

fn row(name: &str, what: &str, bytes: u64, space: &Space) -> Row {
    Row::new(name, what, &Sample { packets: space.packets, bytes, ..Sample::default() })
        .cell("MB", format!("{:.3}", bytes as f64 / 1e6))
        .cell("bytes per packet", number(bytes as f64 / space.packets.max(1) as f64))
        .cell("of transmitted", format!("{:.2} %", bytes as f64 / space.transmitted.max(1) as f64 * 100.0))
}
