//! What is measured, as data: one TOML file per workload.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use noctuary_simulator::Plan;
use serde::{Deserialize, Serialize};

use crate::{Failure, questions, replay};

/// One file of `workloads/`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The file's name without its ending.
    #[serde(skip_deserializing)]
    pub name: String,
    /// One line for people.
    pub about: String,
    /// Which of the benchmarks it is for.
    pub kind: Kind,
    /// Where the packets come from.
    pub input: Input,
    /// How often it is timed; the median counts.
    #[serde(default = "three")]
    pub runs: usize,
    /// How many packets are looked up, for [`Kind::Get`].
    #[serde(default)]
    pub lookups: usize,
    /// Goals: for [`Kind::Lookups`] milliseconds that the middle answer to a question is to stay below, for
    /// [`Kind::Growth`] how many times longer it may take of the last size than of the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub must: BTreeMap<String, f64>,
    /// Questions that are asked over Flight too, for [`Kind::Lookups`], with the milliseconds as in `must`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub must_over_flight: BTreeMap<String, f64>,
    /// What else is to hold of answers, for [`Kind::Lookups`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// A store far away, for [`Kind::Lookups`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<FarStore>,
    /// Rows, for [`Kind::Growth`]: from few to as many as the input has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<u64>,
    /// What is asked for as fast as it goes, for [`Kind::Replay`], and nothing at a pace; all and both if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flat_out: Vec<String>,
}

/// What is to hold of all answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How many times the middle answer the slowest may take.
    pub slowest: f64,
    /// Milliseconds of the first question where nothing is in memory.
    pub cold: f64,
    /// Mebibytes of the sources on disk.
    pub disk_mib: f64,
    /// Mebibytes of memory of whatever process answers.
    pub memory_mib: f64,
}

/// A store that each request to takes longer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FarStore {
    /// By how much.
    pub milliseconds: u64,
    /// How many requests an answer may wait for one after the other.
    pub rounds: u64,
    /// The questions that are asked.
    pub questions: Vec<String>,
}

fn three() -> usize {
    3
}

/// The benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Packets into an archive.
    Ingest,
    /// Packets back by id, and a night of them in order.
    Get,
    /// How small packets are kept, before and after they are merged.
    Store,
    /// What a long log with many files costs.
    Log,
    /// Flat past sources by id and by place.
    Lookups,
    /// The same of fewer rows and of more.
    Growth,
    /// Nights sent again over Flight.
    Replay,
}

/// Packets to measure with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Input {
    /// Folders of the data folder (`NOCTUARY_TEST_DATA`, or `../shared/data` beside the project).
    Real {
        /// Paths in it.
        folders: Vec<String>,
    },
    /// Made before anything is timed.
    Simulated {
        /// Packets are made until there are this many bytes.
        bytes: u64,
        /// The same for `--quick`.
        quick_bytes: u64,
        /// The sky and the survey.
        plan: Plan,
    },
    /// No packets: a log with so many entries, which add up to about so many files.
    Log {
        /// Versions.
        entries: u64,
        /// Files that the newest version shows.
        files: u64,
    },
    /// No packets: rows of past sources.
    Flat(Flat),
}

/// Rows of past sources to measure with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flat {
    /// Another one, another sky.
    pub seed: u64,
    /// Rows of all nights.
    pub rows: u64,
    /// The same for `--quick`.
    pub quick_rows: u64,
    /// Objects that they are of.
    pub objects: u64,
    /// Nights, over which rows are spread evenly.
    pub nights: u64,
    /// Small commits that come after all nights.
    pub hot_commits: u64,
    /// Rows of each of them.
    pub hot_rows: u64,
}

/// The workloads of a folder, in the order of their names.
pub fn load(folder: &Path) -> Result<Vec<Workload>, Failure> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Failure::at(folder, e))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Workload, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::at(file, e))?;
    let mut workload: Workload = toml::from_str(&text).map_err(|e| Failure::at(file, e))?;
    workload.name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if workload.runs == 0 {
        return Err(Failure::at(file, "runs must be at least 1"));
    }
    if workload.kind == Kind::Get && workload.lookups == 0 {
        return Err(Failure::at(file, "a workload of kind get must say how many lookups"));
    }
    if workload.kind == Kind::Get && matches!(workload.input, Input::Real { .. }) {
        return Err(Failure::at(file, "a workload of kind get needs simulated packets, whose ids are known"));
    }
    let simulated = matches!(workload.input, Input::Simulated { .. });
    if workload.kind == Kind::Replay && workload.flat_out.is_empty() && !simulated {
        return Err(Failure::at(
            file,
            "what is replayed at a pace has to be simulated packets, whose visits are known",
        ));
    }
    if let Some(name) = workload.flat_out.iter().find(|name| !replay::is_flat_out(name)) {
        return Err(Failure::at(file, format!("flat_out has {name:?}, which is nothing that is asked for")));
    }
    let far = workload.far.iter().flat_map(|far| &far.questions);
    if let Some(name) = workload
        .must
        .keys()
        .chain(workload.must_over_flight.keys())
        .chain(far)
        .find(|name| !questions::NAMES.contains(&name.as_str()))
    {
        return Err(Failure::at(file, format!("it names {name:?}, which is no question")));
    }
    if let Input::Flat(flat) = &workload.input {
        let sizes = &workload.sizes;
        if (workload.kind == Kind::Growth) != (sizes.len() > 1 && sizes.is_sorted() && sizes.last() == Some(&flat.rows))
        {
            return Err(Failure::at(
                file,
                "sizes are for kind growth, which needs two or more, up to the rows of the input",
            ));
        }
        let Flat { rows, quick_rows, objects, nights, .. } = *flat;
        if objects < 40 || nights < 7 || quick_rows < nights || quick_rows > rows || rows > u64::from(u32::MAX) {
            let why = "flat rows need 40 objects, 7 nights, and from one row a night up to 4 billion in all";
            return Err(Failure::at(file, why));
        }
    }
    Ok(workload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_reads() {
        let workloads = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads")).unwrap();
        assert!(workloads.iter().any(|w| w.kind == Kind::Ingest) && workloads.iter().any(|w| w.kind == Kind::Get));
        for workload in workloads {
            if let Input::Simulated { plan, bytes, .. } = &workload.input {
                plan.check().unwrap();
                let size = plan.packet_bytes.expect("a size per packet");
                let packets =
                    u64::from(plan.nights) * u64::from(plan.visits_per_night) * u64::from(plan.alerts_per_visit);
                assert!(packets * u64::from(size) >= bytes * 9 / 10, "{} makes too few packets", workload.name);
            }
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = "about = 'x'\nkind = 'get'\nlookups = 1\nspeed = 3\n[input.real]\nfolders = []";
        assert!(toml::from_str::<Workload>(text).is_err());
    }

    #[test]
    fn workloads_that_would_measure_nothing_are_refused() {
        let folder = std::env::temp_dir().join(format!("noctuary-workloads-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("w.toml");
        let flat = "[input.flat]\nseed = 1\nrows = 90\nquick_rows = 90\nobjects = 40\nnights = 7\nhot_commits = 1\nhot_rows = 1";
        for (text, told) in [
            ("about = 'x'\nkind = 'get'\nlookups = 9\n[input.real]\nfolders = ['lsst']", "simulated"),
            ("about = 'x'\nkind = 'get'\n[input.real]\nfolders = ['lsst']", "lookups"),
            ("about = 'x'\nkind = 'ingest'\nruns = 0\n[input.real]\nfolders = ['lsst']", "runs"),
            ("about = 'x'\nkind = 'log'\n[input.real]\nfolders = []\n[must]\nspeed = 3", "no question"),
            (
                "about = 'x'\nkind = 'replay'\nflat_out = ['x']\n[input.simulated]\nbytes = 1\nquick_bytes = 1\n[input.simulated.plan]",
                "flat_out",
            ),
            (&format!("about = 'x'\nkind = 'growth'\nsizes = [9, 5]\n{flat}"), "sizes"),
            (&format!("about = 'x'\nkind = 'lookups'\nsizes = [5, 90]\n{flat}"), "sizes"),
        ] {
            std::fs::write(&file, text).unwrap();
            let Failure(why) = read(&file).unwrap_err();
            assert!(why.contains(told) && why.contains("w.toml"), "{why}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
