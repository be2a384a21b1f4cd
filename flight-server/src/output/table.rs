//! Aligned columns for people.

use std::io::Write;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::sink::note;
use super::{RowWriter, Sink, nested};
use crate::error::Result;

/// Longer values are cut in tables: a whole packet would fill the screen many times.
const MAX_CELL: usize = 60;

/// Rows of text under headings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grid {
    headings: Vec<String>,
    /// Columns of numbers stand to the right.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table with these headings; those that begin with `>` are of numbers, which stand to the right.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            headings: headings.iter().map(|h| h.strip_prefix('>').unwrap_or(h).to_owned()).collect(),
            right: headings.iter().map(|h| h.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    fn of_schema(schema: &Schema) -> Self {
        Self {
            headings: schema.fields().iter().map(|f| f.name().clone()).collect(),
            right: schema.fields().iter().map(|f| f.data_type().is_numeric()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Long values are cut.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|c| one_line(&c, MAX_CELL)).collect());
    }

    /// Adds a row with values of any length.
    pub fn whole_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|c| one_line(&c, usize::MAX - 1)).collect());
    }

    /// Adds a row with values of any length, whose line feeds begin new lines below it.
    fn lines_row(&mut self, cells: &[String]) {
        let lines = cells.iter().map(|c| c.lines().count()).max().unwrap_or(0).max(1);
        for line in 0..lines {
            self.whole_row(cells.iter().map(|c| c.lines().nth(line).unwrap_or_default().to_owned()));
        }
    }

    /// The table as text, a line feed at the end of each line.
    pub fn render(&self) -> String {
        self.rendered(true)
    }

    /// The rows without the headings, for a list of names and values.
    pub fn render_bare(&self) -> String {
        self.rendered(false)
    }

    fn rendered(&self, headings: bool) -> String {
        let mut widths: Vec<usize> = self.headings.iter().map(|h| h.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        let mut line = |cells: &[String], fill: char| {
            let mut text = String::new();
            for (at, (width, right)) in widths.iter().zip(&self.right).enumerate() {
                let cell = cells.get(at).map_or("", String::as_str);
                let pad: String = std::iter::repeat_n(fill, width.saturating_sub(cell.chars().count())).collect();
                if at > 0 {
                    text.push_str("  ");
                }
                if *right {
                    text.push_str(&pad);
                    text.push_str(cell);
                } else {
                    text.push_str(cell);
                    text.push_str(&pad);
                }
            }
            out.push_str(text.trim_end());
            out.push('\n');
        };
        if headings {
            line(&self.headings, ' ');
            line(&[], '─');
        }
        for row in &self.rows {
            line(row, ' ');
        }
        out
    }
}

/// Line feeds would break the table, and control characters could play with the terminal.
fn one_line(text: &str, most: usize) -> String {
    let mut out: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most + 1).collect();
    if out.chars().count() > most {
        out = out.chars().take(most - 1).collect();
        out.push('…');
    }
    out
}

/// What a table shows of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// So many rows, 0 for all.
    pub rows: usize,
    /// Values of any length, line feeds kept.
    pub whole: bool,
    /// How to see the rows that are left out.
    pub more: &'static str,
}

impl Shown {
    /// Everything, long values cut.
    pub const ALL_ROWS: Self = Self { rows: 0, whole: false, more: "" };
}

/// Shows the first rows of a result.
pub struct TableWriter<'s> {
    grid: Grid,
    shown: Shown,
    rows: usize,
    more: bool,
    sink: &'s mut Sink,
}

impl<'s> TableWriter<'s> {
    /// Shows a result with these columns.
    pub fn new(schema: &Schema, shown: Shown, sink: &'s mut Sink) -> Self {
        Self { grid: Grid::of_schema(schema), shown, rows: 0, more: false, sink }
    }
}

impl RowWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        let schema = batch.schema();
        let room = match self.shown.rows {
            0 => batch.num_rows(),
            most => most - self.rows,
        };
        let shown = batch.slice(0, batch.num_rows().min(room));
        let texts = shown
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| {
                let flat: ArrayRef =
                    if nested::is_nested(field.data_type()) { nested::as_text(field, column)? } else { column.clone() };
                column_text(&flat)
            })
            .collect::<Result<Vec<_>>>()?;
        for row in 0..shown.num_rows() {
            let cells: Vec<String> = texts.iter().map(|column| column[row].clone()).collect();
            if self.shown.whole { self.grid.lines_row(&cells) } else { self.grid.row(cells) }
        }
        self.rows += shown.num_rows();
        self.more = batch.num_rows() > room;
        Ok(!self.more)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.sink.write_all(self.grid.render().as_bytes())?;
        let rows = self.rows;
        if !self.more {
            writeln!(self.sink, "({rows} row{})", if rows == 1 { "" } else { "s" })?;
        } else if self.sink.is_terminal() {
            writeln!(self.sink, "(the first {rows} rows; {})", self.shown.more)?;
        } else {
            // In a file or pipe nobody would read it.
            note(format_args!("(only the first {rows} rows were written; {})", self.shown.more));
        }
        Ok(())
    }
}

fn column_text(column: &ArrayRef) -> Result<Vec<String>> {
    if let DataType::Float32 | DataType::Float64 = column.data_type() {
        // Arrow would pad whole numbers with `.0` and write small ones out in full.
        let format = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &format)?;
        return Ok((0..column.len()).map(|row| short_float(&formatter.value(row).to_string())).collect());
    }
    let format = FormatOptions::default().with_null("");
    let formatter = ArrayFormatter::try_new(column, &format)?;
    (0..column.len()).map(|row| Ok(formatter.value(row).try_to_string()?)).collect()
}

fn short_float(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(value) if value != 0.0 && value.is_finite() && !(1e-4..1e15).contains(&value.abs()) => format!("{value:e}"),
        _ => text.to_owned(),
    }
}
