//! Definitions that come with the program, so that framed LSST packets can be read before anyone has added a file.
//! They hold structure and units only; a survey's own schema file adds its descriptions.

use std::sync::{Arc, OnceLock};

use super::{Schema, compact};

const LSST: [&str; 6] = [
    include_str!("../../schemas/lsst-7.4.schema"),
    include_str!("../../schemas/lsst-8.0.schema"),
    include_str!("../../schemas/lsst-9.0.schema"),
    include_str!("../../schemas/lsst-10.0.schema"),
    include_str!("../../schemas/lsst-11.0.schema"),
    include_str!("../../schemas/lsst-11.1.schema"),
];

/// Every definition that comes with the program, with the id that Confluent frames use for it.
#[must_use]
pub fn known_schemas() -> &'static [(Option<u32>, Arc<Schema>)] {
    static KNOWN: OnceLock<Vec<(Option<u32>, Arc<Schema>)>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        LSST.iter()
            .filter_map(|text| {
                // A test holds every definition to be readable.
                let compact = compact::parse(text).ok()?;
                let schema = Schema::parse(&compact.json.to_string()).ok()?;
                Some((compact.registry_id, Arc::new(schema)))
            })
            .collect()
    })
}

/// The LSST schema of a version such as `11.1`.
#[must_use]
pub fn known_lsst(version: &str) -> Option<Arc<Schema>> {
    known_schemas().iter().map(|(_, schema)| schema).find(|s| s.version() == Some(version)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_readable() {
        assert_eq!(known_schemas().len(), LSST.len());
        let ids: Vec<_> = known_schemas().iter().filter_map(|(id, _)| *id).collect();
        assert_eq!(ids, [704, 800, 900, 1000, 1100, 1101]);
    }

    #[test]
    fn field_counts_are_the_surveys() {
        let trigger = |version: &str| {
            let schema = known_lsst(version).unwrap();
            match &schema.node(schema.find("diaSource").unwrap()).shape {
                super::super::Shape::Record(fields) => fields.len(),
                _ => 0,
            }
        };
        assert_eq!(["7.4", "9.0", "10.0", "11.1"].map(trigger), [140, 98, 98, 102]);
    }
}
