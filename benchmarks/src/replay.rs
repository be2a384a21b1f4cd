//! The replay benchmark: a night over Flight on this machine, to one consumer as fast as it goes and to five at a pace.
//! Server and consumers are processes of their own.

use std::ffi::OsString;

use noctuary_simulator::Plan;

use crate::corpus::Corpus;
use crate::ingest::{arguments, remove, take_in};
use crate::machine::Machine;
use crate::process::{self, Sample, peak_memory_of, processor_seconds_of};
use crate::report::{Report, Row, number};
use crate::server::Server;
use crate::workload::{Input, Workload};
use crate::{Failure, Options};

/// What the survey sends on average, bytes a second.
const MEAN_RATE: f64 = 23e6;
/// Seconds from visit to visit.
const CADENCE: f64 = 39.0;
/// A visit is in time if it begins within so many milliseconds.
const IN_TIME: f64 = 50.0;
/// Visits of so many alerts are replayed at the pace of the night, smaller ones at a hundred times that.
const LARGE_VISIT: u32 = 5_000;

/// Runs a workload.
pub fn run(workload: &Workload, corpus: &Corpus, options: &Options) -> Result<Report, Failure> {
    let plan = match &workload.input {
        Input::Simulated { plan, .. } => Some(plan),
        _ => None,
    };
    let machine = Machine::here();
    let archive = options.work()?.join("archive");
    eprintln!("  ingesting");
    let taken = take_in(corpus, &archive)?;
    let mean = taken.bytes as f64 / taken.packets.max(1) as f64;
    let mut report = Report::new(workload, machine);
    report.fact("packets", format!("{}, {:.1} KB each on average", taken.packets, mean / 1e3));
    report.fact("runs", format!("{} of what is flat out, the middle one counts; one of what is paced", workload.runs));

    let asked = &workload.flat_out;
    for merged in [false, true] {
        if merged {
            eprintln!("  merging");
            process::step(&arguments(&["compact"], std::slice::from_ref(&archive)))?;
        }
        let server = Server::start(&archive)?;
        for shape in FLAT_OUT.iter().filter(|shape| asked.is_empty() || asked.iter().any(|name| name == shape.name)) {
            eprintln!("  {}{}", shape.name, if merged { ", merged" } else { "" });
            let (mut samples, mut processor) = (Vec::new(), Vec::new());
            for _ in 0..workload.runs {
                let (sample, cpu) = consumed(&server, shape.request, 1)?;
                samples.push(sample);
                processor.extend(cpu);
            }
            let sample = process::median(samples).ok_or_else(|| Failure("no run".into()))?;
            processor.sort_by(f64::total_cmp);
            let name = if merged { format!("{}, merged", shape.name) } else { shape.name.to_owned() };
            let reached = (shape.reached)(&sample);
            let goal = format!("{} {}", number(shape.goal), if reached >= shape.goal { "met" } else { "missed" });
            let cpu = processor.get(processor.len() / 2).copied();
            report.row(row(&name, shape.what, &sample, cpu).cell("goal", goal));
        }
        if let (true, true, Some(plan)) = (merged, asked.is_empty(), plan) {
            paced(&server, plan, mean, &mut report)?;
        }
        let peak = peak_memory_of(&server.process());
        let peak = peak.map_or_else(String::new, |peak| number(peak as f64 / f64::from(1 << 20)));
        let when = if merged { "memory of the server, merged" } else { "memory of the server" };
        report.fact(when, format!("{peak} MiB at most; goal: 1024"));
    }
    remove(&archive)?;
    Ok(report)
}

/// What is asked for as fast as it goes.
struct FlatOut {
    name: &'static str,
    what: &'static str,
    request: &'static str,
    goal: f64,
    reached: fn(&Sample) -> f64,
}

const FLAT_OUT: [FlatOut; 4] = [
    FlatOut {
        name: "packets",
        what: "rebuilt, checked and sent to one consumer; goal in MB/s",
        request: "{}",
        goal: 150.0,
        reached: Sample::rate,
    },
    FlatOut {
        name: "alerts",
        what: "Arrow with history and forced photometry, without images; goal in alerts/s",
        request: r#"{"shape": "alerts"}"#,
        goal: 20_000.0,
        reached: of_second,
    },
    FlatOut {
        name: "alerts without history",
        what: "Arrow with neither lists nor images; goal in alerts/s",
        request: r#"{"shape": "alerts", "history": false, "forced": false}"#,
        goal: 20_000.0,
        reached: of_second,
    },
    FlatOut {
        name: "sources",
        what: "flat triggers; goal in triggers/s",
        request: r#"{"shape": "sources"}"#,
        goal: 1_000_000.0,
        reached: of_second,
    },
];

/// True for the name of something that is asked for as fast as it goes.
pub fn is_flat_out(name: &str) -> bool {
    FLAT_OUT.iter().any(|shape| shape.name == name)
}

/// Consumers of a replay, with the processor time of the server.
fn consumed(server: &Server, request: &str, consumers: usize) -> Result<(Sample, Option<f64>), Failure> {
    let before = processor_seconds_of(&server.process());
    let words = ["consume", server.address(), request, &consumers.to_string()].map(OsString::from);
    let sample = process::step(&words)?;
    let after = processor_seconds_of(&server.process());
    Ok((sample, after.zip(before).map(|(after, before)| after - before)))
}

fn of_second(sample: &Sample) -> f64 {
    sample.packets as f64 / sample.seconds
}

fn paced(server: &Server, plan: &Plan, mean: f64, report: &mut Report) -> Result<(), Failure> {
    let visit = mean * f64::from(plan.alerts_per_visit);
    let rate = if plan.alerts_per_visit >= LARGE_VISIT { 1.0 } else { MEAN_RATE * CADENCE / visit };
    eprintln!("  five consumers, {} times the pace of the night", number(rate));
    let (sample, cpu) = consumed(server, &format!(r#"{{"pace": {rate}}}"#), 5)?;
    let what = format!(
        "each with all packets, at {} times the pace of the night, {} MB/s to each; goal: under one core",
        number(rate),
        number(visit * rate / CADENCE / 1e6)
    );
    let cores = cpu.map(|cpu| cpu / sample.seconds);
    let goal = cores.map_or("", |cores| if cores < 1.0 { "met" } else { "missed" });
    report.row(row("five consumers", &what, &sample, cpu).cell("goal", format!("1 core {goal}")));
    let pace = if plan.alerts_per_visit >= LARGE_VISIT { 1.0 } else { 100.0 };
    eprintln!("  one consumer, {pace} times the pace of the night");
    let (sample, cpu) = consumed(server, &format!(r#"{{"pace": {pace}}}"#), 1)?;
    let in_time = sample.latencies.iter().filter(|late| **late <= IN_TIME).count();
    let share = in_time as f64 * 100.0 / sample.latencies.len().max(1) as f64;
    let worst = sample.latencies.iter().copied().fold(0.0, f64::max);
    let what = format!(
        "at {pace} times the pace of the night, {} alerts a visit; goal: 99 % of visits begin within {IN_TIME} ms ({} % \
         did, the worst came {} ms late)",
        plan.alerts_per_visit,
        number(share),
        number(worst)
    );
    let goal = format!("99 % {}", if share >= 99.0 { "met" } else { "missed" });
    report.row(row("in time", &what, &sample, cpu).cell("goal", goal));
    Ok(())
}

fn row(name: &str, what: &str, sample: &Sample, server: Option<f64>) -> Row {
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    Row::new(name, what, sample)
        .cell("packets", sample.packets.to_string())
        .cell("seconds", number(sample.seconds))
        .cell("MB/s", number(sample.rate()))
        .cell("packets/s", number(of_second(sample)))
        .cell("cores of the server", cell(server.map(|cpu| cpu / sample.seconds)))
        .cell("cores of consumers", cell(sample.processor_seconds.map(|cpu| cpu / sample.seconds)))
}
