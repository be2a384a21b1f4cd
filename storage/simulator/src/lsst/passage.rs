//! The two records that an alert of a solar-system body carries.

use crate::bodies::{Body, Ephemeris};
use crate::lsst::source::Source;
use crate::objects::offset;
use crate::orbit::Vector;
use crate::random::{Purpose, Stream};

/// Where the body was seen, and where its orbit says it should have been.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    pub(crate) source: i64,
    pub(crate) body: i64,
    pub(crate) designation: String,
    pub(crate) predicted: Ephemeris,
    /// Longitude and latitude in degrees.
    pub(crate) ecliptic: (f64, f64),
    pub(crate) galactic: (f64, f64),
    /// Radial velocity from the Earth and from the Sun, au / d.
    pub(crate) receding: (f64, f64),
    /// Seen less predicted, to the east and north, in arcseconds.
    pub(crate) offset: (f64, f64),
}

impl Passage {
    pub(crate) fn new(body: &Body, predicted: Ephemeris, source: &Source) -> Self {
        let seen = Vector::towards(source.ra, source.dec);
        let along = |of: crate::orbit::State| of.velocity.dot(of.place.unit());
        Self {
            source: source.id,
            body: body.id,
            designation: body.designation.clone(),
            ecliptic: seen.to_ecliptic().angles(),
            galactic: seen.to_galactic().angles(),
            receding: (along(predicted.from_earth), along(predicted.from_sun)),
            offset: offset((source.ra, source.dec), (predicted.ra, predicted.dec)),
            predicted,
        }
    }
}

/// The orbit as the Minor Planet Center has it.
#[derive(Debug, Clone)]
pub(crate) struct OrbitRecord {
    pub(crate) body: Body,
    pub(crate) oppositions: i64,
    /// Days over which it was observed.
    pub(crate) arc: f64,
    pub(crate) observations: i64,
    /// Of the semi-major axis, in au; the other elements have multiples of it.
    pub(crate) uncertainty: f64,
    /// Root mean square of the normalised residuals.
    pub(crate) residual: f64,
    pub(crate) json: String,
}

impl OrbitRecord {
    pub(crate) fn new(seed: u64, body: Body) -> Self {
        let mut stream = Stream::new(seed, Purpose::Body, body.key, 1);
        let oppositions = 4 + (stream.word() % 20) as i64;
        let mut record = Self {
            oppositions,
            arc: oppositions as f64 * stream.between(380.0, 560.0),
            observations: oppositions * 40 + (stream.word() % 1_000) as i64,
            uncertainty: stream.log_between(1e-9, 1e-7),
            residual: stream.between(0.4, 0.8),
            json: String::new(),
            body,
        };
        record.json = record.to_json(&mut stream);
        record
    }

    /// The orbit in the layout of the MPC's `mpc_orb` documents, cometary elements with their covariance.
    fn to_json(&self, stream: &mut Stream) -> String {
        let Body { designation, packed, epoch, elements, magnitude, .. } = &self.body;
        let mut covariance = String::with_capacity(1_200);
        for (i, j) in (0..10).flat_map(|i| (i..10).map(move |j| (i, j))) {
            let comma = if covariance.is_empty() { "" } else { ", " };
            let value = if j < 6 {
                let scale = self.uncertainty * self.uncertainty * if i == j { 1.0 } else { 0.1 * stream.normal() };
                format!("{:.30}", scale * f64::from(1 << ((3 * i + 3 * j) / 2)))
            } else {
                "null".to_owned()
            };
            covariance.push_str(&format!("{comma}\"cov{i}{j}\": {value}"));
        }
        let pericentre = elements.semi_major * (1.0 - elements.eccentricity);
        let time = epoch - elements.mean_anomaly / elements.mean_motion;
        let u = self.uncertainty;
        format!(
            concat!(
                r#"{{"COM": {{"covariance": {{{covariance}}}, "#,
                r#""coefficient_names": ["q", "e", "i", "node", "argperi", "peri_time"], "#,
                r#""coefficient_values": [{q:.14}, {e:.15}, {i:.13}, {node:.13}, {argperi:.13}, {time:.10}], "#,
                r#""coefficient_uncertainties": [{u:.16}, {u:.16}, {deg:.14}, {deg:.14}, {deg:.14}, {days:.13}]}}, "#,
                r#""moid_data": {{"Mars": null, "Earth": null, "Venus": null, "Jupiter": null}}, "#,
                r#""epoch_data": {{"epoch": {epoch:.1}, "timeform": "MJD", "timesystem": "TDT"}}, "#,
                r#""system_data": {{"eph": "DE431", "refsys": "Ecliptic", "refframe": "ICRF", "#,
                r#""EclipticObliquityArcseconds": "84381.448"}}, "#,
                r#""categorization": {{"orbit_type_int": 11, "orbit_type_str": "Main Belt", "object_type_int": 0, "#,
                r#""object_type_str": "Minor Planet", "orbit_subtype_int": null, "orbit_subtype_str": ""}}, "#,
                r#""magnitude_data": {{"G": 0.15, "H": {h:.3}, "G1": null, "G2": null, "G12": null}}, "#,
                r#""designation_data": {{"permid": "", "iau_name": "", "designation_count": 1, "#,
                r#""packed_primary_provisional_designation": "{packed}", "#,
                r#""unpacked_primary_provisional_designation": "{designation}"}}, "#,
                r#""orbit_fit_statistics": {{"nopp": {nopp}, "U_param": 0, "numparams": 6, "nobs_radar": 0, "#,
                r#""nobs_total": {nobs}, "orbit_quality": "good", "normalized_RMS": {rms:.6}}}}}"#,
            ),
            covariance = covariance,
            q = pericentre,
            e = elements.eccentricity,
            i = elements.inclination,
            node = elements.node,
            argperi = elements.pericentre,
            time = time,
            u = u,
            deg = 100.0 * u,
            days = 1_000.0 * u,
            epoch = epoch,
            h = magnitude,
            packed = packed,
            designation = designation,
            nopp = self.oppositions,
            nobs = self.observations,
            rms = self.residual,
        )
    }
}
