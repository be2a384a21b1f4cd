//! From the columns of an input to those of a record.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::util::display::FormatOptions;

use super::Target;
use crate::error::{Result, StorageError};
use crate::tables::{Table, record_columns};

/// Positions and objects of rows, beside the columns of the record.
pub(super) const RA: &str = "_ra";
pub(super) const DEC: &str = "_dec";
pub(super) const OBJECT: &str = "_object";

/// How a column is filled.
#[derive(Debug)]
struct Filled {
    field: FieldRef,
    /// The input's column.
    from: Option<usize>,
}

/// Which column of an input becomes which.
#[derive(Debug)]
pub(super) struct Mapped {
    columns: Vec<Filled>,
    schema: SchemaRef,
    input: SchemaRef,
    /// Columns of the input that nothing is made of.
    pub unused: Vec<String>,
}

impl Mapped {
    /// Finds the columns of a record in an input: as they are named for it, else by their own name, without regard to
    /// case where that is no matter.
    pub fn new(input: &SchemaRef, target: &Target) -> Result<Self> {
        let record = record_columns(&target.schema, &target.record).unwrap_or_else(Fields::empty);
        let mut wanted: Vec<FieldRef> = record.iter().cloned().collect();
        for (name, data_type) in [(RA, DataType::Float64), (DEC, DataType::Float64), (OBJECT, object_type(target))] {
            wanted.push(Arc::new(Field::new(name, data_type, true)));
        }
        for name in target.columns.keys() {
            if !wanted.iter().any(|field| field.name() == name) {
                let near = wanted.iter().find(|field| field.name().eq_ignore_ascii_case(name));
                let near = near.map_or_else(String::new, |field| format!("; did you mean {}?", field.name()));
                let label = target.schema.label();
                return Err(StorageError::invalid(format!("{} of {label} has no column {name}{near}", target.record)));
            }
        }
        let mut columns: Vec<Filled> = Vec::with_capacity(wanted.len());
        for field in wanted {
            let from = match target.columns.get(field.name()) {
                Some(named) => Some(input.index_of(named).map_err(|_| {
                    let there: Vec<&str> = input.fields().iter().map(|f| f.name().as_str()).collect();
                    StorageError::invalid(format!("there is no column {named:?}; there are {}", there.join(", ")))
                })?),
                None => of_name(input, field.name()),
            };
            columns.push(Filled { field, from });
        }
        // Keys are those of the record unless the input has its own.
        let from_record = |columns: &[Filled], key: &str| {
            let paths = match key {
                RA => &target.survey.position.ra,
                DEC => &target.survey.position.dec,
                _ => &target.survey.ids.object,
            };
            let names = paths.iter().filter_map(|path| path.rsplit('.').next());
            names.filter_map(|name| columns.iter().find(|c| c.field.name() == name)?.from).next()
        };
        for key in [RA, DEC, OBJECT] {
            let found = from_record(&columns, key);
            if let Some(column) = columns.iter_mut().find(|c| c.field.name() == key && c.from.is_none()) {
                column.from = found;
            }
        }
        let mapped = Self::checked(columns, input, target)?;
        Ok(mapped)
    }

    fn checked(columns: Vec<Filled>, input: &SchemaRef, target: &Target) -> Result<Self> {
        let is_filled = |name: &str| columns.iter().any(|c| c.field.name() == name && c.from.is_some());
        let mut needed: Vec<(&str, String)> = vec![(OBJECT, "the object's id".to_owned())];
        if target.table != Table::Forced {
            needed.push((RA, "the right ascension in degrees".to_owned()));
            needed.push((DEC, "the declination in degrees".to_owned()));
        }
        let time = target.survey.photometry.as_ref().map(|p| p.time.as_str());
        if let Some(time) = time.filter(|_| target.table != Table::Objects) {
            needed.push((time, format!("the time, as {} has it", target.survey.name)));
        }
        for (name, what) in needed {
            if !is_filled(name) {
                return Err(StorageError::invalid(format!(
                    "no column says {what}; name one with --column {name}=COLUMN"
                )));
            }
        }
        for column in &columns {
            let Some(from) = column.from else { continue };
            let own = input.field(from).data_type();
            if !arrow::compute::can_cast_types(own, column.field.data_type()) {
                return Err(StorageError::invalid(format!(
                    "column {} is {own}, and {} is to be {}",
                    input.field(from).name(),
                    column.field.name(),
                    column.field.data_type()
                )));
            }
        }
        let used = |at: usize| columns.iter().any(|c| c.from == Some(at));
        let unused = (0..input.fields().len()).filter(|at| !used(*at)).map(|at| input.field(at).name().clone());
        let unused = unused.collect();
        let schema = Arc::new(Schema::new(columns.iter().map(|c| Arc::clone(&c.field)).collect::<Fields>()));
        Ok(Self { columns, schema, input: Arc::clone(input), unused })
    }

    /// Which columns are filled, and from what.
    pub fn filled(&self) -> Vec<(String, String)> {
        let name = |at: usize| self.input.field(at).name().clone();
        self.columns.iter().filter_map(|c| Some((c.field.name().clone(), name(c.from?)))).collect()
    }

    /// Rows of the input as rows of the record, the keys behind them.
    pub fn rows(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        // A number that does not fit is an error, and no null.
        let options = CastOptions { safe: false, format_options: FormatOptions::default() };
        let columns = self.columns.iter().map(|column| -> Result<ArrayRef> {
            let wanted = column.field.data_type();
            match column.from {
                None => Ok(new_null_array(wanted, batch.num_rows())),
                Some(from) if batch.column(from).data_type() == wanted => Ok(Arc::clone(batch.column(from))),
                Some(from) => cast_with_options(batch.column(from), wanted, &options)
                    .map_err(|e| StorageError::invalid(format!("column {}: {e}", self.input.field(from).name()))),
            }
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_>>()?)?)
    }
}

fn object_type(target: &Target) -> DataType {
    crate::tables::id_types(&target.survey, &target.schema).object.data_type()
}

fn of_name(input: &SchemaRef, name: &str) -> Option<usize> {
    input.index_of(name).ok().or_else(|| {
        let mut same = input.fields().iter().enumerate().filter(|(_, f)| f.name().eq_ignore_ascii_case(name));
        match (same.next(), same.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    })
}
