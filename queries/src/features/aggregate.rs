//! A function of the table as DataFusion knows it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, DocSection, Documentation, Expr, GroupsAccumulator, Signature,
    TypeSignature, Volatility,
};

use super::arguments::{Argument, Layout, Options, Point, Role};
use super::groups::{Groups, Rows, Single, state_type};
use super::sums::{Bands, Extremes, Line, Powers, Sums, Weighted, add_up};
use super::{Feature, How};

/// A function in a question: with its constants, and where its columns stand.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) feature: &'static Feature,
    pub(super) layout: Layout,
    options: Options,
    distinct: bool,
}

impl Call {
    pub(super) fn new(feature: &'static Feature, form: &[Argument], mut options: Options, distinct: bool) -> Self {
        let layout = Layout::new(form, &options);
        options.errors = layout.roles().any(|role| role == Role::Error);
        Self { feature, layout, options, distinct }
    }

    fn of(feature: &'static Feature, args: &AccumulatorArgs<'_>) -> Result<Self> {
        let form = feature.form(args.exprs.len())?;
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let mut options = Options::default();
        for (argument, expr) in form.iter().zip(args.exprs).filter(|(a, _)| a.role.constant()) {
            let Ok(ColumnarValue::Scalar(value)) = expr.evaluate(&nothing) else {
                return Err(feature.not_constant(argument));
            };
            options.take(feature.name, argument, &value)?;
        }
        feature.accept(&options)?;
        Ok(Self::new(feature, form, options, args.is_distinct))
    }

    /// The answer of a group of points, in whichever order.
    pub(super) fn answer(&self, mut points: Vec<Point>) -> Result<Option<f64>> {
        points.sort_unstable_by(Point::order);
        if self.distinct {
            points.dedup();
        }
        let enough = points.len() >= self.feature.least;
        let answer = match self.feature.how {
            How::Points(answer) if enough => answer(&points, &self.options),
            How::Search(answer) if enough => answer(&points, &self.options)
                .map_err(|message| DataFusionError::Execution(format!("{}: {message}", self.feature.name)))?,
            How::Points(_) | How::Search(_) => None,
            How::Extremes(_) => self.of_sums(&add_up::<Extremes>(&points)),
            How::Weighted(_) => self.of_sums(&add_up::<Weighted>(&points)),
            How::Bands(_) => self.of_sums(&add_up::<Bands>(&points)),
            How::Powers(_) => self.of_sums(&add_up::<Powers>(&points)),
            How::Line(_) => self.of_sums(&add_up::<Line>(&points)),
        };
        Ok(answer.filter(|a| a.is_finite()))
    }

    /// The answer of a group of which sums were kept.
    pub(super) fn of_sums<S: Sums>(&self, sums: &S) -> Option<f64> {
        let enough = sums.count() >= self.feature.least as f64;
        enough.then(|| sums.answer(self)).flatten().filter(|a| a.is_finite())
    }

    pub(super) fn single(self) -> Box<dyn Accumulator> {
        match self.feature.how {
            // Which rows are there already is seen by the rows alone.
            _ if self.distinct => self.window(),
            How::Points(_) | How::Search(_) => self.window(),
            How::Extremes(_) => Box::new(Single::<Extremes>::new(self)),
            How::Weighted(_) => Box::new(Single::<Weighted>::new(self)),
            How::Bands(_) => Box::new(Single::<Bands>::new(self)),
            How::Powers(_) => Box::new(Single::<Powers>::new(self)),
            How::Line(_) => Box::new(Single::<Line>::new(self)),
        }
    }

    /// Sums lose digits when points are taken out of them again; points can be forgotten.
    pub(super) fn window(self) -> Box<dyn Accumulator> {
        Box::new(Single::<Rows>::new(self))
    }

    pub(super) fn groups(self) -> Box<dyn GroupsAccumulator> {
        match self.feature.how {
            _ if self.distinct => Box::new(Groups::<Rows>::new(self)),
            How::Points(_) | How::Search(_) => Box::new(Groups::<Rows>::new(self)),
            How::Extremes(_) => Box::new(Groups::<Extremes>::new(self)),
            How::Weighted(_) => Box::new(Groups::<Weighted>::new(self)),
            How::Bands(_) => Box::new(Groups::<Bands>::new(self)),
            How::Powers(_) => Box::new(Groups::<Powers>::new(self)),
            How::Line(_) => Box::new(Groups::<Line>::new(self)),
        }
    }
}

impl Feature {
    fn form(&self, arguments: usize) -> Result<&'static [Argument]> {
        let form = self.forms.iter().find(|form| form.len() == arguments);
        form.copied().ok_or_else(|| DataFusionError::Plan(format!("{} does not take {arguments} arguments", self.name)))
    }

    fn not_constant(&self, argument: &Argument) -> DataFusionError {
        DataFusionError::Plan(format!("{} of {} must be a constant", argument.name, self.name))
    }

    fn accept(&self, options: &Options) -> Result<()> {
        (self.check)(options).map_err(|message| DataFusionError::Plan(format!("{}: {message}", self.name)))
    }

    /// Refuses constants that make no sense, as far as they are known yet.
    fn check_planned(&self, args: &[Expr]) -> Result<()> {
        let form = self.form(args.len())?;
        let mut options = Options::default();
        for (argument, expr) in form.iter().zip(args).filter(|(a, _)| a.role.constant()) {
            match expr {
                Expr::Literal(value, _) => options.take(self.name, argument, value)?,
                other if other.any_column_refs() => return Err(self.not_constant(argument)),
                _ => return Ok(()),
            }
        }
        self.accept(&options)
    }

    /// How it is called with each list of arguments.
    pub(super) fn calls(&self) -> Vec<String> {
        let names = |form: &&[Argument]| form.iter().map(|a| a.name).collect::<Vec<_>>().join(", ");
        self.forms.iter().map(|form| format!("{}({})", self.name, names(form))).collect()
    }

    /// The arguments of all forms, each once.
    pub(super) fn arguments(&self) -> Vec<&'static Argument> {
        let mut all: Vec<&Argument> = Vec::new();
        for argument in self.forms.iter().rev().copied().flatten() {
            if all.iter().all(|known| known.name != argument.name) {
                all.push(argument);
            }
        }
        all
    }

    /// What users need to know, but for the arguments.
    pub(super) fn description(&self) -> String {
        let plural = if self.least == 1 { "" } else { "s" };
        format!(
            "gives {} ({}), from {} point{plural} on: {}. Source: {}.",
            self.gives, self.unit, self.least, self.formula, self.source
        )
    }
}

const SECTION: DocSection = DocSection { include: true, label: "Light curve functions", description: None };

/// A function of the table.
#[derive(Debug)]
pub(super) struct Aggregate {
    feature: &'static Feature,
    signature: Signature,
    documentation: Documentation,
}

impl Aggregate {
    pub(super) fn new(feature: &'static Feature) -> Self {
        let types = |form: &&[Argument]| TypeSignature::Exact(form.iter().map(|a| a.role.data_type()).collect());
        let signature = Signature::one_of(feature.forms.iter().map(types).collect(), Volatility::Immutable);
        let mut calls = feature.calls().into_iter();
        let mut documentation =
            Documentation::builder(SECTION, feature.description(), calls.next().unwrap_or_default());
        for call in calls {
            documentation = documentation.with_alternative_syntax(call);
        }
        for argument in feature.arguments() {
            documentation = documentation.with_argument(argument.name, argument.about);
        }
        Self { feature, signature, documentation: documentation.build() }
    }
}

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.feature.name == other.feature.name
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.feature.name.hash(state);
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.feature.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Call::of(self.feature, &args)?.single())
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Call::of(self.feature, &args)?.window())
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Call::of(self.feature, &args)?.groups())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, self.feature.name), state_type(), true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(None))
    }

    /// Nothing is made simpler, but this is where constants are seen before anything is read.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let feature = self.feature;
        Some(Box::new(move |function: AggregateFunction, _| {
            feature.check_planned(&function.params.args)?;
            Ok(Expr::AggregateFunction(function))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
