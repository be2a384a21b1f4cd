//! What tickets and handles say: a question, its parameters, and the version that it is asked of.

use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use noctuary_engine::{Planned, Session};
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Result};

/// The form of what is written here; another one is refused.
const FORM: u8 = 1;

/// A question, complete in itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    form: u8,
    /// The question, with parameters as `?` or as `$1`, `$2`.
    pub sql: String,
    /// The version of the archive that is asked; the newest if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The parameters: an Arrow stream of one row, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<String>,
}

impl Statement {
    /// A question of the newest version.
    pub fn new(sql: String) -> Self {
        Self { form: FORM, sql, version: None, parameters: None }
    }

    /// The same question of one version.
    pub fn at(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// The bytes of a ticket or handle.
    pub fn encode(&self) -> Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|e| Failure::internal(e.to_string()))
    }

    /// Reads what [`Statement::encode`] wrote, here or on another server.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let unknown = || Failure::request("the ticket or handle is not one of this server; ask again for a new one");
        let statement: Self = serde_json::from_slice(bytes).map_err(|_| unknown())?;
        if statement.form != FORM {
            return Err(unknown());
        }
        Ok(statement)
    }

    /// The same question with these parameters, one row of them.
    pub fn with_parameters(mut self, rows: &RecordBatch) -> Result<Self> {
        if rows.num_rows() != 1 {
            let given = if rows.num_rows() == 0 { "none" } else { "more" };
            return Err(Failure::request(format!(
                "a statement takes one row of parameters, and was given {given}; execute it once for each"
            )));
        }
        let mut stream = StreamWriter::try_new(Vec::new(), &rows.schema())?;
        stream.write(rows)?;
        self.parameters = Some(BASE64_STANDARD.encode(stream.into_inner()?));
        Ok(self)
    }

    fn values(&self) -> Result<Option<Vec<ScalarValue>>> {
        let Some(text) = &self.parameters else { return Ok(None) };
        let broken = |_| Failure::request("the parameters in the handle cannot be read; bind them again");
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| broken(()))?;
        let mut stream = StreamReader::try_new(&bytes[..], None).map_err(|_| broken(()))?;
        let row = stream.next().and_then(|r| r.ok()).filter(|r| r.num_rows() == 1).ok_or_else(|| broken(()))?;
        let values = row.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
        Ok(Some(values.collect::<Result<_, _>>()?))
    }

    /// Plans the question, parameters put in.
    pub async fn plan(&self, session: &Session) -> Result<Planned> {
        let planned = session.plan(&self.sql).await?;
        match self.values()? {
            Some(values) => Ok(planned.with_parameters(values)?),
            None => Ok(planned),
        }
    }
}

/// The parameters that a question expects, in their order. What cannot be told has the type of NULL.
pub fn parameter_schema(planned: &Planned) -> Result<Schema> {
    let parameters = planned.parameters()?;
    let field =
        |(name, data_type): (String, Option<DataType>)| Field::new(name, data_type.unwrap_or(DataType::Null), true);
    Ok(Schema::new(parameters.into_iter().map(field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn statements_read_back() {
        let row = RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![170_239_611_403_501_617])) as ArrayRef),
            ("b", Arc::new(StringArray::from(vec![None::<&str>]))),
        ])
        .unwrap();
        let statement = Statement::new("SELECT $1, $2".to_owned()).at(7).with_parameters(&row).unwrap();
        let again = Statement::decode(&statement.encode().unwrap()).unwrap();
        assert_eq!(again, statement);
        let values = again.values().unwrap().unwrap();
        assert_eq!(values, [ScalarValue::Int64(Some(170_239_611_403_501_617)), ScalarValue::Utf8(None)]);
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&b""[..], b"{}", b"{\"form\":2,\"sql\":\"SELECT 1\"}", b"\xff\x00"] {
            assert!(Statement::decode(bytes).is_err());
        }
        let mut bad = Statement::new(String::new());
        bad.parameters = Some("AAAA".to_owned());
        assert!(bad.values().is_err());
    }
}
