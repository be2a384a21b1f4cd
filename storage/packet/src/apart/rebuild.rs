//! Filling the holes of a datum.

use crate::cursor::put_long;

/// A datum that is being put together.
///
/// ```
/// use noctuary_packet::apart::Rebuild;
///
/// // A list of two longs stood before the last byte.
/// let mut rebuild = Rebuild::new(&[7, 9], 6);
/// rebuild.records(1, 2, |out| out.extend([2, 4]));
/// assert_eq!(rebuild.finish(), [7, 4, 2, 4, 0, 9]);
/// ```
#[derive(Debug)]
pub struct Rebuild<'r> {
    rest: &'r [u8],
    done: usize,
    out: Vec<u8>,
}

impl<'r> Rebuild<'r> {
    /// Begins with what was left when the datum was taken apart; `length` is that of the datum, or a guess.
    #[must_use]
    pub fn new(rest: &'r [u8], length: usize) -> Self {
        Self { rest, done: 0, out: Vec::with_capacity(length) }
    }

    /// Puts back a list of `count` records that stood before byte `at` of the rest; `put` writes the records.
    pub fn records(&mut self, at: usize, count: usize, put: impl FnOnce(&mut Vec<u8>)) {
        self.up_to(at);
        put_long(&mut self.out, count as i64);
        put(&mut self.out);
        self.out.push(0);
    }

    /// Puts back the bytes of an image, `length` of them, that stood before byte `at` of the rest.
    pub fn image(&mut self, at: usize, length: usize, put: impl FnOnce(&mut Vec<u8>)) {
        self.up_to(at);
        put_long(&mut self.out, length as i64);
        put(&mut self.out);
    }

    /// Puts an empty list or an image of no bytes where one stood before byte `at` of the rest.
    pub fn nothing(&mut self, at: usize) {
        self.up_to(at);
        self.out.push(0);
    }

    /// The datum.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.up_to(self.rest.len());
        self.out
    }

    /// Holes that lie beyond the rest, or behind each other, make a datum that is not the one that was taken apart,
    /// as the comparison will tell.
    fn up_to(&mut self, at: usize) {
        let at = at.clamp(self.done, self.rest.len());
        self.out.extend_from_slice(&self.rest[self.done..at]);
        self.done = at;
    }
}
