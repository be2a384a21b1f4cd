//! Cutting a datum.

use std::ops::Range;

use super::Anatomy;
use crate::cursor::put_long;
use crate::reason::Rejection;
use crate::schema::NodeId;
use crate::walk::{Leaf, Visitor, walk};

/// A datum, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart<'d> {
    /// What is left: the datum without the bytes that were cut out.
    pub rest: Vec<u8>,
    /// What was cut out, in the order of the datum.
    pub cuts: Vec<Cut<'d>>,
    /// Parts that are still in the rest: lists without records, and what its writer wrote in another way than the usual.
    pub left: Vec<Part<'d>>,
    /// The trigger, which stays in the rest.
    pub trigger: Option<&'d [u8]>,
}

/// One piece that was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut<'d> {
    /// The byte of the rest before which it stood.
    pub at: usize,
    /// What it is.
    pub part: Part<'d>,
}

/// What was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'d> {
    /// The records of a list, each with its own bytes.
    Records {
        /// Which of [`Anatomy::lists`].
        list: usize,
        /// One after the other.
        records: Vec<&'d [u8]>,
    },
    /// The bytes of an image, without their length.
    Image {
        /// Which of [`Anatomy::images`].
        image: usize,
        /// FITS, or FITS packed by gzip.
        bytes: &'d [u8],
    },
}

/// Takes a datum apart.
///
/// # Errors
/// As [`walk`].
pub fn take_apart<'d>(anatomy: &Anatomy, datum: &'d [u8]) -> Result<Apart<'d>, Rejection> {
    let mut spans = Spans { anatomy, found: Vec::new(), open: None, trigger: None };
    walk(anatomy.schema(), datum, &mut spans)?;
    let Spans { found, trigger, .. } = spans;
    let (rest, cuts, left) = (Vec::with_capacity(4096), Vec::with_capacity(found.len()), Vec::new());
    let mut apart = Apart { rest, cuts, left, trigger: trigger.map(|span| &datum[span]) };
    let mut done = 0;
    for Found { span, part } in found {
        let (usual, part) = match part {
            Inside::Records { list, records } => (
                is_one_block(datum, &span, &records),
                Part::Records { list, records: records.into_iter().map(|r| &datum[r]).collect() },
            ),
            Inside::Image { image, bytes } => {
                (is_length(datum, span.start, bytes.start, bytes.len()), Part::Image { image, bytes: &datum[bytes] })
            }
        };
        if !usual {
            apart.left.push(part);
            continue;
        }
        apart.rest.extend_from_slice(&datum[done..span.start]);
        done = span.end;
        apart.cuts.push(Cut { at: apart.rest.len(), part });
    }
    apart.rest.extend_from_slice(&datum[done..]);
    Ok(apart)
}

/// True if a list is written as most writers do: a count, the records, a zero.
fn is_one_block(datum: &[u8], span: &Range<usize>, records: &[Range<usize>]) -> bool {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return false };
    is_length(datum, span.start, first.start, records.len())
        && records.windows(2).all(|pair| pair[0].end == pair[1].start)
        && last.end + 1 == span.end
}

/// True if just this number stands between two bytes, in as few bytes as it takes.
fn is_length(datum: &[u8], from: usize, to: usize, number: usize) -> bool {
    let mut expected = Vec::with_capacity(10);
    put_long(&mut expected, number as i64);
    datum[from..to] == expected
}

/// Where parts lie in a datum.
struct Spans<'a> {
    anatomy: &'a Anatomy,
    found: Vec<Found>,
    /// The list that the walk is in; what lies inside its records goes with them.
    open: Option<(usize, Vec<Range<usize>>)>,
    trigger: Option<Range<usize>>,
}

struct Found {
    span: Range<usize>,
    part: Inside,
}

enum Inside {
    Records { list: usize, records: Vec<Range<usize>> },
    Image { image: usize, bytes: Range<usize> },
}

impl Visitor for Spans<'_> {
    fn leaf(&mut self, node: NodeId, value: Leaf<'_>, span: Range<usize>) {
        if let Leaf::Bytes(bytes) = value
            && self.open.is_none()
            && let Some(image) = self.anatomy.images().iter().position(|n| *n == node)
        {
            let bytes = span.end - bytes.len()..span.end;
            if !bytes.is_empty() {
                self.found.push(Found { span, part: Inside::Image { image, bytes } });
            }
        }
    }

    fn enter(&mut self, node: NodeId, _: usize) {
        if self.open.is_none()
            && let Some(list) = self.anatomy.lists().iter().position(|l| l.list == node)
        {
            self.open = Some((list, Vec::new()));
        }
    }

    fn leave(&mut self, node: NodeId, span: Range<usize>) {
        let Some((list, records)) = &mut self.open else {
            if self.anatomy.trigger() == Some(node) {
                self.trigger = Some(span);
            }
            return;
        };
        let kind = &self.anatomy.lists()[*list];
        if node == kind.record {
            records.push(span);
        } else if node == kind.list {
            let (list, records) = (*list, std::mem::take(records));
            self.open = None;
            self.found.push(Found { span, part: Inside::Records { list, records } });
        }
    }
}
