//! The catalogue of documented SQL: one file each under `science/`.
//!
//! A file begins with comments: a title, for whom and why, and `survey: NAME` where it is about one. What follows is
//! one statement.

/// A question with its story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Name, that of its file.
    pub name: &'static str,
    /// The survey it asks about; `None` if it asks about the archive.
    pub survey: Option<&'static str>,
    /// The file: comments and statement.
    pub sql: &'static str,
}

macro_rules! science {
    ($($name:literal),* $(,)?) => {
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../science/", $name, ".sql")))),*];
    };
}
science!(
    "alerts_per_night",
    "cone_search",
    "history_of_an_object",
    "what_is_missing",
    "z01_quality",
    "z03_early_kilonova",
    "z05_supernova",
    "z07_bright",
    "l01_good_quality",
    "l03_likely_transients",
    "l10_quality",
);

/// Everything in the catalogue.
#[must_use]
pub fn catalogue() -> Vec<Entry> {
    FILES
        .iter()
        .map(|(name, sql)| {
            let survey = sql.lines().find_map(|line| line.strip_prefix("-- survey: "));
            Entry { name, survey: survey.map(str::trim), sql }
        })
        .collect()
}

/// One entry by its name.
#[must_use]
pub fn named(name: &str) -> Option<Entry> {
    catalogue().into_iter().find(|e| e.name == name)
}

impl Entry {
    /// What it is and for whom, without the comment marks.
    #[must_use]
    pub fn description(&self) -> String {
        let comments = self.sql.lines().map_while(|line| line.strip_prefix("--"));
        let lines: Vec<&str> = comments.map(str::trim).filter(|line| !line.starts_with("survey:")).collect();
        lines.join("\n").trim().to_owned()
    }

    /// What it asks, without the comments before it.
    #[must_use]
    pub fn statement(&self) -> &'static str {
        let comments = self.sql.split_inclusive('\n').take_while(|line| line.starts_with("--")).map(str::len).sum();
        self.sql.get(comments..).unwrap_or_default().trim()
    }

    /// Its first line.
    #[must_use]
    pub fn title(&self) -> String {
        self.description().lines().next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_story_and_a_statement() {
        for entry in catalogue() {
            assert!(!entry.title().is_empty(), "{}", entry.name);
            assert_eq!(noctuary_engine::Session::statements(entry.sql).unwrap().len(), 1, "{}", entry.name);
            assert!(entry.statement().starts_with("SELECT"), "{}", entry.name);
            assert!(
                !entry.statement().ends_with(';') && entry.sql.trim().ends_with(entry.statement()),
                "{}",
                entry.name
            );
        }
    }
}
