//! What a measurement ran on, and which state of the project.

use std::path::Path;
use std::process::Command;

use serde::Serialize;
use sysinfo::System;

/// Machine, project and time of a measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Operating system.
    pub system: String,
    /// Commit of the project, with `+` behind it if there are changes on top.
    pub commit: String,
    /// When, UTC.
    pub date: String,
    /// How busy the machine was when the measurement began: processes that ran or wanted to, over the last minute.
    pub load: f64,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let mut system = System::new();
        system.refresh_memory();
        system.refresh_cpu_all();
        Self {
            processor: system.cpus().first().map_or_else(String::new, |cpu| cpu.brand().trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: system.total_memory(),
            system: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned()),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            date: chrono::Utc::now().format("%Y-%m-%d %H:%M").to_string(),
            load: System::load_average().one,
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let Self { processor, cores, memory, system, commit, date, load } = self;
        let memory = *memory as f64 / f64::from(1 << 30);
        format!("{processor}, {cores} cores, {memory:.1} GiB, {system}; commit {commit}; {date} UTC; load {load:.1}")
    }
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(Path::new(env!("CARGO_MANIFEST_DIR"))).args(arguments).output();
        output.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // Results are not what is measured.
    let changed = git(&["status", "--porcelain", "--", ":/", ":(top,exclude)benchmarks/results"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}+") })
}
