//! What of each table a question reads, of how much, and what it was that left the rest out.
//!
//! Nobody looks at this while a question is answered. `EXPLAIN` and a dry run put a [`Tally`] into the session that the
//! plan is made in, and every scan notes there what it is going to read.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::config::SessionConfig;
use datafusion::physical_plan::metrics::Count;
use futures::{StreamExt, TryStreamExt, stream};
use noctuary_storage::log::DataFile;
use object_store::path::Path;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaData;

use crate::reader::Readers;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) kept: u64,
    pub(crate) of: u64,
}

impl Share {
    fn add(&mut self, kept: usize, of: usize) {
        self.kept += kept as u64;
        self.of += of as u64;
    }

    fn join(&mut self, other: Self) {
        self.kept += other.kept;
        self.of += other.of;
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", thousands(self.kept), thousands(self.of))
    }
}

/// The table of a file, by its path: `lsst.sources` of `sources/lsst/...`.
pub(crate) fn table_of(path: &str) -> String {
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(table), Some(survey), Some(_)) => format!("{survey}.{table}"),
        (Some(table), ..) => format!("archive.{table}"),
        _ => path.to_owned(),
    }
}

/// A number in groups of three digits.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What one scan is going to read, at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Whose files they are: `lsst.sources`.
    pub(crate) table: String,
    pub(crate) files: Share,
    /// Of the table's rows in this version.
    pub(crate) rows: Share,
    /// Of those in the files that are kept; as are pages, which are those of the columns that are wanted.
    pub(crate) row_groups: Share,
    pub(crate) pages: Share,
    /// Of the table's files.
    pub(crate) bytes: Share,
    /// What chose, with what it left.
    pub(crate) chosen_by: Vec<String>,
}

/// Where the scans of a plan note what they are going to read.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Vec<Kept>>);

impl Tally {
    /// That of a session, if somebody wants to know.
    pub(crate) fn of(config: &SessionConfig) -> Option<Arc<Self>> {
        config.get_extension()
    }

    pub(crate) fn note(&self, kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }

    /// What was noted so far, which is forgotten here.
    pub(crate) fn take(&self) -> Vec<Kept> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a scan has chosen.
pub(crate) struct Chosen<'c> {
    /// All files of the table.
    pub(crate) all: &'c [Arc<DataFile>],
    /// Those that are read, with the rows of each; `None` for all.
    pub(crate) files: Vec<(&'c Arc<DataFile>, Option<&'c RowSelection>)>,
    /// What chose, with what it left.
    pub(crate) chosen_by: Vec<String>,
}

/// The columns of a file's Parquet leaves that are read, by the columns of the file as Arrow has them.
pub(crate) type Leaves<'l> = &'l (dyn Fn(&Schema) -> Vec<usize> + Sync);

/// Footers that are read at a time.
const AT_A_TIME: usize = 8;

/// Works out what a scan reads at most; `None` if its table has no files.
///
/// # Errors
/// When the footer of a file cannot be read.
pub(crate) async fn kept(readers: &Readers, chosen: Chosen<'_>, leaves: Leaves<'_>) -> Result<Option<Kept>> {
    let Some(first) = chosen.all.first() else { return Ok(None) };
    let sum = |of: fn(&DataFile) -> u64| chosen.all.iter().map(|file| of(file)).sum();
    let mut kept = Kept {
        table: table_of(&first.path),
        files: Share { kept: chosen.files.len() as u64, of: chosen.all.len() as u64 },
        rows: Share { kept: 0, of: sum(|file| file.rows) },
        row_groups: Share::default(),
        pages: Share::default(),
        bytes: Share { kept: 0, of: sum(|file| file.bytes) },
        chosen_by: chosen.chosen_by,
    };
    let mut each = Vec::with_capacity(chosen.files.len());
    for (file, selection) in chosen.files {
        let file = Arc::clone(file);
        each.push(async move {
            let mut reader = readers.open(Path::from(file.path.as_str()), file.bytes, Count::new());
            let footer = reader.get_metadata(None).await.map_err(DataFusionError::from)?;
            let schema = parquet_to_arrow_schema(footer.file_metadata().schema_descr(), None)?;
            Ok::<_, DataFusionError>(of_file(&footer, selection, &leaves(&schema)))
        });
    }
    let mut parts = stream::iter(each).buffer_unordered(AT_A_TIME);
    while let Some(part) = parts.try_next().await? {
        kept.rows.kept += part.rows;
        kept.row_groups.join(part.row_groups);
        kept.pages.join(part.pages);
        kept.bytes.kept += part.bytes;
    }
    Ok(Some(kept))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    rows: u64,
    row_groups: Share,
    pages: Share,
    bytes: u64,
}

/// What is read of one file.
fn of_file(footer: &ParquetMetaData, selection: Option<&RowSelection>, leaves: &[usize]) -> Part {
    let mut part = Part::default();
    let wanted = selection.map(ranges);
    let mut first = 0;
    for (number, group) in footer.row_groups().iter().enumerate() {
        let count = usize::try_from(group.num_rows()).unwrap_or(0);
        let own = first..first + count;
        let rows = match &wanted {
            Some(wanted) => inside(wanted, &own),
            None => std::iter::once(0..count).collect(),
        };
        first = own.end;
        let read: usize = rows.iter().map(Range::len).sum();
        part.rows += read as u64;
        part.row_groups.add(usize::from(read > 0), 1);
        for leaf in leaves {
            let Some(column) = group.columns().get(*leaf) else { continue };
            let index = footer.offset_index().and_then(|index| index.get(number)?.get(*leaf));
            let pages = index.map(|index| index.page_locations().as_slice()).unwrap_or_default();
            let begins = |page: usize| pages.get(page).map_or(count, |page| offset(page.first_row_index));
            let touched = |page: &usize| {
                let own = begins(*page)..begins(page + 1);
                let next = rows.partition_point(|range| range.end <= own.start);
                rows.get(next).is_some_and(|range| range.start < own.end)
            };
            let touched: Vec<usize> = (0..pages.len()).filter(touched).collect();
            part.pages.add(touched.len(), pages.len());
            let whole = u64::try_from(column.compressed_size()).unwrap_or(0);
            part.bytes += if pages.is_empty() || touched.len() == pages.len() {
                if read > 0 { whole } else { 0 }
            } else {
                let size =
                    |page: &usize| pages.get(*page).and_then(|page| u64::try_from(page.compressed_page_size).ok());
                // A dictionary stands before the pages, and is read with any of them.
                let all: u64 = (0..pages.len()).filter_map(|page| size(&page)).sum();
                let dictionary = if touched.is_empty() { 0 } else { whole.saturating_sub(all) };
                dictionary + touched.iter().filter_map(size).sum::<u64>()
            };
        }
    }
    part
}

fn offset(row: i64) -> usize {
    usize::try_from(row).unwrap_or(0)
}

/// The rows of a selection.
fn ranges(selection: &RowSelection) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut ranges = Vec::new();
    for part in selection.iter() {
        let range = at..at + part.row_count;
        at = range.end;
        if !part.skip {
            ranges.push(range);
        }
    }
    ranges
}

/// The parts of ranges that lie in another one, from its beginning.
fn inside(ranges: &[Range<usize>], own: &Range<usize>) -> Vec<Range<usize>> {
    let from = ranges.partition_point(|range| range.end <= own.start);
    let met = ranges.iter().skip(from).take_while(|range| range.start < own.end);
    met.map(|range| range.start.max(own.start) - own.start..range.end.min(own.end) - own.start).collect()
}

/// The leaves of Parquet under the columns of a file, as far as they are in the columns that are read of it; these are
/// parts of those, told by their numbers.
pub(crate) fn leaves(all: &Schema, read: &[(usize, DataType)]) -> Vec<usize> {
    let (mut leaves, mut next) = (Vec::new(), 0);
    for (at, field) in all.fields().iter().enumerate() {
        let read = read.iter().find(|(root, _)| *root == at).map(|(_, part)| part);
        walk(field.data_type(), read, &mut next, &mut leaves);
    }
    leaves
}

fn walk(all: &DataType, read: Option<&DataType>, next: &mut usize, leaves: &mut Vec<usize>) {
    match (all, read) {
        (DataType::Struct(fields), _) => {
            for field in fields {
                let own = match read {
                    Some(DataType::Struct(part)) => part.find(field.name()).map(|(_, field)| field.data_type()),
                    _ => None,
                };
                walk(field.data_type(), own, next, leaves);
            }
        }
        (DataType::List(item), _) => {
            let own = match read {
                Some(DataType::List(part)) => Some(part.data_type()),
                _ => None,
            };
            walk(item.data_type(), own, next, leaves);
        }
        (DataType::Map(entries, _), _) => walk(entries.data_type(), read.map(|_| entries.data_type()), next, leaves),
        (_, read) => {
            if read.is_some() {
                leaves.push(*next);
            }
            *next += 1;
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.table)?;
        writeln!(f, "  files: {}", self.files)?;
        for chosen in &self.chosen_by {
            writeln!(f, "    {chosen}")?;
        }
        writeln!(f, "  row groups: {} in these files; pages: {}", self.row_groups, self.pages)?;
        writeln!(f, "  rows: {} at most", self.rows)?;
        write!(f, "  bytes: {} at most", self.bytes)
    }
}

/// What the scans of a question keep, one row each.
///
/// # Errors
/// Never in practice.
pub(crate) fn batch(kept: &[Kept]) -> Result<RecordBatch> {
    let number = |of: fn(&Kept) -> u64| -> ArrayRef {
        Arc::new(kept.iter().map(|one| i64::try_from(of(one)).ok()).collect::<Int64Array>())
    };
    let text = |of: fn(&Kept) -> String| -> ArrayRef {
        Arc::new(kept.iter().map(|one| Some(of(one))).collect::<StringArray>())
    };
    let columns = vec![
        text(|one| one.table.clone()),
        number(|one| one.files.kept),
        number(|one| one.files.of),
        number(|one| one.rows.kept),
        number(|one| one.rows.of),
        number(|one| one.bytes.kept),
        number(|one| one.bytes.of),
        text(|one| one.chosen_by.join("; ")),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The columns of [`batch`].
pub(crate) fn schema() -> SchemaRef {
    let numbers = ["files", "of_files", "rows_at_most", "of_rows", "bytes_at_most", "of_bytes"];
    let numbers = numbers.map(|name| Field::new(name, DataType::Int64, true));
    let text = |name| Field::new(name, DataType::Utf8, true);
    let fields = std::iter::once(text("table")).chain(numbers).chain([text("chosen_by")]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelector};
    use parquet::file::metadata::PageIndexPolicy;
    use parquet::file::properties::WriterProperties;

    use super::*;

    #[test]
    fn numbers_have_groups_of_three_digits() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    /// Ten rows to a page, a hundred to a row group.
    fn footer(rows: i64) -> Arc<ParquetMetaData> {
        let numbers = |step: i64| -> ArrayRef { Arc::new((0..rows).map(|n| n * step).collect::<Int64Array>()) };
        let batch = RecordBatch::try_from_iter([("a", numbers(1)), ("b", numbers(7_919))]).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(100))
            .set_data_page_row_count_limit(10)
            .set_write_batch_size(10)
            .set_dictionary_enabled(false)
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        Arc::clone(ArrowReaderMetadata::load(&bytes::Bytes::from(bytes), options).unwrap().metadata())
    }

    #[test]
    fn what_is_read_is_told_by_pages() {
        let footer = footer(250);
        let size = |leaf: usize| footer.row_groups().iter().map(move |g| g.columns()[leaf].compressed_size() as u64);
        let all = of_file(&footer, None, &[1]);
        let whole = Share { kept: 25, of: 25 };
        assert_eq!(all, Part { rows: 250, row_groups: Share { kept: 3, of: 3 }, pages: whole, bytes: size(1).sum() });
        let both = of_file(&footer, None, &[0, 1]);
        assert_eq!((both.rows, both.bytes), (250, size(0).chain(size(1)).sum()));
        // Two rows of one page, and three across the border of two groups.
        let some = [(true, 15), (false, 2), (true, 181), (false, 3), (true, 49)];
        let some = some.map(|(skip, row_count)| RowSelector { row_count, skip });
        let part = of_file(&footer, Some(&some.to_vec().into()), &[0]);
        assert_eq!((part.rows, part.row_groups, part.pages), (5, whole_of(3, 3), whole_of(3, 25)));
        let page = |group: usize, page: usize| {
            footer.offset_index().unwrap()[group][0].page_locations()[page].compressed_page_size as u64
        };
        assert_eq!(part.bytes, page(0, 1) + page(1, 9) + page(2, 0));
        let none = of_file(&footer, Some(&vec![RowSelector::skip(250)].into()), &[0, 1]);
        assert_eq!((none.rows, none.row_groups.kept, none.pages.kept, none.bytes), (0, 0, 0, 0));
    }

    fn whole_of(kept: u64, of: u64) -> Share {
        Share { kept, of }
    }

    #[test]
    fn leaves_are_counted_in_their_order() {
        let field = |name: &str, t: DataType| Field::new(name, t, true);
        let record = |names: &[&str]| {
            DataType::Struct(names.iter().map(|name| field(name, DataType::Int32)).collect::<Vec<_>>().into())
        };
        let list = |item: DataType| DataType::List(Arc::new(field("item", item)));
        let all = Schema::new(vec![
            field("a", DataType::Int64),
            field("r", record(&["x", "y", "z"])),
            field("l", list(record(&["u", "v"]))),
            field("b", DataType::Utf8),
        ]);
        assert_eq!(leaves(&all, &[(0, DataType::Int64), (3, DataType::Utf8)]), [0, 6]);
        assert_eq!(leaves(&all, &[(1, record(&["z", "x"])), (2, list(record(&["v"])))]), [1, 3, 5]);
        assert_eq!(leaves(&all, &[]), [0; 0]);
    }
}
