//! What an archive holds as of one version.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use noctuary_packet::schema::{Fingerprint, RegistryId, Schema, SchemaStore};
use noctuary_packet::survey::{Survey, Surveys};

use crate::log::{DataFile, Entry, SourceId};
use crate::state::{Position, Purges, State, VersionInfo};
use crate::tables::Table;
use crate::visible::{Shown, Visible};

/// An immutable view of an archive.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
    pub(crate) schemas: Arc<SchemaStore>,
    pub(crate) surveys: Arc<Surveys>,
    pub(crate) visible: Arc<Visible>,
    /// The version from whose files it is read: its own, or a later one.
    read_from: u64,
    /// Rows by label of the files that are shown in part, by their names.
    pub(crate) parts: Arc<BTreeMap<String, BTreeMap<String, u64>>>,
    groups: Arc<OnceLock<Groups>>,
}

/// Places of files by their groups.
type Groups = HashMap<String, Vec<usize>>;

impl Snapshot {
    /// What a state shows, with the schemas and surveys that it names.
    pub(crate) fn new(state: Arc<State>, schemas: Arc<SchemaStore>, surveys: Arc<Surveys>) -> Self {
        let visible = Arc::new(Visible::new(state.version, state.undone.clone()));
        let read_from = state.version;
        Self { state, schemas, surveys, visible, read_from, parts: Arc::default(), groups: Arc::default() }
    }

    /// Follows an entry, whose schemas and surveys are known by now.
    pub(crate) fn step(&mut self, version: u64, entry: Entry) {
        // Taken out, so that it is copied only if somebody else looks at it.
        let mut state = std::mem::take(&mut self.state);
        Arc::make_mut(&mut state).apply(version, entry);
        *self = Self::new(state, Arc::clone(&self.schemas), Arc::clone(&self.surveys));
    }

    /// The same version, read from the files of a later one.
    pub(crate) fn in_files_of(&self, later: &State) -> Self {
        let mut state = Arc::clone(&self.state);
        let shown = |file: &&Arc<DataFile>| self.visible.of(file) != Shown::None;
        let own = Arc::make_mut(&mut state);
        own.files = later.files.iter().filter(shown).cloned().collect();
        // What was purged since was taken from all versions.
        own.purged = later.purged.clone();
        Self { read_from: later.version, ..Self::new(state, Arc::clone(&self.schemas), Arc::clone(&self.surveys)) }
    }

    /// The same, when it is known how much is shown of files that are shown in part.
    pub(crate) fn with_parts(self, parts: BTreeMap<String, BTreeMap<String, u64>>) -> Self {
        Self { parts: Arc::new(parts), ..self }
    }
}

impl Snapshot {
    /// The version it shows.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// The version from whose files it is read: its own, or, since a vacuum or a purge took some of these, a later one.
    #[must_use]
    pub fn read_from(&self) -> u64 {
        self.read_from
    }

    /// Which commits it shows. A file may hold rows of others.
    #[must_use]
    pub fn visible(&self) -> &Arc<Visible> {
        &self.visible
    }

    /// True if it has turned out that the version shows no row of a file.
    fn hides(&self, file: &DataFile) -> bool {
        !self.parts.is_empty() && self.parts.get(&file.path).is_some_and(BTreeMap::is_empty)
    }

    /// True if the version shows some rows of a file and not all. Pieces of images are no rows of anyone's: what they
    /// are pieces of is shown or not.
    pub(crate) fn shows_part_of(&self, file: &DataFile) -> bool {
        file.table != Table::Cutouts && self.visible.of(file) == Shown::Some
    }

    /// True if a file holds rows that the version does not show, and whoever reads it alone would see.
    pub(crate) fn hides_rows_of(&self, file: &DataFile) -> bool {
        self.shows_part_of(file) && self.rows(file) != file.rows
    }

    /// Rows of a file that the version shows, by their labels of rights.
    #[must_use]
    pub fn rights<'a>(&'a self, file: &'a DataFile) -> &'a BTreeMap<String, u64> {
        self.parts.get(&file.path).unwrap_or(&file.stats.rights)
    }

    /// Rows of a file that the version shows.
    #[must_use]
    pub fn rows(&self, file: &DataFile) -> u64 {
        self.parts.get(&file.path).map_or(file.rows, |rights| rights.values().sum())
    }

    /// Names that have been given to versions.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<String, u64> {
        &self.state.tags
    }

    /// Versions before this one have no files of their own any more; they are read from those of this one.
    #[must_use]
    pub fn cleared(&self) -> u64 {
        self.state.cleared
    }

    /// What the last rollback has undone: first and last version.
    #[must_use]
    pub(crate) fn last_rollback(&self) -> Option<(u64, u64)> {
        self.state.undone.last().copied()
    }

    /// What an order to purge has taken from this version, and from all before.
    #[must_use]
    pub fn purged(&self) -> &Purges {
        &self.state.purged
    }

    /// True if whoever commits publishes the tables for other engines.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.state.publishes.is_some()
    }

    /// The version since which they are published.
    pub(crate) fn published_since(&self) -> Option<u64> {
        self.state.publishes
    }

    /// True if a rollback has undone a version.
    #[must_use]
    pub fn is_undone(&self, version: u64) -> bool {
        self.state.undone.iter().any(|(from, to)| (*from..=*to).contains(&version))
    }

    /// The files of a table, of one survey if named, in the order in which they came.
    pub fn files<'a>(&'a self, table: Table, survey: Option<&'a str>) -> impl Iterator<Item = &'a Arc<DataFile>> {
        let of_survey = move |file: &DataFile| survey.is_none() || file.survey.as_deref() == survey;
        self.state.files.iter().filter(move |f| f.table == table && of_survey(f) && !self.hides(f))
    }

    /// The files of a table that are of the same group as a file.
    pub fn beside<'a>(&'a self, file: &'a DataFile, table: Table) -> impl Iterator<Item = &'a Arc<DataFile>> {
        self.of_group(&file.group, table)
    }

    /// The files of a table that are of a group.
    pub fn of_group<'a>(&'a self, group: &'a str, table: Table) -> impl Iterator<Item = &'a Arc<DataFile>> {
        let groups = self.groups.get_or_init(|| {
            let mut groups: Groups = HashMap::new();
            for (at, file) in self.state.files.iter().enumerate() {
                groups.entry(file.group.clone()).or_default().push(at);
            }
            groups
        });
        let files = groups.get(group).into_iter().flatten().filter_map(|at| self.state.files.get(*at));
        files.filter(move |file| file.table == table)
    }

    /// The names of the surveys that are known.
    #[must_use]
    pub fn survey_names(&self) -> BTreeSet<String> {
        self.surveys.list().iter().map(|s| s.name.clone()).collect()
    }

    /// The mappings.
    #[must_use]
    pub fn surveys(&self) -> &Arc<Surveys> {
        &self.surveys
    }

    /// One mapping.
    #[must_use]
    pub fn survey(&self, name: &str) -> Option<&Arc<Survey>> {
        self.surveys.get(name)
    }

    /// The schemas, those that come with the program among them.
    #[must_use]
    pub fn schemas(&self) -> &Arc<SchemaStore> {
        &self.schemas
    }

    /// The schemas of the alerts that are stored of a survey, in the order in which they first came, with rows.
    #[must_use]
    pub fn stored_schemas(&self, survey: &str) -> Vec<(Arc<Schema>, u64)> {
        let mut order: Vec<(Arc<Schema>, u64)> = Vec::new();
        let mut files: Vec<&Arc<DataFile>> = self.files(Table::Alerts, Some(survey)).collect();
        files.sort_by_key(|file| file.span().0);
        for file in files {
            let Some(fingerprint) = file.schema.as_deref().and_then(Fingerprint::from_hex) else { continue };
            if let Some((_, rows)) = order.iter_mut().find(|(s, _)| s.fingerprint() == fingerprint) {
                *rows += self.rows(file);
            } else if let Some(schema) = self.schemas.get(fingerprint) {
                order.push((Arc::clone(schema), self.rows(file)));
            }
        }
        order
    }

    /// The schemas whose columns rows of a survey have, though no alert that is stored does: those of loaded rows.
    pub fn loaded_schemas(&self, survey: &str) -> impl Iterator<Item = &Arc<Schema>> {
        let of_records = |file: &&Arc<DataFile>| matches!(file.table, Table::Sources | Table::Forced | Table::Objects);
        let files = self.files_of(survey).filter(of_records);
        let stored: BTreeSet<&str> =
            self.files_of(survey).filter(|f| f.table == Table::Alerts).filter_map(|f| f.schema.as_deref()).collect();
        let loaded: BTreeSet<&str> = files.filter_map(|f| f.schema.as_deref()).collect();
        let own: Vec<&str> = loaded.difference(&stored).copied().collect();
        own.into_iter().filter_map(Fingerprint::from_hex).filter_map(|f| self.schemas.get(f))
    }

    fn files_of(&self, survey: &str) -> impl Iterator<Item = &Arc<DataFile>> {
        self.state.files.iter().filter(move |f| f.survey.as_deref() == Some(survey))
    }

    /// Every version, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[VersionInfo] {
        &self.state.versions
    }

    /// How far a source has been taken in.
    #[must_use]
    pub fn position(&self, source: &SourceId) -> Position {
        self.state.sources.get(source).copied().unwrap_or_default()
    }

    /// Quarantined packets that have been stored since.
    #[must_use]
    pub fn released(&self) -> &BTreeMap<String, u64> {
        &self.state.released
    }

    /// True if the archive keeps the JSON of a schema itself.
    #[must_use]
    pub fn keeps_schema(&self, fingerprint: Fingerprint) -> bool {
        self.keeps_schema_text(&fingerprint.to_hex())
    }

    pub(crate) fn keeps_schema_text(&self, fingerprint: &str) -> bool {
        self.state.schemas.iter().any(|known| known.fingerprint == fingerprint)
    }

    /// The id that Confluent frames use for a schema.
    #[must_use]
    pub fn registry_id(&self, fingerprint: Fingerprint) -> Option<RegistryId> {
        self.schemas.id_of(fingerprint)
    }
}
