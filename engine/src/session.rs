//! A session: one snapshot, one reader's rights, and the way from a question to its plan.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::tokenizer::Location;
use noctuary_storage::{Access, Snapshot};

use crate::aliases::{name_columns, titles};
use crate::as_of::{self, OfVersions, Versions};
use crate::catalog::Tables;
use crate::clauses;
use crate::deadline::Deadline;
use crate::describe;
use crate::error::{EngineError, Result, unknown_column};
use crate::names::{Mentioned, Names, nearest};
use crate::plan::{Planned, Titles};
use crate::relations::{Relation, write_out};
use crate::sql::{self, Asked};
use crate::views::Views;

/// Questions about one version of the archive.
#[derive(Clone)]
pub struct Session {
    pub(crate) views: Views,
    pub(crate) snapshot: Snapshot,
    pub(crate) access: Access,
    pub(crate) context: SessionContext,
    pub(crate) tables: Arc<Tables>,
    pub(crate) names: Arc<Names>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) relations: Arc<[Relation]>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("version", &self.snapshot.version()).finish_non_exhaustive()
    }
}

impl Session {
    /// What it looks at.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The columns of a table; `None` if there is no such table.
    #[must_use]
    pub fn columns(&self, schema: &str, table: &str) -> Option<SchemaRef> {
        self.tables.columns(schema, table)
    }

    /// DataFusion's own context, for functions to be registered and for tests.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Splits a script into its statements.
    ///
    /// # Errors
    /// When a quote or comment is never closed.
    pub fn statements(sql: &str) -> Result<Vec<String>> {
        sql::statements(sql)
    }

    /// True if a script needs no more lines: it ends with a semicolon, quotes and comments left aside.
    #[must_use]
    pub fn is_whole(sql: &str) -> bool {
        sql::is_whole(sql)
    }

    /// The word that a statement begins with, in upper case, comments left aside: `SELECT`, `EXPLAIN`.
    #[must_use]
    pub fn first_word(sql: &str) -> Option<String> {
        sql::first_word(sql)
    }

    /// Understands a question: one statement that reads. Conditions are followed operator by operator, which with the
    /// most that are taken needs a stack of 8 MB, here and where the answer is streamed.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] with what to change.
    pub async fn plan(&self, sql: &str) -> Result<Planned> {
        let clock = Deadline::new(self.deadline).start();
        let planned = clock.on(self.understand(sql)).await?;
        Ok(planned.within(clock.stop()))
    }

    /// What a question would read, of how much, a row for each scan of a table: `table`, and `files`, `rows_at_most`
    /// and `bytes_at_most` (of the columns that it uses, as they are stored), each with the number `of_...` which the
    /// table has, and what chose. Nothing is read of the rows.
    ///
    /// # Errors
    /// As [`Session::plan`], and [`crate::ErrorKind::Invalid`] for whoever may not see everything: the numbers are of
    /// rows of all rights.
    pub async fn dry_run(&self, sql: &str) -> Result<RecordBatch> {
        if !self.access.is_everything() {
            return Err(EngineError::invalid(
                "a dry run counts rows of all rights, and needs the rights to all of them",
            ));
        }
        self.plan(sql).await?.kept().await
    }

    async fn understand(&self, sql: &str) -> Result<Planned> {
        let mut state = self.context.state();
        let mut mentioned = BTreeSet::new();
        let (asked, versions) = sql::parse(sql, &self.names, self.tables.only_survey(), &self.relations)?;
        let (versions, views) = self.of_versions(versions).await?;
        if !views.is_empty() {
            state = as_of::with_views(&state, &self.tables, &views)?;
        }
        let state = Arc::new(state);
        let (plan, titles) = match asked {
            Asked::Describe(_) if !versions.is_empty() => {
                return Err(EngineError::invalid(
                    "DESCRIBE tells of the session's version; `noctuary sql --as-of` opens one on another",
                ));
            }
            Asked::Describe(table) => {
                let rows = self.tables.describe(&reference(&table)?)?;
                (self.context.read_batch(describe::batch(&rows)?)?.into_unoptimized_plan(), Titles::default())
            }
            Asked::Rows { mut statement, typed } => {
                if sql::explains(&statement) && !self.access.is_everything() {
                    return Err(EngineError::invalid(
                        "EXPLAIN tells which files are read, and so of rows of all rights: it needs the rights to all of them",
                    ));
                }
                clauses::check(&statement)?;
                let titles = Arc::new(titles(&statement, &typed));
                name_columns(&mut statement);
                let others = state.table_functions().keys().cloned().collect();
                write_out(&mut statement, &self.relations, &others, &self.tables, &self.snapshot)?;
                as_of::apply(&mut statement, &versions, &self.tables, &views)?;
                for table in state.resolve_table_references(&statement)? {
                    // Functions that give tables are called like relations.
                    let gives_table =
                        others.contains(table.table()) || Relation::named(&self.relations, table.table()).is_some();
                    if table.schema().is_some() || !gives_table {
                        let known = self.mentioned(&table);
                        mentioned.extend(known.map_err(|e| with_functions(e, &table, &others, &self.relations))?);
                    }
                }
                (self.logical(&state, *statement).await.map_err(|e| self.explain(e, &mentioned))?, titles)
            }
        };
        Planned::new(state, plan, titles).map_err(|e| self.with_hint(e, &mentioned))
    }

    /// The versions that are meant, and their tables.
    async fn of_versions(&self, versions: Versions) -> Result<(BTreeMap<Location, u64>, OfVersions)> {
        let (mut meant, mut views) = (BTreeMap::new(), OfVersions::new());
        for (at, asked) in versions {
            let version = self.views.version_of(&asked).await?;
            if let Entry::Vacant(entry) = views.entry(version) {
                entry.insert(self.views.tables_of(version, &self.access).await?);
            }
            meant.insert(at, version);
        }
        Ok((meant, views))
    }

    fn mentioned(&self, table: &TableReference) -> Result<Option<Mentioned>> {
        match table.schema().and_then(as_of::parts_of) {
            // It was found in its own version.
            Some((schema, _)) => Ok(Some((schema.to_owned(), table.table().to_owned()))),
            None => self.tables.mentioned(table),
        }
    }

    /// Plans and answers.
    ///
    /// # Errors
    /// As [`Session::plan`]; what fails on the way is an error in the stream.
    pub async fn sql(&self, sql: &str) -> Result<SendableRecordBatchStream> {
        self.plan(sql).await?.execute().await
    }

    async fn logical(&self, state: &SessionState, statement: Statement) -> Result<LogicalPlan, DataFusionError> {
        let plan = state.statement_to_plan(statement).await?;
        let options = datafusion::prelude::SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        options.verify_plan(&plan)?;
        Ok(plan)
    }

    fn explain(&self, error: DataFusionError, mentioned: &BTreeSet<Mentioned>) -> EngineError {
        match unknown_column(&error) {
            Some(Column { relation: Some(_), name, .. }) if self.names.has(&name, mentioned) => {
                EngineError::invalid(format!(
                    "there is no column {name} in what is named before it; write {name} alone, or with its own table"
                ))
            }
            Some(Column { name, .. }) => {
                EngineError::invalid(format!("there is no column {name}{}", self.names.suggest(&name, mentioned)))
            }
            None => self.with_hint(EngineError::from(error), mentioned),
        }
    }

    /// DataFusion tells of unknown functions and of unknown fields of records in words only.
    fn with_hint(&self, error: EngineError, mentioned: &BTreeSet<Mentioned>) -> EngineError {
        let text = error.to_string();
        if let Some((name, _)) = text.strip_prefix("Invalid function '").and_then(|rest| rest.split_once('\'')) {
            return self.no_function(name);
        }
        let field = text.strip_prefix("Field ").and_then(|rest| rest.split_once(" not found in struct"));
        match field {
            Some((name, _)) => {
                let name = name.trim_matches(['"', '\'', '`']);
                EngineError::invalid(format!("there is no field {name}{}", self.names.suggest(name, mentioned)))
            }
            None => error,
        }
    }

    fn no_function(&self, name: &str) -> EngineError {
        let state = self.context.state();
        // Of a table, where it stands beside a value.
        if state.table_functions().contains_key(name) || Relation::named(&self.relations, name).is_some() {
            return EngineError::invalid(format!("{name} gives a table; write SELECT ... FROM {name}(...)"));
        }
        let functions = functions(&state);
        let near = nearest(name, functions.iter().map(String::as_str));
        let there = if near.is_empty() { "; SHOW FUNCTIONS lists those that there are" } else { "" };
        EngineError::invalid(format!("there is no function {name}{near}{there}"))
    }

    /// Words to complete: schemas, tables, columns, leaves and functions.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = self.names.words();
        names.extend(functions(&self.context.state()));
        names.extend(self.relations.iter().map(|relation| relation.name.to_owned()));
        names.sort();
        names.dedup();
        names
    }
}

/// A table that is not there may be meant for a function that gives one.
fn with_functions(
    error: EngineError,
    table: &TableReference,
    others: &BTreeSet<String>,
    relations: &[Relation],
) -> EngineError {
    let functions = others.iter().map(String::as_str).chain(relations.iter().map(|relation| relation.name));
    let near = if table.schema().is_some() { String::new() } else { nearest(table.table(), functions) };
    if near.is_empty() {
        return error;
    }
    EngineError::invalid(format!("there is no table and no function {} that gives one{near}", table.table()))
}

/// Functions of values, of groups and of windows.
fn functions(state: &SessionState) -> Vec<String> {
    let scalar = state.scalar_functions().keys();
    scalar.chain(state.aggregate_functions().keys()).chain(state.window_functions().keys()).cloned().collect()
}

fn reference(table: &ObjectName) -> Result<TableReference> {
    let parts: Vec<&str> = table.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str()).collect();
    match parts.as_slice() {
        [name] => Ok(TableReference::bare(*name)),
        [schema, name] => Ok(TableReference::partial(*schema, *name)),
        [catalog, schema, name] => Ok(TableReference::full(*catalog, *schema, *name)),
        _ => Err(EngineError::invalid(format!("{table} is not the name of a table"))),
    }
}
