//! The light curve of one object, as SQL.
//!
//! Rows come from two places: every alert's own measurement (`trigger`), and the earlier ones that its packets carry
//! (`history`). A record that several packets carry is one row. The later copy of a trigger in the history of another
//! alert is left out, because surveys round it or change it; where its alert is not in the archive, the copy is all
//! there is, and stays.

use std::sync::Arc;

use noctuary_packet::Columns;
use noctuary_packet::id::Id;
use noctuary_packet::schema::Schema;
use noctuary_packet::survey::Survey;
use noctuary_storage::Snapshot;

/// Why there is no light curve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LightcurveError {
    /// The mapping does not say where brightness is found.
    #[error(
        "the survey {0} does not say what makes a light curve; add [photometry] and records.trigger to its mapping"
    )]
    NotMapped(String),
}

/// Measurements closer in time than this, in days, are the same one: a tenth of a second.
const SAME_TIME: &str = "1e-6";

/// SQL for the light curve of one object of a survey, oldest measurement first.
///
/// Columns: `time` and `value`, `error` in the survey's own count and unit, `band` (text), and `origin`, which is
/// `trigger` or `history`. Rows without a value (upper limits) are left out.
///
/// # Errors
/// When the survey's mapping has no `[photometry]` or no trigger.
pub fn sql(survey: &Survey, snapshot: &Snapshot, object: &Id) -> Result<String, LightcurveError> {
    let not_mapped = || LightcurveError::NotMapped(survey.name.clone());
    let fields = survey.photometry.as_ref().ok_or_else(not_mapped)?;
    let schemas: Vec<_> = snapshot.stored_schemas(&survey.name).into_iter().map(|(schema, _)| schema).collect();
    let triggers = places(&survey.records.trigger, &schemas);
    let histories = places(&survey.records.history, &schemas);
    if triggers.is_empty() {
        return Err(not_mapped());
    }
    let object = match object {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => format!("'{}'", text.replace('\'', "''")),
    };
    let record = |from: &str, origin: &str| {
        let pick = |field: &str| format!("{from}.{}", quoted(field));
        format!(
            "SELECT CAST({} AS DOUBLE) AS \"time\", CAST({} AS VARCHAR) AS \"band\", CAST({} AS DOUBLE) AS \"value\", \
             CAST({} AS DOUBLE) AS \"error\", '{origin}' AS \"origin\"",
            pick(&fields.time),
            pick(&fields.band),
            pick(&fields.value),
            pick(&fields.error)
        )
    };
    let alerts = |place: &Place| {
        let others = place.before.iter().map(|other| format!(" AND {other} IS NULL")).collect::<String>();
        format!("FROM {}.\"alerts\" WHERE \"_object\" = {object}{others}", quoted(&survey.name))
    };
    let all = |parts: Vec<String>| parts.join("\nUNION ALL\n");
    let own = all(triggers.iter().map(|t| format!("{} {}", record(&t.path, "trigger"), alerts(t))).collect());
    if histories.is_empty() {
        return Ok(format!(
            "SELECT DISTINCT * FROM ({own}) AS \"own\" WHERE \"value\" IS NOT NULL ORDER BY \"time\", \"band\""
        ));
    }
    let earlier = histories.iter().map(|h| {
        let elements = format!("SELECT unnest({}) AS \"record\" {}", h.path, alerts(h));
        format!("{} FROM ({elements}) AS \"records\"", record("\"record\"", "history"))
    });
    let earlier = all(earlier.collect());
    Ok(format!(
        "WITH \"own\" AS ({own}),\n\
         \"earlier\" AS ({earlier}),\n\
         \"once\" AS (SELECT DISTINCT * FROM \"earlier\")\n\
         SELECT * FROM (\n\
         SELECT DISTINCT * FROM \"own\"\n\
         UNION ALL\n\
         SELECT \"o\".\"time\", \"o\".\"band\", \"o\".\"value\", \"o\".\"error\", \"o\".\"origin\" FROM \"once\" AS \"o\"\n\
         LEFT ANTI JOIN \"own\" AS \"w\"\n\
         ON \"o\".\"band\" = \"w\".\"band\" AND abs(\"o\".\"time\" - \"w\".\"time\") < {SAME_TIME}\n\
         ) AS \"measurements\"\n\
         WHERE \"value\" IS NOT NULL ORDER BY \"time\", \"band\", \"origin\""
    ))
}

/// Where a record or list is found.
struct Place {
    path: String,
    /// Other places: where a packet has something there, it is not looked for here.
    before: Vec<String>,
}

/// The places that some schema has. In each the first that it has is meant, and the others are null there.
fn places(mapped: &[String], schemas: &[Arc<Schema>]) -> Vec<Place> {
    // Where nothing is stored, any place gives nothing.
    let known: Vec<String> = match (schemas, mapped) {
        ([], [first, ..]) => vec![path(first)],
        _ => mapped.iter().filter(|p| schemas.iter().any(|s| s.find(p).is_some())).map(|p| path(p)).collect(),
    };
    (0..known.len()).map(|at| Place { path: known[at].clone(), before: known[..at].to_vec() }).collect()
}

/// A path of the packet as SQL names it. Every name is quoted, so that none is put in another spelling.
fn path(dotted: &str) -> String {
    Columns::path(dotted).split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
