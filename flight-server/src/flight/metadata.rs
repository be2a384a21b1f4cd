//! What there is: catalogs, schemas, tables, and what the server can do.

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, SqlInfo, SqlSupportedTransaction,
};
use datafusion::datasource::TableType;
use noctuary_engine::Session;

use super::wire;
use crate::error::{Failure, Result};

impl From<FlightError> for Failure {
    fn from(error: FlightError) -> Self {
        match error {
            FlightError::Arrow(inner) => inner.into(),
            other => Self::request(other.to_string()),
        }
    }
}

/// What the server says of itself.
pub fn sql_info() -> Result<SqlInfoData> {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Noctuary");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    info.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, false);
    info.append(SqlInfo::SqlDdlTable, false);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    Ok(info.build()?)
}

/// Catalogs.
pub fn catalogs(session: &Session, query: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut rows = query.into_builder();
    for catalog in session.context().catalog_names() {
        rows.append(catalog);
    }
    Ok(rows.build()?)
}

/// Schemas: the surveys and what belongs to the archive as a whole.
pub fn schemas(session: &Session, query: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut rows = query.into_builder();
    for (catalog, schema, _) in schema_names(session) {
        rows.append(catalog, schema);
    }
    Ok(rows.build()?)
}

/// Tables, with their columns if those were asked for.
pub async fn tables(session: &Session, query: CommandGetTables) -> Result<RecordBatch> {
    let with_columns = query.include_schema;
    let mut rows = query.into_builder();
    for (catalog, schema, provider) in schema_names(session) {
        let mut names = provider.table_names();
        names.sort();
        for name in names {
            let Some(table) = provider.table(&name).await? else { continue };
            let kind = match table.table_type() {
                TableType::Base => "TABLE",
                TableType::View => "VIEW",
                TableType::Temporary => "LOCAL TEMPORARY",
            };
            // Columns as they travel: what a client reads here is what it gets later.
            let columns = if with_columns { wire::schema(&table.schema()) } else { Schema::empty().into() };
            rows.append(&catalog, &schema, &name, kind, &columns)?;
        }
    }
    Ok(rows.build()?)
}

/// The kinds of tables that there are.
pub fn table_types(query: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut rows = query.into_builder();
    rows.append("TABLE");
    rows.append("VIEW");
    Ok(rows.build()?)
}

type Provider = std::sync::Arc<dyn datafusion::catalog::SchemaProvider>;

fn schema_names(session: &Session) -> Vec<(String, String, Provider)> {
    let context = session.context();
    let mut found = Vec::new();
    for catalog in context.catalog_names() {
        let Some(provider) = context.catalog(&catalog) else { continue };
        let mut names = provider.schema_names();
        names.sort();
        for name in names {
            if let Some(schema) = provider.schema(&name) {
                found.push((catalog.clone(), name, schema));
            }
        }
    }
    found
}
