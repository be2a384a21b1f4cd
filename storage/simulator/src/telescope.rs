//! What a survey's telescope can do, and how its nights run.

use crate::camera::Camera;
use crate::visits::Band;

/// A telescope. Lists of six are by [`Band`]; a band that it has no filter for is not looked at.
#[derive(Debug)]
pub(crate) struct Telescope {
    pub(crate) bands: &'static [Band],
    /// Full width at half maximum of a star in a good night, in arcseconds.
    pub(crate) seeing: [f64; 6],
    /// Variance of the dark sky in one pixel, nJy squared.
    pub(crate) sky: [f64; 6],
    /// How much brighter than for LSST things are that alert: what the depth of the survey makes of the sky.
    pub(crate) brightness: f64,
    /// Seconds of an exposure, and from the middle of one to that of the next.
    pub(crate) exposure: f64,
    pub(crate) pace: f64,
    /// When the first exposure of a night begins, in days since 0h UTC of the date of the night.
    pub(crate) evening: f64,
    /// Seconds from the middle of an exposure until its first and its last detector have been processed.
    pub(crate) processing: (f64, f64),
    pub(crate) camera: Camera,
    /// Declinations in degrees between which it can look for long enough.
    pub(crate) declinations: (f64, f64),
    /// True if the camera turns against the sky from visit to visit.
    pub(crate) turns: bool,
}

impl Telescope {
    /// The Vera C. Rubin Observatory on Cerro Pachon.
    pub(crate) const LSST: Self = Self {
        bands: &[Band(0), Band(1), Band(2), Band(3), Band(4), Band(5)],
        seeing: [1.0, 0.95, 0.9, 0.87, 0.85, 0.85],
        sky: [3_500.0, 430.0, 750.0, 930.0, 3_300.0, 20_000.0],
        brightness: 1.0,
        exposure: 30.0,
        pace: 39.0,
        evening: 0.99,
        processing: (126.0, 185.0),
        camera: Camera::LSST,
        declinations: (-70.0, 5.0),
        turns: true,
    };

    /// The 48-inch Schmidt telescope on Palomar, with the camera of the Zwicky Transient Facility.
    pub(crate) const ZTF: Self = Self {
        bands: &[Band(1), Band(2)],
        seeing: [2.2, 2.1, 1.9, 1.9, 1.9, 1.9],
        sky: [2e6, 1.6e6, 2.1e6, 4e6, 4e6, 4e6],
        brightness: 30.0,
        exposure: 30.0,
        pace: 40.0,
        evening: 0.1,
        processing: (480.0, 1_200.0),
        camera: Camera::ZTF,
        declinations: (-28.0, 80.0),
        turns: false,
    };
}
