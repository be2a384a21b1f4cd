//! What more rows cost: the same questions of archives from small to large, each row of as many objects more.

use crate::ask::How;
use crate::flat::Sources;
use crate::ingest::remove;
use crate::lookup_peers::{DUCKDB_NAME, Peer};
use crate::lookups::{Bench, median_latency, of_rows, rows_of};
use crate::machine::Machine;
use crate::process::Sample;
use crate::report::{Report, Row, number};
use crate::workload::{Input, Workload};
use crate::{Failure, Options, peer};

/// Runs a workload. The questions with a goal are asked.
pub fn run(workload: &Workload, options: &Options) -> Result<Report, Failure> {
    let Input::Flat(flat) = &workload.input else {
        return Err(Failure("a workload of kind growth needs flat rows as its input".into()));
    };
    let mut report = Report::new(workload, Machine::here());
    let work = options.work()?.join("growth");
    let sizes: Vec<u64> = workload
        .sizes
        .iter()
        .map(|rows| if options.quick { (rows * flat.quick_rows / flat.rows).max(flat.nights) } else { *rows })
        .collect();
    let mut samples: Vec<(&str, &str, Vec<Sample>)> = Vec::new();
    for rows in &sizes {
        remove(&work)?;
        let peers = match (!options.no_references).then(|| peer::installed(&options.work()?)) {
            Some(Ok(python)) => vec![Peer::duckdb(python)],
            Some(Err(Failure(why))) => {
                report.row(Row::not_run(DUCKDB_NAME, &why));
                Vec::new()
            }
            None => Vec::new(),
        };
        let flat = of_rows(flat, *rows);
        let sources = Sources::new(flat.clone());
        let mut bench = Bench::prepare(workload, &flat, &sources, &work, peers)?;
        drop(sources);
        bench.questions.retain(|question| workload.must.contains_key(question.name));
        bench.check(&format!("{rows} rows"))?;
        eprintln!("  questions");
        for (at, question) in bench.questions.iter().enumerate() {
            let sample = bench.ask(question, How::Warm)?;
            match samples.get_mut(at) {
                Some((_, _, samples)) => samples.push(sample),
                None => samples.push((question.name, question.what, vec![sample])),
            }
        }
    }
    remove(&work)?;
    let few = |rows: &u64| format!("{} million rows", number(*rows as f64 / 1e6));
    report.fact("rows", sizes.iter().map(few).collect::<Vec<_>>().join(", ") + ", as many of each object");
    report.fact("asked", format!("{} times each, of other objects and places, for the same before", workload.runs));
    report
        .fact("answers", if options.no_references { "not compared".into() } else { format!("those of {DUCKDB_NAME}") });
    for (name, what, samples) in samples {
        let Some(largest) = samples.last() else { continue };
        let medians: Vec<f64> = samples.iter().filter_map(median_latency).collect();
        let growth = medians.last().zip(medians.first()).map(|(last, first)| last / first);
        let goal = workload.must.get(name).copied();
        let met = goal.zip(growth).map_or("", |(goal, growth)| if growth <= goal { "met" } else { "missed" });
        let mut row = Row::new(name, what, largest).cell("rows", rows_of(largest));
        for (rows, median) in sizes.iter().zip(&medians) {
            row = row.cell(&format!("ms of {}", few(rows)), number(*median));
        }
        let text = |value: Option<f64>| value.map_or_else(String::new, number);
        let peak = largest.peak_memory.map(|peak| peak as f64 / f64::from(1 << 20));
        report.row(
            row.cell("growth", text(growth))
                .cell("must", goal.map_or_else(String::new, |goal| goal.to_string()))
                .cell("goal", met.to_owned())
                .cell("peak MiB", text(peak)),
        );
    }
    Ok(report)
}
