//! The schemas that an archive knows, and what the ids in frames mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fingerprint, Schema, known_schemas};

/// The schema id in a Confluent frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryId(pub u32);

/// Why a schema could not be added or chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// The id already means something else.
    #[error("schema id {id} already means {known}; {refused} has another structure, so give it another id")]
    IdTaken {
        /// The id in frames.
        id: u32,
        /// What it means so far.
        known: String,
        /// What was refused.
        refused: String,
    },
    /// Nothing goes by that name.
    #[error(
        "no schema is called {0:?}; `noctuary schema list` shows those there are, `noctuary schema add FILE` adds one"
    )]
    NoSuch(String),
    /// Several schemas go by that name.
    #[error("{name:?} could be any of {candidates}; give more of the fingerprint")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Their labels.
        candidates: String,
    },
}

/// Schemas by structure, and the meaning of the ids in frames.
#[derive(Debug, Clone, Default)]
pub struct SchemaStore {
    schemas: BTreeMap<Fingerprint, Arc<Schema>>,
    ids: BTreeMap<RegistryId, Fingerprint>,
}

impl SchemaStore {
    /// A store without schemas.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that holds the definitions that come with the program.
    #[must_use]
    pub fn with_known() -> Self {
        let mut store = Self::new();
        for (id, schema) in known_schemas() {
            store.schemas.insert(schema.fingerprint(), Arc::clone(schema));
            if let Some(id) = id {
                store.ids.insert(RegistryId(*id), schema.fingerprint());
            }
        }
        store
    }

    /// Adds a schema, or its descriptions where the structure is known already.
    pub fn add(&mut self, schema: Arc<Schema>) -> Arc<Schema> {
        let richer = |new: &Schema, old: &Schema| new.described() > old.described();
        match self.schemas.get(&schema.fingerprint()) {
            Some(old) if !richer(&schema, old) => Arc::clone(old),
            _ => {
                self.schemas.insert(schema.fingerprint(), Arc::clone(&schema));
                schema
            }
        }
    }

    /// Adds a schema under the id that frames use for it.
    ///
    /// # Errors
    /// [`StoreError::IdTaken`] if the id means another structure: ids are never given a second meaning.
    pub fn add_with_id(&mut self, id: RegistryId, schema: Arc<Schema>) -> Result<Arc<Schema>, StoreError> {
        if let Some(known) = self.ids.get(&id).filter(|f| **f != schema.fingerprint()) {
            return Err(StoreError::IdTaken {
                id: id.0,
                known: self.schemas.get(known).map_or_else(|| known.short(), |s| s.label()),
                refused: schema.label(),
            });
        }
        self.ids.insert(id, schema.fingerprint());
        Ok(self.add(schema))
    }

    /// Gives an id the meaning that an archive says it has, whatever it meant before.
    pub fn define(&mut self, id: RegistryId, schema: Arc<Schema>) {
        self.ids.insert(id, schema.fingerprint());
        self.add(schema);
    }

    /// The schema of frames with this id.
    #[must_use]
    pub fn by_id(&self, id: RegistryId) -> Option<&Arc<Schema>> {
        self.schemas.get(self.ids.get(&id)?)
    }

    /// The id that frames use for a schema.
    #[must_use]
    pub fn id_of(&self, fingerprint: Fingerprint) -> Option<RegistryId> {
        self.ids.iter().find(|(_, f)| **f == fingerprint).map(|(id, _)| *id)
    }

    /// The schema of this structure.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Arc<Schema>> {
        self.schemas.get(&fingerprint)
    }

    /// All schemas, in the order of name and version.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Schema>> {
        let mut all: Vec<_> = self.schemas.values().cloned().collect();
        all.sort_by_cached_key(|s| (s.name().to_owned(), s.version().map(version_key), s.fingerprint()));
        all
    }

    /// Every id of frames that has a meaning here.
    pub fn ids(&self) -> impl Iterator<Item = (RegistryId, Fingerprint)> {
        self.ids.iter().map(|(id, f)| (*id, *f))
    }

    /// Finds a schema by what people call it: `1101`, `lsst 11.1`, `lsst/11.1`, its full name, or the beginning of
    /// its fingerprint.
    ///
    /// # Errors
    /// When nothing or more than one thing goes by the name.
    pub fn named(&self, name: &str) -> Result<Arc<Schema>, StoreError> {
        let wanted = name.trim();
        if let Some(schema) = wanted.parse().ok().and_then(|id| self.by_id(RegistryId(id))) {
            return Ok(Arc::clone(schema));
        }
        let parts: Option<(&str, &str)> = wanted.split_once(['/', ' ']).map(|(a, b)| (a, b.trim()));
        let found: Vec<_> = self
            .schemas
            .values()
            .filter(|s| {
                s.name() == wanted
                    || s.label() == wanted
                    || (wanted.len() >= 4 && s.fingerprint().to_hex().starts_with(wanted))
                    || parts.is_some_and(|(survey, version)| {
                        s.version() == Some(version) && s.name().split('.').any(|p| p.eq_ignore_ascii_case(survey))
                    })
            })
            .cloned()
            .collect();
        match found.as_slice() {
            [one] => Ok(Arc::clone(one)),
            [] => Err(StoreError::NoSuch(name.to_owned())),
            several => Err(StoreError::Ambiguous {
                name: name.to_owned(),
                candidates: several
                    .iter()
                    .map(|s| format!("{} ({})", s.label(), s.fingerprint()))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}

/// `10.0` comes after `9.0`.
fn version_key(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

impl Schema {
    /// How many fields carry a description, its measure of detail among schemas of the same structure.
    fn described(&self) -> usize {
        self.nodes
            .iter()
            .filter_map(|n| match &n.shape {
                super::Shape::Record(fields) => Some(fields),
                _ => None,
            })
            .flat_map(|fields| fields.iter())
            .map(|f| usize::from(f.doc.is_some()) + usize::from(f.unit.is_some()))
            .sum()
    }
}
