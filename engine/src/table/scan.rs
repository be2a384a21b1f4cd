//! How the files of a table are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use noctuary_storage::Shown;
use noctuary_storage::log::DataFile;
use noctuary_storage::tables::{COMMIT, RIGHTS};
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::arrow::arrow_reader::RowSelection;

use super::FileTable;
use super::recent::{self, Files};
use crate::commits::{self, BROUGHT};
use crate::conditions::Condition;
use crate::copies::Rows;
use crate::guard::Guard;
use crate::hints::hint;

/// The name under which DataFusion knows the archive's store.
pub(crate) const STORE: &str = "noctuary://archive";

/// What is read of a table.
pub(super) struct Choice<'t> {
    /// Files with their numbers.
    pub(super) files: Files<'t>,
    /// By the numbers of files the rows that are read of them.
    pub(super) rows: Rows,
    /// What statistics of row groups and pages may tell.
    pub(super) conditions: Vec<Condition>,
    /// What chose, for people.
    pub(super) by: Vec<String>,
}

impl FileTable {
    /// Reads columns of files, as far as rights allow.
    pub(super) async fn read(
        &self,
        state: &dyn Session,
        mut columns: Vec<usize>,
        choice: &Choice<'_>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Choice { files, rows: shown, .. } = choice;
        let all = self.read.table_schema();
        if self.labels.is_some() {
            columns.push(all.index_of(RIGHTS)?);
        }
        let visible = files.iter().all(|(_, file)| self.snapshot.visible().of(file) == Shown::All);
        let whole = visible && files.iter().all(|(number, _)| shown.get(*number).is_none_or(Option::is_none));
        let width = columns.len();
        let commit = all.index_of(COMMIT)?;
        let told = self.stamped && (columns.contains(&commit) || !visible);
        if told {
            if !columns.contains(&commit) {
                columns.push(commit);
            }
            columns.push(all.index_of(BROUGHT)?);
        }
        self.tell(state, &columns, choice).await?;
        // A count of rows must not count hidden ones.
        let counted = self.labels.is_none() && visible;
        let limit = limit.filter(|_| self.labels.is_none() && whole);
        let (recent, others) = if self.prune && self.indexed {
            recent::split(&self.files, files, columns.len())
        } else {
            (Vec::new(), files.clone())
        };
        let mut scans = Vec::new();
        if !others.is_empty() {
            scans.push(self.files(state, columns.clone(), &others, Some(choice), counted && whole, limit)?);
        }
        if !recent.is_empty() {
            scans.push(self.recent(state, &columns, &recent, shown, counted).await?);
        }
        let mut scan = UnionExec::try_new(scans)?;
        if told {
            scan = commits::shown(state, scan, width, &self.snapshot, files)?;
        }
        match &self.labels {
            Some(labels) => Ok(Arc::new(Guard::new(scan, Arc::clone(labels))?)),
            None => Ok(scan),
        }
    }

    /// Reads columns of some of the files, and of these all rows or those that were chosen.
    pub(super) fn files(
        &self,
        state: &dyn Session,
        columns: Vec<usize>,
        files: &Files<'_>,
        choice: Option<&Choice<'_>>,
        counted: bool,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let conditions = choice.into_iter().flat_map(|choice| &choice.conditions);
        let hints = self.ids.map(|ids| conditions.filter_map(|c| hint(c, ids)).collect::<Vec<_>>());
        let hint = hints.into_iter().flatten().reduce(Expr::and);
        let (read, columns) = self.only(&columns, hint.as_ref())?;
        let all = Arc::clone(read.table_schema());
        let mut source = ParquetSource::new(read)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::clone(&self.readers) as _);
        if let Some(hint) = hint {
            let schema = DFSchema::try_from(Arc::clone(&all))?;
            source = source.with_predicate(state.create_physical_expr(hint, &schema)?);
        }
        let rows = if counted {
            usize::try_from(files.iter().map(|(_, f)| f.rows).sum::<u64>()).map_or(Precision::Absent, Precision::Exact)
        } else {
            Precision::Absent
        };
        let statistics = Statistics { num_rows: rows, ..Statistics::new_unknown(&all) };
        let partitioned = files.iter().map(|(number, file)| {
            let rows = choice.and_then(|choice| choice.rows.get(*number)).and_then(Option::as_ref);
            self.partitioned(*number, file, rows)
        });
        let group = FileGroup::new(partitioned.collect());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, Arc::new(source))
            .with_file_groups(group.split_files(state.config().target_partitions()))
            .with_projection_indices(Some(columns))?
            .with_limit(limit)
            .with_statistics(statistics)
            .with_expr_adapter(Some(Arc::clone(&self.adapters) as _))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// The table with these columns and those of a hint, and where the former are in it: a plan takes time for each column
    /// of its tables, read or not, and surveys have hundreds. Columns that no question sees stay, since they are what keeps
    /// a file from having the very columns of its table.
    fn only(&self, columns: &[usize], hint: Option<&Expr>) -> Result<(TableSchema, Vec<usize>)> {
        let own = self.read.file_schema();
        let width = own.fields().len();
        let mut kept: BTreeSet<usize> = columns.iter().copied().filter(|column| *column < width).collect();
        let named = hint.into_iter().flat_map(Expr::column_refs).map(|column| column.name.as_str());
        for name in named.chain(self.hidden.iter().map(|field| field.name().as_str())) {
            kept.insert(own.index_of(name)?);
        }
        let place = |column: &usize| match kept.iter().position(|own| own == column) {
            Some(place) => place,
            // Behind the columns of files stand those that are one value for all rows of a file.
            None => column - width + kept.len(),
        };
        let places = columns.iter().map(place).collect();
        let fields: Vec<FieldRef> = kept.iter().filter_map(|at| own.fields().get(*at)).cloned().collect();
        let schema = TableSchema::builder(Arc::new(Schema::new(fields)))
            .with_table_partition_cols(self.read.table_partition_cols().clone())
            .build();
        Ok((schema, places))
    }

    /// What is known of all rows of a file: the commit that brought them, if it is one, and the file's number.
    pub(super) fn of_file(&self, number: usize, file: &DataFile) -> [Option<i64>; 2] {
        let told_by_rows = self.stamped && file.commits.is_some();
        let commit = (!told_by_rows).then(|| i64::try_from(file.commit).unwrap_or(i64::MAX));
        [commit, Some(i64::try_from(number).unwrap_or(i64::MAX))]
    }

    fn partitioned(&self, number: usize, file: &DataFile, rows: Option<&RowSelection>) -> PartitionedFile {
        let meta = ObjectMeta {
            location: Path::from(file.path.as_str()),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: file.bytes,
            e_tag: None,
            version: None,
        };
        let own = self.of_file(number, file).map(ScalarValue::Int64).to_vec();
        let file = PartitionedFile::new_from_meta(meta).with_partition_values(own);
        match rows {
            Some(rows) => file.with_extension(ParquetRowSelection::new(rows.clone())),
            None => file,
        }
    }
}
