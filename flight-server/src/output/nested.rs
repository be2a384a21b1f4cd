//! Records and lists as JSON text, for forms that have only flat columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::json::writer::{EncoderOptions, make_encoder};

use crate::error::Result;

/// True for records, lists, maps and unions.
pub fn is_nested(data_type: &DataType) -> bool {
    data_type.is_nested()
}

/// A column of JSON texts for a column of records or lists.
pub fn as_text(field: &FieldRef, array: &dyn Array) -> Result<ArrayRef> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, array, &options)?;
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * 64);
    let mut text = Vec::new();
    for row in 0..array.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Arc::new(texts.finish()))
}

/// The field of [`as_text`].
pub fn text_field(field: &Field) -> Field {
    if is_nested(field.data_type()) { Field::new(field.name(), DataType::Utf8, true) } else { field.clone() }
}
