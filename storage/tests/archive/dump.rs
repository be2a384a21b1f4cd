//! What an archive holds, written out so that two archives can be compared.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use noctuary_storage::quarantine::{self, Quarantined};
use noctuary_storage::{Archive, Snapshot, Table};

/// Everything but names of runs and times of commits.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// Every column of every alert, in the order of replay.
    pub alerts: Vec<String>,
    /// Every column of every packet.
    pub packets: Vec<String>,
    /// Sums of received, stored, duplicate, quarantined, revisions, flagged and bytes, by what they are about.
    pub ledger: BTreeMap<String, [i64; 7]>,
    /// Every column of every refused packet.
    pub quarantine: Vec<String>,
}

/// The rows of a table: column names and values as text; null is empty.
pub async fn rows(archive: &Archive, snapshot: &Snapshot, table: Table) -> Vec<BTreeMap<String, String>> {
    let mut rows = Vec::new();
    for batch in batches(archive, snapshot, table).await {
        let schema = batch.schema();
        let options = FormatOptions::default();
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells = schema.fields().iter().zip(&columns).map(|(f, c)| (f.name().clone(), c.value(row).to_string()));
            rows.push(cells.collect());
        }
    }
    rows
}

/// The batches of a table, in the order of its files.
pub async fn batches(archive: &Archive, snapshot: &Snapshot, table: Table) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    for file in snapshot.files(table, None) {
        let reader = archive.rows(file).await.unwrap();
        let found: Vec<RecordBatch> = reader.build().unwrap().try_collect().await.unwrap();
        assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, file.rows, "{}", file.path);
        all.extend(found);
    }
    all
}

/// Everything as of the newest version.
pub async fn dump(archive: &Archive) -> Dump {
    let snapshot = archive.snapshot().await.unwrap();
    dump_at(archive, &snapshot).await
}

/// Everything as of a version.
pub async fn dump_at(archive: &Archive, snapshot: &Snapshot) -> Dump {
    let mut dump = Dump::default();
    for (table, to) in [(Table::Alerts, &mut dump.alerts), (Table::Packets, &mut dump.packets)] {
        to.extend(rows(archive, snapshot, table).await.into_iter().map(|row| format!("{row:?}")));
        to.sort();
    }
    for mut row in rows(archive, snapshot, Table::Ledger).await {
        let counts = ["received", "stored", "duplicate", "quarantined", "revisions", "flagged", "bytes"]
            .map(|name| row.remove(name).unwrap().parse::<i64>().unwrap());
        let sums = dump.ledger.entry(format!("{row:?}")).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
    }
    for mut row in rows(archive, snapshot, Table::Quarantine).await {
        row.remove("id");
        row.remove("at");
        dump.quarantine.push(format!("{row:?}"));
    }
    dump.quarantine.sort();
    dump
}

/// Every refused packet.
pub async fn refused(archive: &Archive) -> Vec<Quarantined> {
    let snapshot = archive.snapshot().await.unwrap();
    let mut all = Vec::new();
    for row in rows(archive, &snapshot, Table::Quarantine).await {
        all.push(quarantine::read(archive, &snapshot, &row["id"]).await.unwrap());
    }
    all
}

impl Dump {
    /// Says which part differs, instead of printing both.
    pub fn assert_same(&self, other: &Self, what: &str) {
        fn lists(what: &str, part: &str, a: &[String], b: &[String]) {
            assert_eq!(a.len(), b.len(), "{what}: rows of {part}");
            for (a, b) in a.iter().zip(b) {
                assert_eq!(a, b, "{what}: {part}");
            }
        }
        lists(what, "alerts", &self.alerts, &other.alerts);
        lists(what, "packets", &self.packets, &other.packets);
        lists(what, "quarantine", &self.quarantine, &other.quarantine);
        assert_eq!(self.ledger, other.ledger, "{what}: ledger");
    }
}
