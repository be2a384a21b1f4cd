//! Which value each field of each record gets, by the field's name.

use super::passage::{OrbitRecord, Passage};
use super::source::{Forced, Source};
use super::summary::Summary;
use crate::avro::{Fill, Value, always, of};
use crate::bodies::Body;
use crate::telescope::Telescope;
use crate::visits::Band;
use Value::{Bool, Null, Real, Text, Whole};

/// Unknown, as transmitted.
const UNKNOWN: Value<'static> = Real(f64::NAN);

fn id(value: Option<i64>) -> Value<'static> {
    value.map_or(Null, Whole)
}

/// Fields of `diaSource`.
pub(crate) fn source(name: &str) -> Option<Fill<Source>> {
    match name {
        "diaSourceId" => of(|s: &Source| Whole(s.id)),
        "visit" => of(|s: &Source| Whole(s.visit)),
        "detector" => of(|s: &Source| Whole(s.detector.into())),
        "diaObjectId" => of(|s: &Source| id(s.object)),
        "ssObjectId" => of(|s: &Source| id(s.body)),
        "parentDiaSourceId" => always(Whole(0)),
        "midpointMjdTai" => of(|s: &Source| Real(s.mjd)),
        "exposureTime" => always(Real(Telescope::LSST.exposure)),
        "timeProcessedMjdTai" => of(|s: &Source| Real(s.processed)),
        "timeWithdrawnMjdTai" => always(UNKNOWN),
        "band" => of(|s: &Source| Text(s.band)),
        "ra" => of(|s: &Source| Real(s.ra)),
        "raErr" => of(|s: &Source| Real(s.ra_error)),
        "dec" => of(|s: &Source| Real(s.dec)),
        "decErr" => of(|s: &Source| Real(s.dec_error)),
        "ra_dec_Cov" => of(|s: &Source| Real(s.covariance)),
        "x" => of(|s: &Source| Real(s.x)),
        "xErr" => of(|s: &Source| Real(s.x_error)),
        "y" => of(|s: &Source| Real(s.y)),
        "yErr" => of(|s: &Source| Real(s.y_error)),
        "apFlux" => of(|s: &Source| Real(s.aperture)),
        "apFluxErr" => of(|s: &Source| Real(s.aperture_error)),
        "isNegative" => of(|s: &Source| Bool(s.flux < 0.0)),
        "snr" => of(|s: &Source| Real(s.snr)),
        "psfFlux" => of(|s: &Source| Real(s.flux)),
        "psfFluxErr" => of(|s: &Source| Real(s.flux_error)),
        "psfChi2" => of(|s: &Source| Real(s.chi2)),
        "psfNdata" => always(Whole(1_681)),
        "psfLnL" => always(UNKNOWN),
        "scienceFlux" => of(|s: &Source| Real(s.science)),
        "scienceFluxErr" => of(|s: &Source| Real(s.science_error)),
        "templateFlux" => of(|s: &Source| Real(s.template)),
        "templateFluxErr" => of(|s: &Source| Real(s.template_error)),
        "extendedness" => of(|s: &Source| Real(s.extendedness)),
        "reliability" => of(|s: &Source| Real(s.reliability)),
        "reliabilityVersion" => always(Text("simulated")),
        "bboxSize" => of(|s: &Source| Whole(s.size.into())),
        _ => source_shape(name).or_else(|| source_flag(name)),
    }
}

fn source_shape(name: &str) -> Option<Fill<Source>> {
    match name {
        "trailFlux" => of(|s: &Source| Real(s.trail_flux)),
        "trailFluxErr" => of(|s: &Source| Real(s.trail_flux_error)),
        "trailRa" => of(|s: &Source| Real(s.trail_ra)),
        "trailDec" => of(|s: &Source| Real(s.trail_dec)),
        "trailLength" => of(|s: &Source| Real(s.trail_length)),
        "trailAngle" => of(|s: &Source| Real(s.trail_angle)),
        "trailRaErr" | "trailDecErr" | "trailLengthErr" | "trailAngleErr" | "trailChi2" => always(UNKNOWN),
        "trailNdata" => always(Whole(0)),
        "trailAlgorithm" => always(Whole(1)),
        "dipoleMeanFlux" => of(|s: &Source| Real(s.dipole[0])),
        "dipoleMeanFluxErr" => of(|s: &Source| Real(s.dipole[1])),
        "dipoleFluxDiff" => of(|s: &Source| if s.flags.dipole { Real(0.0) } else { UNKNOWN }),
        "dipoleFluxDiffErr" => of(|s: &Source| Real(2.0 * s.dipole[1])),
        "dipoleLength" => of(|s: &Source| Real(s.dipole[2])),
        "dipoleAngle" => of(|s: &Source| Real(s.dipole[3])),
        "dipoleChi2" => of(|s: &Source| Real(s.dipole[4])),
        "dipoleNdata" => of(|s: &Source| Whole(s.dipole_pixels)),
        "ixx" => of(|s: &Source| Real(s.shape.xx)),
        "iyy" => of(|s: &Source| Real(s.shape.yy)),
        "ixy" => of(|s: &Source| Real(s.shape.xy)),
        "ixxPSF" => of(|s: &Source| Real(s.psf.xx)),
        "iyyPSF" => of(|s: &Source| Real(s.psf.yy)),
        "ixyPSF" => of(|s: &Source| Real(s.psf.xy)),
        _ => None,
    }
}

fn source_flag(name: &str) -> Option<Fill<Source>> {
    match name {
        "centroid_flag" | "apFlux_flag" | "psfFlux_flag" | "forced_PsfFlux_flag" => {
            of(|s: &Source| Bool(s.flags.fit_failed))
        }
        "psfFlux_flag_edge" | "forced_PsfFlux_flag_edge" => of(|s: &Source| Bool(s.flags.edge)),
        "shape_flag" | "trail_flag" => of(|s: &Source| Bool(s.flags.shape_failed)),
        "isDipole" | "dipoleFitAttempted" => of(|s: &Source| Bool(s.flags.dipole)),
        "pixelFlags_edge" => of(|s: &Source| Bool(s.flags.edge)),
        "pixelFlags_bad" => of(|s: &Source| Bool(s.flags.bad)),
        "pixelFlags_cr" => of(|s: &Source| Bool(s.flags.cosmic_ray)),
        "pixelFlags_interpolated" => of(|s: &Source| Bool(s.flags.bad || s.flags.cosmic_ray)),
        "pixelFlags_saturated" => of(|s: &Source| Bool(s.flags.saturated)),
        "pixelFlags_suspect" => of(|s: &Source| Bool(s.flags.suspect)),
        "pixelFlags_streak" | "pixelFlags_streakCenter" => of(|s: &Source| Bool(s.flags.streak)),
        "glint_trail" => of(|s: &Source| Bool(s.flags.glint)),
        "apFlux_flag_apertureTruncated"
        | "psfFlux_flag_noGoodPixels"
        | "forced_PsfFlux_flag_noGoodPixels"
        | "trail_flag_edge"
        | "shape_flag_no_pixels"
        | "shape_flag_not_contained"
        | "shape_flag_parent_source" => always(Bool(false)),
        flag if flag.starts_with("pixelFlags") => always(Bool(false)),
        _ => None,
    }
}

/// Fields of `diaForcedSource`.
pub(crate) fn forced(name: &str) -> Option<Fill<Forced>> {
    match name {
        "diaForcedSourceId" => of(|f: &Forced| Whole(f.id)),
        "diaObjectId" => of(|f: &Forced| Whole(f.object)),
        "ra" => of(|f: &Forced| Real(f.ra)),
        "dec" => of(|f: &Forced| Real(f.dec)),
        "visit" => of(|f: &Forced| Whole(f.visit)),
        "detector" => of(|f: &Forced| Whole(f.detector.into())),
        "psfFlux" => of(|f: &Forced| Real(f.flux)),
        "psfFluxErr" => of(|f: &Forced| Real(f.flux_error)),
        "midpointMjdTai" => of(|f: &Forced| Real(f.mjd)),
        "scienceFlux" => of(|f: &Forced| Real(f.science)),
        "scienceFluxErr" => of(|f: &Forced| Real(f.science_error)),
        "band" => of(|f: &Forced| Text(f.band)),
        "timeProcessedMjdTai" => of(|f: &Forced| Real(f.processed)),
        "timeWithdrawnMjdTai" => always(UNKNOWN),
        _ => None,
    }
}

/// Fields of `diaObject`.
pub(crate) fn object(name: &str) -> Option<Fill<Summary>> {
    match name {
        "diaObjectId" => of(|o: &Summary| Whole(o.id)),
        "validityStartMjdTai" => of(|o: &Summary| Real(o.valid_from)),
        "ra" => of(|o: &Summary| Real(o.ra)),
        "raErr" => of(|o: &Summary| Real(o.ra_error)),
        "dec" => of(|o: &Summary| Real(o.dec)),
        "decErr" => of(|o: &Summary| Real(o.dec_error)),
        "ra_dec_Cov" => of(|o: &Summary| Real(o.covariance)),
        "nDiaSources" => of(|o: &Summary| Whole(o.sources)),
        "firstDiaSourceMjdTai" | "lastDiaSourceMjdTai" => always(UNKNOWN),
        _ => {
            let (band, statistic) = name.split_once('_')?;
            let band = *Band::NAMES.iter().find(|b| **b == band)?;
            let value: fn(&Summary) -> f64 = match statistic {
                "psfFluxNdata" => {
                    return of(move |o: &Summary| Whole(if o.band == band { o.in_band } else { 0 }));
                }
                "psfFluxMean" => |o| o.mean,
                "psfFluxMeanErr" => |o| o.mean_error,
                "psfFluxSigma" => |o| o.deviation,
                "psfFluxMin" => |o| o.lowest,
                "psfFluxMax" => |o| o.highest,
                "psfFluxMaxSlope" => |o| o.steepest,
                "psfFluxErrMean" => |o| o.error_mean,
                "scienceFluxMean" => |o| o.science_mean,
                "scienceFluxMeanErr" => |o| o.science_mean_error,
                "fpFluxMean" | "fpFluxMeanErr" => return always(UNKNOWN),
                _ => return None,
            };
            of(move |o: &Summary| if o.band == band { Real(value(o)) } else { UNKNOWN })
        }
    }
}

/// Fields of `ssSource`.
pub(crate) fn passage(name: &str) -> Option<Fill<Passage>> {
    let value: fn(&Passage) -> f64 = match name {
        "diaSourceId" => return of(|p: &Passage| Whole(p.source)),
        "ssObjectId" => return of(|p: &Passage| Whole(p.body)),
        "designation" => return of(|p: &Passage| Text(&p.designation)),
        "diaDistanceRank" => return always(Whole(1)),
        "ephOffsetAlongTrack" | "ephOffsetCrossTrack" => return always(UNKNOWN),
        // As they were called in version 9.
        "eclipticLambda" => |p| p.ecliptic.0,
        "eclipticBeta" => |p| p.ecliptic.1,
        "galacticL" => |p| p.galactic.0,
        "galacticB" => |p| p.galactic.1,
        "heliocentricDist" => |p| p.predicted.from_sun.place.length(),
        "topocentricDist" => |p| p.predicted.from_earth.place.length(),
        "predictedVMagnitude" => |p| p.predicted.magnitude,
        "residualRa" => |p| p.offset.0 / 3_600.0,
        "residualDec" => |p| p.offset.1 / 3_600.0,
        "heliocentricX" => |p| p.predicted.from_sun.place.0,
        "heliocentricY" => |p| p.predicted.from_sun.place.1,
        "heliocentricZ" => |p| p.predicted.from_sun.place.2,
        "heliocentricVX" => |p| p.predicted.from_sun.velocity.0,
        "heliocentricVY" => |p| p.predicted.from_sun.velocity.1,
        "heliocentricVZ" => |p| p.predicted.from_sun.velocity.2,
        "topocentricX" => |p| p.predicted.from_earth.place.0,
        "topocentricY" => |p| p.predicted.from_earth.place.1,
        "topocentricZ" => |p| p.predicted.from_earth.place.2,
        "topocentricVX" => |p| p.predicted.from_earth.velocity.0,
        "topocentricVY" => |p| p.predicted.from_earth.velocity.1,
        "topocentricVZ" => |p| p.predicted.from_earth.velocity.2,
        // Since version 10.
        "eclLambda" => |p| p.ecliptic.0,
        "eclBeta" => |p| p.ecliptic.1,
        "galLon" => |p| p.galactic.0,
        "galLat" => |p| p.galactic.1,
        "elongation" => |p| p.predicted.elongation,
        "phaseAngle" => |p| p.predicted.phase,
        "topoRange" => |p| p.predicted.from_earth.place.length(),
        "topoRangeRate" => |p| p.receding.0,
        "helioRange" => |p| p.predicted.from_sun.place.length(),
        "helioRangeRate" => |p| p.receding.1,
        "ephRa" => |p| p.predicted.ra,
        "ephDec" => |p| p.predicted.dec,
        "ephVmag" => |p| p.predicted.magnitude,
        "ephRate" => |p| (p.predicted.rate.0 * p.predicted.rate.0 + p.predicted.rate.1 * p.predicted.rate.1).sqrt(),
        "ephRateRa" => |p| p.predicted.rate.0,
        "ephRateDec" => |p| p.predicted.rate.1,
        "ephOffset" => |p| (p.offset.0 * p.offset.0 + p.offset.1 * p.offset.1).sqrt(),
        "ephOffsetRa" => |p| p.offset.0,
        "ephOffsetDec" => |p| p.offset.1,
        "helio_x" => |p| p.predicted.from_sun.place.0,
        "helio_y" => |p| p.predicted.from_sun.place.1,
        "helio_z" => |p| p.predicted.from_sun.place.2,
        "helio_vx" => |p| p.predicted.from_sun.velocity.0,
        "helio_vy" => |p| p.predicted.from_sun.velocity.1,
        "helio_vz" => |p| p.predicted.from_sun.velocity.2,
        "helio_vtot" => |p| p.predicted.from_sun.velocity.length(),
        "topo_x" => |p| p.predicted.from_earth.place.0,
        "topo_y" => |p| p.predicted.from_earth.place.1,
        "topo_z" => |p| p.predicted.from_earth.place.2,
        "topo_vx" => |p| p.predicted.from_earth.velocity.0,
        "topo_vy" => |p| p.predicted.from_earth.velocity.1,
        "topo_vz" => |p| p.predicted.from_earth.velocity.2,
        "topo_vtot" => |p| p.predicted.from_earth.velocity.length(),
        _ => return None,
    };
    of(move |p: &Passage| Real(value(p)))
}

/// Fields of `mpc_orbits`, and of `MPCORB` before it.
pub(crate) fn orbit(name: &str) -> Option<Fill<OrbitRecord>> {
    fn body(value: impl Fn(&Body) -> f64 + Send + Sync + 'static) -> Option<Fill<OrbitRecord>> {
        of(move |o: &OrbitRecord| Real(value(&o.body)))
    }
    match name {
        "id" => always(Whole(0)),
        "mpcDesignation" => of(|o: &OrbitRecord| Text(&o.body.designation)),
        "ssObjectId" => of(|o: &OrbitRecord| Whole(o.body.id)),
        "mpcH" => body(|b| b.magnitude),
        "epoch" => body(|b| b.epoch),
        "M" => body(|b| b.elements.mean_anomaly),
        "peri" => body(|b| b.elements.pericentre),
        "incl" => body(|b| b.elements.inclination),
        "t_p" => body(|b| b.epoch - b.elements.mean_anomaly / b.elements.mean_motion),
        "designation" | "unpacked_primary_provisional_designation" => of(|o: &OrbitRecord| Text(&o.body.designation)),
        "packed_primary_provisional_designation" => of(|o: &OrbitRecord| Text(&o.body.packed)),
        "mpc_orb_jsonb" => of(|o: &OrbitRecord| Text(&o.json)),
        // Midnight of 1970-01-01, as transmitted.
        "created_at" | "updated_at" | "fitting_datetime" => always(Whole(0)),
        "orbit_type_int" => always(Whole(-1)),
        "u_param" => always(Whole(0)),
        "nopp" => of(|o: &OrbitRecord| Whole(o.oppositions)),
        "arc_length_total" | "arc_length_sel" => of(|o: &OrbitRecord| Real(o.arc)),
        "nobs_total" | "nobs_total_sel" => of(|o: &OrbitRecord| Whole(o.observations)),
        "a" => body(|b| b.elements.semi_major),
        "q" => body(|b| b.elements.semi_major * (1.0 - b.elements.eccentricity)),
        "e" => body(|b| b.elements.eccentricity),
        "i" => body(|b| b.elements.inclination),
        "node" => body(|b| b.elements.node),
        "argperi" => body(|b| b.elements.pericentre),
        "peri_time" => body(|b| b.epoch - b.elements.mean_anomaly / b.elements.mean_motion),
        "mean_anomaly" => body(|b| b.elements.mean_anomaly),
        "period" => body(|b| 360.0 / b.elements.mean_motion),
        "mean_motion" => body(|b| b.elements.mean_motion),
        "a_unc" | "q_unc" | "e_unc" => of(|o: &OrbitRecord| Real(o.uncertainty)),
        "i_unc" | "node_unc" | "argperi_unc" | "mean_anomaly_unc" | "mean_motion_unc" => {
            of(|o: &OrbitRecord| Real(100.0 * o.uncertainty))
        }
        "peri_time_unc" | "period_unc" => of(|o: &OrbitRecord| Real(1_000.0 * o.uncertainty)),
        "epoch_mjd" => body(|b| b.epoch),
        "h" => body(|b| b.magnitude),
        "g" => always(Real(0.15)),
        "normalized_rms" => of(|o: &OrbitRecord| Real(o.residual)),
        "yarkovsky" | "srp" | "a1" | "a2" | "a3" | "dt" | "yarkovsky_unc" | "srp_unc" | "a1_unc" | "a2_unc"
        | "a3_unc" | "dt_unc" | "not_normalized_rms" | "earth_moid" => always(Real(0.0)),
        _ => None,
    }
}
