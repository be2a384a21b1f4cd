//! The schemas and tables of a session: one schema per survey, `archive`, and what SQL knows of them itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::information_schema::INFORMATION_SCHEMA;
use datafusion::catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{JoinType, LogicalPlanBuilder, ident};
use noctuary_packet::survey::Survey;
use noctuary_storage::tables::{ledger_columns, quarantine_columns, table_of};
use noctuary_storage::{Access, Snapshot, StorageError, Table};

use crate::apart::KINDS;
use crate::columns::AlertColumns;
use crate::describe::{self, Described};
use crate::error::{EngineError, Result};
use crate::information::{self, Information};
use crate::made::Made;
use crate::named::Material;
use crate::names::Mentioned;
use crate::objects::{Paths, of_records};
use crate::reader::Readers;
use crate::records::RecordColumns;
use crate::system::{self, Listed};
use crate::table::FileTable;

/// The one catalog.
pub(crate) const CATALOG: &str = "noctuary";
/// The schema in which names without one are looked for.
pub(crate) const ARCHIVE: &str = "archive";
/// The schema of tables that readers bring along.
pub(crate) const TEMPORARY: &str = "temp";
/// The table of alerts in every survey's schema.
pub(crate) const ALERTS: &str = "alerts";
/// The tables of surveys. Where only one survey has alerts they may be named alone.
pub(crate) const OF_SURVEYS: [&str; 5] = [ALERTS, "sources", "forced", "objects", "ssobjects"];

/// A table with what `DESCRIBE` says of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) provider: Arc<dyn TableProvider>,
    pub(crate) described: Arc<Vec<Described>>,
}

/// All tables of a session, by schema and name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) schemas: BTreeMap<String, BTreeMap<String, Entry>>,
    /// Columns of the tables of `information_schema`.
    information: BTreeMap<String, Arc<Vec<Described>>>,
    /// Surveys with alerts that may be seen: `alerts` without a schema is theirs if it is one.
    with_alerts: Vec<String>,
}

impl Tables {
    /// The tables of a snapshot for a reader with these rights.
    pub(crate) async fn new(snapshot: &Snapshot, access: &Access, readers: &Arc<Readers>, prune: bool) -> Result<Self> {
        let mut tables = Self { information: information::described().await?, ..Self::default() };
        for survey in snapshot.surveys().list() {
            tables.schemas.insert(survey.name.clone(), of_survey(snapshot, survey, access, readers, prune)?);
            if system::has_rows(snapshot, &survey.name, access) {
                tables.with_alerts.push(survey.name.clone());
            }
        }
        let mut listed: Vec<Listed> = Vec::new();
        listed.extend(tables.described().map(|(s, t, columns)| (s.to_owned(), t.to_owned(), Arc::clone(columns))));
        let own = tables.schemas.entry(ARCHIVE.into()).or_default();
        let mut add = |name: &str, provider: Arc<dyn TableProvider>| {
            let described = Arc::new(describe::plain(name, provider.schema().fields()));
            own.insert(name.into(), Entry { provider, described });
        };
        let memory = |batch: arrow::array::RecordBatch| -> Result<Arc<dyn TableProvider>> {
            Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
        };
        let (of, seen_by) = (snapshot.clone(), access.clone());
        let columns = system::versions(&[], access)?.schema();
        add("versions", Arc::new(Made::new(columns, move || system::versions(of.versions(), &seen_by))));
        let (of, seen_by) = (snapshot.clone(), access.clone());
        let columns = system::schemas(snapshot, access, true)?.schema();
        add("schemas", Arc::new(Made::new(columns, move || system::schemas(&of, &seen_by, false))));
        let (of, seen_by) = (snapshot.clone(), access.clone());
        let columns = system::surveys(snapshot, access, true)?.schema();
        add("surveys", Arc::new(Made::new(columns, move || system::surveys(&of, &seen_by, false))));
        let columns = system::columns(&[])?.schema();
        add("columns", Arc::new(Made::new(columns, move || system::columns(&listed))));
        // These count packets of all rights: only whoever may see all of them may see these.
        if access.is_everything() {
            let plain = |table, columns| -> Arc<dyn TableProvider> {
                let files = snapshot.files(table, None).cloned().collect();
                Arc::new(FileTable::plain(snapshot, columns, files, Arc::clone(readers)))
            };
            let (of, columns) = (snapshot.clone(), system::files(snapshot, &[])?.schema());
            add("files", Arc::new(Made::new(columns, move || system::files(&of, &system::WITH_FILES))));
            add("ledger", plain(Table::Ledger, ledger_columns()));
            let refused = plain(Table::Quarantine, quarantine_columns());
            add("quarantine", quarantine(refused, memory(system::released(snapshot)?)?)?);
        }
        Ok(tables)
    }

    /// Schema and name of a table, if it is one of ours. Tables that are not there are found out here, where it is
    /// known which there are.
    pub(crate) fn mentioned(&self, table: &TableReference) -> Result<Option<Mentioned>> {
        self.describe(table)?;
        let name = table.table();
        let schema = match table.schema() {
            Some(INFORMATION_SCHEMA) => None,
            None | Some(ARCHIVE) => self.home(name),
            schema => schema,
        };
        let own = |schema: &str| self.schemas.get(schema).and_then(|tables| named(tables, name));
        Ok(schema
            .map(|schema| (schema.to_owned(), own(schema).map_or_else(|| name.to_owned(), |(own, _)| own.clone()))))
    }

    /// What the columns of a table mean.
    pub(crate) fn describe(&self, table: &TableReference) -> Result<Arc<Vec<Described>>> {
        match (table.catalog(), table.schema()) {
            (Some(other), _) if other != CATALOG => Err(EngineError::invalid(format!(
                "there is no catalog {other:?}; write a table as SURVEY.{ALERTS} or as {ARCHIVE}.ledger"
            ))),
            (_, Some(INFORMATION_SCHEMA)) => self.information.get(table.table()).cloned().ok_or_else(|| {
                let near = crate::names::nearest(table.table(), self.information.keys().map(String::as_str));
                EngineError::invalid(format!("there is no table {INFORMATION_SCHEMA}.{}{near}", table.table()))
            }),
            (_, schema) => Ok(Arc::clone(&self.find(schema, table.table())?.described)),
        }
    }

    /// The schema in which a table is that is named alone: that of tables that the reader brought, `archive`, or else
    /// the one survey that has such a table; of several, the one that has alerts. `None` if that is not one.
    pub(crate) fn home(&self, name: &str) -> Option<&str> {
        if !OF_SURVEYS.contains(&name) {
            if self.is_temporary(name) {
                return Some(TEMPORARY);
            }
            let has = |schema: &&String| self.schemas.get(*schema).is_some_and(|tables| named(tables, name).is_some());
            let mut homes = self.schemas.keys().filter(has);
            match (homes.next(), homes.next()) {
                (None, _) => return Some(ARCHIVE),
                (Some(one), None) => return Some(one),
                _ => {}
            }
        }
        self.only_survey()
    }

    /// One table; a name without schema is looked for in its [`home`](Self::home).
    fn find(&self, schema: Option<&str>, name: &str) -> Result<&Entry> {
        let schema = match schema {
            None | Some(ARCHIVE) => self.home(name).ok_or_else(|| self.which(name))?,
            Some(schema) => schema,
        };
        let Some(tables) = self.schemas.get(schema) else {
            let near = crate::names::nearest(schema, self.schemas.keys().map(String::as_str));
            return Err(EngineError::invalid(format!("there is no schema {schema:?}{near}")));
        };
        named(tables, name).map(|(_, entry)| entry).ok_or_else(|| {
            if schema == ARCHIVE && matches!(name, "ledger" | "quarantine" | "files") {
                return EngineError::invalid(format!(
                    "{name} tells of alerts of all rights, and may be seen with the rights to all of them only"
                ));
            }
            let all = self.schemas.iter().flat_map(|(schema, tables)| {
                tables.keys().map(move |t| {
                    if matches!(schema.as_str(), ARCHIVE | TEMPORARY) { t.clone() } else { format!("{schema}.{t}") }
                })
            });
            let all: Vec<String> = all.collect();
            // Of one's own schema first.
            let own = all.iter().filter(|table| table.strip_prefix(schema).is_some_and(|rest| rest.starts_with('.')));
            let near = Some(crate::names::nearest(name, own.map(String::as_str))).filter(|near| !near.is_empty());
            let near = near.unwrap_or_else(|| crate::names::nearest(name, all.iter().map(String::as_str)));
            let there = if near.is_empty() { format!("; there are {}", all.join(", ")) } else { near };
            EngineError::invalid(format!("there is no table {schema}.{name}{there}"))
        })
    }

    /// Why a table of surveys cannot be named alone.
    fn which(&self, name: &str) -> EngineError {
        let has = |survey: &&String| self.schemas.get(*survey).is_some_and(|tables| tables.contains_key(name));
        let list = |surveys: &mut dyn Iterator<Item = &String>| {
            surveys.filter(has).map(|s| format!("{s}.{name}")).collect::<Vec<_>>().join(" or ")
        };
        let with_alerts = list(&mut self.with_alerts.iter());
        EngineError::invalid(if self.with_alerts.is_empty() {
            let known = list(&mut self.schemas.keys());
            format!("no survey has alerts yet; an empty table can be named as {known}")
        } else if with_alerts.is_empty() {
            format!("several surveys have alerts, and none of them has a table {name}")
        } else {
            format!("several surveys have alerts; write {with_alerts}")
        })
    }

    /// The survey whose tables are meant without a schema.
    pub(crate) fn only_survey(&self) -> Option<&str> {
        match self.with_alerts.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Surveys with alerts that may be seen.
    pub(crate) fn with_alerts(&self) -> &[String] {
        &self.with_alerts
    }

    /// True for tables that the reader brought.
    fn is_temporary(&self, name: &str) -> bool {
        self.schemas.get(TEMPORARY).is_some_and(|tables| tables.contains_key(name))
    }

    /// The columns of a table, if there is one.
    pub(crate) fn columns(&self, schema: &str, name: &str) -> Option<SchemaRef> {
        Some(self.schemas.get(schema)?.get(name)?.provider.schema())
    }

    /// Every table, by schema and name, with its columns.
    pub(crate) fn described(&self) -> impl Iterator<Item = (&str, &str, &Arc<Vec<Described>>)> {
        let own = self.schemas.iter().flat_map(|(schema, tables)| {
            tables.iter().map(|(name, entry)| (schema.as_str(), name.as_str(), &entry.described))
        });
        own.chain(self.information.iter().map(|(name, described)| (INFORMATION_SCHEMA, name.as_str(), described)))
    }

    /// The tables as DataFusion wants them.
    pub(crate) fn catalog(self: &Arc<Self>) -> Result<Arc<dyn CatalogProvider>> {
        let told = self.schemas.get(ARCHIVE).and_then(|tables| tables.get("columns"));
        let told = told.ok_or_else(|| StorageError::internal("there is no table of columns"))?;
        let catalog = self.own_schemas()?;
        let information = Information::new(Arc::new(self.own_schemas()?), Arc::clone(&told.provider));
        catalog.register_schema(INFORMATION_SCHEMA, Arc::new(information))?;
        Ok(Arc::new(catalog))
    }

    fn own_schemas(self: &Arc<Self>) -> Result<MemoryCatalogProvider> {
        let catalog = MemoryCatalogProvider::new();
        for schema in self.schemas.keys() {
            let provider = OneSchema { name: schema.clone(), tables: Arc::clone(self) };
            catalog.register_schema(schema, Arc::new(provider))?;
        }
        Ok(catalog)
    }
}

/// The table of this name: so written, or else in another case.
fn named<'t>(tables: &'t BTreeMap<String, Entry>, name: &str) -> Option<(&'t String, &'t Entry)> {
    let spelled = || tables.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    tables.get_key_value(name).or_else(spelled)
}

/// The tables of a survey.
fn of_survey(
    snapshot: &Snapshot,
    survey: &Arc<Survey>,
    access: &Access,
    readers: &Arc<Readers>,
    prune: bool,
) -> Result<BTreeMap<String, Entry>> {
    let mut tables = BTreeMap::new();
    let mut add = |name: &str, provider: Arc<dyn TableProvider>, described: Vec<Described>| {
        tables.insert(name.to_owned(), Entry { provider, described: Arc::new(described) });
    };
    let columns = AlertColumns::of(snapshot, survey);
    let files = FileTable::alerts(snapshot, &columns, Arc::clone(readers), access, prune);
    let alerts: Arc<dyn TableProvider> = Arc::new(files.clone());
    add(ALERTS, Arc::clone(&alerts), describe::alerts(&columns));
    for kind in KINDS {
        let Some(own) = RecordColumns::of(snapshot, &columns, kind) else { continue };
        let name = table_of(kind).to_string();
        let files = FileTable::records(snapshot, &columns, &own, Arc::clone(readers), access, prune);
        add(&name, Arc::new(files), describe::records(&name, &columns, &own));
    }
    let loaded = RecordColumns::of_loaded_objects(snapshot, &columns).map(|own| -> Arc<dyn TableProvider> {
        Arc::new(FileTable::records(snapshot, &columns, &own, Arc::clone(readers), access, prune))
    });
    let records = &survey.records;
    for (name, paths, meaning) in
        [("objects", &records.object, Paths::First), ("ssobjects", &records.solar, Paths::All)]
    {
        if let Some(mut view) = of_records(name, &columns, Arc::clone(&alerts), paths, meaning)? {
            if let Some(loaded) = loaded.as_ref().filter(|_| name == "objects") {
                view = view.with_loaded(Arc::clone(loaded), survey)?;
            }
            add(name, view.provider, view.described);
        }
    }
    let material =
        Material { snapshot, access, readers, prune, columns: &columns, alerts: &files, loaded: loaded.as_ref() };
    for named in &survey.tables {
        if let Some(view) = material.table(named)? {
            add(&named.name, view.provider, view.described);
        }
    }
    Ok(tables)
}

/// Refused packets, with the version that stored them after all.
fn quarantine(refused: Arc<dyn TableProvider>, released: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let columns: Vec<String> = refused.schema().fields().iter().map(|f| f.name().clone()).collect();
    let released = LogicalPlanBuilder::scan("released", provider_as_source(released), None)?.build()?;
    let plan = LogicalPlanBuilder::scan("refused", provider_as_source(refused), None)?
        .join(released, JoinType::Left, (vec!["id"], vec!["released_id"]), None)?
        .project(columns.iter().map(|name| ident(name.as_str())).chain([ident("released")]))?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

#[derive(Debug)]
struct OneSchema {
    name: String,
    tables: Arc<Tables>,
}

#[async_trait]
impl SchemaProvider for OneSchema {
    fn table_names(&self) -> Vec<String> {
        self.tables.schemas.get(&self.name).into_iter().flat_map(|tables| tables.keys().cloned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        Ok(self.tables.find(Some(&self.name), name).ok().map(|entry| Arc::clone(&entry.provider)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.find(Some(&self.name), name).is_ok()
    }
}
