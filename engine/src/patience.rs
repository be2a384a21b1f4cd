//! Steps of a plan that make much of little pause now and then.
//!
//! A question is stopped between two pauses: by its deadline, by Ctrl-C, by a client that goes away. DataFusion sees to
//! it that what reads rows pauses, and a join can go on for minutes with the rows that were read once.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_coop::EnsureCooperative;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::unnest::UnnestExec;

/// The rules by which DataFusion makes plans of steps, and this one.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Filters are handed down to the scans after it, through whatever stands between.
    let after = rules.iter().position(|rule| rule.name() == EnsureCooperative::new().name());
    rules.insert(after.map_or(rules.len(), |at| at + 1), Arc::new(Pauses));
    rules
}

#[derive(Debug)]
struct Pauses;

impl PhysicalOptimizerRule for Pauses {
    fn name(&self) -> &'static str {
        "Pauses"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let paused = plan.transform_up(|step| {
            Ok(if makes_much(&step) {
                Transformed::yes(Arc::new(CooperativeExec::new(step)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(step)
            })
        });
        paused.data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn makes_much(step: &Arc<dyn ExecutionPlan>) -> bool {
    step.is::<CrossJoinExec>()
        || step.is::<NestedLoopJoinExec>()
        || step.is::<HashJoinExec>()
        || step.is::<SortMergeJoinExec>()
        || step.is::<UnnestExec>()
}
