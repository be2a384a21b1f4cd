//! The columns of a survey's alerts in one snapshot: keys first, then the packet's own, merged over its schemas.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use noctuary_packet::Columns;
use noctuary_packet::schema::Schema;
use noctuary_packet::survey::Survey;
use noctuary_storage::Snapshot;
use noctuary_storage::tables::{COMMIT, IdType, IdTypes, alert_keys, id_types};

use crate::merge::{Place, merge, places};

/// What the alerts of a survey look like.
#[derive(Debug, Clone)]
pub(crate) struct AlertColumns {
    /// The mapping.
    pub(crate) survey: Arc<Survey>,
    /// The schemas that were merged, newest first.
    pub(crate) schemas: Vec<Arc<Schema>>,
    /// Types of the ids.
    pub(crate) ids: IdTypes,
    /// The packet's own columns.
    pub(crate) places: Vec<Place>,
}

impl AlertColumns {
    /// Merges the schemas of what is stored; where nothing is, the newest schema that is known stands in.
    pub(crate) fn of(snapshot: &Snapshot, survey: &Arc<Survey>) -> Self {
        let mut schemas: Vec<Arc<Schema>> =
            snapshot.stored_schemas(&survey.name).into_iter().map(|(schema, _)| schema).collect();
        schemas.extend(snapshot.loaded_schemas(&survey.name).cloned());
        // A stable sort of the reversed order: of schemas that state no version, the last to come is the newest.
        schemas.reverse();
        schemas.sort_by_key(|s| std::cmp::Reverse(s.version_order()));
        if schemas.is_empty() {
            let known = snapshot.schemas().list().into_iter();
            let own = known.filter(|s| snapshot.surveys().recognise(s).is_some_and(|r| r.name == survey.name));
            schemas.extend(own.max_by_key(|s| s.version_order()));
        }
        Self::merged(survey, schemas)
    }

    /// Merges schemas, newest first.
    pub(crate) fn merged(survey: &Arc<Survey>, schemas: Vec<Arc<Schema>>) -> Self {
        let mut columns = Vec::new();
        let mut ids = IdTypes { alert: IdType::Number, object: IdType::Number };
        for (at, schema) in schemas.iter().enumerate() {
            let cutouts: Vec<_> = survey.cutout_nodes(schema).into_iter().map(|(_, node)| node).collect();
            merge(&mut columns, places(&Columns::new(schema, &cutouts).fields(), at));
            let own = id_types(survey, schema);
            // Every number can be written as text, but not the other way round.
            ids.alert = if own.alert == IdType::Text { IdType::Text } else { ids.alert };
            ids.object = if own.object == IdType::Text { IdType::Text } else { ids.object };
        }
        Self { survey: Arc::clone(survey), schemas, ids, places: columns }
    }

    /// The columns that files hold, as SQL names them.
    pub(crate) fn file_schema(&self) -> SchemaRef {
        let keys = alert_keys(self.ids);
        let fields = keys.iter().map(|f| f.as_ref().clone()).chain(self.places.iter().map(Place::field));
        Arc::new(ArrowSchema::new(fields.collect::<Vec<Field>>()))
    }

    /// The column that says which commit a row came with.
    pub(crate) fn commit_field() -> Field {
        Field::new(COMMIT, DataType::Int64, true)
    }
}
