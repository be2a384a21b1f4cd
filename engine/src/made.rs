//! Tables that are made from what is known of a version, when they are first asked for: most questions want none of
//! them, and a version may have hundreds of thousands of rows in them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

type Make = dyn Fn() -> crate::error::Result<RecordBatch> + Send + Sync;

/// A table of which it is known how to make it.
pub(crate) struct Made {
    schema: SchemaRef,
    make: Box<Make>,
    table: OnceLock<Arc<MemTable>>,
}

impl Made {
    /// A table with these columns.
    pub(crate) fn new(
        schema: SchemaRef,
        make: impl Fn() -> crate::error::Result<RecordBatch> + Send + Sync + 'static,
    ) -> Self {
        Self { schema, make: Box::new(make), table: OnceLock::new() }
    }

    fn table(&self) -> Result<Arc<MemTable>> {
        if let Some(table) = self.table.get() {
            return Ok(Arc::clone(table));
        }
        let batch = (self.make)().map_err(|e| DataFusionError::External(Box::new(e)))?;
        let table = Arc::new(MemTable::try_new(Arc::clone(&self.schema), vec![vec![batch]])?);
        Ok(Arc::clone(self.table.get_or_init(|| table)))
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Made {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table()?.scan(state, projection, filters, limit).await
    }
}
