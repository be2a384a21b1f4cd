//! Functions that give tables: `crossmatch(mine, sources, arcsec(2))`, `lightcurve(1, 2)`.
//!
//! A function that can be said in SQL is written out before anything is planned. One that cannot makes a plan of the
//! plans of its tables. Either way tables are planned as in every other part of a question: what may be seen of them,
//! which version is meant and what of them is read is decided in the same places.

mod call;
mod calls;
mod planner;

use datafusion::logical_expr::LogicalPlan;
use noctuary_storage::Snapshot;
use noctuary_storage::index::OwnColumns;

pub use call::{Argument, Call, Given};
pub use planner::{Asked, NO_NUMBER};

pub(crate) use calls::{name_tables, write_out};
pub(crate) use planner::Planner;

use crate::error::{EngineError, Result};

/// A function that gives a table.
#[derive(Debug, Clone, Copy)]
pub struct Relation {
    /// What it is called, in lower case.
    pub name: &'static str,
    /// How it is called, for whoever did it otherwise.
    pub usage: &'static str,
    /// Columns of its own, beside those of its tables.
    pub columns: &'static [&'static str],
    /// What it becomes.
    pub makes: Makes,
}

/// What a function that gives a table becomes.
#[derive(Debug, Clone, Copy)]
pub enum Makes {
    /// A question, in SQL, in which every name is quoted.
    Question(fn(&Call<'_>) -> Result<String>),
    /// A plan.
    Plan {
        /// What it takes, in order.
        parameters: &'static [Parameter],
        /// Makes the plan.
        make: fn(Asked<'_>) -> Result<LogicalPlan>,
    },
}

/// Something that a function takes, by place or by name.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// What it is called.
    pub name: &'static str,
    /// What it may be.
    pub takes: Takes,
    /// True if it cannot be left out.
    pub required: bool,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A table by its name, quoted or not, a query in parentheses, or another function that gives a table.
    Table,
    /// A value that is known before anything is read.
    Value,
    /// A word, such as the name of a column, quoted or not.
    Word,
}

impl Relation {
    /// The function of a name, in any case.
    pub(crate) fn named<'r>(all: &'r [Self], name: &str) -> Option<&'r Self> {
        all.iter().find(|relation| relation.name.eq_ignore_ascii_case(name))
    }

    /// The error of a call that cannot be understood.
    pub(crate) fn refuse(&self, why: &str) -> EngineError {
        EngineError::invalid(format!("{}: {why}; write {}", self.name, self.usage))
    }

    fn parameters(&self) -> &'static [Parameter] {
        match self.makes {
            Makes::Question(_) => &[],
            Makes::Plan { parameters, .. } => parameters,
        }
    }
}

/// What the columns of positions are called that are taken if none are named, right ascension first: the names that are
/// common in catalogues (of VizieR, Gaia, SDSS and the like), then those of the surveys' records, then the archive's.
pub(crate) fn positions(snapshot: &Snapshot) -> Vec<(String, String)> {
    const COMMON: [(&str, &str); 9] = [
        ("ra", "dec"),
        ("raj2000", "dej2000"),
        ("raj2000", "decj2000"),
        ("_raj2000", "_dej2000"),
        ("ra_icrs", "de_icrs"),
        ("ra_icrs", "dec_icrs"),
        ("ra_deg", "dec_deg"),
        ("radeg", "decdeg"),
        ("right_ascension", "declination"),
    ];
    let pair = |(ra, dec): (&str, &str)| (ra.to_owned(), dec.to_owned());
    let own = |columns: OwnColumns| columns.ra.zip(columns.dec);
    let of_surveys =
        snapshot.surveys().list().iter().filter_map(|survey| own(OwnColumns::of(survey))).collect::<Vec<_>>();
    let mut all: Vec<(String, String)> = COMMON.into_iter().map(pair).collect();
    all.extend(of_surveys);
    all.push(pair(("_ra", "_dec")));
    all.dedup();
    all
}
