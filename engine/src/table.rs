//! A table that lies in files, a survey's alerts or the archive's own: which files, which leaves, which rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use noctuary_storage::Access;
use noctuary_storage::log::DataFile;
use noctuary_storage::tables::{IdTypes, RIGHTS};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::adapter::AdapterFactory;
use crate::columns::AlertColumns;
use crate::conditions::{Condition, KeyNames};
use crate::guard::Guard;
use crate::hints::hint;
use crate::merge::{Kind, Place};
use crate::pruning::may_match;
use crate::reader::Readers;

/// Files of one table, read as DataFusion wants them.
#[derive(Debug, Clone)]
pub(crate) struct FileTable {
    schema: TableSchema,
    files: Arc<[Arc<DataFile>]>,
    readers: Arc<Readers>,
    adapters: Arc<dyn PhysicalExprAdapterFactory>,
    keys: Arc<KeyNames>,
    ids: Option<IdTypes>,
    /// Labels of the rows that may be seen; `None` if none is hidden.
    labels: Option<Arc<BTreeSet<String>>>,
    prune: bool,
}

impl FileTable {
    /// The alerts of a survey, as a reader with these rights sees them.
    pub(crate) fn alerts(
        columns: &AlertColumns,
        files: Vec<Arc<DataFile>>,
        readers: Arc<Readers>,
        access: &Access,
        prune: bool,
    ) -> Self {
        let (files, labels) = visible(files, access);
        let keys = KeyNames::of(&columns.survey, &columns.schemas, |path| leaf(&columns.places, path));
        let adapters = Arc::new(AdapterFactory::new(Arc::new(columns.places.clone())));
        let schema = with_commit(columns.file_schema());
        let (files, keys, ids) = (files.into(), Arc::new(keys), Some(columns.ids));
        Self { schema, files, readers, adapters, keys, ids, labels, prune }
    }

    /// A table that belongs to no survey, for readers from whom nothing is hidden.
    pub(crate) fn plain(schema: SchemaRef, files: Vec<Arc<DataFile>>, readers: Arc<Readers>) -> Self {
        let adapters = Arc::new(AdapterFactory::new(Arc::default()));
        let schema = with_commit(schema);
        let (files, keys) = (files.into(), Arc::default());
        Self { schema, files, readers, adapters, keys, ids: None, labels: None, prune: true }
    }

    /// The same table with records and lists of less, by the names of columns.
    pub(crate) fn narrower(&self, types: &BTreeMap<String, DataType>) -> Self {
        let narrower = |field: &FieldRef| match types.get(field.name()) {
            Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type.clone())),
            None => Arc::clone(field),
        };
        let fields: Vec<FieldRef> = self.schema.file_schema().fields().iter().map(narrower).collect();
        Self { schema: with_commit(Arc::new(Schema::new(fields))), ..self.clone() }
    }

    fn conditions(&self, filters: &[Expr]) -> Vec<Condition> {
        if self.prune { filters.iter().map(|f| self.keys.condition(f)).collect() } else { Vec::new() }
    }

    fn partitioned(&self, file: &DataFile) -> PartitionedFile {
        let meta = ObjectMeta {
            location: Path::from(file.path.as_str()),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: file.bytes,
            e_tag: None,
            version: None,
        };
        let commit = i64::try_from(file.commit).unwrap_or(i64::MAX);
        PartitionedFile::new_from_meta(meta).with_partition_values(vec![ScalarValue::Int64(Some(commit))])
    }
}

/// The files that hold a row that may be seen, and the labels to guard by where they hold others as well.
fn visible(files: Vec<Arc<DataFile>>, access: &Access) -> (Vec<Arc<DataFile>>, Option<Arc<BTreeSet<String>>>) {
    let Access::Labels(labels) = access else { return (files, None) };
    let seen = |f: &DataFile| -> u64 {
        f.stats.rights.iter().filter(|(label, _)| labels.contains(*label)).map(|(_, rows)| *rows).sum()
    };
    let files: Vec<_> = files.into_iter().filter(|f| seen(f) > 0).collect();
    let hidden = files.iter().any(|f| seen(f) != f.rows);
    (files, hidden.then(|| Arc::new(labels.clone())))
}

fn with_commit(file_schema: SchemaRef) -> TableSchema {
    TableSchema::builder(file_schema).with_table_partition_cols(vec![Arc::new(AlertColumns::commit_field())]).build()
}

/// The type at a dotted path that leads through records only.
fn leaf(places: &[Place], path: &str) -> Option<DataType> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let place = places.iter().find(|p| p.name == first && p.stored == first)?;
    match (&place.kind, rest) {
        (kind, None) => Some(kind.data_type()),
        (Kind::Record(children), Some(rest)) => leaf(children, rest),
        _ => None,
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let conditions = self.conditions(filters);
        let files: Vec<&Arc<DataFile>> = self.files.iter().filter(|f| may_match(&conditions, f)).collect();
        let all = self.schema.table_schema();
        let mut columns = projection.cloned().unwrap_or_else(|| (0..all.fields().len()).collect());
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(all.project(&columns)?))));
        }
        if self.labels.is_some() {
            columns.push(all.index_of(RIGHTS)?);
        }
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let mut source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::clone(&self.readers) as _);
        let hints = self.ids.map(|ids| conditions.iter().filter_map(|c| hint(c, ids)).collect::<Vec<_>>());
        if let Some(hint) = hints.into_iter().flatten().reduce(Expr::and) {
            let schema = DFSchema::try_from(Arc::clone(all))?;
            source = source.with_predicate(state.create_physical_expr(hint, &schema)?);
        }
        // A count of rows must not count hidden ones.
        let rows = if self.labels.is_none() {
            usize::try_from(files.iter().map(|f| f.rows).sum::<u64>()).map_or(Precision::Absent, Precision::Exact)
        } else {
            Precision::Absent
        };
        let statistics = Statistics { num_rows: rows, ..Statistics::new_unknown(all) };
        let group = FileGroup::new(files.iter().map(|f| self.partitioned(f)).collect());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, Arc::new(source))
            .with_file_groups(group.split_files(state.config().target_partitions()))
            .with_projection_indices(Some(columns))?
            .with_limit(limit.filter(|_| self.labels.is_none()))
            .with_statistics(statistics)
            .with_expr_adapter(Some(Arc::clone(&self.adapters)))
            .build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        match &self.labels {
            Some(labels) => Ok(Arc::new(Guard::new(scan, Arc::clone(labels))?)),
            None => Ok(scan),
        }
    }
}

/// The name under which DataFusion knows the archive's store.
pub(crate) const STORE: &str = "noctuary://archive";
