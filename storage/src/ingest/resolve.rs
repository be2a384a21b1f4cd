//! From a frame to the schema and the survey of its datum, once per schema.

use std::sync::Arc;

use moka::sync::Cache;
use noctuary_packet::apart::Anatomy;
use noctuary_packet::container::Header;
use noctuary_packet::decode::Decoder;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::reason::{Reason, Rejection};
use noctuary_packet::schema::{Fingerprint, NodeId, RegistryId, Schema, SchemaStore};
use noctuary_packet::survey::{KeyReader, Survey, Surveys};

use crate::snapshot::Snapshot;
use crate::tables::{IdTypes, id_types};

/// A schema with everything that is derived from it.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub schema: Arc<Schema>,
    pub survey: Arc<Survey>,
    pub keys: KeyReader,
    /// Places of the cutouts, which do not become columns.
    pub cutouts: Vec<NodeId>,
    /// What packets are taken apart into.
    pub anatomy: Anatomy,
    pub ids: IdTypes,
}

impl Resolved {
    /// Survey and schema, as the log names them.
    pub fn of(&self) -> (&str, Fingerprint) {
        (&self.survey.name, self.schema.fingerprint())
    }
}

/// Answers that are remembered. A survey has a handful of schemas; garbage can look like any number.
const REMEMBERED: u64 = 1_000;

type Outcome = Result<Arc<Resolved>, Rejection>;

/// Resolves schemas and remembers the answers.
#[derive(Debug)]
pub(super) struct Resolver {
    schemas: Arc<SchemaStore>,
    surveys: Arc<Surveys>,
    /// The schema of datums without a frame, where one was named.
    bare: Option<Arc<Schema>>,
    by_structure: Cache<Fingerprint, Outcome>,
    by_header: Cache<PacketHash, Outcome>,
}

impl Resolver {
    pub fn new(snapshot: &Snapshot, bare: Option<Arc<Schema>>) -> Self {
        Self {
            schemas: Arc::clone(snapshot.schemas()),
            surveys: Arc::clone(snapshot.surveys()),
            bare,
            by_structure: Cache::new(REMEMBERED),
            by_header: Cache::new(REMEMBERED),
        }
    }

    /// The schema that a Confluent frame names; `None` if nothing is known of the id.
    pub fn by_id(&self, id: RegistryId) -> Option<Outcome> {
        self.schemas.by_id(id).map(|schema| self.resolve(schema))
    }

    /// The schema of datums without a frame.
    pub fn bare(&self) -> Option<Outcome> {
        self.bare.as_ref().map(|schema| self.resolve(schema))
    }

    /// The schema in the header of a container.
    pub fn by_header(&self, header: &Header) -> Outcome {
        self.by_header.get_with(header.digest(), || {
            Schema::parse(header.schema())
                .map_err(|e| Rejection::new(Reason::BadSchema, e.to_string()))
                .and_then(|schema| self.resolve(&Arc::new(schema)))
        })
    }

    /// Every schema that frames can name, except one.
    pub fn others(&self, than: Fingerprint) -> Vec<Arc<Resolved>> {
        let mut others: Vec<_> = self.schemas.ids().map(|(_, f)| f).filter(|f| *f != than).collect();
        others.sort();
        others.dedup();
        others.iter().filter_map(|f| self.resolve(self.schemas.get(*f)?).ok()).collect()
    }

    fn resolve(&self, schema: &Arc<Schema>) -> Outcome {
        self.by_structure.get_with(schema.fingerprint(), || self.derive(schema))
    }

    fn derive(&self, schema: &Arc<Schema>) -> Outcome {
        let Some(survey) = self.surveys.recognise(schema) else {
            let names: Vec<&str> = self.surveys.list().iter().map(|s| s.name.as_str()).collect();
            return Err(Rejection::new(
                Reason::UnknownSurvey,
                format!(
                    "no survey recognises the schema (known: {}); describe the survey in a mapping file and add it \
                     with `noctuary survey add FILE`",
                    names.join(", ")
                ),
            )
            .under(schema.label()));
        };
        let cutouts: Vec<NodeId> = survey.cutout_nodes(schema).into_iter().map(|(_, node)| node).collect();
        // Whether it can be put in columns is found out before the first packet, not after.
        Decoder::new(schema, &cutouts, 1)?;
        Ok(Arc::new(Resolved {
            schema: Arc::clone(schema),
            survey: Arc::clone(survey),
            keys: KeyReader::new(survey, schema),
            cutouts,
            anatomy: Anatomy::new(survey, schema),
            ids: id_types(survey, schema),
        }))
    }
}
