//! Steps as processes of their own, and what a process knows of itself.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::far::Counted;
use crate::questions::Answer;

/// What one step took.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Packets handled.
    pub packets: u64,
    /// Their bytes as transmitted.
    pub bytes: u64,
    /// Bytes that came out, where any did.
    pub output: Option<u64>,
    /// Wall time.
    pub seconds: f64,
    /// Processor time of all threads, in user and system.
    pub processor_seconds: Option<f64>,
    /// The most memory that the process held at a time, in bytes.
    pub peak_memory: Option<u64>,
    /// Time of each look-up in milliseconds, for look-ups.
    pub latencies: Vec<f64>,
    /// Requests to the store for each question, where they are counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// What came out, for questions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
}

impl Sample {
    /// Millions of transmitted bytes in a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.seconds / 1e6
    }
}

/// Runs a step of this program and waits for it.
pub fn step(arguments: &[OsString]) -> Result<Sample, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("step").args(arguments);
    sample_of(&mut command)
}

/// Runs a command that writes a [`Sample`] as its last line.
pub fn sample_of(command: &mut Command) -> Result<Sample, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Failure(format!("{:?} ended with {}", command.get_program(), output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|e| Failure(format!("a step wrote {last:?} ({e})")))
}

/// Measures what follows, up to [`Watch::stop`].
#[derive(Debug)]
pub struct Watch {
    began: Instant,
    processor: Option<f64>,
}

impl Watch {
    /// Begins.
    pub fn start() -> Self {
        Self { began: Instant::now(), processor: processor_seconds() }
    }

    /// Ends: wall and processor time since, and the process's peak of memory.
    pub fn stop(&self) -> Sample {
        let seconds = self.began.elapsed().as_secs_f64();
        let processor = processor_seconds().zip(self.processor).map(|(now, before)| now - before);
        Sample { seconds, processor_seconds: processor, peak_memory: peak_memory(), ..Sample::default() }
    }
}

/// Processor time of this process so far; Linux only.
fn processor_seconds() -> Option<f64> {
    processor_seconds_of("self")
}

/// Processor time of a process so far, by its number; Linux only.
pub fn processor_seconds_of(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in the second field may hold spaces; what follows it may not.
    let after = stat.rsplit_once(") ")?.1;
    let mut fields = after.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // The kernel counts here in hundredths of a second on every machine.
    Some((user + system) as f64 / 100.0)
}

/// The most memory that this process has held so far; Linux only.
fn peak_memory() -> Option<u64> {
    peak_memory_of("self")
}

/// The most memory that a process has held so far, by its number; Linux only.
pub fn peak_memory_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Bytes that this process has read from files so far, from disk or cache; Linux only.
pub fn bytes_read() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

/// The middle one of some samples, by wall time.
pub fn median(mut samples: Vec<Sample>) -> Option<Sample> {
    samples.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let middle = samples.len().checked_sub(1)? / 2;
    Some(samples.swap_remove(middle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_found() {
        let sample = |seconds| Sample { seconds, ..Sample::default() };
        assert_eq!(median(vec![sample(3.0), sample(1.0), sample(2.0)]).unwrap().seconds, 2.0);
        assert!(median(Vec::new()).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_knows_what_it_takes() {
        let watch = Watch::start();
        let sample = watch.stop();
        assert!(sample.processor_seconds.is_some() && sample.peak_memory.unwrap() > 100_000);
        assert!(bytes_read().unwrap() > 0);
    }
}
