//! Definitions as functions of DataFusion.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::row::{Column, Row};
use super::{Argument, Compute, Definition, Made, Takes, UTC};

const SECTION: DocSection = DocSection { include: true, label: "Functions of the sky", description: None };

/// A definition with what DataFusion wants to have by reference.
#[derive(Debug)]
pub(super) struct Function {
    definition: &'static Definition,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl Function {
    pub(super) fn new(definition: &'static Definition) -> Self {
        let types = |form: &[Argument]| TypeSignature::Exact(form.iter().map(|a| a.takes.data_type()).collect());
        // What fits none of the forms is let through as it is, so that it is refused with our words and not with those
        // for signatures.
        let forms = definition.forms.iter().map(|form| types(form)).chain([TypeSignature::UserDefined]);
        let mut signature = Signature::new(TypeSignature::OneOf(forms.collect()), Volatility::Immutable);
        signature.parameter_names = Some(definition.longest().iter().map(|a| a.name.to_owned()).collect());
        let usages = definition.usages();
        let mut documentation =
            Documentation::builder(SECTION, definition.gives, usages.last().cloned().unwrap_or_default());
        for argument in definition.longest() {
            documentation = documentation.with_argument(argument.name, argument.about);
        }
        for usage in usages.iter().rev().skip(1) {
            documentation = documentation.with_alternative_syntax(usage.clone());
        }
        Self {
            definition,
            aliases: definition.alias.iter().map(|&alias| alias.to_owned()).collect(),
            signature,
            documentation: documentation.build(),
        }
    }

    /// Refuses what no row can make right.
    fn check(&self, fields: &[FieldRef], literals: &[Option<&ScalarValue>]) -> Result<()> {
        let name = self.definition.name;
        let form = self.definition.arguments(fields.len()).ok_or_else(|| self.wrong_number(fields.len()))?;
        for (at, (argument, field)) in form.iter().zip(fields).enumerate() {
            if !argument.takes.accepts(field.data_type()) {
                return Err(DataFusionError::Plan(format!(
                    "{name}: {} ({}) is {}, but {} was given; cast it if it can be one",
                    self.definition.argument_name(&form, at),
                    argument.about,
                    argument.takes.what(),
                    field.data_type(),
                )));
            }
        }
        let known = |at: usize| literals.get(at).copied().flatten();
        let columns = (0..form.len())
            .map(|at| {
                Column::new(&ColumnarValue::Scalar(known(at).cloned().unwrap_or(ScalarValue::Null)), form[at].takes)
            })
            .collect::<Result<Vec<_>>>()?;
        for (at, (argument, column)) in form.iter().zip(&columns).enumerate() {
            if let Some(wrong) = known(at).and_then(|given| complaint(argument, given, column)) {
                let argument = self.definition.argument_name(&form, at);
                return Err(DataFusionError::Plan(format!("{name}: {argument} {wrong}")));
            }
        }
        if let Compute::Inside(make) = self.definition.compute
            && (2..form.len()).all(|at| known(at).is_some())
        {
            make(Row::new(&columns, 0)).map_err(|wrong| DataFusionError::Plan(format!("{name}: {wrong}")))?;
        }
        Ok(())
    }

    fn wrong_number(&self, given: usize) -> DataFusionError {
        let usages = self.definition.usages().join(" or ");
        let plural = if given == 1 { "" } else { "s" };
        DataFusionError::Plan(format!("write {usages}; this call has {given} argument{plural}"))
    }
}

/// What is wrong with an argument that is the same in all rows: as it was given, and brought to its type.
fn complaint(argument: &Argument, given: &ScalarValue, column: &Column) -> Option<String> {
    if column.is_null(0) && !given.is_null() {
        return Some(format!("is {given}, and not {}", argument.takes.what()));
    }
    match argument.takes {
        Takes::Number { low, high } => {
            let value = column.raw_number(0)?;
            if !value.is_finite() {
                return argument.firm.then(|| format!("is {value}; give a finite number"));
            }
            let must = match (low.is_finite(), high.is_finite()) {
                _ if (low..=high).contains(&value) => return None,
                (true, true) => format!("must lie between {low} and {high}"),
                (true, false) => format!("must be {low} or more"),
                _ => format!("must be {high} or less"),
            };
            Some(format!("is {value}, but {must}"))
        }
        Takes::Whole { low, high } => {
            let value = column.raw_whole(0)?;
            let fits = (low..=high).contains(&value);
            (!fits).then(|| format!("is {value}, but must lie between {low} and {high}"))
        }
        Takes::Numbers | Takes::Text | Takes::Moment => None,
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let Some(form) = self.definition.arguments(given.len()) else { return Ok(given.to_vec()) };
        // Only for numbers, which may be more than a form has. Everything else is brought to its type by the call.
        let becomes = |(argument, given): (&Argument, &DataType)| match argument.takes {
            Takes::Number { .. } if argument.takes.accepts(given) => DataType::Float64,
            _ => given.clone(),
        };
        Ok(form.iter().zip(given).map(becomes).collect())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.definition.compute.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.check(args.arg_fields, args.scalar_arguments)?;
        Ok(Arc::new(Field::new(self.name(), self.definition.compute.data_type(), true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let form = self.definition.arguments(args.args.len()).ok_or_else(|| self.wrong_number(args.args.len()))?;
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let columns =
            form.iter().zip(&args.args).map(|(a, given)| Column::new(given, a.takes)).collect::<Result<Vec<_>>>()?;
        let result = compute(self.definition.compute, &columns, rows);
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn compute(compute: Compute, columns: &[Column], rows: usize) -> ArrayRef {
    let rows = (0..rows).map(|at| Row::new(columns, at));
    match compute {
        Compute::Number(f) => Arc::new(rows.map(|row| f(row).filter(|v| v.is_finite())).collect::<Float64Array>()),
        Compute::Whole(f) => Arc::new(rows.map(f).collect::<Int64Array>()),
        Compute::Moment(f) => Arc::new(rows.map(f).collect::<TimestampMicrosecondArray>().with_timezone(UTC)),
        Compute::Date(f) => Arc::new(rows.map(f).collect::<Date32Array>()),
        Compute::Inside(make) => Arc::new(inside(make, columns, rows)),
    }
}

/// A region is made once for rows in a row that name the same: once a batch where it is a constant.
fn inside<'a>(make: fn(Row<'_>) -> Made, columns: &[Column], rows: impl Iterator<Item = Row<'a>>) -> BooleanArray {
    let mut region = None;
    rows.enumerate()
        .map(|(at, row)| {
            if !columns.iter().skip(2).all(|column| column.repeats(at)) {
                region = make(row).ok().flatten();
            }
            let region = region.as_ref()?;
            Some(region.holds(row.number(0)?, row.number(1)?))
        })
        .collect()
}
