//! Records that several groups of packets carry, each of which a question sees once.
//!
//! Which copy is seen depends on no condition of a question, so it is found out once for a version and a reader; a
//! question for some objects asks for these alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use noctuary_packet::id::Id;
use noctuary_storage::log::DataFile;
use noctuary_storage::{Access, Snapshot, copies};
use parquet::arrow::arrow_reader::RowSelection;
use tokio::sync::OnceCell;

use crate::conditions::{Condition, Key, Relation, Value};
use crate::reader::Readers;

/// The rows of files that are seen; `None` where all are.
pub(crate) type Rows = Arc<[Option<RowSelection>]>;

/// What is known of the copies in some files.
#[derive(Debug)]
pub(crate) struct Copies {
    snapshot: Snapshot,
    access: Access,
    all: OnceCell<Rows>,
}

impl Copies {
    /// Of a version, for a reader.
    pub(crate) fn new(snapshot: &Snapshot, access: &Access) -> Self {
        Self { snapshot: snapshot.clone(), access: access.clone(), all: OnceCell::new() }
    }

    /// The rows that are seen of those that may fulfil the conditions.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) async fn shown(
        &self,
        readers: &Readers,
        files: &[Arc<DataFile>],
        conditions: &[Condition],
    ) -> Result<Rows> {
        let ask = async |objects: Option<&BTreeSet<Id>>| {
            let rows = copies::shown(readers.archive(), &self.snapshot, files, &self.access, objects).await;
            rows.map(Rows::from).map_err(|e| DataFusionError::External(Box::new(e)))
        };
        if let Some(all) = self.all.get() {
            return Ok(Arc::clone(all));
        }
        match objects(conditions) {
            Some(objects) => ask(Some(&objects)).await,
            None => self.all.get_or_try_init(|| ask(None)).await.cloned(),
        }
    }
}

/// The objects that a question asks for, if it names them.
fn objects(conditions: &[Condition]) -> Option<BTreeSet<Id>> {
    conditions.iter().find_map(|condition| match condition {
        Condition::OneOf { key: Key::Object, relation: Relation::Same, values } => values.iter().map(id).collect(),
        Condition::Range { key: Key::Object, relation: Relation::Same, low: Some(low), high: Some(high) }
            if low == high =>
        {
            Some(BTreeSet::from([id(low)?]))
        }
        Condition::And(a, b) => objects(&[(**a).clone()]).or_else(|| objects(&[(**b).clone()])),
        _ => None,
    })
}

fn id(value: &Value) -> Option<Id> {
    match value {
        Value::Int(number) => Some(Id::Number(*number)),
        Value::Text(text) => Some(Id::from(text.as_str())),
        Value::Float(_) => None,
    }
}
