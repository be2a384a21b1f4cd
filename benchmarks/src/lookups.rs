//! The look-ups benchmark: flat past sources by id and by place, beside DuckDB over one sorted Parquet file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ask::{How, size_of_sources};
use crate::flat::Sources;
use crate::get::forget;
use crate::ingest::{arguments, remove};
use crate::machine::Machine;
use crate::process::{self, Sample, sample_of};
use crate::questions::{self, Question, compare};
use crate::report::{Report, Row, number};
use crate::workload::{Flat, Input, Workload};
use crate::{Failure, Options, corpus, peer};

/// Name of the peer's rows.
const PEER: &str = "DuckDB";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/duckdb_lookups.py");

/// DuckDB and the files that it reads.
struct Peer {
    python: PathBuf,
    files: Vec<PathBuf>,
}

/// What there is to ask, and whom.
struct Bench<'w> {
    workload: &'w Workload,
    archive: PathBuf,
    /// The file that a step reads its questions from.
    asked: PathBuf,
    questions: Vec<Question>,
    peer: Option<Peer>,
}

/// Runs a workload.
pub fn run(workload: &Workload, options: &Options) -> Result<Report, Failure> {
    let Input::Flat(flat) = &workload.input else {
        return Err(Failure("a workload of kind lookups needs flat rows as its input".into()));
    };
    let flat = if options.quick { smaller(flat) } else { flat.clone() };
    let mut report = Report::new(workload, Machine::here());
    let work = options.work()?.join("lookups");
    remove(&work)?;
    let sorted = work.join("sorted.parquet");
    eprintln!("  making {} rows", flat.rows);
    let sources = Sources::new(flat.clone());
    let nights = sources.write_nights(&work.join("nights"))?;
    let hot = sources.write_hot(&work.join("hot"))?;
    sources.write_sorted(&sorted)?;
    let mut peer = None;
    if !options.no_references {
        match peer::installed(&options.work()?) {
            Ok(python) => peer = Some(Peer { python, files: vec![sorted.clone()] }),
            Err(Failure(why)) => report.row(Row::not_run(PEER, &why)),
        }
    }
    let questions = questions::all(&sources, flat.nights, workload.runs);
    drop(sources);
    let (archive, asked) = (work.join("archive"), work.join("questions.json"));
    let mut bench = Bench { workload, archive, asked, questions, peer };

    eprintln!("  loading");
    let loaded = bench.load(&nights)?;
    remove(&work.join("nights"))?;
    eprintln!("  merging");
    let merged = process::step(&arguments(&["compact"], std::slice::from_ref(&bench.archive)))?;
    let rows = flat.rows;
    report.fact("rows", format!("{rows} of {} objects in {} nights, 45 columns", flat.objects, flat.nights));
    report.fact("loaded", taken(&loaded, rows));
    report.fact("merged", taken(&merged, rows));
    report.fact("on disk", bench.on_disk(&sorted)?);
    let of_all = workload.runs.min(questions::OF_ALL);
    report.fact("asked", format!("{} times each, of other objects and places; of all rows {of_all}", workload.runs));
    if bench.peer.is_some() {
        report.fact(PEER, "one Parquet file by place, object and time, with Bloom filters of the objects".into());
    }
    report.fact("questions", "in one process each, asked for the same before; session, plan and all rows".into());

    bench.check("merged")?;
    bench.warm(&mut report, "", true)?;
    bench.cold(&mut report, &sorted)?;
    eprintln!("  loading {} commits", hot.len());
    bench.load(&hot)?;
    if let Some(peer) = &mut bench.peer {
        peer.files.extend(hot.iter().cloned());
    }
    let state = format!(", {} commits behind", hot.len());
    bench.check(&state)?;
    bench.warm(&mut report, &state, false)?;
    remove(&work)?;
    Ok(report)
}

impl Bench<'_> {
    fn load(&self, files: &[PathBuf]) -> Result<Sample, Failure> {
        let mut paths = vec![self.archive.clone()];
        paths.extend(files.iter().cloned());
        process::step(&arguments(&["load"], &paths))
    }

    fn on_disk(&self, sorted: &Path) -> Result<String, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sources = runtime.block_on(size_of_sources(&self.archive))?;
        let index = self.archive.join("_index");
        let index = if index.is_dir() { corpus::size_of(&index)? } else { 0 };
        Ok(format!(
            "{} MiB of sources and {} MiB of their index; {} MiB as one sorted Parquet file with zstd 3",
            number(mebi(sources)),
            number(mebi(index)),
            number(mebi(corpus::size_of(sorted)?))
        ))
    }

    /// All answers, before anything is timed: they must be those of the peer.
    fn check(&self, state: &str) -> Result<(), Failure> {
        let Some(peer) = &self.peer else { return Ok(()) };
        eprintln!("  answers held against those of {PEER}");
        for question in &self.questions {
            let ours = self.ask(question, How::Answers)?;
            let theirs = self.ask_peer(peer, question, How::Answers)?;
            compare(
                &format!("{} ({})", question.name, state.trim_start_matches(", ")),
                &ours.answers,
                &theirs.answers,
            )?;
        }
        Ok(())
    }

    fn warm(&self, report: &mut Report, state: &str, with_peer: bool) -> Result<(), Failure> {
        eprintln!("  questions{state}");
        for question in &self.questions {
            let name = format!("{}{state}", question.name);
            report.row(self.row(&name, question.what, question.name, &self.ask(question, How::Warm)?));
            if let Some(peer) = self.peer.as_ref().filter(|_| with_peer) {
                let sample = self.ask_peer(peer, question, How::Warm)?;
                report.row(self.row(&format!("{PEER}: {}", question.name), "the same", "", &sample));
            }
        }
        Ok(())
    }

    /// One object each, with nothing in memory.
    fn cold(&self, report: &mut Report, sorted: &Path) -> Result<(), Failure> {
        let Some(question) = self.questions.first() else { return Ok(()) };
        eprintln!("  nothing in memory");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut forgotten = true;
        for sql in &question.sql {
            let one = Question { sql: vec![sql.clone()], ..*question };
            forgotten &= forget(&self.archive)?;
            ours.push(self.ask(&one, How::Cold)?);
            if let Some(peer) = &self.peer {
                forget(sorted.parent().unwrap_or(sorted))?;
                theirs.push(self.ask_peer(peer, &one, How::Cold)?);
            }
        }
        let what = if forgotten {
            "archive and engine opened too, in a process that has just begun; the system was told to forget the files"
        } else {
            "archive and engine opened too, in a process that has just begun; the system may hold the files"
        };
        report.row(self.row("1 id, not in memory", what, "", &together(ours)));
        if !theirs.is_empty() {
            report.row(self.row(&format!("{PEER}: 1 id, not in memory"), "the same", "", &together(theirs)));
        }
        Ok(())
    }

    fn ask(&self, question: &Question, how: How) -> Result<Sample, Failure> {
        self.write(question)?;
        process::step(&arguments(&["ask", "--how", how.word()], &[self.archive.clone(), self.asked.clone()]))
    }

    fn ask_peer(&self, peer: &Peer, question: &Question, how: How) -> Result<Sample, Failure> {
        self.write(question)?;
        let words = [OsString::from(SCRIPT), self.asked.clone().into(), how.word().into()];
        sample_of(Command::new(&peer.python).args(words).args(&peer.files))
    }

    fn write(&self, question: &Question) -> Result<(), Failure> {
        std::fs::write(&self.asked, serde_json::to_string(&question.sql)?).map_err(|e| Failure::at(&self.asked, e))
    }

    fn row(&self, name: &str, what: &str, goal: &str, sample: &Sample) -> Row {
        let mut latencies = sample.latencies.clone();
        latencies.sort_by(f64::total_cmp);
        let mut rows: Vec<u64> = sample.answers.iter().map(|answer| answer.rows).collect();
        rows.sort_unstable();
        let median = latencies.get(latencies.len() / 2).copied();
        let text = |value: Option<f64>| value.map_or_else(String::new, number);
        let goal = self.workload.must.get(goal);
        let met = goal.zip(median).map_or("", |(goal, median)| if median < *goal { "met" } else { "missed" });
        Row::new(name, what, sample)
            .cell("rows", rows.get(rows.len() / 2).map_or_else(String::new, u64::to_string))
            .cell("median ms", text(median))
            .cell("slowest ms", text(latencies.last().copied()))
            .cell("must ms", goal.map_or_else(String::new, f64::to_string))
            .cell("goal", met.to_owned())
            .cell("peak MiB", text(sample.peak_memory.map(mebi)))
    }
}

/// For `--quick`: as many rows of each object.
fn smaller(flat: &Flat) -> Flat {
    let part = flat.rows.div_ceil(flat.quick_rows.max(1)).max(1);
    Flat {
        rows: flat.quick_rows,
        objects: (flat.objects / part).max(40),
        hot_commits: flat.hot_commits.div_ceil(10),
        ..flat.clone()
    }
}

fn taken(sample: &Sample, rows: u64) -> String {
    let rate = rows as f64 / sample.seconds.max(1e-9);
    let peak = sample.peak_memory.map_or_else(String::new, |peak| format!(", {} MiB at most", number(mebi(peak))));
    format!("{} s, {rate:.0} rows a second{peak}", number(sample.seconds))
}

fn mebi(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// One sample of several processes; of memory the most.
fn together(samples: Vec<Sample>) -> Sample {
    samples.into_iter().fold(Sample::default(), |mut all, one| {
        all.seconds += one.seconds;
        all.peak_memory = all.peak_memory.max(one.peak_memory);
        all.latencies.extend(one.latencies);
        all.answers.extend(one.answers);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_rows_are_as_many_of_each_object() {
        let flat =
            Flat { seed: 1, rows: 10_000, quick_rows: 5_000, objects: 100, nights: 30, hot_commits: 200, hot_rows: 5 };
        let quick = smaller(&flat);
        assert_eq!((quick.rows / quick.objects, quick.hot_commits, quick.nights), (100, 20, 30));
    }
}
