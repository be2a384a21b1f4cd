//! Groups of rows as DataFusion fills them: many at once under GROUP BY, one alone, or a window that moves.
//!
//! Whatever a group keeps is written down as one list of numbers, for other partitions and for disk.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, LargeListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::Call;
use super::arguments::{Layout, Point};
use super::sums::Sums;

/// What is kept of the rows of a group.
pub(super) trait Group: Default + Debug + Send + Sync + 'static {
    /// Whether the rows that came first can be taken out again.
    const FORGETS: bool = false;

    fn add(&mut self, point: &Point, layout: &Layout);
    /// Writes down what is kept.
    fn put(&self, out: &mut Vec<f64>);
    /// Adds what another wrote down.
    fn take(&mut self, numbers: &[f64]) -> Result<()>;
    fn answer(&self, call: &Call) -> Result<Option<f64>>;

    /// Takes the rows out that came first.
    fn forget(&mut self, _points: usize, _layout: &Layout) {}

    /// Bytes on the heap.
    fn heap(&self) -> usize {
        0
    }
}

/// The points themselves, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<f64>);

impl Group for Rows {
    const FORGETS: bool = true;

    fn add(&mut self, point: &Point, layout: &Layout) {
        layout.pack(point, &mut self.0);
    }

    fn put(&self, out: &mut Vec<f64>) {
        out.extend(&self.0);
    }

    fn take(&mut self, numbers: &[f64]) -> Result<()> {
        self.0.extend(numbers);
        Ok(())
    }

    fn answer(&self, call: &Call) -> Result<Option<f64>> {
        call.answer(call.layout.unpack(&self.0))
    }

    fn forget(&mut self, points: usize, layout: &Layout) {
        let numbers = (points * layout.width()).min(self.0.len());
        self.0.drain(..numbers);
    }

    fn heap(&self) -> usize {
        self.0.capacity() * size_of::<f64>()
    }
}

impl<S: Sums> Group for S {
    fn add(&mut self, point: &Point, _: &Layout) {
        Sums::add(self, point);
    }

    fn put(&self, out: &mut Vec<f64>) {
        Sums::put(self, out);
    }

    fn take(&mut self, numbers: &[f64]) -> Result<()> {
        if !numbers.is_empty() {
            let other = S::read(numbers).ok_or_else(|| DataFusionError::Internal("sums of another kind".into()))?;
            self.merge(&other);
        }
        Ok(())
    }

    fn answer(&self, call: &Call) -> Result<Option<f64>> {
        Ok(call.of_sums(self))
    }
}

/// The type of what groups write down.
pub(super) fn state_type() -> DataType {
    DataType::LargeList(item())
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

/// What several groups wrote down, by where each ends.
fn lists(numbers: Vec<f64>, lengths: impl IntoIterator<Item = usize>) -> Result<LargeListArray> {
    let offsets = OffsetBuffer::<i64>::from_lengths(lengths);
    Ok(LargeListArray::try_new(item(), offsets, Arc::new(Float64Array::from(numbers)), None)?)
}

/// Calls back for every list that was written down.
fn each_list(states: &[ArrayRef], mut each: impl FnMut(usize, &[f64]) -> Result<()>) -> Result<()> {
    let wrong = || DataFusionError::Internal("groups are kept as lists of numbers".into());
    let lists = states.first().and_then(|s| s.as_list_opt::<i64>()).ok_or_else(wrong)?;
    for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
        let list = lists.value(row);
        each(row, list.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?.values())?;
    }
    Ok(())
}

/// All groups of a GROUP BY.
#[derive(Debug)]
pub(super) struct Groups<G> {
    call: Call,
    groups: Vec<G>,
    heap: usize,
}

impl<G: Group> Groups<G> {
    pub(super) fn new(call: Call) -> Self {
        Self { call, groups: Vec::new(), heap: 0 }
    }

    fn take_out(&mut self, emit_to: EmitTo) -> Vec<G> {
        let out = emit_to.take_needed(&mut self.groups);
        self.heap -= out.iter().map(Group::heap).sum::<usize>();
        out
    }
}

/// Changes a group, and keeps count of the memory of all.
fn change<G: Group>(
    groups: &mut [G],
    heap: &mut usize,
    at: usize,
    change: impl FnOnce(&mut G) -> Result<()>,
) -> Result<()> {
    let Some(group) = groups.get_mut(at) else {
        return Err(DataFusionError::Internal("a group that was not announced".into()));
    };
    let before = group.heap();
    change(group)?;
    *heap = *heap + group.heap() - before;
    Ok(())
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|f| f.is_valid(row) && f.value(row))
}

impl<G: Group> GroupsAccumulator for Groups<G> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let Self { call, groups, heap } = self;
        groups.resize_with(total_num_groups, G::default);
        let reader = call.layout.reader(values)?;
        for (row, group) in group_indices.iter().enumerate().filter(|(row, _)| passes(opt_filter, *row)) {
            if let Some(point) = reader.point(row) {
                change(groups, heap, *group, |group| {
                    group.add(&point, &call.layout);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        let Self { groups, heap, .. } = self;
        groups.resize_with(total_num_groups, G::default);
        each_list(values, |row, numbers| match group_indices.get(row) {
            Some(group) => change(groups, heap, *group, |group| group.take(numbers)),
            None => Ok(()),
        })
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let answers = self.take_out(emit_to);
        let answers = answers.iter().map(|group| group.answer(&self.call)).collect::<Result<Float64Array>>()?;
        Ok(Arc::new(answers))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (mut numbers, mut lengths) = (Vec::new(), Vec::new());
        for group in self.take_out(emit_to) {
            let before = numbers.len();
            group.put(&mut numbers);
            lengths.push(numbers.len() - before);
        }
        Ok(vec![Arc::new(lists(numbers, lengths)?)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let reader = self.call.layout.reader(values)?;
        let (mut numbers, mut lengths) = (Vec::new(), Vec::new());
        for row in 0..values.first().map_or(0, |v| v.len()) {
            let before = numbers.len();
            if let Some(point) = reader.point(row).filter(|_| passes(opt_filter, row)) {
                let mut group = G::default();
                group.add(&point, &self.call.layout);
                group.put(&mut numbers);
            }
            lengths.push(numbers.len() - before);
        }
        Ok(vec![Arc::new(lists(numbers, lengths)?)])
    }

    fn size(&self) -> usize {
        self.heap + self.groups.capacity() * size_of::<G>()
    }
}

/// One group: of a question without GROUP BY, or the window of a row.
#[derive(Debug)]
pub(super) struct Single<G> {
    call: Call,
    group: G,
}

impl<G: Group> Single<G> {
    pub(super) fn new(call: Call) -> Self {
        Self { call, group: G::default() }
    }
}

impl<G: Group> Accumulator for Single<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let reader = self.call.layout.reader(values)?;
        let rows = values.first().map_or(0, |v| v.len());
        (0..rows).filter_map(|row| reader.point(row)).for_each(|point| self.group.add(&point, &self.call.layout));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.group.answer(&self.call)?))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.group.heap()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut numbers = Vec::new();
        self.group.put(&mut numbers);
        let length = numbers.len();
        Ok(vec![ScalarValue::LargeList(Arc::new(lists(numbers, [length])?))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        each_list(states, |_, numbers| self.group.take(numbers))
    }

    /// Rows leave a window in the order in which they came.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let reader = self.call.layout.reader(values)?;
        let rows = values.first().map_or(0, |v| v.len());
        let points = (0..rows).filter(|row| reader.point(*row).is_some()).count();
        self.group.forget(points, &self.call.layout);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        G::FORGETS
    }
}
