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

const ZTF: [(&str, &str); 2] =
    [("3.3", include_str!("../../schemas/ztf-3.3.schema")), ("4.02", include_str!("../../schemas/ztf-4.02.schema"))];

/// Every definition that comes with the program for packets in frames, with the id that Confluent frames use for it.
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

/// Names, types and order of the ZTF schema of a version such as `3.3`. Packets of ZTF bring their own schema, in
/// which records have other full names and unions another order: see the remarks in the definitions.
#[must_use]
pub fn known_ztf(version: &str) -> Option<Schema> {
    let (_, text) = ZTF.iter().find(|(known, _)| *known == version)?;
    Schema::parse(&compact::parse(text).ok()?.json.to_string()).ok()
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
    fn field_counts_are_those_of_ztf() {
        let fields = |version: &str, path: &str| {
            let schema = known_ztf(version).unwrap();
            let (record, _) = schema.unwrap_nullable(schema.find(path).unwrap());
            match &schema.node(record).shape {
                super::super::Shape::Record(fields) => fields.len(),
                super::super::Shape::Array(items) => match &schema.node(*items).shape {
                    super::super::Shape::Record(fields) => fields.len(),
                    _ => 0,
                },
                _ => 0,
            }
        };
        assert_eq!(["candidate", "prv_candidates"].map(|path| fields("3.3", path)), [103, 57]);
        assert_eq!(["candidate", "prv_candidates", "fp_hists"].map(|path| fields("4.02", path)), [103, 57, 29]);
        assert!(known_ztf("1.8").is_none());
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
