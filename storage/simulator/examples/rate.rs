//! How fast packets and flat rows are made: `cargo run --release -p noctuary-simulator --example rate`.

use std::time::Instant;

use noctuary_simulator::{Plan, Simulation, SimulationError, Survey};

fn main() -> Result<(), SimulationError> {
    let plan = Plan { visits_per_night: 16, alerts_per_visit: 250, objects: 8_000, fields: 8, ..Plan::default() };
    let sizes = [Some(82_000), Some(176_000), Some(327_000)].map(|size| (Survey::Lsst, size));
    for (survey, packet_bytes) in sizes.into_iter().chain([(Survey::Ztf, None)]) {
        for threads in [0, 1, 2] {
            let begun = Instant::now();
            let simulation = Simulation::new(Plan { survey, packet_bytes, nights: 2, ..plan.clone() })?;
            let (made_world, begun) = (begun.elapsed().as_secs_f64(), Instant::now());
            let packets = if threads == 0 { simulation.packets() } else { simulation.packets_on(threads) };
            let (count, bytes) = packets.fold((0, 0), |(n, b), packet| (n + 1, b + packet.bytes.len()));
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "{} packets of {:.0} bytes, {threads} threads: {:.0} MB/s, {:.0} a second, {made_world:.1} s before",
                survey.as_str(),
                bytes as f64 / f64::from(count),
                bytes as f64 / 1e6 / seconds,
                f64::from(count) / seconds
            );
        }
    }
    let crowd = Plan { objects: 400_000, fields: 40, visits_per_night: 400, nights: 8, ..plan };
    for (what, plan) in [
        ("fixed, a third of the objects", Plan { alerts_per_visit: 3_000, ..crowd.clone() }),
        ("natural", Plan { natural_rate: true, ..crowd }),
    ] {
        let begun = Instant::now();
        let simulation = Simulation::new(plan)?;
        let (made_world, begun) = (begun.elapsed().as_secs_f64(), Instant::now());
        let rows = simulation.rows(65_536).map(|batch| batch.sources.len() as u64).sum::<u64>();
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "rows at a {what} rate: {rows} in {seconds:.1} s, {:.2} million a second, {made_world:.1} s before",
            rows as f64 / 1e6 / seconds
        );
    }
    Ok(())
}
