//! The light curve of one object, as SQL.
//!
//! Rows come from two places: every alert's own measurement (`trigger`), and the earlier ones that its packets carry
//! (`history`). A record that several packets carry is one row. The later copy of a trigger in the history of another
//! alert is left out, because surveys round it or change it; where its alert is not in the archive, the copy is all
//! there is, and stays.

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
    let known = |path: &String| {
        let has = |s: &std::sync::Arc<Schema>| s.find(path).is_some();
        schemas.is_empty() || schemas.iter().any(has)
    };
    let trigger = survey.records.trigger.iter().find(|p| known(p)).ok_or_else(not_mapped)?;
    let history = survey.records.history.iter().find(|p| known(p));
    let object = match object {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => format!("'{}'", text.replace('\'', "''")),
    };
    let record = |from: &str, origin: &str| {
        let pick = |field: &str| format!("{from}.{}", quoted(field));
        format!(
            "SELECT CAST({} AS DOUBLE) AS time, CAST({} AS VARCHAR) AS band, CAST({} AS DOUBLE) AS value, \
             CAST({} AS DOUBLE) AS error, '{origin}' AS origin",
            pick(&fields.time),
            pick(&fields.band),
            pick(&fields.value),
            pick(&fields.error)
        )
    };
    let table = format!("{}.alerts", quoted(&survey.name));
    let triggers = format!("{} FROM {table} WHERE _object = {object}", record(&path(trigger), "trigger"));
    let Some(history) = history else {
        return Ok(format!("SELECT DISTINCT * FROM ({triggers}) AS m WHERE value IS NOT NULL ORDER BY time, band"));
    };
    let list = path(history);
    Ok(format!(
        "WITH own AS ({triggers}),\n\
         records AS (SELECT unnest({list}) AS record FROM {table} WHERE _object = {object}),\n\
         earlier AS ({} FROM records),\n\
         once AS (SELECT DISTINCT * FROM earlier)\n\
         SELECT * FROM (\n\
         SELECT DISTINCT time, band, value, error, origin FROM own\n\
         UNION ALL\n\
         SELECT o.time, o.band, o.value, o.error, o.origin FROM once AS o\n\
         LEFT ANTI JOIN own AS w ON o.band = w.band AND abs(o.time - w.time) < {SAME_TIME}\n\
         ) AS measurements\n\
         WHERE value IS NOT NULL ORDER BY time, band, origin",
        record("record", "history")
    ))
}

fn path(dotted: &str) -> String {
    dotted.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
