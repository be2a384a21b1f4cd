//! Tables that go by a survey's own names, as its mapping has them: questions that were written for the survey's own
//! database need no change.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, ident};
use noctuary_packet::Columns;
use noctuary_packet::survey::{NamedTable, RowsAre};
use noctuary_storage::copies::{Each, RowsOf};
use noctuary_storage::{Access, Snapshot};

use crate::columns::AlertColumns;
use crate::describe::{self, Described};
use crate::error::Result;
use crate::objects::{Paths, View, of_records};
use crate::reader::Readers;
use crate::records::RecordColumns;
use crate::table::FileTable;

/// The object of a row, as the archive calls it in every table.
const OBJECT: &str = "_object";

/// What the tables of a survey are made of.
pub(crate) struct Material<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) access: &'a Access,
    pub(crate) readers: &'a Arc<Readers>,
    pub(crate) prune: bool,
    pub(crate) columns: &'a AlertColumns,
    pub(crate) alerts: &'a FileTable,
    /// Objects that no alert told of.
    pub(crate) loaded: Option<&'a Arc<dyn TableProvider>>,
}

impl Material<'_> {
    /// A table; `None` if no schema of what is stored has such rows.
    ///
    /// # Errors
    /// When DataFusion cannot make a plan of it, which would be a fault of this program.
    pub(crate) fn table(&self, named: &NamedTable) -> Result<Option<View>> {
        let view = self.rows(named)?;
        match (view, &named.object) {
            (Some(view), Some(object)) => self.with_object(view, object).map(Some),
            (view, _) => Ok(view),
        }
    }

    /// The same with the object under the survey's name, unless it is there.
    fn with_object(&self, mut view: View, name: &str) -> Result<View> {
        let own = view.provider.schema();
        if own.column_with_name(name).is_some() {
            return Ok(view);
        }
        let selected = own.fields().iter().flat_map(|field| {
            let of_object = (field.name() == OBJECT).then(|| ident(OBJECT).alias(name));
            std::iter::once(ident(field.name())).chain(of_object)
        });
        let selected: Vec<Expr> = selected.collect();
        let plan = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::clone(&view.provider)), None)?;
        view.provider = Arc::new(ViewTable::new(plan.project(selected)?.build()?, None));
        if let Some((at, object)) = view.described.iter().enumerate().find(|(_, column)| column.column == OBJECT) {
            let own = self.columns.places.iter().find(|place| place.name == name);
            let told = own.and_then(|place| describe::alert_column(self.columns, place));
            let described = told.unwrap_or_else(|| Described { column: name.to_owned(), ..object.clone() });
            view.described.insert(at + 1, described);
        }
        Ok(view)
    }

    fn rows(&self, named: &NamedTable) -> Result<Option<View>> {
        let each =
            |of, key: &[String]| Each { key: key.iter().map(|path| Columns::path(path).into_owned()).collect(), of };
        let of = match named.rows {
            RowsAre::Alerts => return self.of_alerts(named, each(RowsOf::Alerts, &named.key)),
            RowsAre::Sources => RowsOf::Sources,
            RowsAre::Triggers => RowsOf::Triggers,
            RowsAre::History => RowsOf::History,
            RowsAre::Forced => RowsOf::Forced,
        };
        let Some(own) = RecordColumns::of_rows(self.snapshot, self.columns, named.rows) else { return Ok(None) };
        let files =
            FileTable::records(self.snapshot, self.columns, &own, Arc::clone(self.readers), self.access, self.prune);
        let files = files.with_one_of_each(self.access, each(of, &named.key));
        let described = describe::records(&named.name, self.columns, &own);
        Ok(Some(View { provider: Arc::new(files), described }))
    }

    fn of_alerts(&self, named: &NamedTable, each: Each) -> Result<Option<View>> {
        let alerts = match each.key.is_empty() {
            true => self.alerts.clone(),
            false => self.alerts.clone().with_one_of_each(self.access, each),
        };
        let view = of_records(&named.name, self.columns, Arc::new(alerts), &named.record, Paths::First)?;
        let Some(view) = view else { return Ok(None) };
        let Some(loaded) = self.loaded.filter(|_| self.is_of_objects(named)) else { return Ok(Some(view)) };
        let Some(key) = named.key.first().and_then(|path| path.rsplit('.').next()) else {
            return view.with_loaded(Arc::clone(loaded), &self.columns.survey).map(Some);
        };
        // What alerts say of an object holds, and of the others what was loaded.
        let told = LogicalPlanBuilder::scan("told", provider_as_source(Arc::clone(&view.provider)), None)?;
        let rows = LogicalPlanBuilder::scan("loaded", provider_as_source(Arc::clone(loaded)), None)?
            .join(
                told.build()?,
                JoinType::LeftAnti,
                (vec![Column::from_name(key)], vec![Column::from_name(key)]),
                None,
            )?
            .build()?;
        view.with_loaded(Arc::new(ViewTable::new(rows, None)), &self.columns.survey).map(Some)
    }

    fn is_of_objects(&self, named: &NamedTable) -> bool {
        named.record == self.columns.survey.records.object
    }
}
