//! `lightcurve`: what was measured of objects, and what was not seen of them, point by point.
//!
//! Detections and upper limits are records of triggers and histories, forced photometry has a table of its own. What
//! several packets repeat is one point: the alert's own measurement before a copy of it, the latest before an earlier. A
//! survey's own table of its sources, in which each stands once, says which that is.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use noctuary_engine::{Call, Given, Makes, Relation, Result};
use noctuary_packet::survey::{Photometry, RowsAre, Survey, TimeForm, TimeScale};
use noctuary_storage::index::OwnColumns;

pub(super) const LIGHTCURVE: Relation = Relation {
    name: "lightcurve",
    usage: "lightcurve(123), lightcurve(1, 2, 3), or with the survey before the ids of its objects: lightcurve(SURVEY, \
            'id')",
    columns: &["object", "kind", "mjd_tai", "band", "value", "error", "upper_limit", "id", "ra", "dec", "origin"],
    makes: Makes::Question(write),
};

fn write(call: &Call<'_>) -> Result<String> {
    let (survey, given) = survey(call)?;
    let not_mapped = |what: &str| {
        call.refuse(&format!(
            "the survey {} does not say what makes a light curve: its mapping has no {what}",
            survey.name
        ))
    };
    let photometry = survey.photometry.as_ref().ok_or_else(|| not_mapped("[photometry]"))?;
    let sources = of_each(call, &survey, RowsAre::Sources, "sources").ok_or_else(|| not_mapped("records.trigger"))?;
    let ids = ids(call, &survey, &sources.1, given)?;
    let points = [
        Some(points(&survey, &sources, false, Names::of(photometry), &ids)),
        of_each(call, &survey, RowsAre::Forced, "forced")
            .map(|forced| points(&survey, &forced, true, Names::of_forced(photometry), &ids)),
    ];
    let points: Vec<String> = points
        .into_iter()
        .flatten()
        .collect::<std::result::Result<_, _>>()
        .map_err(|missing| not_mapped(&format!("photometry.{missing} that its records have")))?;
    // What has an id is told by it, everything else by its time and band: a tenth of a second is the same.
    Ok(format!(
        "SELECT \"object\", \"kind\", \"mjd_tai\", \"band\", \"value\", \"error\", \"upper_limit\", \"id\", \"ra\", \
         \"dec\", \"origin\" FROM (SELECT DISTINCT ON (\"object\", \"kind\", \"id\", \"at\", \"in\") * FROM (SELECT *, \
         CASE WHEN \"id\" IS NULL THEN round(\"mjd_tai\" * 1e6) END AS \"at\", CASE WHEN \"id\" IS NULL THEN \"band\" \
         END AS \"in\" FROM ({})) ORDER BY \"object\", \"kind\", \"id\", \"at\", \"in\", \"origin\" DESC, \"commit\" \
         DESC, \"value\") AS \"lightcurve\"",
        points.join(" UNION ALL ")
    ))
}

/// A table, by its name, and its columns.
type Table<'s> = (&'s str, SchemaRef);

/// The survey's own table of such records, in which each stands once, or else that of all of them.
fn of_each<'s>(call: &Call<'_>, survey: &'s Survey, rows: RowsAre, all: &'s str) -> Option<Table<'s>> {
    let named = survey.tables.iter().filter(|table| table.rows == rows).map(|table| table.name.as_str());
    named.chain([all]).find_map(|name| Some((name, call.columns(&survey.name, name)?)))
}

/// The survey that is meant, and the ids.
fn survey<'c>(call: &'c Call<'_>) -> Result<(Arc<Survey>, Vec<&'c Given>)> {
    let surveys = call.surveys();
    let find = |name: &str| surveys.iter().find(|survey| survey.name.eq_ignore_ascii_case(name)).cloned();
    let (mut survey, mut ids) = (None, Vec::new());
    for (at, argument) in call.arguments.iter().enumerate() {
        let named = match (&argument.name, &argument.given) {
            (Some(name), _) if !matches!(name.as_str(), "survey" | "ids") => {
                return Err(call.refuse(&format!("there is no argument {name}")));
            }
            (Some(name), Given::Text(text)) if name == "survey" => Some(text.as_str()),
            // A survey, or a table of it.
            (_, Given::Name(parts)) => parts.first().map(String::as_str),
            (None, Given::Text(text)) if at == 0 && find(text.split('.').next().unwrap_or(text)).is_some() => {
                text.split('.').next()
            }
            _ => None,
        };
        match named {
            None => ids.push(&argument.given),
            Some(name) => {
                let found = find(name).ok_or_else(|| {
                    let known: Vec<&str> = surveys.iter().map(|survey| survey.name.as_str()).collect();
                    call.refuse(&format!("there is no survey {name}, but {}", known.join(", ")))
                })?;
                if survey.replace(found).is_some() {
                    return Err(call.refuse("more than one survey is named"));
                }
            }
        }
    }
    let survey = match (survey, call.only_survey()) {
        (Some(survey), _) => survey,
        (None, Some(only)) => find(only).ok_or_else(|| call.refuse("no survey is known"))?,
        (None, None) if call.with_alerts().is_empty() => {
            return Err(call.refuse("no survey has alerts yet, so name the one that is meant"));
        }
        (None, None) => {
            let all = call.with_alerts().join(" and ");
            return Err(call.refuse(&format!("there are alerts of {all}, so name the survey that is meant")));
        }
    };
    Ok((survey, ids))
}

/// The ids as a list of SQL.
fn ids(call: &Call<'_>, survey: &Survey, columns: &SchemaRef, given: Vec<&Given>) -> Result<String> {
    if given.is_empty() {
        return Err(call.refuse("no object is named"));
    }
    let kind = columns.field_with_name("_object").map(|field| field.data_type().clone()).unwrap_or(DataType::Int64);
    let texts = kind.is_string();
    let list = given.into_iter().map(|id| match id {
        Given::Text(text) if texts => Ok(format!("'{}'", text.replace('\'', "''"))),
        Given::Number(number) if texts => {
            Err(call.refuse(&format!("ids of objects of {} are texts: write '{number}'", survey.name)))
        }
        Given::Number(text) | Given::Text(text) => match text.trim().parse::<i64>() {
            Ok(id) => Ok(id.to_string()),
            Err(_) => Err(call.refuse(&format!("{text} is no id: those of {} are whole numbers", survey.name))),
        },
        Given::Name(name) => Err(call.refuse(&format!("{} is no id", name.join(".")))),
    });
    Ok(list.collect::<Result<Vec<_>>>()?.join(", "))
}

/// What columns are called in one table.
struct Names<'s> {
    time: &'s str,
    value: &'s str,
    error: &'s str,
    band: &'s str,
    limit: Option<&'s str>,
    /// Magnitude of a value of 1, where values are fluxes that become magnitudes.
    zero_point: Option<&'s str>,
    missing: &'s [f64],
}

impl<'s> Names<'s> {
    fn of(p: &'s Photometry) -> Self {
        let Photometry { time, value, error, band, limit, missing, .. } = p;
        Self { time, value, error, band, limit: limit.as_deref(), zero_point: None, missing }
    }

    fn of_forced(p: &'s Photometry) -> Self {
        let of = |own: &'s Option<String>, other: &'s str| own.as_deref().unwrap_or(other);
        let own = &p.forced;
        Self {
            time: of(&own.time, &p.time),
            value: of(&own.value, &p.value),
            error: of(&own.error, &p.error),
            band: of(&own.band, &p.band),
            limit: own.limit.as_deref().or(p.limit.as_deref()),
            zero_point: own.zero_point.as_deref(),
            missing: if own.missing.is_empty() { &p.missing } else { &own.missing },
        }
    }
}

/// The points of a table; an error names the column that is not there.
fn points(
    survey: &Survey,
    (table, columns): &Table<'_>,
    forced: bool,
    names: Names<'_>,
    ids: &str,
) -> std::result::Result<String, &'static str> {
    let has = |name: &str| columns.field_with_name(name).is_ok();
    let number = |name: Option<&str>| match name.filter(|name| has(name)) {
        Some(name) => names.missing.iter().fold(format!("CAST({} AS DOUBLE)", quoted(name)), |value, none| {
            format!("nullif({value}, CAST({none:?} AS DOUBLE))")
        }),
        None => "CAST(NULL AS DOUBLE)".to_owned(),
    };
    for (what, name) in [("time", names.time), ("value", names.value), ("error", names.error), ("band", names.band)] {
        if !has(name) {
            return Err(what);
        }
    }
    let (value, error) = match names.zero_point {
        None => (number(Some(names.value)), number(Some(names.error))),
        Some(zero) => {
            let (flux, error) = (number(Some(names.value)), number(Some(names.error)));
            (format!("ab_mag({flux}, {})", number(Some(zero))), format!("ab_mag_err({flux}, {error})"))
        }
    };
    let limit = number(names.limit);
    let own = OwnColumns::of(survey);
    let (kind, id) = if forced {
        ("'forced'".to_owned(), None)
    } else {
        let kind = format!("CASE WHEN {value} IS NULL AND {limit} IS NOT NULL THEN 'limit' ELSE 'detection' END");
        (kind, source_id(survey).filter(|name| has(name)))
    };
    let id = id.map_or_else(|| "NULL".to_owned(), |name| quoted(&name));
    Ok(format!(
        "SELECT \"_object\" AS \"object\", {kind} AS \"kind\", {} AS \"mjd_tai\", CAST({} AS VARCHAR) AS \"band\", \
         {value} AS \"value\", {error} AS \"error\", {limit} AS \"upper_limit\", {id} AS \"id\", {} AS \"ra\", {} AS \
         \"dec\", \"_origin\" AS \"origin\", \"_commit\" AS \"commit\" FROM {}.{} WHERE \"_object\" IN ({ids})",
        time(survey, columns, names.time),
        quoted(names.band),
        number(own.ra.as_deref()),
        number(own.dec.as_deref()),
        quoted(&survey.name),
        quoted(table),
    ))
}

/// What the id of an alert is called in the record that caused it.
fn source_id(survey: &Survey) -> Option<String> {
    let ids = &survey.ids;
    let repeated = ids.repeats.iter().find(|[alert, _]| ids.alert.contains(alert)).map(|[_, own]| own);
    let own = repeated.or_else(|| ids.alert.iter().find(|path| path.contains('.')))?;
    own.rsplit('.').next().map(str::to_owned)
}

/// A time as modified Julian date in TAI.
fn time(survey: &Survey, columns: &SchemaRef, name: &str) -> String {
    let moment = columns.field_with_name(name).is_ok_and(|f| matches!(f.data_type(), DataType::Timestamp(..)));
    let name = quoted(name);
    // Days since 1970 as a Julian date; in UTC it has no leap seconds either.
    let days = match survey.time.form {
        TimeForm::Micros if moment => format!("CAST(CAST({name} AS BIGINT) AS DOUBLE) / 86400e6 + 2440587.5"),
        TimeForm::Micros => format!("CAST({name} AS DOUBLE) / 86400e6 + 2440587.5"),
        TimeForm::Unix => format!("CAST({name} AS DOUBLE) / 86400 + 2440587.5"),
        TimeForm::Jd => format!("CAST({name} AS DOUBLE)"),
        TimeForm::Mjd if survey.time.scale == TimeScale::Tai => return format!("CAST({name} AS DOUBLE)"),
        TimeForm::Mjd => format!("mjd_to_jd(CAST({name} AS DOUBLE))"),
    };
    match survey.time.scale {
        TimeScale::Utc => format!("jd_utc_to_mjd_tai({days})"),
        TimeScale::Tai => format!("jd_to_mjd({days})"),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
