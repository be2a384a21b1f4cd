//! Conditions that are decided before lists are put together, so that nothing is read of the lists of other alerts.
//!
//! The question's own filter stays above and decides again. A condition that could fail is left to it alone: it is to
//! fail for the rows for which it would have failed without this.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use crate::regions::Regions;
use crate::sky::{ANGULAR_DISTANCE, HEALPIX};

/// The conditions that can be decided early, each with the names of the columns that it uses: those that ask for none
/// of the lists that are `apart`.
///
/// # Errors
/// When columns share a name.
pub(crate) fn conditions(
    all: &[Expr],
    apart: &BTreeSet<&str>,
    schema: &SchemaRef,
    regions: &Regions,
) -> Result<Vec<(Expr, BTreeSet<String>)>> {
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    let early = |condition: &Expr| {
        let columns = columns_of(condition, apart, &schema, regions)?;
        // What the scan has been cut down to need not hold what a condition looks at.
        condition.get_type(&schema).ok()?;
        Some((condition.clone(), columns))
    };
    Ok(all.iter().filter_map(early).collect())
}

fn columns_of(
    condition: &Expr,
    apart: &BTreeSet<&str>,
    schema: &DFSchema,
    regions: &Regions,
) -> Option<BTreeSet<String>> {
    let mut columns = BTreeSet::new();
    let mut early = true;
    let walked = condition.apply(|expr| {
        early &= match expr {
            Expr::Column(column) => {
                columns.insert(column.name.clone());
                !apart.contains(column.name.as_str())
            }
            expr => cannot_fail(expr, schema, regions),
        };
        Ok(if early { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    (walked.is_ok() && early).then_some(columns)
}

/// True if an expression has a value whatever its parts are.
fn cannot_fail(expr: &Expr, schema: &DFSchema, regions: &Regions) -> bool {
    match expr {
        Expr::Literal(..)
        | Expr::Alias(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Between(_)
        | Expr::InList(_) => true,
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
                | Operator::And
                | Operator::Or
        ),
        Expr::ScalarFunction(function) => {
            let name = function.name();
            function.func.inner().is::<GetFieldFunc>()
                || [ANGULAR_DISTANCE, HEALPIX].contains(&name)
                || regions.has(name)
        }
        // Every number has a double near it, and smaller whole numbers are larger ones too.
        Expr::Cast(Cast { expr, field }) => match (expr.get_type(schema), field.data_type()) {
            (Ok(own), DataType::Float64) => own.is_numeric(),
            (Ok(own), DataType::Int64) => matches!(own, DataType::Int8 | DataType::Int16 | DataType::Int32),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use datafusion::functions_nested::expr_fn::array_length;
    use datafusion::logical_expr::{cast, ident, lit};

    use super::*;

    #[test]
    fn what_may_fail_or_needs_a_list_is_left_for_later() {
        let list = DataType::List(Field::new("item", DataType::Int32, true).into());
        let fields = [("n", DataType::Int32), ("x", DataType::Float32), ("t", DataType::Utf8), ("l", list)];
        let schema = Schema::new(fields.map(|(name, t)| Field::new(name, t, true)).to_vec());
        let schema = DFSchema::try_from(schema).unwrap();
        let early = |expr: &Expr| columns_of(expr, &BTreeSet::from(["l"]), &schema, &Regions::default());
        let fine = ident("n").gt(lit(1)).and(cast(ident("x"), DataType::Float64).lt(lit(2.5))).or(ident("t").is_null());
        let names = ["n", "t", "x"].map(str::to_owned);
        assert_eq!(early(&fine), Some(BTreeSet::from(names)));
        for late in [
            (lit(1) / ident("n")).gt(lit(0)),
            cast(ident("t"), DataType::Float64).gt(lit(0.0)),
            cast(ident("x"), DataType::Int64).gt(lit(0_i64)),
            array_length(ident("l")).gt(lit(3_u64)),
            ident("l").is_not_null().and(ident("n").gt(lit(1))),
        ] {
            assert_eq!(early(&late), None, "{late}");
        }
    }
}
