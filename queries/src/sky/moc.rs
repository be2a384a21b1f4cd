//! Multi-order coverage maps: parts of the sky as lists of HEALPix cells of several orders.
//!
//! Read are the serialisations as ASCII and JSON of the IVOA recommendation "MOC: Multi-Order Coverage map", version
//! 2.0 (2022), sections 4.3.2 and appendix C; commas between cells are those of version 1.1. Cells need not be in
//! order, and may overlap.

use std::ops::Range;

use noctuary_engine::Extent;
use noctuary_storage::index::merged;

use super::cells;
use crate::define::Region;

/// A part of the sky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moc {
    /// Ranges of cells of order 29, in ascending order, none touching the next.
    ranges: Vec<Range<u64>>,
}

/// Why a text is no coverage of the sky.
#[derive(Debug, thiserror::Error)]
pub(super) enum MocError {
    #[error("the MOC is an empty text; write it as in '3/12-15 5/100', and one that covers nothing as '0/'")]
    Empty,
    #[error("the MOC has cell {0} before any order; begin with an order, as in '3/12-15 5/100'")]
    NoOrder(String),
    #[error("the MOC has the order {0:?}, but orders are whole numbers from 0 to 29")]
    Order(String),
    #[error("the MOC has {0:?}, which is no cell and no range of cells; write it as in '3/12-15 5/100'")]
    Cell(String),
    #[error("the MOC has cell {cell}, but order {order} has only the cells 0 to {last}")]
    NoSuchCell { cell: u64, order: u8, last: u64 },
    #[error("the MOC has the range {0}-{1}, which ends before it begins")]
    Backwards(u64, u64),
    #[error("the MOC covers time or frequencies; give one that covers the sky alone")]
    NotSpace,
    #[error("the MOC is not JSON of the form {{\"3\": [12, 13], \"5\": [100]}}")]
    Json(#[source] Option<serde_json::Error>),
}

impl Moc {
    /// Reads a coverage of the sky, as ASCII or JSON.
    ///
    /// # Errors
    /// When the text is neither, or names a cell that does not exist.
    pub(super) fn parse(text: &str) -> Result<Self, MocError> {
        let text = text.trim();
        let mut moc = Self { ranges: Vec::new() };
        match text.chars().next() {
            None => return Err(MocError::Empty),
            Some('{' | '[') => moc.read_json(text)?,
            Some(_) => moc.read_ascii(text)?,
        }
        Ok(Self { ranges: merged(moc.ranges) })
    }

    fn read_ascii(&mut self, text: &str) -> Result<(), MocError> {
        let text = match text.chars().next() {
            Some('t' | 'f') => return Err(MocError::NotSpace),
            Some('s') => &text[1..],
            _ => text,
        };
        let mut order = None;
        for word in text.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|word| !word.is_empty()) {
            let cells = match word.split_once('/') {
                Some((before, cells)) => {
                    if before.starts_with(['s', 't', 'f']) {
                        return Err(MocError::NotSpace);
                    }
                    order = Some(read_order(before)?);
                    cells
                }
                None => word,
            };
            // An order alone says how fine the map is, or has its cells behind a space.
            if cells.is_empty() {
                continue;
            }
            let order = order.ok_or_else(|| MocError::NoOrder(cells.to_owned()))?;
            let number = |text: &str| whole(text).ok_or_else(|| MocError::Cell(cells.to_owned()));
            let (first, last) = cells.split_once('-').unwrap_or((cells, cells));
            self.add(order, number(first)?, number(last)?)?;
        }
        Ok(())
    }

    fn read_json(&mut self, text: &str) -> Result<(), MocError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| MocError::Json(Some(e)))?;
        // Pairs of time and space come as a list.
        let serde_json::Value::Object(mut orders) = value else { return Err(MocError::NotSpace) };
        if orders.contains_key("t") || orders.contains_key("f") {
            return Err(MocError::NotSpace);
        }
        if let Some(serde_json::Value::Object(inner)) = orders.get_mut("s") {
            orders = std::mem::take(inner);
        }
        for (order, cells) in &orders {
            let order = read_order(order)?;
            for cell in cells.as_array().ok_or(MocError::Json(None))? {
                let cell = cell.as_u64().ok_or_else(|| MocError::Cell(cell.to_string()))?;
                self.add(order, cell, cell)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, order: u8, first: u64, last: u64) -> Result<(), MocError> {
        if first > last {
            return Err(MocError::Backwards(first, last));
        }
        let count = cells::count(order);
        if last >= count {
            return Err(MocError::NoSuchCell { cell: last, order, last: count - 1 });
        }
        let finer = 2 * (29 - u32::from(order));
        self.ranges.push(first << finer..(last + 1) << finer);
        Ok(())
    }

    fn has(&self, cell: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= cell);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|range| cell < range.end)
    }
}

impl Region for Moc {
    fn holds(&self, ra: f64, dec: f64) -> bool {
        cells::of_point(cells::FINEST, ra, dec).is_some_and(|cell| self.has(cell))
    }

    fn extent(&self) -> Option<Extent> {
        Some(Extent::cells(self.ranges.clone()))
    }
}

/// A number of digits alone: no sign, which Rust would accept.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn read_order(text: &str) -> Result<u8, MocError> {
    let order = whole(text).and_then(|order| u8::try_from(order).ok()).filter(|order| *order <= 29);
    order.ok_or_else(|| MocError::Order(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ways_to_write_the_same() {
        let moc = Moc::parse("1/1 2 4 2/12-14 21 23 25 8/").unwrap();
        for same in [
            "1/1 2 4\n2/12-14 21\r\n23 25 8/",
            "s1/1 2 4 2/12-14 21 23 25",
            "1/1,2,4 2/12-14,21,23,25",
            "1/ 1-2 4 2/ 12 13 14 21 23 25",
            "2/25 23 21 12-14 4-7 1/2 4",
            "29/",
            r#"{"1": [1, 2, 4], "2": [12, 13, 14, 21, 23, 25], "8": []}"#,
            r#"{"s": {"2": [12, 13, 14, 21, 23, 25], "1": [1, 2, 4]}}"#,
        ] {
            let read = Moc::parse(same).unwrap();
            assert_eq!(read == moc, same != "29/", "{same}");
        }
        assert_eq!(Moc::parse("0/0-11").unwrap().ranges, std::slice::from_ref(&(0..12 << 58)));
        assert_eq!(Moc::parse("29/0-3458764513820540927").unwrap().ranges, std::slice::from_ref(&(0..12 << 58)));
        assert_eq!(Moc::parse("0/").unwrap().ranges, []);
        assert_eq!(Moc::parse("{}").unwrap().ranges, []);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            ("", "empty"),
            (" \n ", "empty"),
            ("12-15", "before any order"),
            ("30/1", "0 to 29"),
            ("x/1", "0 to 29"),
            ("+3/1", "0 to 29"),
            ("/1", "0 to 29"),
            ("0/12", "0 to 11"),
            ("3/767-768", "0 to 767"),
            ("3/5-2", "ends before"),
            ("3/a", "no cell"),
            ("3/1-", "no cell"),
            ("3/-1", "no cell"),
            ("3/1-2-3", "no cell"),
            ("3/1/2", "no cell"),
            ("3/99999999999999999999", "no cell"),
            ("t61/1 s29/0-2", "time"),
            ("s29/0-2 t61/1", "time"),
            (r#"[{"t": {"61": [1]}, "s": {"29": [0]}}]"#, "time"),
            (r#"{"t": {"61": [1]}}"#, "time"),
            (r#"{"3": [1"#, "JSON"),
            (r#"{"3": 1}"#, "JSON"),
            (r#"{"3": [-1]}"#, "no cell"),
            (r#"{"3": [1.5]}"#, "no cell"),
            (r#"{"three": [1]}"#, "0 to 29"),
            (r#"{"3": [768]}"#, "0 to 767"),
        ] {
            let error = Moc::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    /// Cells of several orders, as anything that makes a map would have them before it merges them.
    fn cells() -> impl Strategy<Value = Vec<(u8, u64)>> {
        let cell = (0_u8..=8).prop_flat_map(|order| (Just(order), 0..cells::count(order)));
        proptest::collection::vec(cell, 0..60)
    }

    proptest! {
        /// A point is inside if, for some order, the cell that it lies in is one of the map's.
        #[test]
        fn a_point_is_in_one_of_the_cells(
            cells in cells(), points in proptest::collection::vec((0.0..360.0f64, -90.0..=90.0f64), 40),
        ) {
            let (mut ascii, mut json) = ("0/".to_owned(), BTreeSet::new());
            for (order, cell) in &cells {
                write!(ascii, " {order}/{cell}").unwrap();
                json.insert(*order);
            }
            let lists = json.iter().map(|order| {
                let of: Vec<_> = cells.iter().filter(|(o, _)| o == order).map(|(_, cell)| cell.to_string()).collect();
                format!("\"{order}\":[{}]", of.join(","))
            });
            let json = format!("{{{}}}", lists.collect::<Vec<_>>().join(","));
            let moc = Moc::parse(&ascii).unwrap();
            prop_assert_eq!(&moc, &Moc::parse(&json).unwrap());
            prop_assert!(moc.ranges.windows(2).all(|w| w[0].end < w[1].start));
            // Middles of the cells are inside without doubt, and hit what random points miss.
            let middles = cells.iter().map(|(order, cell)| cells::centre(i64::from(*order), *cell as i64).unwrap());
            for (ra, dec) in points.into_iter().chain(middles) {
                let inside = cells.iter().any(|(o, cell)| cells::of_point(i64::from(*o), ra, dec) == Some(*cell));
                prop_assert_eq!(moc.holds(ra, dec), inside, "{} {}", ra, dec);
            }
        }
    }
}
