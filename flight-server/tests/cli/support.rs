//! Archives and packets to try the program on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use noctuary_simulator::{Plan, SimulatedPacket, Simulation};
use tempfile::TempDir;

/// A folder to work in, with the archive `archive` in it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, working in this folder, with nothing from the environment of the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_noctuary"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NOCTUARY_") {
                command.env_remove(name);
            }
        }
        command.env_remove("CARGO");
        command.current_dir(self.folder.path()).args(arguments).env("NOCTUARY_ARCHIVE", "archive");
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Done {
        Done::of(arguments, self.command(arguments).output().unwrap())
    }

    /// Runs the program with something on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        Done::of(arguments, output)
    }

    /// Some simulated packets, taken in.
    pub fn with_packets() -> (Self, Vec<SimulatedPacket>) {
        let place = Self::new();
        let packets = packets();
        for packet in &packets {
            place.write(&format!("sent/{}.bin", packet.alert_id), &packet.bytes);
        }
        place.run(&["ingest", "sent"]).ok();
        (place, packets)
    }
}

/// Two nights, few packets.
pub fn packets() -> Vec<SimulatedPacket> {
    let plan = Plan {
        seed: 5,
        nights: 2,
        visits_per_night: 3,
        alerts_per_visit: 4,
        objects: 40,
        fields: 2,
        ..Plan::default()
    };
    Simulation::new(plan).unwrap().packets().collect()
}

/// What a run came to.
pub struct Done {
    asked: String,
    pub code: Option<i32>,
    pub bytes: Vec<u8>,
    pub out: String,
    pub err: String,
}

impl Done {
    fn of(arguments: &[&str], output: Output) -> Self {
        let done = Self {
            asked: arguments.join(" "),
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        };
        assert!(!done.err.contains("panicked"), "{done}");
        done
    }

    /// Ended with this code.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ends(0)
    }

    /// Said this on standard output.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text:?} is missing: {self}");
        self
    }

    /// Said this on standard error.
    #[track_caller]
    pub fn warns(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} is missing: {self}");
        self
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "noctuary {} ended with {:?}\n{}\n{}", self.asked, self.code, self.out, self.err)
    }
}

/// Everything below a folder that is a file.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A survey that nobody has heard of: text ids, a field that chooses who may see an alert.
pub const SURVEY: &str = r#"
name = "meerkat"
title = "An invented survey"
[[recognise]]
fields = ["burst", "access"]
[ids]
alert = ["burst"]
object = ["host"]
[position]
ra = ["ra"]
dec = ["dec"]
[time]
field = ["mjd"]
form = "mjd"
scale = "utc"
[night]
utc_offset_hours = 0.0
[rights]
levels = ["public", "members"]
fields = ["access"]
values = { 1 = "public", 2 = "members" }
"#;

/// Its schema.
pub const SCHEMA: &str = r#"{"type": "record", "name": "meerkat.burst", "version": "1.0", "fields": [
    {"name": "burst", "type": "string"}, {"name": "host", "type": ["null", "string"]},
    {"name": "ra", "type": "double", "doc": "right ascension", "unit": "deg"}, {"name": "dec", "type": "double"},
    {"name": "mjd", "type": "double"}, {"name": "access", "type": "int"}]}"#;

/// The id of its frames.
pub const SCHEMA_ID: &str = "4242";

/// One of its packets: a Confluent frame.
pub fn burst(id: &str, access: i32) -> Vec<u8> {
    let mut packet = vec![0];
    packet.extend(SCHEMA_ID.parse::<u32>().unwrap().to_be_bytes());
    let text = |packet: &mut Vec<u8>, text: &str| {
        packet.push(u8::try_from(text.len() * 2).unwrap());
        packet.extend_from_slice(text.as_bytes());
    };
    text(&mut packet, id);
    packet.push(2);
    text(&mut packet, "host-1");
    for value in [150.1_f64, 2.2, 61_137.25] {
        packet.extend(value.to_le_bytes());
    }
    packet.push(u8::try_from(access * 2).unwrap());
    packet
}
