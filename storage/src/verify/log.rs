//! P3 (whole) and P5 (as of): the log and the files that it names.

use std::collections::{BTreeMap, BTreeSet};

use object_store::ObjectStoreExt;

use super::Check;
use crate::archive::Archive;
use crate::log::{DataFile, Log, SourceId};
use crate::snapshot::Snapshot;
use crate::state::State;

pub(super) async fn check(archive: &Archive, snapshot: &Snapshot) -> Vec<Check> {
    let mut entries = Check::new("P3", "versions of the log, one after the other");
    let mut sources = Check::new("P3", "moves of sources that begin where the one before ended");
    let mut present = Check::new("P5", "files of all versions that have their own, which are there with their length");
    let mut replayed = Check::new("P5", "versions that follow from the ones before, as a reader sees them");
    let log = Log::new(std::sync::Arc::clone(archive.store()));
    let kept: BTreeSet<&str> = snapshot.state.files.iter().map(|file| file.path.as_str()).collect();
    // A vacuum may have come after the version that is looked at.
    let cleared = archive.snapshot().await.map_or(snapshot.cleared(), |newest| newest.cleared());
    let mut state = State::default();
    let mut positions: BTreeMap<SourceId, u64> = BTreeMap::new();
    for version in 0..=snapshot.version() {
        let entry = match log.read(version).await {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                entries.hold(false, || format!("version {version} is missing"));
                continue;
            }
            Err(e) => {
                entries.hold(false, || format!("version {version}: {e}"));
                continue;
            }
        };
        entries.look();
        for step in &entry.sources {
            let at = positions.get(&step.source).copied().unwrap_or(0);
            let forward = step.to >= step.from || entry.rollback_to.is_some();
            sources.hold(step.from == at && forward, || {
                format!("version {version} takes {} from {}, it stood at {at}", step.source.url, step.from)
            });
            positions.insert(step.source.clone(), step.to);
        }
        let kept = |file: &&DataFile| kept.contains(file.path.as_str()) || version >= cleared;
        for file in entry.add.iter().filter(kept) {
            let found = archive.store().head(&file.path.as_str().into()).await;
            present.hold(found.as_ref().is_ok_and(|meta| meta.size == file.bytes), || match found {
                Ok(meta) => format!("{} has {} bytes, the log says {}", file.path, meta.size, file.bytes),
                Err(e) => format!("{}: {e}", file.path),
            });
        }
        let holds = state.check(&entry).is_ok() || version == 0;
        replayed.hold(holds, || format!("version {version} does not follow from version {}", state.version));
        let rolled_back = entry.rollback_to.is_some();
        state.apply(version, entry);
        if rolled_back {
            positions = state.sources.iter().map(|(source, position)| (source.clone(), position.at)).collect();
        }
    }
    match log.first_beyond(snapshot.version()).await {
        // What is committed while we look follows at once.
        Ok(next) => entries.hold(next.is_none_or(|next| next == snapshot.version() + 1), || {
            format!("version {} is missing, later ones are there", snapshot.version() + 1)
        }),
        Err(e) => entries.fail(format!("the log cannot be listed: {e}")),
    }
    if snapshot.read_from() != snapshot.version() {
        state.files.clone_from(&snapshot.state.files);
        state.purged.clone_from(&snapshot.state.purged);
    }
    // What has been cleared may be told or not.
    state.gone.retain(|gone| gone.at > state.cleared);
    let mut seen = State::clone(&snapshot.state);
    seen.gone.retain(|gone| gone.at > seen.cleared);
    replayed.hold(state == seen, || "the state of the newest version is not what its log adds up to".into());
    vec![entries, sources, present, replayed]
}
