//! Rows of past sources as Parquet, made before anything is timed. Each row is a function of the seed and of its number,
//! so that rows are made in any order, and none need be held to be sorted.

use std::f64::consts::TAU;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::Failure;
use crate::workload::Flat;

/// The middle of the deep field, degrees.
pub const DEEP: (f64, f64) = (150.1, 2.2);
/// Right ascension of the plane, degrees from and to.
pub const PLANE_RA: (f64, f64) = (240.0, 300.0);
/// Declination of the plane, degrees from and to.
pub const PLANE_DEC: (f64, f64) = (-45.0, -15.0);
/// The part of a day that a night takes.
const NIGHT: f64 = 0.4;
/// The first night, and the days over which they are spread.
const BEGINS: f64 = 61_000.0;
const DAYS: f64 = 365.0;

const FLOATS: [&str; 19] = [
    "raErr",
    "decErr",
    "x",
    "y",
    "apFlux",
    "apFluxErr",
    "snr",
    "psfFluxErr",
    "psfLnL",
    "psfChi2",
    "scienceFlux",
    "scienceFluxErr",
    "templateFlux",
    "templateFluxErr",
    "ixx",
    "iyy",
    "ixy",
    "extendedness",
    "reliability",
];

/// Those that a question asks for come first.
pub const FLAGS: [&str; 17] = [
    "isDipole",
    "pixelFlags",
    "pixelFlags_bad",
    "pixelFlags_saturated",
    "pixelFlags_streakCenter",
    "pixelFlags_interpolated",
    "pixelFlags_cr",
    "pixelFlags_nodata",
    "pixelFlags_streak",
    "pixelFlags_edge",
    "psfFlux_flag",
    "apFlux_flag",
    "forced_PsfFlux_flag",
    "forced_PsfFlux_flag_edge",
    "shape_flag",
    "centroid_flag",
    "isNegative",
];

const BANDS: [&str; 6] = ["u", "g", "r", "i", "z", "y"];

/// Rows that are made at a time.
const BATCH_ROWS: usize = 65_536;
/// Rows of a row group of the sorted file: what DuckDB itself would make.
const GROUP_ROWS: usize = 122_880;

/// An object of the sky.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Its `diaObjectId`.
    pub id: i64,
    /// Degrees.
    pub ra: f64,
    /// Degrees.
    pub dec: f64,
}

/// The sky and what is seen of it.
#[derive(Debug)]
pub struct Sources {
    flat: Flat,
    /// All of them: first those of the deep field, then those of the plane.
    pub objects: Vec<Object>,
}

impl Sources {
    /// The sky of a workload.
    pub fn new(flat: Flat) -> Self {
        let deep = flat.objects / 40;
        let plane = flat.objects * 3 / 5;
        let objects = (0..flat.objects).map(|number| object(&flat, number, deep, deep + plane)).collect();
        Self { flat, objects }
    }

    /// The days of so many nights from one on.
    pub fn days(&self, first: u64, nights: u64) -> (f64, f64) {
        (self.begin(first), self.begin(first + nights - 1) + NIGHT)
    }

    fn begin(&self, night: u64) -> f64 {
        BEGINS + DAYS / self.flat.nights as f64 * night as f64
    }

    /// One file a night, with the rows as they came.
    pub fn write_nights(&self, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
        std::fs::create_dir_all(folder).map_err(|e| Failure::at(folder, e))?;
        let a_night = self.a_night();
        let files: Vec<(PathBuf, u64)> =
            (0..self.flat.nights).map(|night| (folder.join(format!("night-{night:03}.parquet")), night)).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let started: Vec<_> = files
                .chunks(files.len().div_ceil(threads).max(1))
                .map(|files| {
                    scope.spawn(|| {
                        files.iter().try_for_each(|(file, night)| {
                            let end = ((night + 1) * a_night).min(self.flat.rows);
                            self.write(file, night * a_night..end, properties(None))
                        })
                    })
                })
                .collect();
            started.into_iter().try_for_each(|thread| thread.join().map_err(|_| Failure("a thread ended".into()))?)
        })?;
        Ok(files.into_iter().map(|(file, _)| file).collect())
    }

    /// The small files of the night after all others.
    pub fn write_hot(&self, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
        std::fs::create_dir_all(folder).map_err(|e| Failure::at(folder, e))?;
        let (from, each) = (self.flat.rows, self.flat.hot_rows);
        (0..self.flat.hot_commits)
            .map(|number| {
                let file = folder.join(format!("hot-{number:04}.parquet"));
                self.write(&file, from + number * each..from + (number + 1) * each, properties(None))?;
                Ok(file)
            })
            .collect()
    }

    /// All nights in one file, by place, object and time, with Bloom filters of the objects: the best that a reader of
    /// plain Parquet can be given for both kinds of questions.
    pub fn write_sorted(&self, file: &Path) -> Result<(), Failure> {
        let mut by_place: Vec<u32> = (0..self.objects.len() as u32).collect();
        by_place.sort_by_key(|at| place(&self.objects[*at as usize]));
        let mut rank = vec![0_u64; by_place.len()];
        for (position, at) in by_place.iter().enumerate() {
            rank[*at as usize] = position as u64;
        }
        // Numbers of rows are in the order of time.
        let mut order: Vec<u64> = (0..self.flat.rows).map(|row| rank[self.object_of(row)] << 32 | row).collect();
        order.sort_unstable();
        let distinct = GROUP_ROWS as u64 * self.flat.objects / self.flat.rows.max(1);
        self.write(file, order.into_iter().map(|key| key & u64::from(u32::MAX)), properties(Some(distinct.max(100))))
    }

    fn write(&self, file: &Path, rows: impl Iterator<Item = u64>, how: WriterProperties) -> Result<(), Failure> {
        let output = File::create(file).map_err(|e| Failure::at(file, e))?;
        let mut writer = ArrowWriter::try_new(output, self.batch(&[])?.schema(), Some(how))?;
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let numbers: Vec<u64> = rows.by_ref().take(BATCH_ROWS).collect();
            writer.write(&self.batch(&numbers)?)?;
        }
        writer.close()?;
        Ok(())
    }

    fn a_night(&self) -> u64 {
        self.flat.rows.div_ceil(self.flat.nights)
    }

    fn object_of(&self, row: u64) -> usize {
        (Draw::of(self.flat.seed, row).number(0) % self.objects.len() as u64) as usize
    }

    /// Night of a row, and how much of it is over.
    fn when(&self, row: u64) -> (u64, f64) {
        let late = row.checked_sub(self.flat.rows);
        let (night, at, of) = match late {
            Some(at) => (self.flat.nights, at, self.flat.hot_commits * self.flat.hot_rows),
            None => (row / self.a_night(), row % self.a_night(), self.a_night()),
        };
        (night, (at as f64 + Draw::of(self.flat.seed, row).part(1)) / of as f64)
    }

    fn batch(&self, rows: &[u64]) -> Result<RecordBatch, Failure> {
        let draws: Vec<Draw> = rows.iter().map(|row| Draw::of(self.flat.seed, *row)).collect();
        let objects: Vec<Object> = rows.iter().map(|row| self.objects[self.object_of(*row)]).collect();
        let times: Vec<(u64, f64)> = rows.iter().map(|row| self.when(*row)).collect();
        let visit = |(night, part): &(u64, f64)| 2_026_040_700_000 + (night * 100_000 + (part * 800.0) as u64) as i64;
        let id = |(row, (night, _)): (&u64, &(u64, f64))| (1_000_000_000_000 + night * 10_000_000_000 + row) as i64;
        let longs = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let doubles = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let floats = |values: Vec<f32>| Arc::new(Float32Array::from(values)) as ArrayRef;
        let seen = || draws.iter().zip(&objects);
        let detectors: Int32Array = draws.iter().map(|draw| (draw.number(2) % 189) as i32).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("diaSourceId", longs(rows.iter().zip(&times).map(id).collect())),
            ("diaObjectId", longs(objects.iter().map(|object| object.id).collect())),
            ("visit", longs(times.iter().map(visit).collect())),
            ("detector", Arc::new(detectors)),
            ("midpointMjdTai", doubles(times.iter().map(|(night, part)| self.begin(*night) + NIGHT * part).collect())),
            ("ra", doubles(seen().map(|(draw, o)| (o.ra + 3e-5 * draw.normal(3)).rem_euclid(360.0)).collect())),
            ("dec", doubles(seen().map(|(draw, o)| (o.dec + 3e-5 * draw.normal(4)).clamp(-90.0, 90.0)).collect())),
            ("psfFlux", floats(draws.iter().map(|draw| (7.0 + draw.normal(5)).exp() as f32).collect())),
        ];
        for (at, name) in (10..).zip(FLOATS) {
            columns.push((name, floats(draws.iter().map(|draw| (10.0 + 3.0 * draw.normal(at)) as f32).collect())));
        }
        for (at, name) in (40..).zip(FLAGS) {
            let flags: BooleanArray = draws.iter().map(|draw| Some(draw.part(at) < 0.01)).collect();
            columns.push((name, Arc::new(flags)));
        }
        let band = |draw: &Draw| BANDS[(draw.number(60) % BANDS.len() as u64) as usize];
        columns.push(("band", Arc::new(StringArray::from_iter_values(draws.iter().map(band)))));
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

/// Zstandard, level 3; Bloom filters of the objects if it is said how many of them a row group has.
fn properties(objects: Option<u64>) -> WriterProperties {
    let level = ZstdLevel::try_new(3).unwrap_or_default();
    let builder = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    let Some(objects) = objects else { return builder.build() };
    let column = ColumnPath::from("diaObjectId");
    builder
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_column_bloom_filter_enabled(column.clone(), true)
        .set_column_bloom_filter_max_ndv(column, objects)
        .build()
}

fn object(flat: &Flat, number: u64, deep: u64, plane: u64) -> Object {
    let draw = Draw::of(!flat.seed, number);
    let between = |(from, to): (f64, f64), part: f64| from + (to - from) * part;
    let (ra, dec) = if number < deep {
        let (angle, radius) = (TAU * draw.part(0), draw.part(1).sqrt());
        (DEEP.0 + radius * angle.cos() / DEEP.1.to_radians().cos(), DEEP.1 + radius * angle.sin())
    } else if number < plane {
        (between(PLANE_RA, draw.part(0)), between(PLANE_DEC, draw.part(1)))
    } else {
        (360.0 * draw.part(0), between((-1.0, 0.3), draw.part(1)).asin().to_degrees())
    };
    // Ids in an order that has nothing to do with the sky: a prime that no number of objects here is a multiple of.
    let shuffled = number * 7_368_787 % flat.objects;
    Object { id: 170_000_000_000_000_000 + shuffled as i64 * 1_048_573, ra, dec }
}

/// A number for a place, such that near places have near numbers more often than not: bits of both axes in turns.
fn place(object: &Object) -> u64 {
    let spread = |part: f64| {
        let bits = (part.clamp(0.0, 1.0) * f64::from(u16::MAX)) as u64;
        (0..16).fold(0, |sum, bit| sum | (bits >> bit & 1) << (2 * bit))
    };
    spread(object.ra / 360.0) << 1 | spread(f64::midpoint(object.dec.to_radians().sin(), 1.0))
}

/// The chance of one row: a number for each of its columns.
#[derive(Debug, Clone, Copy)]
struct Draw(u64);

impl Draw {
    fn of(seed: u64, row: u64) -> Self {
        Self(mix(mix(seed) ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn number(self, column: u64) -> u64 {
        mix(self.0.wrapping_add((column + 1).wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }

    /// From 0 to 1.
    fn part(self, column: u64) -> f64 {
        (self.number(column) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About a normal distribution: four numbers added up, mean 0 and deviation 1.
    fn normal(self, column: u64) -> f64 {
        let (a, b) = (self.number(column), self.number(column + (1 << 20)));
        let halves = [a >> 32, a & 0xffff_ffff, b >> 32, b & 0xffff_ffff];
        let sum: f64 = halves.iter().map(|half| *half as f64 / f64::from(u32::MAX)).sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }
}

/// The end of SplitMix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn small() -> Flat {
        Flat { seed: 7, rows: 3_000, quick_rows: 300, objects: 400, nights: 3, hot_commits: 2, hot_rows: 5 }
    }

    #[test]
    fn rows_depend_on_their_numbers_alone() {
        let sources = Sources::new(small());
        let all = sources.batch(&(0..100).collect::<Vec<_>>()).unwrap();
        let some = sources.batch(&[40, 41]).unwrap();
        assert_eq!(all.slice(40, 2), some);
        assert_eq!(all.num_columns(), 8 + FLOATS.len() + FLAGS.len() + 1);
    }

    #[test]
    fn ids_are_different_and_times_in_order() {
        let sources = Sources::new(small());
        assert_eq!(sources.objects.iter().map(|o| o.id).collect::<HashSet<_>>().len(), 400);
        let times: Vec<f64> =
            (0..3_010).map(|row| sources.when(row)).map(|(night, part)| sources.begin(night) + NIGHT * part).collect();
        assert!(times.is_sorted() && times[3_000] > sources.days(2, 1).1);
    }

    #[test]
    fn draws_are_spread() {
        let draws: Vec<f64> = (0..10_000).map(|row| Draw::of(1, row).normal(3)).collect();
        let mean = draws.iter().sum::<f64>() / 1e4;
        let variance = draws.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
