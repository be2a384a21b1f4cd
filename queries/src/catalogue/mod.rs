//! The catalogue of documented questions: one file of SQL each under `science/`.
//!
//! A file begins with comments of a strict form, which [`header`] reads; what follows is one statement with a
//! placeholder `$name` for each parameter:
//!
//! ```sql
//! -- Title
//! -- What it is for, in as many lines as it takes.
//! -- survey: NAME
//! -- param NAME TYPE [unit] [from LEAST] [to MOST] [default VALUE]: meaning
//! -- example: NAME=VALUE NAME=VALUE
//! -- result: what the rows are
//! -- caveat: what to know before believing them
//! -- cost: what is read
//! SELECT ...
//! ```
//!
//! `survey` is left out where the archive itself is asked, `example` where every parameter has a default. A line that
//! begins with more than one space goes on with the one before.

mod fill;
mod header;
mod parameter;

use std::sync::LazyLock;

use datafusion::common::utils::datafusion_strsim::levenshtein;

use parameter::{Parameter, Refusal};

/// A question with its story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name, that of its file.
    pub name: &'static str,
    /// The survey it asks about; `None` if it asks about the archive.
    pub survey: Option<&'static str>,
    /// The statement with the values of its example, to be asked as it is.
    pub sql: &'static str,
    /// What it is, in a few words.
    pub title: String,
    /// What it is for.
    pub story: String,
    /// What whoever asks may or must say.
    pub parameters: Vec<Parameter>,
    /// Values for the parameters that have no default, and perhaps for others.
    pub example: Vec<(String, String)>,
    /// What the rows of the answer are.
    pub result: String,
    /// What to know before believing them.
    pub caveat: String,
    /// What is read for them.
    pub cost: String,
    comments: &'static str,
    statement: &'static str,
}

macro_rules! science {
    ($($name:literal),* $(,)?) => {
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../science/", $name, ".sql")))),*];
    };
}
science!(
    "light_curve",
    "light_curves",
    "object_with_sources",
    "forced_photometry",
    "cone_search",
    "objects_in_cone",
    "cone_within_window",
    "cone_across_window",
    "cone_light_curves",
    "close_pairs",
    "list_matches",
    "objects_in_range",
    "objects_by_detections",
    "rising",
    "new_since",
    "watchlist_outbursts",
    "healpix_window",
    "sky_map_search",
    "solar_system_object",
    "solar_system_without_object",
    "l01_good_quality",
    "l03_likely_transients",
    "l10_quality",
    "z01_quality",
    "z03_early_kilonova",
    "z05_supernova",
    "z07_bright",
    "alerts_per_night",
    "what_is_missing",
);

static CATALOGUE: LazyLock<Vec<Entry>> =
    // A test reads every file, so that none is left out here.
    LazyLock::new(|| FILES.iter().filter_map(|(name, file)| header::parse(name, file).ok()).collect());

/// Everything in the catalogue.
#[must_use]
pub fn catalogue() -> &'static [Entry] {
    &CATALOGUE
}

/// One entry by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Entry> {
    catalogue().iter().find(|entry| entry.name == name)
}

impl Entry {
    /// `; did you mean ...?` with the entry whose name is most like this one, or nothing.
    #[must_use]
    pub fn suggestion(name: &str) -> String {
        nearest(name, catalogue().iter().map(|entry| entry.name))
    }

    /// What it asks, with placeholders where parameters stand.
    #[must_use]
    pub fn statement(&self) -> &'static str {
        self.statement
    }

    /// The statement with values for its parameters; what is not given has its default.
    ///
    /// # Errors
    /// When a value is missing, given twice, of another type or out of its range, or is for no parameter.
    pub fn fill(&self, given: &[(String, String)]) -> Result<String, Refusal> {
        let literals = self.literals(given)?;
        let missing: Vec<&Parameter> =
            self.parameters.iter().filter(|p| !literals.iter().any(|(name, _)| *name == p.name)).collect();
        if !missing.is_empty() {
            return Err(Refusal::missing(self.name, &missing));
        }
        Ok(fill::filled(self.statement, &literals))
    }

    /// The whole file, with the values that are given or have a default in their places.
    ///
    /// # Errors
    /// As [`Self::fill`], but for values that are missing, whose placeholders stay.
    pub fn show(&self, given: &[(String, String)]) -> Result<String, Refusal> {
        // Without a value the file is shown as it is, so that defaults are seen to be no part of the statement.
        let literals = if given.is_empty() { Vec::new() } else { self.literals(given)? };
        Ok(format!("{}{}\n", self.comments, fill::filled(self.statement, &literals)))
    }

    /// Literals of SQL by the names of parameters.
    fn literals(&self, given: &[(String, String)]) -> Result<Vec<(&str, String)>, Refusal> {
        for (at, (name, _)) in given.iter().enumerate() {
            if !self.parameters.iter().any(|p| p.name == *name) {
                return Err(Refusal::unknown(self.name, name, &self.parameters));
            }
            if given.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(Refusal::Twice { name: name.clone() });
            }
        }
        let value = |p: &Parameter| {
            let own = given.iter().find(|(name, _)| *name == p.name).map(|(_, value)| value.clone());
            own.or_else(|| p.default.clone())
        };
        let valued = self.parameters.iter().filter_map(|p| Some((p, value(p)?)));
        valued.map(|(p, value)| Ok((p.name.as_str(), p.literal(&value)?))).collect()
    }
}

/// `; did you mean ...?` with the name that differs least, if that is not much.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let wanted = name.to_lowercase();
    let far = (wanted.chars().count() / 3).clamp(1, 4);
    // A name of which the one that was typed is a part is near as well, and a name without end is near to none.
    let distance = |known: &str| match known {
        known if wanted.len() >= 3 && known.contains(&wanted) => 0,
        known if known.len().abs_diff(wanted.len()) > far => usize::MAX,
        known => levenshtein(&wanted, known),
    };
    let near = known.map(|known| (distance(known), known)).min().filter(|(distance, _)| *distance <= far);
    near.map(|(_, known)| format!("; did you mean {known}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
