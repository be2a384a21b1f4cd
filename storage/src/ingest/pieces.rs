//! Pieces of images, each once, and the file that they become.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, LargeBinaryBuilder, ListArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Field, Float32Type, Float64Type};
use noctuary_packet::apart::fits::{Kind, Number, pieces};
use noctuary_packet::apart::gzip::{self, Unpacked};
use noctuary_packet::apart::{Fill, Packing};
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

use super::build::portions;
use super::resolve::Resolved;
use crate::error::Result;
use crate::files::{File, file, writer};
use crate::log::FileStats;
use crate::tables::{Table, cutout_columns};

/// Distinct pieces in the order in which packets have them.
#[derive(Default)]
pub(super) struct Pieces<'d> {
    pub rows: Vec<Piece<'d>>,
    known: HashMap<u128, u32>,
    /// What packed to what, by the digest of the former: the same is not packed again to prove it.
    packed: HashMap<u128, &'d [u8]>,
}

/// One piece.
pub(super) struct Piece<'d> {
    pub kind: Kind,
    pub bytes: Cow<'d, [u8]>,
}

impl<'d> Pieces<'d> {
    /// Cuts an image, or what was packed in it, into pieces, and says which rows they are.
    pub fn image(&mut self, image: &'d [u8], unpacked: Option<Unpacked>) -> Fill {
        // A packet is shorter than that.
        let length = u32::try_from(image.len()).unwrap_or(u32::MAX);
        if let Some(Unpacked { header, level, bytes }) = unpacked {
            self.packed.insert(to_be_packed(&image[..header], level, &bytes), image);
            let header = self.row(Kind::Other, Cow::Borrowed(&image[..header]));
            let inside = pieces(&bytes).into_iter().map(|piece| {
                // Most pieces of an image are its own.
                self.row(piece.kind, Cow::Owned(bytes[piece.span].to_vec()))
            });
            let pieces = std::iter::once(header).chain(inside).collect();
            return Fill::Image { packing: Packing::Gzip { level }, length, pieces };
        }
        let found = pieces(image).into_iter().map(|piece| self.row(piece.kind, Cow::Borrowed(&image[piece.span])));
        Fill::Image { packing: Packing::None, length, pieces: found.collect() }
    }

    /// As [`gzip::pack`], which is asked only for what it has not been asked for already.
    pub fn pack(&self, header: &[u8], level: u8, bytes: &[u8], out: &mut Vec<u8>) {
        match self.packed.get(&to_be_packed(header, level, bytes)) {
            Some(packed) => out.extend_from_slice(packed),
            None => gzip::pack(header, level, bytes, out),
        }
    }

    fn row(&mut self, kind: Kind, bytes: Cow<'d, [u8]>) -> u32 {
        // A commit has fewer rows than can be counted so.
        let next = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let row = *self.known.entry(xxh3_128_with_seed(&bytes, column_of(kind, &bytes) as u64)).or_insert(next);
        if let Some(known) = self.rows.get(row as usize)
            && known.kind == kind
            && known.bytes == bytes
        {
            return row;
        }
        self.rows.push(Piece { kind, bytes });
        next
    }

    /// The file of the pieces, if there are any; they are of the nights of their packets.
    ///
    /// # Errors
    /// When the columns do not fit each other, which would be a fault of the program.
    pub fn file(&self, resolved: &Resolved, group: &str, packets: &FileStats) -> Result<Option<File>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let mut writer = writer(Table::Cutouts, &cutout_columns())?;
        for range in portions(&self.rows, |piece| piece.bytes.len()) {
            writer.write(&columns(&self.rows[range])?)?;
        }
        let stats = FileStats::of_nights(packets.night, packets.lacks("_night"));
        Ok(Some(file(Table::Cutouts, Some(resolved.of()), group, None, self.rows.len(), stats, writer.into_inner()?)))
    }
}

fn columns(rows: &[Piece<'_>]) -> Result<RecordBatch> {
    let kinds: StringArray = rows.iter().map(|piece| Some(piece.name())).collect();
    let mut bytes = LargeBinaryBuilder::new();
    for piece in rows {
        bytes.append_option((piece.column() == Column::Bytes).then_some(&piece.bytes));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(kinds),
        Arc::new(bytes.finish()),
        Arc::new(numbers::<Float32Type, 4>(rows, Column::Singles, f32::from_be_bytes)?),
        Arc::new(numbers::<Float64Type, 8>(rows, Column::Doubles, f64::from_be_bytes)?),
    ];
    Ok(RecordBatch::try_new(cutout_columns(), columns)?)
}

fn to_be_packed(header: &[u8], level: u8, bytes: &[u8]) -> u128 {
    let mut digest = Xxh3::with_seed(level.into());
    digest.update(&(header.len() as u64).to_le_bytes());
    digest.update(header);
    digest.update(bytes);
    digest.digest128()
}

/// Where a piece is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Bytes,
    Singles,
    Doubles,
}

fn column_of(kind: Kind, bytes: &[u8]) -> Column {
    match kind {
        Kind::Values(Number::Single) if bytes.len().is_multiple_of(4) => Column::Singles,
        Kind::Values(Number::Double) if bytes.len().is_multiple_of(8) => Column::Doubles,
        _ => Column::Bytes,
    }
}

impl Piece<'_> {
    fn column(&self) -> Column {
        column_of(self.kind, &self.bytes)
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Header => "header",
            Kind::Values(_) => "values",
            Kind::Padding => "padding",
            Kind::Other => "other",
        }
    }
}

/// The values of planes, in the order of the machine; every bit of a NaN is kept.
fn numbers<T: ArrowPrimitiveType, const N: usize>(
    rows: &[Piece<'_>],
    column: Column,
    read: fn([u8; N]) -> T::Native,
) -> Result<ListArray> {
    let mine = |piece: &&Piece<'_>| piece.column() == column;
    let mut values: Vec<T::Native> = Vec::with_capacity(rows.iter().filter(mine).map(|p| p.bytes.len() / N).sum());
    for piece in rows.iter().filter(mine) {
        values.extend(piece.bytes.as_chunks::<N>().0.iter().map(|bytes| read(*bytes)));
    }
    let lengths = rows.iter().map(|p| if p.column() == column { p.bytes.len() / N } else { 0 });
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = NullBuffer::from_iter(rows.iter().map(|p| p.column() == column));
    let length = values.len();
    let values = PrimitiveArray::<T>::new(ScalarBuffer::new(Buffer::from_vec(values), 0, length), None);
    let field = Arc::new(Field::new("item", T::DATA_TYPE, true));
    Ok(ListArray::try_new(field, offsets, Arc::new(values), Some(nulls))?)
}
