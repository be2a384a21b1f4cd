//! What a question's conditions say about keys, whichever name it used for them.
//!
//! `diaSource.ra`, `candidate.ra` and `_ra` are one position; a survey's mapping says so. A condition on the packet's
//! own field is turned into one on the key column, of which files know their least and greatest values. Whatever is
//! not understood is [`Condition::Unknown`], which prunes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator};
use noctuary_packet::Columns;
use noctuary_packet::schema::Schema;
use noctuary_packet::survey::{Survey, TimeForm, TimeScale};
use noctuary_packet::time::MjdTai;
use noctuary_storage::index::OwnColumns;
use noctuary_storage::log::OwnTime;
use noctuary_storage::tables::COMMIT;

use crate::regions::{Extent, Regions};
use crate::sky::{ANGULAR_DISTANCE, HEALPIX};

/// A column of which files know their least and greatest values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Alert,
    Object,
    Night,
    Visit,
    Time,
    Ra,
    Dec,
    Healpix,
    Commit,
    /// The time of a record by its own column, in the survey's count.
    OwnTime,
}

impl Key {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Alert, "_alert"),
        (Self::Object, "_object"),
        (Self::Night, "_night"),
        (Self::Visit, "_visit"),
        (Self::Time, "_mjd_tai"),
        (Self::Ra, "_ra"),
        (Self::Dec, "_dec"),
        (Self::Healpix, "_healpix_29"),
        (Self::Commit, COMMIT),
    ];

    /// The name of its column, which is a key column of all files that have it; none of records' own times.
    pub(crate) fn column(self) -> &'static str {
        Self::ALL.iter().find(|(key, _)| *key == self).map_or("", |(_, name)| name)
    }
}

/// How a column that was named relates to the key column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Relation {
    /// It is the key column, or a whole number that is copied into it.
    Same,
    /// It has the key's value wherever the key is not null; where the key is null it may have some other, odd one.
    SameUnlessNull,
    /// The key is this time in another count; comparisons are widened by a second for rounding.
    Time(TimeForm, TimeScale),
}

/// A literal value.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) enum Value {
    Int(i64),
    Float(f64),
    Text(String),
}

/// A condition on keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// Nothing is known of it: it may be true, false or null anywhere.
    Unknown,
    /// It is the same for all rows; `None` is null.
    Constant(Option<bool>),
    /// The key lies between these, ends included; a missing end is open.
    Range { key: Key, relation: Relation, low: Option<Value>, high: Option<Value> },
    /// The key is one of these, in ascending order.
    OneOf { key: Key, relation: Relation, values: Vec<Value> },
    /// The key column is null.
    IsNull { key: Key },
    /// The position lies in a region of the sky.
    Within { ra: Relation, dec: Relation, extent: Arc<Extent> },
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// Either.
    Or(Box<Condition>, Box<Condition>),
    /// The opposite; null stays null.
    Not(Box<Condition>),
}

/// The names of a survey's own fields for keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyNames {
    paths: BTreeMap<String, (Key, Relation)>,
}

impl KeyNames {
    /// The fields that mean a key in every one of these schemas: a schema that has the field takes its key from it and
    /// from no other, or lacks the field, so that it is null there.
    pub(crate) fn of(survey: &Survey, schemas: &[Arc<Schema>], leaf: impl Fn(&str) -> Option<DataType>) -> Self {
        let mut paths = BTreeMap::new();
        let time = Relation::Time(survey.time.form, survey.time.scale);
        let floats = matches!(survey.time.form, TimeForm::Mjd | TimeForm::Jd);
        let keys = [
            (Key::Alert, &survey.ids.alert, Relation::SameUnlessNull),
            (Key::Object, &survey.ids.object, Relation::SameUnlessNull),
            (Key::Visit, &survey.exposure.visit, Relation::SameUnlessNull),
            (Key::Ra, &survey.position.ra, Relation::SameUnlessNull),
            (Key::Dec, &survey.position.dec, Relation::SameUnlessNull),
            (Key::Time, &survey.time.field, time),
        ];
        for (key, names, relation) in keys {
            for path in names {
                let first = |s: &Schema| names.iter().find(|p| s.find(p).is_some());
                let column = Columns::path(path);
                let always = schemas.iter().all(|s| s.find(path).is_none() || first(s) == Some(path));
                let fits = match (key, leaf(&column)) {
                    (Key::Alert | Key::Object, Some(t)) => {
                        matches!(t, DataType::Int64 | DataType::Int32 | DataType::Utf8)
                    }
                    (Key::Visit, Some(t)) => matches!(t, DataType::Int64 | DataType::Int32),
                    (Key::Time, Some(t)) => floats && matches!(t, DataType::Float64 | DataType::Float32),
                    (_, Some(t)) => matches!(t, DataType::Float64 | DataType::Float32),
                    (_, None) => false,
                };
                let whole = matches!(leaf(&column), Some(DataType::Int64 | DataType::Int32));
                let relation = if whole { Relation::Same } else { relation };
                if always && fits {
                    paths.insert(column.into_owned(), (key, relation));
                }
            }
        }
        Self { paths }
    }

    /// The columns of records that say of what object and where they are. What they say of the object need not be what
    /// the alert said that brought them.
    pub(crate) fn of_records(own: &OwnColumns, leaf: impl Fn(&str) -> Option<DataType>) -> Self {
        let mut paths = BTreeMap::new();
        for (key, name) in [(Key::Object, &own.object), (Key::Ra, &own.ra), (Key::Dec, &own.dec)] {
            let Some(name) = name else { continue };
            let fits = match (key, leaf(name)) {
                (Key::Object, Some(kind)) => matches!(kind, DataType::Int64 | DataType::Int32 | DataType::Utf8),
                (_, kind) => matches!(kind, Some(DataType::Float64 | DataType::Float32)),
            };
            if fits {
                paths.insert(name.clone(), (key, Relation::SameUnlessNull));
            }
        }
        Self { paths }
    }

    /// The column of records that says when they were measured, of which files know the least and greatest value.
    pub(crate) fn of_times(survey: &Survey, leaf: impl Fn(&str) -> Option<DataType>) -> Self {
        let column = OwnTime::column_of(survey);
        let column = column.filter(|name| leaf(name) == Some(DataType::Float64));
        Self { paths: column.map(|name| (name.to_owned(), (Key::OwnTime, Relation::Same))).into_iter().collect() }
    }

    /// True if a field means a key.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// The key that an expression stands for.
    fn key(&self, expr: &Expr) -> Option<(Key, Relation)> {
        if let Some(key) = own_key(expr) {
            return Some((key, Relation::Same));
        }
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                // Only casts that keep every value, and with it the order.
                let key = self.key(expr)?;
                let int = matches!(key.0, Key::Alert | Key::Object | Key::Visit | Key::Healpix | Key::Commit);
                let float = matches!(key.0, Key::Time | Key::OwnTime | Key::Ra | Key::Dec);
                let keeps = match field.data_type() {
                    DataType::Int64 => int,
                    DataType::Float64 => float,
                    _ => false,
                };
                keeps.then_some(key)
            }
            other => self.paths.get(&path(other)?).copied(),
        }
    }

    /// Understands a condition as far as it is about keys.
    pub(crate) fn condition(&self, expr: &Expr, regions: &Regions) -> Condition {
        use Condition::{And, IsNull, Not, OneOf, Or, Unknown};
        match expr {
            Expr::Literal(ScalarValue::Boolean(value), _) => Condition::Constant(*value),
            Expr::Literal(value, _) if value.is_null() => Condition::Constant(None),
            Expr::Not(inner) => Not(Box::new(self.condition(inner, regions))),
            Expr::IsNull(inner) => own_key(inner).map_or(Unknown, |key| IsNull { key }),
            Expr::IsNotNull(inner) => own_key(inner).map_or(Unknown, |key| Not(Box::new(IsNull { key }))),
            Expr::Between(Between { expr, negated, low, high }) => {
                let (Some(low), Some(high)) = (value(low), value(high)) else { return Unknown };
                let between = And(
                    Box::new(self.compare(expr, Operator::GtEq, low)),
                    Box::new(self.compare(expr, Operator::LtEq, high)),
                );
                if *negated { Not(Box::new(between)) } else { between }
            }
            Expr::InList(InList { expr, list, negated }) => {
                let Some((key, relation)) = self.key(expr) else {
                    let within = self.in_cells(expr, list);
                    return if *negated { Not(Box::new(within)) } else { within };
                };
                let Some(mut values) =
                    list.iter().map(|v| value(v).and_then(|v| fitting(key, v))).collect::<Option<Vec<_>>>()
                else {
                    return Unknown;
                };
                values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
                let one_of = OneOf { key, relation, values };
                if *negated { Not(Box::new(one_of)) } else { one_of }
            }
            Expr::ScalarFunction(function) => self.in_region(function, regions),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And => And(Box::new(self.condition(left, regions)), Box::new(self.condition(right, regions))),
                Operator::Or => Or(Box::new(self.condition(left, regions)), Box::new(self.condition(right, regions))),
                op => match (value(left), value(right), op.swap()) {
                    (None, Some(value), _) => self.compare(left, *op, value),
                    (Some(value), None, Some(op)) => self.compare(right, op, value),
                    _ => Unknown,
                },
            },
            _ => Unknown,
        }
    }

    /// Something that is compared with a literal.
    fn compare(&self, expr: &Expr, op: Operator, literal: Value) -> Condition {
        if let Some(own) = self.key(expr) {
            return compare(own, op, literal);
        }
        let Expr::ScalarFunction(function) = expr else { return Condition::Unknown };
        match (function.name(), op, literal) {
            (ANGULAR_DISTANCE, Operator::Lt | Operator::LtEq, Value::Int(radius)) => {
                self.closer(function, radius as f64)
            }
            (ANGULAR_DISTANCE, Operator::Lt | Operator::LtEq, Value::Float(radius)) => self.closer(function, radius),
            (HEALPIX, _, Value::Int(cell)) => {
                let (low, high) = match op {
                    Operator::Eq => (cell, Some(cell)),
                    Operator::GtEq | Operator::Gt => (cell, None),
                    Operator::LtEq | Operator::Lt => (0, Some(cell)),
                    _ => return Condition::Unknown,
                };
                self.cells(function, vec![(low, high)])
            }
            _ => Condition::Unknown,
        }
    }

    /// A function that is true in a region, where what names that is constant.
    fn in_region(&self, function: &ScalarFunction, regions: &Regions) -> Condition {
        let Some((ra, dec, region)) = point(&function.args) else { return Condition::Unknown };
        if self.key(ra).is_none() || !regions.has(function.name()) {
            return Condition::Unknown;
        }
        let literals = region.iter().map(|argument| match argument {
            Expr::Literal(value, _) => Some(value.clone()),
            _ => None,
        });
        let extent = literals.collect::<Option<Vec<_>>>().and_then(|values| regions.extent(function.name(), &values));
        self.within(ra, dec, extent)
    }

    /// [`ANGULAR_DISTANCE`] that is less than a constant.
    fn closer(&self, function: &ScalarFunction, radius: f64) -> Condition {
        let Some((ra, dec, [ra0, dec0])) = point(&function.args) else { return Condition::Unknown };
        let extent = number(ra0).zip(number(dec0)).and_then(|(ra0, dec0)| Extent::circle(ra0, dec0, radius));
        self.within(ra, dec, extent)
    }

    /// [`HEALPIX`] that is one of some values.
    fn in_cells(&self, expr: &Expr, list: &[Expr]) -> Condition {
        let cell = |one: &Expr| match value(one) {
            Some(Value::Int(cell)) => Some((cell, Some(cell))),
            _ => None,
        };
        match (expr, list.iter().map(cell).collect::<Option<Vec<_>>>()) {
            (Expr::ScalarFunction(function), Some(cells)) if function.name() == HEALPIX => self.cells(function, cells),
            _ => Condition::Unknown,
        }
    }

    /// [`HEALPIX`] that lies in one of these ranges, ends included, where its order is constant.
    fn cells(&self, function: &ScalarFunction, ranges: Vec<(i64, Option<i64>)>) -> Condition {
        let [order, ra, dec] = function.args.as_slice() else { return Condition::Unknown };
        let Some(Value::Int(order @ 0..=29)) = value(order) else { return Condition::Unknown };
        let (finer, last) = (2 * (29 - order), (12 << (2 * order)) - 1);
        let on_the_sky = |(low, high): (i64, Option<i64>)| {
            let (low, high) = (low.max(0), high.unwrap_or(last).min(last));
            (low <= high).then(|| (low as u64) << finer..(high as u64 + 1) << finer)
        };
        self.within(ra, dec, Some(Extent::cells(ranges.into_iter().filter_map(on_the_sky).collect())))
    }

    fn within(&self, ra: &Expr, dec: &Expr, extent: Option<Extent>) -> Condition {
        match (self.key(ra), self.key(dec), extent) {
            (Some((Key::Ra, ra)), Some((Key::Dec, dec)), Some(extent)) => {
                Condition::Within { ra, dec, extent: Arc::new(extent) }
            }
            _ => Condition::Unknown,
        }
    }
}

/// Right ascension and declination, which come first, and what follows.
fn point(arguments: &[Expr]) -> Option<(&Expr, &Expr, &[Expr])> {
    match arguments {
        [ra, dec, others @ ..] => Some((ra, dec, others)),
        _ => None,
    }
}

/// The key of a key column.
fn own_key(expr: &Expr) -> Option<Key> {
    let Expr::Column(column) = expr else { return None };
    Key::ALL.iter().find(|(_, name)| *name == column.name).map(|(key, _)| *key)
}

fn compare((key, relation): (Key, Relation), op: Operator, value: Value) -> Condition {
    let Some(value) = fitting(key, value) else { return Condition::Unknown };
    let range = |low, high| Condition::Range { key, relation, low, high };
    match op {
        Operator::Eq => Condition::OneOf { key, relation, values: vec![value] },
        Operator::NotEq => Condition::Not(Box::new(Condition::OneOf { key, relation, values: vec![value] })),
        // Ends are included: a file whose greatest value is the end is read and gives nothing, which is right.
        Operator::GtEq => range(Some(value), None),
        Operator::LtEq => range(None, Some(value)),
        Operator::Gt => Condition::Not(Box::new(range(None, Some(value)))),
        Operator::Lt => Condition::Not(Box::new(range(Some(value), None))),
        _ => Condition::Unknown,
    }
}

/// The literal as a value of the key's own type; `None` where the two are not compared as such.
fn fitting(key: Key, value: Value) -> Option<Value> {
    match (key, value) {
        (Key::Time | Key::OwnTime | Key::Ra | Key::Dec, Value::Int(v)) if v.unsigned_abs() < 1 << 53 => {
            Some(Value::Float(v as f64))
        }
        (Key::Time | Key::OwnTime | Key::Ra | Key::Dec, Value::Float(v)) if v.is_finite() => Some(Value::Float(v)),
        (Key::Night | Key::Visit | Key::Healpix | Key::Commit, Value::Int(v)) => Some(Value::Int(v)),
        (Key::Alert | Key::Object, value @ (Value::Int(_) | Value::Text(_))) => Some(value),
        _ => None,
    }
}

/// A time of a survey as the key column counts it.
pub(crate) fn to_mjd_tai(time: f64, form: TimeForm, scale: TimeScale) -> f64 {
    const JD_LESS_MJD: f64 = 2_400_000.5;
    let mjd = if form == TimeForm::Jd { time - JD_LESS_MJD } else { time };
    match scale {
        TimeScale::Tai => mjd,
        TimeScale::Utc => MjdTai::from_utc(mjd).0,
    }
}

/// `diaSource.psfFlux` of a field access, or the name of a column.
pub(crate) fn path(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        Expr::Alias(alias) => path(&alias.expr),
        Expr::ScalarFunction(function) if function.func.inner().is::<GetFieldFunc>() => {
            let (source, keys) = function.args.split_first()?;
            let mut text = path(source)?;
            for key in keys {
                let Expr::Literal(value, _) = key else { return None };
                text.push('.');
                text.push_str(value.try_as_str().flatten()?);
            }
            Some(text)
        }
        _ => None,
    }
}

fn value(expr: &Expr) -> Option<Value> {
    let Expr::Literal(scalar, _) = expr else { return None };
    Some(match scalar {
        ScalarValue::Int8(Some(v)) => Value::Int(i64::from(*v)),
        ScalarValue::Int16(Some(v)) => Value::Int(i64::from(*v)),
        ScalarValue::Int32(Some(v)) | ScalarValue::Date32(Some(v)) => Value::Int(i64::from(*v)),
        ScalarValue::Int64(Some(v)) => Value::Int(*v),
        ScalarValue::UInt32(Some(v)) => Value::Int(i64::from(*v)),
        ScalarValue::UInt64(Some(v)) => Value::Int(i64::try_from(*v).ok()?),
        ScalarValue::Float32(Some(v)) => Value::Float(f64::from(*v)),
        ScalarValue::Float64(Some(v)) => Value::Float(*v),
        ScalarValue::Utf8(Some(v)) | ScalarValue::LargeUtf8(Some(v)) | ScalarValue::Utf8View(Some(v)) => {
            Value::Text(v.clone())
        }
        _ => return None,
    })
}

fn number(expr: &Expr) -> Option<f64> {
    match value(expr)? {
        Value::Int(v) => Some(v as f64),
        Value::Float(v) => Some(v),
        Value::Text(_) => None,
    }
}
