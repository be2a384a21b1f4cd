//! All rows of the objects that some rows are of.

use noctuary_packet::id::Id;

use super::{Objects, RowIndex, Rows};

/// Of a run, that it has no object.
const NOBODY: u32 = u32::MAX;

impl RowIndex {
    /// The objects that rows of some runs are of, and the runs among these that are of none. A run is named whole by any
    /// of its rows.
    #[must_use]
    pub fn objects_in(&self, rows: &Rows) -> (Vec<Id>, Rows) {
        let whose = self.whose.get_or_init(|| {
            let mut whose = vec![NOBODY; self.runs.len()];
            for (at, run) in self.of_objects.iter().enumerate() {
                if let Some(of_run) = whose.get_mut(*run as usize) {
                    *of_run = u32::try_from(at).unwrap_or(NOBODY);
                }
            }
            whose
        });
        let (mut objects, mut nobody) = (Vec::new(), Rows::new());
        for range in rows {
            let first = self.runs.partition_point(|run| run.first.saturating_add(run.rows) <= range.start);
            let named = self.runs.iter().zip(whose).skip(first).take_while(|(run, _)| run.first < range.end);
            for (run, of) in named {
                match self.object(*of) {
                    Some(object) => objects.push(object),
                    None => nobody.push(run.first..run.first.saturating_add(run.rows)),
                }
            }
        }
        objects.sort_unstable();
        objects.dedup();
        (objects, super::merged(nobody))
    }

    fn object(&self, at: u32) -> Option<Id> {
        match &self.objects {
            Objects::Numbers(ids) => ids.get(at as usize).map(|id| Id::Number(*id)),
            Objects::Texts(ids) => ids.get(at as usize).map(|id| Id::from(&**id)),
        }
    }

    /// The rows of some runs and those of objects, in order.
    #[must_use]
    pub fn with_objects<'i>(&self, mut rows: Rows, ids: impl Iterator<Item = &'i Id>) -> Rows {
        // Ids of another kind than the file's are ids of nothing in it.
        let known = ids.filter(|id| {
            matches!((id, &self.objects), (Id::Number(_), Objects::Numbers(_)) | (Id::Text(_), Objects::Texts(_)))
        });
        rows.extend(self.of_objects(super::By::Alert, known).unwrap_or_default());
        super::merged(rows)
    }
}
