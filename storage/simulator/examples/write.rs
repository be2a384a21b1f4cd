//! Writes the packets of a plan to a folder, a file each: `write FOLDER '{"seed": 7, "nights": 1}'`.

use std::error::Error;
use std::path::PathBuf;

use noctuary_simulator::{Plan, Simulation};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: write FOLDER [PLAN as JSON]")?);
    let plan: Plan = serde_json::from_str(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    std::fs::create_dir_all(&folder)?;
    let begun = std::time::Instant::now();
    let mut bytes = 0;
    for packet in Simulation::new(plan)?.packets() {
        bytes += packet.bytes.len();
        std::fs::write(folder.join(format!("{}.avro", packet.alert_id)), packet.bytes)?;
    }
    println!("{bytes} bytes in {:.3} s", begun.elapsed().as_secs_f64());
    Ok(())
}
