//! Aligned columns for people.

use std::io::Write;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

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

/// Shows the first rows of a result.
pub struct TableWriter<'s> {
    grid: Grid,
    max_rows: usize,
    more: bool,
    sink: &'s mut Sink,
}

impl<'s> TableWriter<'s> {
    /// Shows at most `max_rows` rows, 0 for all.
    pub fn new(schema: &Schema, max_rows: usize, sink: &'s mut Sink) -> Self {
        Self { grid: Grid::of_schema(schema), max_rows, more: false, sink }
    }
}

impl RowWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        let schema = batch.schema();
        let room = match self.max_rows {
            0 => batch.num_rows(),
            max => max - self.grid.rows.len(),
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
            self.grid.row(texts.iter().map(|column| column[row].clone()));
        }
        self.more = batch.num_rows() > room;
        Ok(!self.more)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.sink.write_all(self.grid.render().as_bytes())?;
        let shown = self.grid.rows.len();
        if self.more {
            let hint = "--max-rows shows more, --format csv|json|parquet writes them all";
            writeln!(self.sink, "(the first {shown} rows; {hint})")?;
        } else {
            writeln!(self.sink, "({shown} row{})", if shown == 1 { "" } else { "s" })?;
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
