//! A table that lies in files, a survey's alerts or the archive's own: which files, which leaves, which rows.

mod recent;
mod recent_rows;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::conjunction;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use noctuary_packet::apart::RecordKind;
use noctuary_storage::copies::Each;
use noctuary_storage::index::{OwnColumns, Rows};
use noctuary_storage::log::DataFile;
use noctuary_storage::tables::{COMMIT, IdTypes, alert_lists, runs_column};
use noctuary_storage::{Access, Snapshot, Table};

use crate::adapter::AdapterFactory;
use crate::apart::{self, Apart, Held};
use crate::assemble::{Assemble, Hidden, Parts, Wanted};
use crate::columns::AlertColumns;
use crate::commits::BROUGHT;
use crate::conditions::{Condition, KeyNames};
use crate::copies::Copies;
use crate::early;
use crate::gather;
use crate::kept::{Chosen, Tally, kept, thousands};
use crate::lookup;
use crate::merge::{Kind, Place};
use crate::pruning::may_match;
use crate::reader::Readers;
use crate::records::RecordColumns;
use crate::regions::Regions;
use crate::whole;

pub(crate) use recent::Recent;
pub(crate) use recent_rows::RecentRows;
use scan::Choice;
pub(crate) use scan::STORE;

/// Files of one table, read as DataFusion wants them.
#[derive(Debug, Clone)]
pub(crate) struct FileTable {
    /// What questions see.
    schema: SchemaRef,
    /// What is read: beside it columns of files that no question sees.
    read: TableSchema,
    /// These columns.
    hidden: Fields,
    files: Arc<[Arc<DataFile>]>,
    readers: Arc<Readers>,
    adapters: Arc<AdapterFactory>,
    keys: Arc<KeyNames>,
    /// Columns of records that an index speaks of.
    own: Arc<KeyNames>,
    /// The column of records with their time.
    times: Arc<KeyNames>,
    ids: Option<IdTypes>,
    /// Lists that files hold apart.
    apart: Arc<[Arc<Apart>]>,
    /// Columns of such lists of which nothing but the lengths is used.
    lengths: BTreeSet<String>,
    /// Labels of the rows that may be seen; `None` if none is hidden.
    labels: Option<Arc<BTreeSet<String>>>,
    snapshot: Snapshot,
    /// Some files say of each row which commit brought it.
    stamped: bool,
    /// Rows that are seen of several, in tables that have such.
    copies: Option<Arc<Copies>>,
    /// Files have an index of objects and places.
    indexed: bool,
    prune: bool,
}

impl FileTable {
    /// The alerts of a survey, as a reader with these rights sees them.
    pub(crate) fn alerts(
        snapshot: &Snapshot,
        columns: &AlertColumns,
        readers: Arc<Readers>,
        access: &Access,
        prune: bool,
    ) -> Self {
        let (files, labels) = visible(snapshot, files(snapshot, Table::Alerts, columns), access);
        let keys = KeyNames::of(&columns.survey, &columns.schemas, |path| leaf(&columns.places, path));
        let apart = apart::of_files(snapshot, columns, &files);
        let adapters = AdapterFactory::new(Arc::new(columns.places.clone()));
        let plain = Self::plain(snapshot, columns.file_schema(), files, readers);
        let hidden = alert_lists();
        let read = read_schema(&plain.schema, &hidden, plain.stamped);
        let (adapters, keys, ids) = (Arc::new(adapters), Arc::new(keys), Some(columns.ids));
        Self { read, hidden, adapters, keys, ids, apart: apart.into(), labels, prune, ..plain }
    }

    /// The records of a survey that stand apart from its alerts, as a reader with these rights sees them.
    pub(crate) fn records(
        snapshot: &Snapshot,
        alerts: &AlertColumns,
        columns: &RecordColumns,
        readers: Arc<Readers>,
        access: &Access,
        prune: bool,
    ) -> Self {
        let (files, labels) = visible(snapshot, files(snapshot, columns.table, alerts), access);
        let adapters = Arc::new(AdapterFactory::exact(Arc::new(columns.places.clone())));
        let repeat = columns.table != Table::Objects;
        let copies = repeat.then(|| Arc::new(Copies::new(snapshot, access, repeat, None)));
        let own = KeyNames::of_records(&OwnColumns::of(&alerts.survey), |path| leaf(&columns.places, path));
        let plain = Self::plain(snapshot, columns.file_schema(alerts.ids), files, readers);
        // DataFusion asks no adapter where a file has the very columns of its table, and NaN would show: so the table
        // has one that no file has.
        let hidden = Fields::from(vec![Field::new("_exact", DataType::Boolean, true)]);
        let read = read_schema(&plain.schema, &hidden, plain.stamped);
        let times = KeyNames::of_times(&alerts.survey, |path| leaf(&columns.places, path));
        let (own, times, ids) = (Arc::new(own), Arc::new(times), Some(alerts.ids));
        Self { read, hidden, adapters, ids, labels, copies, indexed: repeat, own, times, prune, ..plain }
    }

    /// The same table, in which a reader with these rights sees one of several rows.
    pub(crate) fn with_one_of_each(self, access: &Access, each: Each) -> Self {
        let copies = Copies::new(&self.snapshot, access, self.copies.is_some(), Some(each));
        Self { copies: Some(Arc::new(copies)), ..self }
    }

    /// A table that belongs to no survey, for readers from whom nothing is hidden.
    pub(crate) fn plain(
        snapshot: &Snapshot,
        file_schema: SchemaRef,
        files: Vec<Arc<DataFile>>,
        readers: Arc<Readers>,
    ) -> Self {
        let commit = Arc::new(AlertColumns::commit_field());
        let fields: Vec<FieldRef> = file_schema.fields().iter().cloned().chain([commit]).collect();
        let schema = Arc::new(Schema::new(fields));
        let stamped = files.iter().any(|file| file.commits.is_some());
        Self {
            read: read_schema(&schema, &Fields::empty(), stamped),
            hidden: Fields::empty(),
            schema,
            files: files.into(),
            readers,
            adapters: Arc::new(AdapterFactory::new(Arc::default())),
            keys: Arc::default(),
            own: Arc::default(),
            times: Arc::default(),
            ids: None,
            apart: Arc::default(),
            lengths: BTreeSet::new(),
            labels: None,
            snapshot: snapshot.clone(),
            stamped,
            copies: None,
            indexed: false,
            prune: true,
        }
    }

    /// True if a column is of lists that some file holds apart.
    pub(crate) fn is_apart(&self, column: &str) -> bool {
        self.apart.iter().any(|list| list.column == column)
    }

    /// The same table with records and lists of less, by the names of columns, and with the lengths alone of some lists
    /// that are held apart.
    pub(crate) fn narrower(&self, types: &BTreeMap<String, DataType>, lengths: BTreeSet<String>) -> Self {
        let narrower = |field: &FieldRef| match types.get(field.name()) {
            Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type.clone())),
            None => Arc::clone(field),
        };
        let schema = Arc::new(Schema::new(self.schema.fields().iter().map(narrower).collect::<Vec<_>>()));
        Self { read: read_schema(&schema, &self.hidden, self.stamped), schema, lengths, ..self.clone() }
    }

    /// What conditions say of keys that these names stand for; nothing if nothing is to be left out by it.
    fn conditions(&self, names: &KeyNames, filters: &[Expr], regions: &Regions) -> Vec<Condition> {
        if self.prune { filters.iter().map(|filter| names.condition(filter, regions)).collect() } else { Vec::new() }
    }

    /// Files in which a row may fulfil conditions on keys, and on the times of records, with their numbers.
    fn chosen(&self, keys: &[Condition], times: &[Condition]) -> recent::Files<'_> {
        // The mapping may have named another column when a file was written.
        let timed = |file: &DataFile| file.stats.own_time.as_ref().is_some_and(|time| self.times.has(&time.column));
        let may = |file: &DataFile| may_match(keys, file) && (!timed(file) || may_match(times, file));
        self.files.iter().enumerate().filter(|(_, file)| may(file)).collect()
    }

    /// By file the rows that can be what a question asks for, where an index tells, and which index that is.
    async fn asked(&self, filters: &[Expr], regions: &Regions) -> Result<Option<(&'static str, Vec<Rows>)>> {
        // What is not to be pruned is not looked up either.
        if !self.prune || !self.indexed {
            return Ok(None);
        }
        let conditions: Vec<Condition> = filters.iter().map(|filter| self.own.condition(filter, regions)).collect();
        let wanted = lookup::wanted(&conditions);
        if wanted.is_empty() {
            return Ok(None);
        }
        // Of all files: which copy of a record is seen depends on no other condition.
        let rows = lookup::rows(&self.readers, &self.snapshot, &self.files, &wanted).await?;
        Ok(Some((lookup::index(&wanted), rows)))
    }

    /// The lists among these columns that are to be put together.
    fn wanted(&self, columns: &Schema) -> Vec<Wanted> {
        let wanted = |(column, field): (usize, &FieldRef)| {
            let apart = self.apart.iter().find(|list| list.column == *field.name())?;
            let less = match field.data_type() {
                DataType::List(item) => apart.item.only(item.data_type()),
                _ => None,
            };
            let item = less.unwrap_or_else(|| apart.item.clone());
            Some(Wanted { column, item, lengths: self.lengths.contains(field.name()), apart: Arc::clone(apart) })
        };
        columns.fields().iter().enumerate().filter_map(wanted).collect()
    }

    /// Tells who wants to know what is read of these columns.
    async fn tell(&self, state: &dyn Session, columns: &[usize], choice: &Choice<'_>) -> Result<()> {
        let Some(tally) = Tally::of(state.config()) else { return Ok(()) };
        let columns = self.read.table_schema().project(columns)?;
        let leaves = |file: &Schema| self.adapters.leaves(&columns, file);
        let rows = |number: usize| choice.rows.get(number).and_then(Option::as_ref);
        let files = choice.files.iter().map(|(number, file)| (*file, rows(*number))).collect();
        let chosen = Chosen { all: &self.files, files, chosen_by: choice.by.clone() };
        if let Some(kept) = kept(&self.readers, chosen, &leaves).await? {
            tally.note(kept);
        }
        Ok(())
    }

    /// The same of the records that lists are put together from.
    async fn tell_lists(&self, state: &dyn Session, lists: &[Wanted], choice: &Choice<'_>) -> Result<()> {
        let Some(tally) = Tally::of(state.config()) else { return Ok(()) };
        for list in lists.iter().filter(|list| !list.lengths) {
            let records = |held: &Option<Held>| Some(Arc::clone(held.as_ref()?.records.as_ref()?));
            let all: Vec<Arc<DataFile>> = list.apart.files.iter().filter_map(records).collect();
            let of = |(number, _): &(usize, _)| list.apart.files.get(*number)?.as_ref()?.records.as_ref();
            let files = choice.files.iter().filter_map(of).map(|file| (file, None)).collect();
            let by = vec![format!("the lists {} of alerts that are read, wherever these are", list.apart.column)];
            let leaves = |file: &Schema| gather::leaves(&list.item, file);
            if let Some(kept) = kept(&self.readers, Chosen { all: &all, files, chosen_by: by }, &leaves).await? {
                tally.note(kept);
            }
        }
        Ok(())
    }
}

fn files(snapshot: &Snapshot, table: Table, columns: &AlertColumns) -> Vec<Arc<DataFile>> {
    snapshot.files(table, Some(&columns.survey.name)).cloned().collect()
}

/// The files that hold a row that may be seen, and the labels to guard by where they hold others as well.
fn visible(
    snapshot: &Snapshot,
    files: Vec<Arc<DataFile>>,
    access: &Access,
) -> (Vec<Arc<DataFile>>, Option<Arc<BTreeSet<String>>>) {
    let Access::Labels(labels) = access else { return (files, None) };
    let seen = |f: &DataFile| -> u64 {
        snapshot.rights(f).iter().filter(|(label, _)| labels.contains(*label)).map(|(_, rows)| *rows).sum()
    };
    let files: Vec<_> = files.into_iter().filter(|f| seen(f) > 0).collect();
    let hidden = files.iter().any(|f| seen(f) != snapshot.rows(f));
    (files, hidden.then(|| Arc::new(labels.clone())))
}

/// The column with the number of a row's file. No field of a packet can be called so.
const FILE: &str = "_file";

/// What is read for the columns of a table, the last of which is the commit: a column of files if some are `stamped`,
/// beside which stands what each file knows.
fn read_schema(schema: &Schema, hidden: &Fields, stamped: bool) -> TableSchema {
    let own = schema.fields().iter().filter(|f| stamped || f.name() != COMMIT);
    let fields: Vec<FieldRef> = own.chain(hidden).cloned().collect();
    let brought = if stamped { BROUGHT } else { COMMIT };
    let of_file = vec![Field::new(brought, DataType::Int64, true), Field::new(FILE, DataType::Int64, true)];
    TableSchema::builder(Arc::new(Schema::new(fields)))
        .with_table_partition_cols(of_file.into_iter().map(Arc::new).collect::<Vec<_>>())
        .build()
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
        Arc::clone(&self.schema)
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
        let regions = Regions::of(state.config());
        let conditions = self.conditions(&self.keys, filters, &regions);
        let mut files = self.chosen(&conditions, &self.conditions(&self.times, filters, &regions));
        let mut by = Vec::new();
        if files.len() < self.files.len() {
            by.push(format!("statistics of files: {}", thousands(files.len() as u64)));
        }
        let asked = self.asked(filters, &regions).await?;
        if let Some((index, asked)) = &asked {
            files.retain(|(number, _)| asked.get(*number).is_none_or(|rows| !rows.is_empty()));
            let rows: u64 = asked.iter().flatten().map(|rows| rows.len() as u64).sum();
            by.push(format!("{index}: {}, {} rows", thousands(files.len() as u64), thousands(rows)));
        }
        let asked = asked.map(|(_, rows)| rows);
        let shown = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        if files.is_empty() {
            self.tell(state, &[], &Choice { files, rows: Arc::default(), conditions: Vec::new(), by }).await?;
            return Ok(Arc::new(EmptyExec::new(shown)));
        }
        let all = self.read.table_schema();
        let place = |name: &str| all.index_of(name);
        let rows = match &self.copies {
            Some(copies) => {
                let whole = match &asked {
                    Some(asked) if copies.chooses() => {
                        Some(whole::objects(&self.readers, &self.snapshot, &self.files, asked).await?)
                    }
                    _ => None,
                };
                let looked_at = whole.as_ref().unwrap_or(&asked);
                copies.shown(&self.readers, &self.files, looked_at.as_deref()).await?
            }
            None => Arc::default(),
        };
        let (rows, conditions) = match &asked {
            None => (rows, conditions),
            // What statistics would tell of rows and pages is told already.
            Some(asked) => (lookup::selections(&files, asked, &rows), Vec::new()),
        };
        let choice = Choice { files, rows, conditions, by };
        let mut columns = shown.fields().iter().map(|f| place(f.name())).collect::<Result<Vec<_>, _>>()?;
        let lists = self.wanted(&shown);
        if lists.is_empty() {
            return self.read(state, columns, &choice, limit).await;
        }
        let width = columns.len();
        let hidden = Hidden { width, history: width, forced: width + 1, file: width + 2 };
        columns.push(place(runs_column(RecordKind::History))?);
        columns.push(place(runs_column(RecordKind::Forced))?);
        columns.push(place(FILE)?);
        let apart: BTreeSet<&str> = self.apart.iter().map(|list| list.column.as_str()).collect();
        let early = early::conditions(filters, &apart, all, &regions)?;
        for name in early.iter().flat_map(|(_, names)| names) {
            let column = place(name)?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        // So many rows are to pass, and not so many to be looked at.
        let limit = limit.filter(|_| early.is_empty());
        let mut input = self.read(state, columns, &choice, limit).await?;
        self.tell_lists(state, &lists, &choice).await?;
        let schema = DFSchema::try_from(input.schema())?;
        let early = early.into_iter().filter_map(|(condition, _)| state.create_physical_expr(condition, &schema).ok());
        let early: Vec<Arc<dyn PhysicalExpr>> = early.collect();
        if !early.is_empty() {
            input = Arc::new(FilterExec::try_new(conjunction(early), input)?);
        }
        let parts = Parts { lists, hidden, files: Arc::clone(&self.files), readers: Arc::clone(&self.readers) };
        Ok(Arc::new(Assemble::new(input, Arc::new(parts))?))
    }
}
