//! `information_schema`: what DataFusion has there, and of every column its unit and meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use async_trait::async_trait;
use datafusion::catalog::information_schema::{INFORMATION_SCHEMA_TABLES, InformationSchemaProvider};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{JoinType, LogicalPlanBuilder, ident};

use crate::catalog::CATALOG;
use crate::describe::{self, Described};

/// The table of columns.
const COLUMNS: &str = "columns";
/// What it has beyond those of others.
const MORE: [&str; 2] = ["unit", "description"];

/// The tables.
#[derive(Debug)]
pub(crate) struct Information {
    plain: InformationSchemaProvider,
    /// Unit and meaning of columns by their schema and table: `archive.columns`.
    told: Arc<dyn TableProvider>,
}

impl Information {
    /// Of a catalog, which is not to hold this itself.
    pub(crate) fn new(catalog: Arc<dyn CatalogProvider>, told: Arc<dyn TableProvider>) -> Self {
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), catalog);
        Self { plain: InformationSchemaProvider::new(Arc::new(catalogs)), told }
    }

    fn columns(columns: Arc<dyn TableProvider>, told: &Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
        let all = columns.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let keys = [("schema", "of_schema"), ("table", "of_table"), ("column", "of_column")];
        let told = LogicalPlanBuilder::scan("told", provider_as_source(Arc::clone(told)), None)?
            .project(keys.map(|(name, key)| ident(name).alias(key)).into_iter().chain(MORE.map(ident)))?
            .build()?;
        let plan = LogicalPlanBuilder::scan("plain", provider_as_source(columns), None)?
            .join(
                told,
                JoinType::Left,
                (vec!["table_schema", "table_name", "column_name"], keys.map(|(_, key)| key).to_vec()),
                None,
            )?
            .project(all.iter().map(String::as_str).chain(MORE).map(ident))?
            .build()?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        INFORMATION_SCHEMA_TABLES.iter().map(|name| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.plain.table(name).await? {
            Some(columns) if name == COLUMNS => Self::columns(columns, &self.told).map(Some),
            table => Ok(table),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.plain.table_exist(name)
    }
}

/// The columns of all tables.
///
/// # Errors
/// When DataFusion cannot make one, which would be a fault of this program.
pub(crate) async fn described() -> Result<BTreeMap<String, Arc<Vec<Described>>>> {
    // They are the same whatever the tables tell of.
    let provider = InformationSchemaProvider::new(Arc::new(MemoryCatalogProviderList::new()));
    let more = Fields::from(MORE.map(|name| Field::new(name, DataType::Utf8, true)).to_vec());
    let mut tables = BTreeMap::new();
    for name in INFORMATION_SCHEMA_TABLES {
        let Some(table) = provider.table(name).await? else { continue };
        let mut described = describe::plain(name, table.schema().fields());
        if *name == COLUMNS {
            described.extend(describe::plain(name, &more));
        }
        tables.insert((*name).to_owned(), Arc::new(described));
    }
    Ok(tables)
}
