//! P1 (exact), P2 (once) and P9 (rights), packet by packet.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int32Type};
use futures::TryStreamExt;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::id::Id;
use noctuary_packet::schema::Fingerprint;
use noctuary_packet::survey::KeyReader;
use object_store::ObjectStoreExt;
use parquet::arrow::ProjectionMask;

use super::{Check, VerifyOptions, of_night};
use crate::archive::Archive;
use crate::error::Result;
use crate::footers::batches;
use crate::log::DataFile;
use crate::meter::Meter;
use crate::packets::{BATCH_ROWS, Packets, StoredPacket, ids, text};
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, RIGHTS, Table};
use crate::visible::Commits;

struct Checks {
    files: Check,
    exact: Check,
    purged: Check,
    aligned: Check,
    once: Check,
    rights: Check,
}

/// What `alerts` says of a packet.
struct AlertRow {
    alert: Id,
    revision: i32,
    rights: Option<String>,
    night: Option<i32>,
    hash: Vec<u8>,
    commit: u64,
}

pub(super) async fn check(
    archive: &Archive,
    snapshot: &Snapshot,
    options: &VerifyOptions,
    meter: &Arc<Meter>,
) -> Vec<Check> {
    let mut checks = Checks {
        files: Check::new("P1", "files whose bytes have their checksum"),
        exact: Check::new("P1", "packets whose bytes have the SHA-256 of what was received"),
        purged: Check::new("P1", "packets whose images were purged by order, and can be proved no more"),
        aligned: Check::new("P1", "rows of alerts that stand beside their packet"),
        once: Check::new("P2", "packets that are stored once, revisions numbered apart"),
        rights: Check::new("P9", "packets whose label is that of their most restricted record"),
    };
    let wanted = |file: &DataFile| options.night.is_none_or(|night| of_night(file, night));
    let mut groups: Vec<&Arc<DataFile>> = snapshot.files(Table::Packets, None).filter(|f| wanted(f)).collect();
    let stored: u64 = groups.iter().map(|f| f.rows).sum();
    let every = options.sample.map_or(1, |n| (stored / n.max(1)).max(1));
    let mut seen = Seen::default();
    // In the order of their least id, so that what has been seen can be forgotten once no later file can repeat it.
    groups.sort_by(|a, b| {
        (&a.survey, &a.stats.alert).partial_cmp(&(&b.survey, &b.stats.alert)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut counter = 0;
    for file in groups {
        seen.begin(file);
        let alerts = snapshot.beside(file, Table::Alerts).next();
        let outcome = group(archive, snapshot, file, alerts, options, every, &mut counter, &mut checks, &mut seen);
        if let Err(e) = outcome.await {
            checks.exact.fail(format!("{} cannot be read ({e}): {}", file.path, affected(snapshot, file)));
        }
        meter.did(file.bytes);
    }
    for file in &snapshot.state.files {
        bytes_of(archive, snapshot, file, &mut checks.files).await;
        meter.did(file.bytes);
    }
    let purged = Some(checks.purged).filter(|check| check.examined > 0);
    [checks.files, checks.exact].into_iter().chain(purged).chain([checks.aligned, checks.once, checks.rights]).collect()
}

/// Which packets a damaged file holds, or parts of which.
fn affected(snapshot: &Snapshot, file: &DataFile) -> String {
    let packets = || snapshot.beside(file, Table::Packets).next();
    let range = file.stats.alert.as_ref().or_else(|| packets()?.stats.alert.as_ref());
    let range = range.map_or_else(String::new, |(from, to)| format!(", of alerts {from} to {to}"));
    format!("{} rows of {}{range}", file.rows, file.table)
}

async fn bytes_of(archive: &Archive, snapshot: &Snapshot, file: &DataFile, check: &mut Check) {
    let path = file.path.as_str().into();
    let bytes = async { archive.store().get(&path).await?.bytes().await };
    match bytes.await {
        Ok(bytes) => check.hold(crate::checksum::of(&bytes) == file.checksum, || {
            format!("{} is damaged: {}", file.path, affected(snapshot, file))
        }),
        Err(e) => check.hold(false, || format!("{} cannot be read ({e}): {}", file.path, affected(snapshot, file))),
    }
}

#[expect(clippy::too_many_arguments, reason = "one loop body, named")]
async fn group(
    archive: &Archive,
    snapshot: &Snapshot,
    file: &Arc<DataFile>,
    alerts: Option<&Arc<DataFile>>,
    options: &VerifyOptions,
    every: u64,
    counter: &mut u64,
    checks: &mut Checks,
    seen: &mut Seen,
) -> Result<()> {
    let Some(alerts) = alerts else {
        checks.aligned.fail(format!("{} has no file of alerts beside it", file.path));
        return Ok(());
    };
    let rows = alert_rows(archive, alerts).await?;
    let schema = file.schema.as_deref().and_then(Fingerprint::from_hex).and_then(|f| snapshot.schemas().get(f));
    let survey = file.survey.as_deref().and_then(|s| snapshot.survey(s));
    let keys = schema.zip(survey).map(|(schema, survey)| KeyReader::new(survey, schema));
    let reader = archive.rows(file).await?.with_batch_size(BATCH_ROWS);
    let mut batches = batches(file, reader)?;
    let packets = Packets::of(archive, snapshot, file)?.whole().await;
    let mut row = 0;
    while let Some(batch) = batches.try_next().await? {
        for packet in packets.decode_what_is_left(&batch).await? {
            let beside = rows.get(row);
            row += 1;
            if beside.is_some_and(|row| !snapshot.visible().shows(row.commit)) {
                continue;
            }
            *counter += 1;
            if !(*counter).is_multiple_of(every)
                || options.night.is_some_and(|n| beside.and_then(|b| b.night) != Some(n.0))
            {
                continue;
            }
            match packet {
                Ok(packet) => {
                    one(&packet, beside, keys.as_ref(), checks);
                    seen.take(file, &packet, &mut checks.once);
                }
                Err(why) => checks.exact.hold(false, || why.to_string()),
            }
        }
    }
    checks.aligned.hold(row == rows.len(), || format!("{} and {} differ in length", file.path, alerts.path));
    Ok(())
}

fn one(packet: &StoredPacket, beside: Option<&AlertRow>, keys: Option<&KeyReader>, checks: &mut Checks) {
    let name = || format!("alert {} of {} (revision {})", packet.alert, packet.survey, packet.revision);
    match packet.purged {
        None => checks.exact.hold(packet.is_intact(), || format!("{} is not what was received", name())),
        Some(_) => checks.purged.look(),
    }
    let same = beside.is_some_and(|row| {
        row.alert == packet.alert
            && row.revision == packet.revision
            && row.hash == packet.hash.0
            && row.rights.as_deref() == Some(&packet.rights)
            && row.commit == packet.commit
    });
    checks.aligned.hold(same, || format!("{} stands beside another row of alerts", name()));
    let label = keys.and_then(|keys| {
        let rank = keys.read(&packet.datum).ok()?.rights;
        Some(keys.survey().rights.label(rank).to_owned())
    });
    checks.rights.hold(label.as_deref() == Some(&packet.rights), || {
        format!("{} is labelled {:?} and should be {label:?}", name(), packet.rights)
    });
}

async fn alert_rows(archive: &Archive, file: &DataFile) -> Result<Vec<AlertRow>> {
    let builder = archive.rows(file).await?;
    let wanted = ["_alert", "_revision", RIGHTS, "_night", "_sha256", COMMIT];
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let damaged = |name: &str| crate::error::StorageError::damaged(format!("{}: no column {name}", file.path));
        let ids = ids(&batch, file)?;
        let rights = text(&batch, RIGHTS, file)?;
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
        let revisions = column("_revision")?.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("_revision"))?;
        let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| damaged("_night"))?;
        let hashes = column("_sha256")?.as_fixed_size_binary_opt().ok_or_else(|| damaged("_sha256"))?;
        let commits = Commits::of(&batch, file)?;
        rows.extend((0..batch.num_rows()).map(|row| AlertRow {
            commit: commits.get(row),
            alert: ids(row),
            revision: revisions.value(row),
            rights: rights.is_valid(row).then(|| rights.value(row).to_owned()),
            night: nights.is_valid(row).then(|| nights.value(row)),
            hash: hashes.value(row).to_vec(),
        }));
    }
    Ok(rows)
}

/// Packets that later files might repeat.
#[derive(Default)]
struct Seen {
    survey: Option<String>,
    alerts: HashMap<Id, Vec<(i32, PacketHash)>>,
    greatest: Option<Id>,
}

impl Seen {
    /// The files come in the order of their least id: what lies below this one's cannot come again.
    fn begin(&mut self, file: &DataFile) {
        let beyond = match (&self.greatest, &file.stats.alert) {
            (Some(greatest), Some((least, _))) => greatest < least,
            _ => false,
        };
        if self.survey != file.survey || beyond {
            self.alerts.clear();
            self.greatest = None;
            self.survey.clone_from(&file.survey);
        }
        if let Some((_, greatest)) = &file.stats.alert
            && self.greatest.as_ref().is_none_or(|g| g < greatest)
        {
            self.greatest = Some(greatest.clone());
        }
    }

    fn take(&mut self, file: &DataFile, packet: &StoredPacket, check: &mut Check) {
        let known = self.alerts.entry(packet.alert.clone()).or_default();
        let twice = known.iter().any(|(revision, hash)| *revision == packet.revision || *hash == packet.hash);
        check.hold(!twice, || format!("alert {} of {} is stored again in {}", packet.alert, packet.survey, file.path));
        known.push((packet.revision, packet.hash));
    }
}
