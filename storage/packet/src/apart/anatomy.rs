//! Which parts of the packets of a schema are taken out.

use std::sync::Arc;

use crate::schema::{NodeId, Schema, Shape};
use crate::survey::Survey;

/// What the records of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Earlier sources of the object.
    History,
    /// Forced photometry.
    Forced,
}

/// A list of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordList {
    /// What they are.
    pub kind: RecordKind,
    /// The list.
    pub list: NodeId,
    /// Its records.
    pub record: NodeId,
}

/// The parts that are taken out of the packets of one schema.
#[derive(Debug, Clone)]
pub struct Anatomy {
    schema: Arc<Schema>,
    trigger: Option<NodeId>,
    lists: Vec<RecordList>,
    images: Vec<NodeId>,
}

impl Anatomy {
    /// Reads a survey's mapping for a schema. Lists are those of records that are fields of the packet itself; what
    /// the mapping names deeper inside, or of other things than records, is left where it is.
    #[must_use]
    pub fn new(survey: &Survey, schema: &Arc<Schema>) -> Self {
        let list = |paths: &[String], kind| {
            let list = paths.iter().filter(|path| !path.contains('.')).find_map(|path| schema.find(path))?;
            let Shape::Array(record) = schema.node(list).shape else { return None };
            matches!(schema.node(record).shape, Shape::Record(_)).then_some(RecordList { kind, list, record })
        };
        let lists =
            [list(&survey.records.history, RecordKind::History), list(&survey.records.forced, RecordKind::Forced)];
        let is_record = |node: &NodeId| matches!(schema.node(*node).shape, Shape::Record(_));
        let trigger = survey.records.trigger.iter().find_map(|path| schema.find(path)).filter(is_record);
        let images = survey.cutout_nodes(schema).into_iter().map(|(_, node)| node);
        // The length of a fixed is not written, so there is nothing to be saved by a hole.
        let images = images.filter(|node| matches!(schema.node(*node).shape, Shape::Bytes)).collect();
        Self { schema: Arc::clone(schema), trigger, lists: lists.into_iter().flatten().collect(), images }
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The record of the source that caused the alert.
    #[must_use]
    pub fn trigger(&self) -> Option<NodeId> {
        self.trigger
    }

    /// The list of records of a kind.
    #[must_use]
    pub fn list(&self, kind: RecordKind) -> Option<&RecordList> {
        self.lists.iter().find(|list| list.kind == kind)
    }

    /// Where the records at a node stand in a packet: the path of their list, or their own.
    #[must_use]
    pub fn path(&self, record: NodeId) -> String {
        let list = self.lists.iter().find(|list| list.record == record).map_or(record, |list| list.list);
        self.schema.node(list).path.to_string()
    }

    /// Lists whose records become rows.
    #[must_use]
    pub fn lists(&self) -> &[RecordList] {
        &self.lists
    }

    /// Places of images.
    #[must_use]
    pub fn images(&self) -> &[NodeId] {
        &self.images
    }
}
