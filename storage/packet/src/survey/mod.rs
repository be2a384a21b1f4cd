//! Surveys as data: where in a packet its id, position, time and night, its cutouts and its rights are found.
//!
//! A survey is one TOML file. Nothing else in the program knows one survey from another, so a third one works by
//! adding a file.

mod keys;
mod mapping;

use std::sync::Arc;

pub use keys::{AlertKeys, Flags, KeyReader};
pub use mapping::{
    Cutout, Exposure, ForcedPhotometry, Ids, MappingError, NamedTable, NightRule, Photometry, Position, Recognise,
    Records, Rights, RowsAre, Survey, Time, TimeForm, TimeScale,
};

use crate::schema::Schema;

const BUILT_IN: [&str; 2] = [include_str!("lsst.toml"), include_str!("ztf.toml")];

/// The surveys that an archive knows.
#[derive(Debug, Clone)]
pub struct Surveys {
    surveys: Vec<Arc<Survey>>,
}

impl Default for Surveys {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Surveys {
    /// The surveys that come with the program.
    #[must_use]
    pub fn built_in() -> Self {
        // A test holds every file to be valid.
        Self { surveys: BUILT_IN.iter().filter_map(|text| Survey::parse(text).ok()).map(Arc::new).collect() }
    }

    /// Adds a survey, or replaces the one of the same name.
    pub fn add(&mut self, survey: Survey) {
        self.surveys.retain(|s| s.name != survey.name);
        self.surveys.push(Arc::new(survey));
    }

    /// The survey of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Survey>> {
        self.surveys.iter().find(|s| s.name == name)
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Arc<Survey>] {
        &self.surveys
    }

    /// The survey whose mapping a schema fits.
    #[must_use]
    pub fn recognise(&self, schema: &Schema) -> Option<&Arc<Survey>> {
        // Last added first: a user's file may refine a built-in one.
        self.surveys.iter().rev().find(|s| s.recognises(schema))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::known_schemas;

    #[test]
    fn the_built_in_mappings_are_valid() {
        for text in BUILT_IN {
            Survey::parse(text).unwrap();
        }
    }

    #[test]
    fn every_known_schema_is_recognised() {
        let surveys = Surveys::built_in();
        for (_, schema) in known_schemas() {
            assert_eq!(surveys.recognise(schema).unwrap().name, "lsst", "{}", schema.label());
        }
    }
}
