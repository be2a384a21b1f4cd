//! What a reader sees of a version, however its files are laid out.

use std::collections::{BTreeMap, BTreeSet};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use noctuary_packet::hash::PacketHash;
use noctuary_storage::packets::find;
use noctuary_storage::{Access, Archive, Snapshot, Table};

/// All of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Digest of the transmitted bytes, commit and label, by survey, id and revision.
    pub packets: BTreeMap<String, String>,
    /// Every column of every alert but those that say where its parts lie.
    pub alerts: Vec<String>,
    /// Every distinct record with its object, origin, label and the commit that had it first.
    pub records: BTreeMap<String, u64>,
    /// Every row of the ledger and the quarantine, with its commit.
    pub told: Vec<String>,
}

/// What a version shows.
pub async fn seen(archive: &Archive, snapshot: &Snapshot) -> Seen {
    let mut seen = Seen::default();
    let mut ids = BTreeSet::new();
    for row in shown(archive, snapshot, Table::Alerts).await {
        ids.insert(row["_alert"].clone());
        let own = row.into_iter().filter(|(name, _)| !matches!(name.as_str(), "_history" | "_forced"));
        seen.alerts.push(format!("{:?}", own.collect::<BTreeMap<_, _>>()));
    }
    seen.alerts.sort();
    for id in ids {
        for packet in find(archive, snapshot, &id, None, &Access::Everything).await.unwrap() {
            let digest = PacketHash::of(&[&packet.bytes().unwrap()]).to_hex();
            let what = format!("{digest} {} {}", packet.commit, packet.rights);
            seen.packets.insert(format!("{} {} {}", packet.survey, packet.alert, packet.revision), what);
        }
    }
    for table in [Table::Sources, Table::Forced, Table::Objects] {
        for mut row in shown(archive, snapshot, table).await {
            let commit = row.remove("_commit").unwrap().parse().unwrap();
            row.remove("_anchor");
            row.retain(|_, value| !value.is_empty());
            let first = seen.records.entry(format!("{table} {row:?}")).or_insert(commit);
            *first = commit.min(*first);
        }
    }
    for table in [Table::Ledger, Table::Quarantine] {
        let rows = shown(archive, snapshot, table).await;
        seen.told.extend(rows.into_iter().map(|mut row| {
            row.retain(|_, value| !value.is_empty());
            format!("{table} {row:?}")
        }));
    }
    seen.told.sort();
    seen
}

/// The rows of a table that a version shows, each with its commit; null is empty.
pub async fn shown(archive: &Archive, snapshot: &Snapshot, table: Table) -> Vec<BTreeMap<String, String>> {
    let mut rows = Vec::new();
    for file in snapshot.files(table, None) {
        let mut batches = archive.rows(file).await.unwrap().build().unwrap();
        while let Some(batch) = batches.try_next().await.unwrap() {
            let schema = batch.schema();
            let options = FormatOptions::default();
            let columns: Vec<_> =
                batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
            for row in 0..batch.num_rows() {
                let cells = schema.fields().iter().zip(&columns);
                let mut cells: BTreeMap<String, String> =
                    cells.map(|(f, c)| (f.name().clone(), c.value(row).to_string())).collect();
                let commit = cells.entry("_commit".into()).or_insert_with(|| file.commit.to_string());
                if snapshot.visible().shows(commit.parse().unwrap()) {
                    rows.push(cells);
                }
            }
        }
    }
    rows
}

impl Seen {
    /// Says which part differs, instead of printing both.
    pub fn assert_same(&self, other: &Self, what: &str) {
        fn maps<V: PartialEq + std::fmt::Debug>(what: &str, a: &BTreeMap<String, V>, b: &BTreeMap<String, V>) {
            let only = |a: &BTreeMap<String, V>, b: &BTreeMap<String, V>| {
                a.iter().find(|(k, v)| b.get(*k) != Some(v)).map(|(k, v)| format!("{k}: {v:?}"))
            };
            assert_eq!((only(a, b), only(b, a)), (None, None), "{what}");
        }
        maps(&format!("{what}: packets"), &self.packets, &other.packets);
        maps(&format!("{what}: records"), &self.records, &other.records);
        for (part, a, b) in [("alerts", &self.alerts, &other.alerts), ("told", &self.told, &other.told)] {
            assert_eq!(a.len(), b.len(), "{what}: rows of {part}");
            if let Some((a, b)) = a.iter().zip(b).find(|(a, b)| a != b) {
                panic!("{what}: {part}\n{a}\n{b}");
            }
        }
    }
}
