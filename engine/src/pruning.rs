//! Which files a question has to read.
//!
//! For every file it is worked out whether a condition can be true there, and whether it can be false; where it is null
//! is of no interest, as neither it nor its opposite gives a row then. A file is left out only if the condition cannot
//! be true in it. What is thought possible is never too little, so that of AND, OR and NOT is not either, and the rows
//! are those of a full scan.

use noctuary_packet::id::Id;
use noctuary_storage::log::DataFile;

use crate::conditions::{Condition, Key, Relation, Value, to_mjd_tai};

/// What a condition can be in the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Can {
    yes: bool,
    no: bool,
}

const ANYTHING: Can = Can { yes: true, no: true };

/// True if a row of the file may fulfil all conditions.
pub(crate) fn may_match(conditions: &[Condition], file: &DataFile) -> bool {
    conditions.iter().all(|condition| can(condition, file).yes)
}

fn can(condition: &Condition, file: &DataFile) -> Can {
    match condition {
        Condition::Unknown => ANYTHING,
        Condition::Constant(value) => Can { yes: *value == Some(true), no: *value == Some(false) },
        Condition::Not(inner) => {
            let inner = can(inner, file);
            Can { yes: inner.no, no: inner.yes }
        }
        Condition::And(a, b) => {
            let (a, b) = (can(a, file), can(b, file));
            Can { yes: a.yes && b.yes, no: a.no || b.no }
        }
        Condition::Or(a, b) => {
            let (a, b) = (can(a, file), can(b, file));
            Can { yes: a.yes || b.yes, no: a.no && b.no }
        }
        Condition::IsNull { key } => {
            let known = span(*key, file).is_some();
            Can { yes: !known || nulls(*key, file), no: true }
        }
        Condition::Range { key, relation, low, high } => {
            let Some((least, greatest)) = span(*key, file) else { return ANYTHING };
            let (from, to) = (end(low.as_ref(), *relation, -1.0), end(high.as_ref(), *relation, 1.0));
            let Some(overlaps) = overlap(from.as_ref(), to.as_ref(), &least, &greatest) else { return ANYTHING };
            let (from, to) = (end(low.as_ref(), *relation, 1.0), end(high.as_ref(), *relation, -1.0));
            let within = from.is_none_or(|from| least >= from) && to.is_none_or(|to| greatest <= to);
            odd(*key, *relation, file, Can { yes: overlaps, no: !within })
        }
        Condition::OneOf { key, relation, values } => {
            let Some((least, greatest)) = span(*key, file) else { return ANYTHING };
            if values.is_empty() {
                return Can { yes: false, no: true };
            }
            let mut any = false;
            for value in values {
                let (low, high) = (end(Some(value), *relation, -1.0), end(Some(value), *relation, 1.0));
                match overlap(low.as_ref(), high.as_ref(), &least, &greatest) {
                    Some(overlaps) => any |= overlaps,
                    None => return ANYTHING,
                }
            }
            odd(*key, *relation, file, Can { yes: any, no: true })
        }
        Condition::Within { ra, dec, extent } => {
            // The region is a little wider than it is already.
            let (Some(ras), Some(decs)) = (file.stats.ra, file.stats.dec) else { return ANYTHING };
            let with = nulls(Key::Ra, file) || nulls(Key::Dec, file);
            let on_the_sky = file.stats.healpix_29.filter(|_| !nulls(Key::Healpix, file));
            let cells = on_the_sky.is_none_or(|(first, last)| extent.cover().meets(first, last));
            let touched = Can { yes: cells && extent.bounds().may_touch(ras, decs), no: true };
            let exact = *ra == Relation::Same && *dec == Relation::Same;
            if with && !exact { ANYTHING } else { touched }
        }
    }
}

/// A field whose key is null because its value is odd, an infinity or an empty text, is still compared by that value.
fn odd(key: Key, relation: Relation, file: &DataFile, can: Can) -> Can {
    if relation != Relation::Same && nulls(key, file) { ANYTHING } else { can }
}

/// The least and greatest values of a key in a file.
fn span(key: Key, file: &DataFile) -> Option<(Value, Value)> {
    let stats = &file.stats;
    let int = |range: Option<(i64, i64)>| range.map(|(a, b)| (Value::Int(a), Value::Int(b)));
    let float = |range: Option<(f64, f64)>| range.map(wide).map(|(a, b)| (Value::Float(a), Value::Float(b)));
    let id = |range: &Option<(Id, Id)>| range.as_ref().map(|(a, b)| (of_id(a), of_id(b)));
    match key {
        Key::Alert => id(&stats.alert),
        Key::Object => id(&stats.object),
        Key::Night => int(stats.night.map(|(a, b)| (i64::from(a), i64::from(b)))),
        Key::Visit => int(stats.visit),
        Key::Time => float(stats.mjd_tai),
        Key::OwnTime => float(stats.own_time.as_ref().and_then(|time| time.range)),
        Key::Ra => float(stats.ra),
        Key::Dec => float(stats.dec),
        Key::Healpix => int(stats.healpix_29),
        Key::Commit => {
            let (first, last) = file.span();
            i64::try_from(first).ok().zip(i64::try_from(last).ok()).and_then(|span| int(Some(span)))
        }
    }
}

fn of_id(id: &Id) -> Value {
    match id {
        Id::Number(n) => Value::Int(*n),
        Id::Text(text) => Value::Text(text.to_string()),
    }
}

fn nulls(key: Key, file: &DataFile) -> bool {
    file.stats.lacks(key.column())
}

/// A little wider than it is: cheap, and no rounding on the way of a bound can hide a row.
fn wide((least, greatest): (f64, f64)) -> (f64, f64) {
    (least.next_down().next_down(), greatest.next_up().next_up())
}

/// An end of a range in the count of the key column, moved by a second where it was converted.
pub(crate) fn end(value: Option<&Value>, relation: Relation, seconds: f64) -> Option<Value> {
    match (value?, relation) {
        (Value::Float(time), Relation::Time(form, scale)) => {
            Some(Value::Float(to_mjd_tai(*time, form, scale) + seconds / 86_400.0))
        }
        (value, _) => Some(value.clone()),
    }
}

/// Whether two ranges meet; `None` if their values cannot be compared.
fn overlap(low: Option<&Value>, high: Option<&Value>, least: &Value, greatest: &Value) -> Option<bool> {
    let alike = |value: &Value| std::mem::discriminant(value) == std::mem::discriminant(least);
    if !alike(greatest) || !low.is_none_or(alike) || !high.is_none_or(alike) {
        return None;
    }
    Some(low.is_none_or(|low| greatest >= low) && high.is_none_or(|high| least <= high))
}
