//! The images inside a packet.

use std::ops::Range;

use crate::container::bounded;
use crate::reason::Rejection;
use crate::schema::{NodeId, Schema};
use crate::survey::Survey;
use crate::walk::{Leaf, Visitor, walk};

/// Larger than any cutout by an order of magnitude; what a gzip'd one may unpack to.
const MAX_CUTOUT_BYTES: usize = 256 << 20;

/// One image of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutoutBytes {
    /// What it shows, as the survey's mapping names it.
    pub kind: String,
    /// FITS, unpacked if it was gzip'd.
    pub fits: Vec<u8>,
}

/// Takes the cutouts out of a datum, in the order of the mapping; those that are null are left out.
///
/// # Errors
/// As [`walk`]; [`Reason::Corrupt`](crate::reason::Reason::Corrupt) if a gzip'd cutout does not unpack, and
/// [`Reason::TooLarge`](crate::reason::Reason::TooLarge) if it unpacks to more than 256 MiB.
pub fn cutouts(survey: &Survey, schema: &Schema, datum: &[u8]) -> Result<Vec<CutoutBytes>, Rejection> {
    let nodes = survey.cutout_nodes(schema);
    let mut found = Spans { nodes: nodes.iter().map(|(_, node)| *node).collect(), spans: vec![None; nodes.len()] };
    walk(schema, datum, &mut found)?;
    nodes
        .into_iter()
        .zip(found.spans)
        .filter_map(|((kind, node), span)| Some((kind, node, span?)))
        .map(|(kind, node, span)| {
            let fits = unpack(&datum[span]).map_err(|r| r.in_field(&*schema.node(node).path).under(schema.label()))?;
            Ok(CutoutBytes { kind, fits })
        })
        .collect()
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    bounded(flate2::read::MultiGzDecoder::new(bytes), MAX_CUTOUT_BYTES, "cutout", "gzip")
}

struct Spans {
    nodes: Vec<NodeId>,
    spans: Vec<Option<Range<usize>>>,
}

impl Visitor for Spans {
    fn leaf(&mut self, node: NodeId, value: Leaf<'_>, span: Range<usize>) {
        if let (Leaf::Bytes(bytes), Some(slot)) = (value, self.nodes.iter().position(|n| *n == node)) {
            self.spans[slot] = Some(span.end - bytes.len()..span.end);
        }
    }
}
