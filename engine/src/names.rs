//! Names without regard to case and without quotes.
//!
//! Surveys write `diaObjectId`; SQL folds what is not quoted to lower case. Here every word of a question that is not
//! quoted is put in the spelling of the archive before anything else reads it: of the tables that the question
//! mentions first, of the record it is asked of, and then as it was typed.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{ARCHIVE, CATALOG, TEMPORARY, Tables};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Spelling {
    name: String,
    schema: String,
    /// The record or table it is found in, in lower case.
    parent: String,
}

impl Spelling {
    /// True for a table, false for what is in one.
    fn is_table(&self) -> bool {
        self.parent == self.schema || (is_own(&self.schema) && self.parent == TEMPORARY)
    }

    /// True for tables that may be named without a schema in every question.
    fn is_table_of_all(&self) -> bool {
        (self.schema == ARCHIVE && self.parent == ARCHIVE) || (is_own(&self.schema) && self.parent == TEMPORARY)
    }
}

/// True for what the tables that a reader brought are told apart by, and for their schema.
pub(crate) fn is_own(schema: &str) -> bool {
    schema.strip_prefix(TEMPORARY).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every name that a question can use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    by_lower: BTreeMap<String, Vec<Spelling>>,
    schemas: BTreeSet<String>,
    /// Schemas of tables that may be named alone, by the names of these in lower case.
    homes: BTreeMap<String, String>,
    /// Dotted paths with the table they are of.
    paths: Vec<(Mentioned, String)>,
}

/// A table that a question mentions, by schema and name.
pub(crate) type Mentioned = (String, String);

impl Names {
    /// The names of some tables.
    pub(crate) fn of(tables: &Tables) -> Self {
        let mut names = Self::default();
        names.add(CATALOG, ARCHIVE, "");
        for (schema, table, described) in tables.described() {
            names.schemas.insert(schema.to_owned());
            names.add(schema, schema, "");
            // Tables that readers bring along know nothing of each other.
            let of = if schema == TEMPORARY { format!("{TEMPORARY}.{table}") } else { schema.to_owned() };
            names.add(table, &of, schema);
            if let Some(home) = tables.home(table).filter(|home| *home == schema && schema != TEMPORARY) {
                names.homes.insert(table.to_lowercase(), home.to_owned());
            }
            for column in described.iter() {
                let mut parent = table.to_owned();
                for part in column.column.split('.') {
                    let part = part.trim_end_matches("[]");
                    names.add(part, &of, &parent);
                    parent = part.to_lowercase();
                }
                names.paths.push(((schema.to_owned(), table.to_owned()), column.column.clone()));
            }
        }
        names.paths.sort();
        names.paths.dedup();
        names
    }

    fn add(&mut self, name: &str, schema: &str, parent: &str) {
        let spelling = Spelling { name: name.to_owned(), schema: schema.to_owned(), parent: parent.to_lowercase() };
        let known = self.by_lower.entry(name.to_lowercase()).or_default();
        if !known.contains(&spelling) {
            known.push(spelling);
        }
    }

    /// The schema that a word is the name of, or that has a table of this name which may be named alone.
    pub(crate) fn schema(&self, word: &str) -> Option<&str> {
        let lower = word.to_lowercase();
        let alone = || self.by_lower.get(&lower)?.iter().find(|s| s.is_table_of_all());
        self.schemas.get(&lower).map(String::as_str).or_else(|| alone().map(|s| s.schema.as_str()))
    }

    /// The schema of a table that may be named alone.
    pub(crate) fn home(&self, table: &str) -> Option<&str> {
        self.homes.get(&table.to_lowercase()).map(String::as_str)
    }

    /// The archive's spelling of a word, if it has one. `mentioned` are the schemas of the question, `parent` the word
    /// before the dot; what the question reads as a table `is_table`, and is a column otherwise. Schemas and the
    /// archive's own tables may be named in every question; of other schemas, nothing.
    pub(crate) fn spell(
        &self,
        word: &str,
        mentioned: &BTreeSet<String>,
        parent: Option<&str>,
        is_table: bool,
    ) -> Option<&str> {
        let all = self.by_lower.get(&word.to_lowercase())?.iter();
        let is_schema = |s: &Spelling| s.parent.is_empty() && (s.schema == ARCHIVE || is_own(&s.schema));
        let always = |s: &Spelling| s.is_table_of_all() || is_schema(s);
        let all: Vec<&Spelling> = all.filter(|s| mentioned.contains(&s.schema) || always(s)).collect();
        let all = only(all, |s| mentioned.contains(&s.schema));
        let parent = parent.map(str::to_lowercase);
        let all = only(all, |s| parent.as_ref().is_some_and(|p| s.parent == *p));
        let all = only(all, |s| s.name == word);
        // A survey may call a table like a record, but for case.
        let all = only(all, |s| s.is_table() == is_table);
        all.first().map(|s| s.name.as_str())
    }

    /// Words for completion: schemas, tables, columns and leaves.
    pub(crate) fn words(&self) -> Vec<String> {
        let single = self.by_lower.values().flatten().map(|s| s.name.clone());
        let paths = self.paths.iter().map(|(_, path)| path).filter(|p| !p.contains('[')).cloned();
        let mut words: Vec<String> = single.chain(paths).collect();
        words.sort();
        words.dedup();
        words
    }

    /// The paths of the tables that a question mentions, or of all where it mentions none.
    fn paths_of<'n>(&'n self, mentioned: &'n BTreeSet<Mentioned>) -> impl Iterator<Item = &'n str> {
        let own = |table: &Mentioned| mentioned.is_empty() || mentioned.contains(table);
        self.paths.iter().filter(move |(table, _)| own(table)).map(|(_, path)| path.as_str())
    }

    /// True if one of the tables that a question mentions has a column.
    pub(crate) fn has(&self, column: &str, mentioned: &BTreeSet<Mentioned>) -> bool {
        self.paths_of(mentioned).any(|path| path == column)
    }

    /// `; did you mean ...?` for a column that is not there, among those of the tables that the question mentions.
    pub(crate) fn suggest(&self, column: &str, mentioned: &BTreeSet<Mentioned>) -> String {
        let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_lowercase();
        let wanted = last(column);
        let inside = self.paths_of(mentioned).filter(|p| p.contains('.') && last(p) == wanted);
        let mut inside: Vec<&str> = inside.collect();
        // A field of the trigger is meant more often than one of an element of a list.
        inside.sort_by_key(|p| (p.contains('['), p.len()));
        inside.dedup();
        if !inside.is_empty() {
            return format!("; did you mean {}?", inside.into_iter().take(3).collect::<Vec<_>>().join(" or "));
        }
        let parts = self.paths_of(mentioned).flat_map(|path| path.split('.')).map(|part| part.trim_end_matches("[]"));
        nearest(column, self.paths_of(mentioned).chain(parts).filter(|name| *name != column))
    }
}

/// What fits a condition, or everything if nothing does.
fn only(all: Vec<&Spelling>, keep: impl Fn(&Spelling) -> bool) -> Vec<&Spelling> {
    let kept: Vec<&Spelling> = all.iter().copied().filter(|s| keep(s)).collect();
    if kept.is_empty() { all } else { kept }
}

/// `; did you mean ...?` with the names that differ by a letter or two, or nothing.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let limit = (wanted.len() / 3).clamp(1, 3);
    let tail = |path: &'n str| path.rsplit('.').next().unwrap_or(path);
    let apart = |known: &str| -> Option<usize> {
        let known: Vec<char> = known.to_lowercase().chars().collect();
        // So many letters at least have to be added or dropped; to count further takes the product of both lengths.
        let near = known.len().abs_diff(wanted.len()) <= limit;
        near.then(|| distance(&wanted, &known)).filter(|distance| *distance <= limit)
    };
    let mut near: Vec<(usize, &str)> =
        known.filter_map(|k| Some(([apart(k), apart(tail(k))].into_iter().flatten().min()?, k))).collect();
    near.sort_by_key(|(distance, name)| (*distance, name.contains('['), name.len(), *name));
    near.dedup_by_key(|(_, name)| *name);
    let names: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

/// Letters to add, drop, change or swap with their neighbour to get from one word to the other (optimal string
/// alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut last = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = changed.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(last[j - 2] + 1);
            }
        }
        last = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let distance = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(distance("psfflux", "psfflx"), 1);
        assert_eq!(distance("lapm", "lamp"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("legder", ["ledger", "files"].into_iter()), "; did you mean ledger?");
        assert_eq!(nearest("completely", ["ledger"].into_iter()), "");
        assert_eq!(nearest("snrr", ["diaSource.snr"].into_iter()), "; did you mean diaSource.snr?");
    }

    #[test]
    fn a_name_without_end_is_given_up_at_once() {
        let name = "x".repeat(300_000);
        let known: Vec<String> = (0..2_000).map(|n| format!("diaSource.column{n}")).collect();
        let begun = std::time::Instant::now();
        assert_eq!(nearest(&name, known.iter().map(String::as_str)), "");
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    #[test]
    fn the_mentioned_survey_decides() {
        let mut names = Names::default();
        names.add("objectId", "ztf", "alerts");
        names.add("objectID", "other", "alerts");
        let mentioned = BTreeSet::from(["other".to_owned()]);
        assert_eq!(names.spell("OBJECTID", &mentioned, None, false), Some("objectID"));
        let another = BTreeSet::from(["lsst".to_owned()]);
        assert_eq!(names.spell("OBJECTID", &another, None, false), None);
        names.add("ledger", ARCHIVE, ARCHIVE);
        assert_eq!(names.spell("LEDGER", &another, None, true), Some("ledger"));
        names.add("dets", "other", "alerts");
        names.add("Dets", "other", "other");
        assert_eq!(names.spell("DETS", &mentioned, None, true), Some("Dets"));
        assert_eq!(names.spell("DETS", &mentioned, None, false), Some("dets"));
        assert_eq!(names.spell("nothing", &mentioned, None, false), None);
    }
}
