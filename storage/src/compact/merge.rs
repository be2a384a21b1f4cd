//! One merge: groups of packets become fewer, and nobody sees it until all of it is there.
//!
//! ```text
//! groups -> keys in memory: the order of the packets, the place of each object -> tiles of the sky
//!        for each tile: records, each once -> a file of a kind
//!                       pieces of images, each once, the first time that they are merged -> a file
//!                       alerts and packets, pointing to where records and pieces have gone -> a file each
//!                       every packet put together again from those files, its SHA-256 compared
//!        -> one log entry: the new files are there, and the old ones are not read any more
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::Fields;
use chrono::Utc;
use futures::TryStreamExt;
use noctuary_packet::apart::RecordKind;
use noctuary_packet::schema::Schema;

use super::input::{Anchors, Input, Row, Tile, rows, schema_of, tiles};
use super::packets::{self, Gone};
use super::policy::Task;
use super::records::Triggers;
use super::{needs, pieces, proof, records};
use crate::archive::{Archive, Commit};
use crate::error::{ErrorKind, Result, StorageError};
use crate::log::{DataFile, Entry, FileStats};
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table, record_node, table_of};

/// Does one merge, and commits it.
///
/// # Errors
/// [`ErrorKind::Conflict`] if somebody else has merged some of it meanwhile: nothing has changed then.
/// [`ErrorKind::Damaged`] if a packet cannot be put together again from the new files, or an old file is damaged; the
/// archive stays as it was.
pub(super) async fn run(archive: &Archive, snapshot: &Snapshot, task: &Task) -> Result<Snapshot> {
    let inputs = task.groups.iter().map(|packets| Input::of(snapshot, packets)).collect::<Result<Vec<_>>>()?;
    let run = paths::new_run();
    let mut entry = Entry::new(Utc::now(), task.what());
    let mut number = 0;
    for inputs in alike(archive, inputs).await? {
        let worth = inputs.len() > 1 || inputs.iter().all(|input| input.packets.level == 0);
        let Some(first) = inputs.first().filter(|_| worth) else { continue };
        let schema = schema_of(snapshot, &first.packets)?;
        let (all, anchors) = rows(archive, snapshot, &inputs).await?;
        let (inputs, anchors): (Arc<[Input]>, _) = (inputs.into(), Arc::new(anchors));
        let tiles = tiles(all.iter().map(|row| row.anchor), task.rows_of_a_tile(all.len()));
        // Where a rollback has hidden packets, what they alone were made of goes with them.
        let there: u64 = inputs.iter().map(|input| input.packets.rows).sum();
        let whole = tiles.len() == 1 && all.len() as u64 == there;
        for tile in &tiles {
            let own: Arc<[Row]> = all.iter().filter(|row| tile.holds(row.anchor)).cloned().collect();
            if own.is_empty() {
                continue;
            }
            let group = format!("{run}-{number:04}");
            number += 1;
            let (inputs, schema, anchors) = (&inputs, &schema, &anchors);
            let merge = Group { archive, snapshot, task, inputs, schema, anchors, tile, whole, group, without: None };
            entry.add.extend(merge.write(own).await?);
        }
        entry.remove.extend(inputs.iter().flat_map(Input::files).map(|file| file.path.clone()));
    }
    if entry.remove.is_empty() {
        return Ok(snapshot.clone());
    }
    proof::check(archive, snapshot, &entry, &[]).await?;
    commit(archive, snapshot, entry).await
}

/// Inputs whose alerts have the same columns, together. What is a column is a matter of the mapping as well, which may
/// have been another one when some of them were written.
async fn alike(archive: &Archive, inputs: Vec<Input>) -> Result<Vec<Vec<Input>>> {
    let mut kinds: Vec<(Fields, Vec<Input>)> = Vec::new();
    for input in inputs {
        let columns = archive.rows(&input.alerts).await?;
        let own: Fields = columns.schema().fields().iter().filter(|f| f.name() != COMMIT).cloned().collect();
        match kinds.iter_mut().find(|(known, _)| *known == own) {
            Some((_, together)) => together.push(input),
            None => kinds.push((own, vec![input])),
        }
    }
    Ok(kinds.into_iter().map(|(_, inputs)| inputs).collect())
}

/// Commits what reads the same before and after, whatever anyone else has done meanwhile.
///
/// # Errors
/// [`ErrorKind::Conflict`] if a file that goes is gone already.
pub(super) async fn commit(archive: &Archive, base: &Snapshot, entry: Entry) -> Result<Snapshot> {
    let mut base = base.clone();
    let begun = base.last_rollback();
    loop {
        match archive.commit(&base, entry.clone()).await? {
            Commit::Done(snapshot) => return Ok(snapshot),
            // What a rollback undid was merged as if it were to stay; its rows are hidden as they are in other files.
            Commit::Overtaken(newer) if newer.last_rollback() == begun => base = newer,
            Commit::Overtaken(_) => {
                return Err(StorageError::new(
                    ErrorKind::Conflict,
                    "the archive has just been rolled back; nothing is lost: start it again",
                ));
            }
        }
    }
}

/// A group in the making.
pub(super) struct Group<'a> {
    pub archive: &'a Archive,
    pub snapshot: &'a Snapshot,
    pub task: &'a Task,
    pub inputs: &'a Arc<[Input]>,
    pub schema: &'a Arc<Schema>,
    pub anchors: &'a Arc<Anchors>,
    pub tile: &'a Tile,
    /// The tile is the whole sky: everything is needed.
    pub whole: bool,
    pub group: String,
    /// Triggers that go with packets which go for good.
    pub without: Option<Arc<Triggers>>,
}

impl Group<'_> {
    /// Writes the files of a group, each of them in a task of its own.
    pub async fn write(&self, rows: Arc<[Row]>) -> Result<Vec<DataFile>> {
        let needs = match self.whole {
            true => needs::Needs::default(),
            false => needs::of(self.archive, self.inputs, self.schema, &rows).await?,
        };
        let mut kinds: BTreeSet<(Table, String)> = BTreeSet::new();
        for file in self.inputs.iter().flat_map(|input| &input.records) {
            kinds.insert((file.table, file.record.clone().unwrap_or_default()));
        }
        let mut records = Vec::new();
        for (table, record) in kinds {
            let kind = if table == table_of(RecordKind::History) { RecordKind::History } else { RecordKind::Forced };
            let is_list = |input: &Input| {
                input.list(self.schema, kind).is_some_and(|list| list.record.as_deref() == Some(record.as_str()))
            };
            let of_list = self.inputs.iter().any(is_list).then_some(kind);
            let merge = self.records(table, &record, (kind, of_list.is_some()), &needs)?;
            let target = self.file(table, Some(&record));
            records.push((of_list, Working::start(async move { merge.run(target).await })));
        }
        let (archive, target) = (self.archive.clone(), self.file(Table::Cutouts, None));
        let own_pieces = self.inputs.iter().map(|input| input.pieces.clone()).collect();
        let pieces = Working::start(async move { pieces::merge(&archive, own_pieces, needs.pieces, target).await });
        let mut gone = Gone::default();
        let mut files = Vec::new();
        for (of_list, working) in records {
            let (file, moved) = working.end().await?;
            match of_list {
                Some(RecordKind::History) => gone.history = moved,
                Some(RecordKind::Forced) => gone.forced = moved,
                None => {}
            }
            files.extend(file);
        }
        let (file, moved) = pieces.end().await?;
        gone.pieces = moved;
        let commits = crate::range::range(rows.iter().map(|row| row.commit));
        let nights = crate::range::range(rows.iter().filter_map(|row| row.night));
        let stats = FileStats::of_nights(nights, rows.iter().any(|row| row.night.is_none()));
        let file = file.map(|file| DataFile { commits, stats, ..file });
        let (groups, numbers) = self.groups_of_pieces(file.is_some(), &rows);
        gone.groups = numbers;
        files.extend(file);
        let (archive, inputs, gone) = (self.archive.clone(), Arc::clone(self.inputs), Arc::new(gone));
        let merge = packets::Merge { archive, inputs, rows, gone };
        let (target, of_alerts) = (self.file(Table::Alerts, None), merge.clone());
        let alerts = Working::start(async move { of_alerts.alerts(target).await });
        let target = DataFile { pieces: groups, ..self.file(Table::Packets, None) };
        let packets = Working::start(async move { merge.packets(target).await });
        let (alerts, packets) = (alerts.end().await?, packets.end().await?);
        files.extend([DataFile { stats: alerts.stats.clone(), ..packets }, alerts]);
        Ok(files)
    }

    fn records(
        &self,
        table: Table,
        record: &str,
        (kind, is_list): (RecordKind, bool),
        needs: &needs::Needs,
    ) -> Result<records::Merge> {
        let of_record = |input: &Input| {
            let own = |file: &&Arc<DataFile>| file.table == table && file.record.as_deref() == Some(record);
            input.records.iter().find(own).cloned()
        };
        let node = record_node(self.schema, record);
        let node = node.ok_or_else(|| StorageError::damaged(format!("{} has no {record}", self.schema.label())))?;
        // Rows that packets point to are those of their lists, and not of triggers that have a file of their own.
        let needed = match (is_list, kind) {
            (false, _) => Vec::new(),
            (true, RecordKind::History) => needs.history.clone(),
            (true, RecordKind::Forced) => needs.forced.clone(),
        };
        Ok(records::Merge {
            archive: self.archive.clone(),
            snapshot: self.snapshot.clone(),
            schema: Arc::clone(self.schema),
            node,
            files: self.inputs.iter().map(of_record).collect(),
            anchors: Arc::clone(self.anchors),
            tile: self.tile.clone(),
            needed,
            repeat: true,
            without: self.without.clone(),
        })
    }

    /// The groups whose pieces the packets are made of, and by input the new numbers of those that it named.
    fn groups_of_pieces(&self, own: bool, rows: &[Row]) -> (Vec<String>, Vec<Vec<u32>>) {
        let mut groups: Vec<String> = if own { vec![self.group.clone()] } else { Vec::new() };
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let used: BTreeSet<u32> = rows.iter().map(|row| row.input).collect();
        let mut all = Vec::with_capacity(self.inputs.len());
        for (at, input) in self.inputs.iter().enumerate() {
            if input.pieces.is_some() {
                all.push(vec![0]);
                continue;
            }
            let mut of_input = Vec::new();
            if u32::try_from(at).is_ok_and(|at| used.contains(&at)) {
                for group in input.kept_pieces() {
                    let next = u32::try_from(groups.len()).unwrap_or(u32::MAX);
                    let number = *numbers.entry(group.clone()).or_insert(next);
                    if number == next {
                        groups.push(group.clone());
                    }
                    of_input.push(number);
                }
            }
            all.push(of_input);
        }
        if groups == [self.group.clone()] {
            groups.clear();
        }
        (groups, all)
    }

    /// A file of the group, of which nothing is known yet.
    fn file(&self, table: Table, record: Option<&str>) -> DataFile {
        let survey = Some(self.task.survey.clone());
        DataFile {
            table,
            path: paths::data(table, survey.as_deref(), &self.group, record).to_string(),
            survey,
            schema: Some(self.task.schema.clone()),
            group: self.group.clone(),
            record: record.map(str::to_owned),
            bytes: 0,
            rows: 0,
            checksum: String::new(),
            stats: FileStats::default(),
            level: self.task.level as u8,
            commits: None,
            pieces: Vec::new(),
            commit: 0,
        }
    }
}

/// Work on another thread, which ends with whoever waits for it.
struct Working<T>(tokio::task::JoinHandle<Result<T>>);

impl<T: Send + 'static> Working<T> {
    fn start(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    async fn end(mut self) -> Result<T> {
        (&mut self.0).await?
    }
}

impl<T> Drop for Working<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads a file to its end, for what it says of each batch.
pub(super) async fn each(
    archive: &Archive,
    file: &Arc<DataFile>,
    columns: &[&str],
    mut take: impl FnMut(&arrow::array::RecordBatch) -> Result<()>,
) -> Result<()> {
    let builder = archive.rows(file).await?;
    let mask = parquet::arrow::ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let mut batches = crate::footers::batches(file, builder.with_projection(mask))?;
    while let Some(batch) = batches.try_next().await? {
        take(&batch)?;
    }
    Ok(())
}
