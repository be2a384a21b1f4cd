//! What was measured, as a table and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::Failure;
use crate::machine::Machine;
use crate::process::Sample;
use crate::workload::Workload;

/// The result of one workload.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    workload: Workload,
    machine: Machine,
    facts: Vec<(String, String)>,
    rows: Vec<Row>,
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    name: String,
    what: String,
    /// What the cells are made of; absent if it could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Sample>,
    cells: Vec<(String, String)>,
}

impl Row {
    /// A row without cells.
    pub fn new(name: &str, what: &str, sample: &Sample) -> Self {
        Self { name: name.to_owned(), what: what.to_owned(), sample: Some(sample.clone()), cells: Vec::new() }
    }

    /// Something that could not be run.
    pub fn not_run(name: &str, why: &str) -> Self {
        Self { name: name.to_owned(), what: format!("not run: {why}"), sample: None, cells: Vec::new() }
    }

    /// Adds a cell under a heading, or fills the one that is there.
    pub fn cell(mut self, heading: &str, text: String) -> Self {
        match self.cells.iter_mut().find(|(known, _)| known == heading) {
            Some((_, cell)) => *cell = text,
            None => self.cells.push((heading.to_owned(), text)),
        }
        self
    }
}

impl Report {
    /// An empty one.
    pub fn new(workload: &Workload, machine: Machine) -> Self {
        Self { workload: workload.clone(), machine, facts: Vec::new(), rows: Vec::new() }
    }

    /// Adds a line that stands above the table.
    pub fn fact(&mut self, name: &str, text: String) {
        self.facts.push((name.to_owned(), text));
    }

    /// Adds a row.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Heading, facts and table; reads well in a terminal too.
    pub fn markdown(&self) -> String {
        let mut out = format!("\n# {}\n\n{}\n\n", self.workload.name, sentence(&self.workload.about));
        // Writing to a string does not fail.
        let _ = writeln!(out, "- machine: {}", self.machine.line());
        for (name, text) in &self.facts {
            let _ = writeln!(out, "- {name}: {text}");
        }
        out.push('\n');
        let headings: Vec<&str> = std::iter::once("")
            .chain(
                self.rows
                    .iter()
                    .max_by_key(|row| row.cells.len())
                    .into_iter()
                    .flat_map(|row| row.cells.iter().map(|(heading, _)| heading.as_str())),
            )
            .collect();
        let lines: Vec<Vec<&str>> = self
            .rows
            .iter()
            .map(|row| {
                let cell = |heading: &str| row.cells.iter().find(|(h, _)| h == heading).map_or("", |(_, text)| text);
                std::iter::once(row.name.as_str()).chain(headings.iter().skip(1).map(|h| cell(h))).collect()
            })
            .collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column)).chain(headings.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let line = |cells: &[&str]| {
            let mut text = String::from("|");
            for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let _ = if index == 0 { write!(text, " {cell:<width$} |") } else { write!(text, " {cell:>width$} |") };
            }
            text + "\n"
        };
        out += &line(&headings);
        let rules: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(index, width)| if index == 0 { "-".repeat(*width) } else { "-".repeat(width - 1) + ":" })
            .collect();
        out += &line(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        for cells in &lines {
            out += &line(cells);
        }
        out.push('\n');
        for row in &self.rows {
            let _ = writeln!(out, "- {}: {}", row.name, row.what);
        }
        out
    }

    /// Writes `NAME.md` and `NAME.json` into a folder.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(folder).map_err(|e| Failure::at(folder, e))?;
        let file = |ending: &str| folder.join(format!("{}.{ending}", self.workload.name));
        std::fs::write(file("md"), self.markdown().trim_start())?;
        std::fs::write(file("json"), serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>() + ".").unwrap_or_default()
}

/// A number with about three digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A share in per cent.
pub fn share(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Input, Kind};

    #[test]
    fn rows_without_cells_are_shown_too() {
        let workload = Workload {
            name: "x".into(),
            about: "something".into(),
            kind: Kind::Ingest,
            input: Input::Real { folders: Vec::new() },
            runs: 1,
            lookups: 0,
            must: [].into(),
            limits: None,
            far: None,
            must_over_flight: [].into(),
            flat_out: Vec::new(),
            sizes: Vec::new(),
        };
        let mut report = Report::new(&workload, Machine::here());
        report.row(Row::not_run("python", "there is no python3"));
        report.row(Row::new("ours", "all cores", &Sample::default()).cell("MB/s", number(123.4)));
        let text = report.markdown();
        assert!(text.contains("| ours   |  123 |") && text.contains("| python |      |"), "{text}");
        assert!(text.contains("- python: not run: there is no python3"), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1234.5, 12.34, 1.234, 0.1234].map(number), ["1234", "12.3", "1.23", "0.123"]);
    }
}
