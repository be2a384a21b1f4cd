//! The records of a text, one by one, with the line that each begins on.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What is wrong with a text.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Where values of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Byte(u8),
    /// Blanks, as many as there are.
    Blanks,
}

/// A line is not longer than this.
const LONGEST: usize = 16 << 20;

/// Reads records: values that may stand in double quotes, in which a quote is doubled and a line may end.
pub(super) struct Records {
    input: BufReader<File>,
    separator: Separator,
    /// Lines that were read.
    lines: u64,
    line: Vec<u8>,
    columns: usize,
}

/// A record.
#[derive(Debug, Default, Clone)]
pub(super) struct Record {
    /// The line that it begins on; the first is 1.
    pub(super) line: u64,
    text: String,
    /// Where each value ends in the text.
    ends: Vec<usize>,
}

impl Record {
    /// The values, blanks around them left out.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, to)| self.text.get(from..*to).unwrap_or_default().trim())
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

impl Records {
    /// Opens a text and reads the names of its columns.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<String>), Wrong> {
        let input = BufReader::with_capacity(1 << 18, File::open(path)?);
        let mut records =
            Self { input, separator: Separator::Byte(b','), lines: 0, line: Vec::new(), columns: usize::MAX };
        loop {
            if !records.read_line()? {
                return Err(Wrong("it has no line that names the columns".into()));
            }
            let line = records.line.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec);
            records.line = line.unwrap_or_else(|| std::mem::take(&mut records.line));
            if !records.line.starts_with(b"#") && !records.line.trim_ascii().is_empty() {
                break;
            }
        }
        records.separator = separator(&records.line);
        let mut record = Record::default();
        records.parse(&mut record)?;
        let names: Vec<String> = record.values().map(str::to_owned).collect();
        check(&names, records.lines)?;
        records.columns = names.len();
        Ok((records, names))
    }

    /// Reads the next record; false at the end. Empty lines are passed over.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, Wrong> {
        loop {
            if !self.read_line()? {
                return Ok(false);
            }
            if self.line.trim_ascii().is_empty() && (self.columns > 1 || self.line.is_empty()) {
                continue;
            }
            self.parse(record)?;
            if record.len() != self.columns {
                return Err(Wrong(format!(
                    "line {}: it has {} values, and there are {} columns",
                    record.line,
                    record.len(),
                    self.columns
                )));
            }
            return Ok(true);
        }
    }

    /// Reads a line, its end left out.
    fn read_line(&mut self) -> Result<bool, Wrong> {
        self.line.clear();
        self.add_line()
    }

    fn add_line(&mut self) -> Result<bool, Wrong> {
        let before = self.line.len();
        loop {
            let bytes = self.input.fill_buf()?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = end.unwrap_or(bytes.len());
            self.line.extend_from_slice(&bytes[..part]);
            if self.line.len() - before > LONGEST {
                return Err(Wrong(format!("line {}: it is longer than 16 MiB; is this a text?", self.lines + 1)));
            }
            let empty = bytes.is_empty();
            self.input.consume(part + usize::from(end.is_some()));
            if end.is_some() || empty {
                let any = end.is_some() || self.line.len() > before;
                self.lines += u64::from(any);
                if self.line.ends_with(b"\r") {
                    self.line.pop();
                }
                return Ok(any);
            }
        }
    }

    /// Takes the line apart, with those that follow if a quote is open at its end.
    fn parse(&mut self, record: &mut Record) -> Result<(), Wrong> {
        record.line = self.lines;
        record.ends.clear();
        let mut text = std::mem::take(&mut record.text).into_bytes();
        text.clear();
        let (mut at, mut quoted, mut begun) = (0, false, false);
        loop {
            let Some(byte) = self.line.get(at).copied() else {
                if !quoted {
                    break;
                }
                self.line.push(b'\n');
                if self.line.len() > LONGEST || !self.add_line()? {
                    return Err(Wrong(format!("line {}: a quote is opened and never closed", record.line)));
                }
                continue;
            };
            at += 1;
            match byte {
                b'"' if quoted && self.line.get(at) == Some(&b'"') => {
                    text.push(b'"');
                    at += 1;
                }
                b'"' if quoted => quoted = false,
                b'"' if !begun => (quoted, begun) = (true, true),
                byte if !quoted && self.separator == Separator::Byte(byte) => {
                    record.ends.push(text.len());
                    begun = false;
                }
                b' ' | b'\t' if !quoted && self.separator == Separator::Blanks => {
                    if begun {
                        record.ends.push(text.len());
                    }
                    begun = false;
                }
                byte => {
                    text.push(byte);
                    begun |= byte != b' ';
                }
            }
        }
        if begun || self.separator != Separator::Blanks {
            record.ends.push(text.len());
        }
        record.text = String::from_utf8(text)
            .map_err(|_| Wrong(format!("line {}: it is not in UTF-8; is this a text?", record.line)))?;
        Ok(())
    }
}

/// What stands between the names of columns.
fn separator(line: &[u8]) -> Separator {
    let count = |of: u8| line.iter().filter(|byte| **byte == of).count();
    let most = [b',', b'\t', b';', b'|'].into_iter().max_by_key(|of| (count(*of), *of == b','));
    match most {
        Some(of) if count(of) > 0 => Separator::Byte(of),
        _ if line.trim_ascii().contains(&b' ') => Separator::Blanks,
        _ => Separator::Byte(b','),
    }
}

fn check(names: &[String], line: u64) -> Result<(), Wrong> {
    let wrong = |why: String| Err(Wrong(format!("line {line}: {why}; it has to name the columns")));
    if let Some(at) = names.iter().position(String::is_empty) {
        return wrong(format!("column {} has no name", at + 1));
    }
    if let Some(number) = names.iter().find(|name| name.parse::<f64>().is_ok_and(f64::is_finite)) {
        return wrong(format!("{number} is no name of a column"));
    }
    for (at, name) in names.iter().enumerate() {
        if names[..at].iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return wrong(format!("two columns are called {name}"));
        }
    }
    Ok(())
}
