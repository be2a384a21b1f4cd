//! Columns by name, of which some are put anew.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema};

use crate::error::Result;

/// The columns of a batch that is to become another.
pub(crate) struct Columns {
    fields: Vec<FieldRef>,
    columns: Vec<ArrayRef>,
}

impl Columns {
    /// As they are.
    pub fn of(batch: &RecordBatch) -> Self {
        Self { fields: batch.schema().fields().iter().cloned().collect(), columns: batch.columns().to_vec() }
    }

    /// Puts a column in the place of the one of this name, or behind all others.
    pub fn put(&mut self, name: &str, column: ArrayRef) {
        match self.place(name) {
            Some(at) => self.columns[at] = column,
            None => {
                self.fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
                self.columns.push(column);
            }
        }
    }

    /// Puts a column behind another.
    pub fn put_behind(&mut self, before: &str, name: &str, column: ArrayRef) {
        let at = self.place(before).map_or(self.columns.len(), |at| at + 1);
        self.fields.insert(at, Arc::new(Field::new(name, column.data_type().clone(), true)));
        self.columns.insert(at, column);
    }

    /// Takes a column away, if it is there.
    pub fn remove(&mut self, name: &str) -> Option<ArrayRef> {
        let at = self.place(name)?;
        self.fields.remove(at);
        Some(self.columns.remove(at))
    }

    /// True if there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name() == name)
    }

    /// The batch that they have become.
    ///
    /// # Errors
    /// When they differ in length or type from what they replace, which would be a fault of the program.
    pub fn batch(self) -> Result<RecordBatch> {
        Ok(RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.columns)?)
    }
}
