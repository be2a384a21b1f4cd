//! The look-ups benchmark: flat past sources by id and by place, beside DuckDB over one sorted
//! Parquet file and PostgreSQL.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::ask::{How, size_of_sources};
use crate::far::Counted;
use crate::flat::Sources;
use crate::get::forget;
use crate::ingest::{arguments, remove};
use crate::lookup_peers::{DUCKDB_NAME, POSTGRES_NAME, Peer};
use crate::machine::Machine;
use crate::positions;
use crate::process::{self, Sample};
use crate::questions::{self, Question, compare};
use crate::report::{Report, Row, number};
use crate::server::Server;
use crate::workload::{FarStore, Flat, Input, Limits, Workload};
use crate::{Failure, Options, corpus, peer};

/// Questions that are asked of the survey's own table too.
const OF_NAMED: [&str; 4] = ["1 id", "100 ids", "cone of 5 arcsec", "cone of 1 degree, plane"];
/// The file of the peers, in the working folder.
const SORTED: &str = "sorted.parquet";

/// What there is to ask, and whom.
pub struct Bench<'w> {
    workload: &'w Workload,
    archive: PathBuf,
    /// What was loaded, a file for each night.
    nights: Vec<PathBuf>,
    /// The file that a step reads its questions from.
    asked: PathBuf,
    /// All of them.
    pub questions: Vec<Question>,
    peers: Vec<Peer>,
    /// What loading and merging took.
    took: [Sample; 2],
    /// The most memory that a process of ours took to answer.
    most_memory: Cell<u64>,
}

/// Runs a workload.
pub fn run(workload: &Workload, options: &Options) -> Result<Report, Failure> {
    let Input::Flat(flat) = &workload.input else {
        return Err(Failure("a workload of kind lookups needs flat rows as its input".into()));
    };
    let flat = if options.quick { quick(flat) } else { flat.clone() };
    let mut report = Report::new(workload, Machine::here());
    let work = options.work()?.join("lookups");
    remove(&work)?;
    let mut peers = Vec::new();
    if !options.no_references {
        let python = peer::installed(&options.work()?);
        for (name, made) in
            [(DUCKDB_NAME, python.clone().map(Peer::duckdb)), (POSTGRES_NAME, python.and_then(Peer::postgres))]
        {
            match made {
                Ok(peer) => peers.push(peer),
                Err(Failure(why)) => report.row(Row::not_run(name, &why)),
            }
        }
    }
    let sources = Sources::new(flat.clone());
    let mut bench = Bench::prepare(workload, &flat, &sources, &work, peers)?;
    let hot = sources.write_hot(&work.join("hot"))?;
    drop(sources);

    let sorted = work.join(SORTED);
    let rows = flat.rows;
    let [loaded, merged] = &bench.took;
    report.fact("rows", format!("{rows} of {} objects in {} nights, 45 columns", flat.objects, flat.nights));
    report.fact("loaded", taken(loaded, rows));
    report.fact("merged", taken(merged, rows));
    report.fact("on disk", bench.on_disk(&sorted)?);
    let of_all = workload.runs.min(questions::OF_ALL);
    report.fact("asked", format!("{} times each, of other objects and places; of all rows {of_all}", workload.runs));
    for peer in &bench.peers {
        report.fact(peer.name(), peer.what().into());
    }
    report.fact("questions", "in one process each, asked for the same before; session, plan and all rows".into());

    bench.check("merged")?;
    bench.warm(&mut report, "", true)?;
    bench.named(&mut report)?;
    bench.served(&mut report)?;
    bench.cold(&mut report, &sorted)?;
    if let Some(far) = &workload.far {
        bench.far(&mut report, far)?;
    }
    eprintln!("  loading {} commits", hot.len());
    bench.load(&["load"], &hot)?;
    for peer in &mut bench.peers {
        peer.add(&hot)?;
    }
    let state = format!(", {} commits behind", hot.len());
    bench.check(&state)?;
    bench.warm(&mut report, &state, false)?;
    eprintln!("  loading nights and commits");
    bench.by_night(&hot)?;
    let state = format!(", {} nights and {} commits", flat.nights, hot.len());
    bench.check(&state)?;
    bench.warm(&mut report, &state, false)?;
    report.fact("memory to answer", bench.memory());
    drop(bench);
    remove(&work)?;
    Ok(report)
}

impl<'w> Bench<'w> {
    /// Makes the rows, gives them to the peers, loads them into an archive and merges it.
    pub fn prepare(
        workload: &'w Workload,
        flat: &Flat,
        sources: &Sources,
        work: &Path,
        mut peers: Vec<Peer>,
    ) -> Result<Self, Failure> {
        eprintln!("  making {} rows", flat.rows);
        let (files, sorted) = (work.join("nights"), work.join(SORTED));
        let nights = sources.write_nights(&files)?;
        sources.write_sorted(&sorted)?;
        let (archive, asked) = (work.join("archive"), work.join("questions.json"));
        let list = positions::beside(&archive);
        positions::write(&list, &questions::plain(sources))?;
        for peer in &mut peers {
            eprintln!("  for {}", peer.name());
            peer.add(&[sorted.clone(), list.clone()])?;
        }
        let questions = questions::all(sources, flat.nights, workload.runs);
        let mut bench = Self {
            workload,
            archive,
            nights,
            asked,
            questions,
            peers,
            took: Default::default(),
            most_memory: Cell::default(),
        };
        eprintln!("  loading");
        let loaded = bench.load(&["load"], &bench.nights)?;
        eprintln!("  merging");
        let merged = process::step(&arguments(&["compact"], std::slice::from_ref(&bench.archive)))?;
        bench.took = [loaded, merged];
        Ok(bench)
    }

    fn load(&self, how: &[&str], files: &[PathBuf]) -> Result<Sample, Failure> {
        let mut paths = vec![self.archive.clone()];
        paths.extend(files.iter().cloned());
        process::step(&arguments(how, &paths))
    }

    /// From now on asks another archive of the same rows, which lie in one file for each night, with commits behind them.
    fn by_night(&mut self, hot: &[PathBuf]) -> Result<(), Failure> {
        self.archive = self.archive.with_file_name("archive-of-nights");
        self.load(&["load", "--whole"], &self.nights)?;
        self.load(&["load"], hot).map(drop)
    }

    fn on_disk(&self, sorted: &Path) -> Result<String, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sources = runtime.block_on(size_of_sources(&self.archive))?;
        let index = self.archive.join("_index");
        let index = if index.is_dir() { corpus::size_of(&index)? } else { 0 };
        Ok(format!(
            "{} MiB of sources{} and {} MiB of their index; {} MiB as one sorted Parquet file with zstd 3",
            number(mebi(sources)),
            self.held_against(|limits| limits.disk_mib, mebi(sources)),
            number(mebi(index)),
            number(mebi(corpus::size_of(sorted)?))
        ))
    }

    /// All answers, before anything is timed: they must be those of the peers.
    pub fn check(&self, state: &str) -> Result<(), Failure> {
        if self.peers.is_empty() {
            return Ok(());
        }
        eprintln!("  answers held against those of others");
        for question in &self.questions {
            let ours = self.ask(question, How::Answers)?;
            for peer in &self.peers {
                let theirs = self.ask_peer(peer, question, How::Answers)?;
                let name = format!("{}: {} ({})", peer.name(), question.name, state.trim_start_matches(", "));
                compare(&name, &ours.answers, &theirs.answers)?;
            }
        }
        Ok(())
    }

    fn warm(&self, report: &mut Report, state: &str, with_peers: bool) -> Result<(), Failure> {
        eprintln!("  questions{state}");
        for question in &self.questions {
            let name = format!("{}{state}", question.name);
            report.row(self.row(&name, question.what, question.name, &self.ask(question, How::Warm)?));
            for peer in self.peers.iter().filter(|_| with_peers) {
                let sample = self.ask_peer(peer, question, How::Warm)?;
                report.row(self.row(&format!("{}: {}", peer.name(), question.name), "the same", "", &sample));
            }
        }
        Ok(())
    }

    fn memory(&self) -> String {
        let most = mebi(self.most_memory.get());
        format!("{} MiB at most in one process{}", number(most), self.held_against(|limits| limits.memory_mib, most))
    }

    /// What a figure is to be at most, and whether it is.
    fn held_against(&self, limit: fn(&Limits) -> f64, figure: f64) -> String {
        let limit = self.workload.limits.as_ref().map(limit);
        limit.map_or_else(String::new, |limit| format!(" (goal: {limit}, {})", told(figure <= limit)))
    }

    /// Runs a step that answers questions.
    fn answered(&self, words: &[OsString]) -> Result<Sample, Failure> {
        let sample = process::step(words)?;
        self.took_memory(sample.peak_memory);
        Ok(sample)
    }

    fn took_memory(&self, bytes: Option<u64>) {
        self.most_memory.set(self.most_memory.get().max(bytes.unwrap_or_default()));
    }

    /// Some questions of the survey's own table, in which each source stands once: here the rows are the same.
    fn named(&self, report: &mut Report) -> Result<(), Failure> {
        eprintln!("  questions of DiaSource");
        for question in self.questions.iter().filter(|question| OF_NAMED.contains(&question.name)) {
            let sql = question.sql.iter().map(|sql| sql.replace("lsst.sources", "lsst.DiaSource")).collect();
            let own = Question { sql, ..*question };
            let name = format!("{} of DiaSource", question.name);
            compare(&name, &self.ask(&own, How::Answers)?.answers, &self.ask(question, How::Answers)?.answers)?;
            report.row(self.row(&name, "each source once, whatever packets repeat", "", &self.ask(&own, How::Warm)?));
        }
        Ok(())
    }

    /// Some questions as a client of a server asks them.
    fn served(&self, report: &mut Report) -> Result<(), Failure> {
        eprintln!("  over Flight");
        let server = Server::start(&self.archive)?;
        for question in &self.questions {
            let Some(goal) = self.workload.must_over_flight.get(question.name) else { continue };
            self.write(question)?;
            let words = [OsString::from("ask-served"), server.address().into(), self.asked.clone().into()];
            let sample = process::step(&words)?;
            let met = median_latency(&sample).is_some_and(|median| median < *goal);
            let row =
                self.row(&format!("{}, over Flight", question.name), "asked of a server, all rows taken", "", &sample);
            report.row(row.cell("must ms", goal.to_string()).cell("goal", told(met).to_owned()));
        }
        self.took_memory(process::peak_memory_of(&server.process()));
        Ok(())
    }

    /// Some questions where each request to the store takes long: with nothing but the log in memory, and again.
    fn far(&self, report: &mut Report, far: &FarStore) -> Result<(), Failure> {
        eprintln!("  a store {} ms away", far.milliseconds);
        let wait = far.milliseconds.to_string();
        let goal = far.rounds;
        for question in self.questions.iter().filter(|question| far.questions.iter().any(|name| name == question.name))
        {
            for (how, state, what) in [
                (How::Cold, "not in memory", "the archive was open"),
                (How::Warm, "in memory", "asked for the same before"),
            ] {
                self.write(question)?;
                let words = ["ask", "--how", how.word(), "--far", &wait];
                let sample = self.answered(&arguments(&words, &[self.archive.clone(), self.asked.clone()]))?;
                let most = |of: fn(&Counted) -> u64| sample.counted.iter().map(of).max().unwrap_or_default();
                let rounds = most(|counted| counted.rounds);
                let name = format!("{}, {wait} ms away, {state}", question.name);
                let what = format!("{what}; goal: at most {goal} requests one after the other");
                let met = told(rounds <= goal);
                report.row(
                    self.row(&name, &what, "", &sample)
                        .cell("requests", most(|counted| counted.requests).to_string())
                        .cell("rounds", rounds.to_string())
                        .cell("goal", met.to_owned()),
                );
            }
        }
        Ok(())
    }

    /// One object each, with nothing in memory: ours with the archive open and without, each of them in a new process.
    fn cold(&self, report: &mut Report, sorted: &Path) -> Result<(), Failure> {
        let Some(question) = self.questions.first() else { return Ok(()) };
        eprintln!("  nothing in memory");
        let forgetful: Vec<&Peer> = self.peers.iter().filter(|peer| peer.forgets()).collect();
        let (mut open, mut opening, mut theirs) = (Vec::new(), Vec::new(), vec![Vec::new(); forgetful.len()]);
        let mut forgotten = true;
        for sql in &question.sql {
            let one = Question { sql: vec![sql.clone()], ..*question };
            for (how, samples) in [(How::Cold, &mut open), (How::Opening, &mut opening)] {
                forgotten &= forget(&self.archive)?;
                samples.push(self.ask(&one, how)?);
            }
            for (peer, samples) in forgetful.iter().zip(&mut theirs) {
                forget(sorted.parent().unwrap_or(sorted))?;
                samples.push(self.ask_peer(peer, &one, How::Cold)?);
            }
        }
        let files = if forgotten { "was told to forget" } else { "may hold" };
        let open = together(open);
        let what = format!("the archive was open, in a process that has just begun; the system {files} the files");
        let row = self.row("1 id, not in memory", &what, "", &open);
        report.row(match (&self.workload.limits, median_latency(&open)) {
            (Some(limits), Some(median)) => {
                row.cell("must ms", limits.cold.to_string()).cell("goal", told(median <= limits.cold).to_owned())
            }
            _ => row,
        });
        let what = "the same, and archive and engine are opened too";
        report.row(self.row("1 id, nothing open", what, "", &together(opening)));
        for (peer, samples) in forgetful.iter().zip(theirs) {
            let name = format!("{}: 1 id, nothing open", peer.name());
            report.row(self.row(&name, "the same, connecting counted in", "", &together(samples)));
        }
        Ok(())
    }

    /// Asks ours.
    pub fn ask(&self, question: &Question, how: How) -> Result<Sample, Failure> {
        self.write(question)?;
        self.answered(&arguments(&["ask", "--how", how.word()], &[self.archive.clone(), self.asked.clone()]))
    }

    fn ask_peer(&self, peer: &Peer, question: &Question, how: How) -> Result<Sample, Failure> {
        self.write(question)?;
        peer.ask(&self.asked, how)
    }

    fn write(&self, question: &Question) -> Result<(), Failure> {
        std::fs::write(&self.asked, serde_json::to_string(&question.sql)?).map_err(|e| Failure::at(&self.asked, e))
    }

    fn row(&self, name: &str, what: &str, goal: &str, sample: &Sample) -> Row {
        let median = median_latency(sample);
        let slowest = sample.latencies.iter().copied().reduce(f64::max);
        let text = |value: Option<f64>| value.map_or_else(String::new, number);
        let goal = self.workload.must.get(goal);
        let met = goal.zip(median).map_or("", |(goal, median)| told(median < *goal));
        let times = slowest.zip(median).map(|(slowest, median)| slowest / median);
        let steady =
            times.zip(self.workload.limits.as_ref()).map_or("", |(times, limits)| told(times <= limits.slowest));
        Row::new(name, what, sample)
            .cell("rows", rows_of(sample))
            .cell("median ms", text(median))
            .cell("slowest ms", text(slowest))
            .cell("slowest/median", text(times))
            .cell("steady", steady.to_owned())
            .cell("must ms", goal.map_or_else(String::new, f64::to_string))
            .cell("goal", met.to_owned())
            .cell("peak MiB", text(sample.peak_memory.map(mebi)))
    }
}

fn told(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

/// The middle one of some answers.
pub fn median_latency(sample: &Sample) -> Option<f64> {
    let mut latencies = sample.latencies.clone();
    latencies.sort_by(f64::total_cmp);
    latencies.get(latencies.len() / 2).copied()
}

/// Rows of an answer: of the one in the middle.
pub fn rows_of(sample: &Sample) -> String {
    let mut rows: Vec<u64> = sample.answers.iter().map(|answer| answer.rows).collect();
    rows.sort_unstable();
    rows.get(rows.len() / 2).map_or_else(String::new, u64::to_string)
}

/// So many rows, and as many of each object.
pub fn of_rows(flat: &Flat, rows: u64) -> Flat {
    Flat { rows, objects: (flat.objects * rows / flat.rows.max(1)).max(40), ..flat.clone() }
}

fn quick(flat: &Flat) -> Flat {
    Flat { hot_commits: flat.hot_commits.div_ceil(10), ..of_rows(flat, flat.quick_rows) }
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
        let quick = quick(&flat);
        assert_eq!((quick.rows / quick.objects, quick.hot_commits, quick.nights), (100, 20, 30));
    }
}
