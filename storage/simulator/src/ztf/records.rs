//! Which value goes into which field.
//!
//! The same source is written in two ways. The trigger has all digits, -999 for what is missing and 't' or 'f' for
//! the sign of a source; its later copy in the history has six digits, null for what is missing, and in packets of the
//! same night '1' or '0' for the sign.

use crate::avro::{Fill, Value, always, of};

use super::digits::{as_in_table, six_digits};
use super::exposure::Exposure;
use super::found::{Forced, Found};
use super::scene::{Neighbour, Scene};

/// What is missing in a trigger, and in forced photometry.
const MISSING: f64 = -999.0;
const MISSING_FORCED: f64 = -99_999.0;

/// An exposure of a place: a detection, or the limit to which nothing was seen.
pub(super) struct Entry {
    pub(super) exposure: Exposure,
    pub(super) found: Option<(Found, Scene)>,
    /// The sign of the source, as this packet has it.
    pub(super) sign: &'static str,
}

/// A detection that causes an alert, and what is known of its place.
pub(super) struct Trigger {
    pub(super) entry: Entry,
    /// Detections and exposures of the place, this one included.
    pub(super) detections: i64,
    pub(super) exposures: i64,
    /// Julian date of the first detection.
    pub(super) since: f64,
}

/// Forced photometry in an exposure.
pub(super) struct Measured {
    pub(super) exposure: Exposure,
    pub(super) scene: Scene,
    pub(super) forced: Forced,
}

/// Where the value of a field of an [`Entry`] comes from.
enum Get {
    /// What was measured of the source.
    Of(fn(&Found) -> f64),
    /// The same, which history does not round.
    Exact(fn(&Found, &Scene) -> f64),
    Near(fn(&Scene) -> f64),
    /// A number of the exposure, rounded to six digits.
    Calibration(fn(&Exposure) -> f64),
    Time(fn(&Exposure) -> f64),
    Count(fn(&Found) -> i64),
    Number(fn(&Exposure) -> i64),
    Text(fn(&Entry) -> Option<&str>),
    /// Of the nearest body: distance and magnitude.
    Body(fn(&(f64, f64, String)) -> f64),
}

impl Get {
    fn value<'a>(&self, entry: &'a Entry) -> Option<Value<'a>> {
        let (found, scene) = (entry.found.as_ref().map(|(f, _)| f), entry.found.as_ref().map(|(_, s)| s));
        Some(match self {
            Self::Of(get) => Value::Real(get(found?)),
            Self::Exact(get) => Value::Real(get(found?, scene?)),
            Self::Near(get) => Value::Real(get(scene?)),
            Self::Calibration(get) | Self::Time(get) => Value::Real(get(&entry.exposure)),
            Self::Count(get) => Value::Whole(get(found?)),
            Self::Number(get) => Value::Whole(get(&entry.exposure)),
            Self::Text(get) => Value::Text(get(entry)?),
            Self::Body(get) => Value::Real(get(found?.body.as_ref()?)),
        })
    }

    /// As the trigger has it.
    fn in_trigger<'a>(&self, entry: &'a Entry) -> Value<'a> {
        self.value(entry).unwrap_or(match self {
            Self::Count(_) | Self::Number(_) => Value::Whole(MISSING as i64),
            Self::Text(_) => Value::Text("null"),
            _ => Value::Real(MISSING),
        })
    }

    /// As history has it.
    fn in_history<'a>(&self, entry: &'a Entry) -> Value<'a> {
        match (self, self.value(entry)) {
            (Self::Of(_) | Self::Near(_) | Self::Body(_), Some(Value::Real(v))) => Value::Real(as_in_table(v)),
            (Self::Calibration(_), Some(Value::Real(v))) => Value::Real(six_digits(v)),
            (_, value) => value.unwrap_or(Value::Null),
        }
    }
}

/// Fields that trigger and history have in common.
fn common(name: &str) -> Option<Get> {
    use Get::{Body, Calibration, Count, Exact, Near, Number, Of, Text, Time};
    Some(match name {
        "jd" => Time(|e| e.jd),
        "fid" => Number(|e| e.filter),
        "pid" => Number(|e| e.pid),
        "diffmaglim" => Calibration(|e| e.limit),
        "programpi" => Text(|e| Some(e.exposure.investigator())),
        "programid" => Number(|e| e.program),
        "candid" => Count(|f| f.candid),
        "isdiffpos" => Text(|e| e.found.is_some().then_some(e.sign)),
        "tblid" => Count(|f| f.nth),
        "nid" => Number(|e| e.night),
        "rcid" => Number(|e| e.channel.into()),
        "field" => Number(|e| e.field),
        "xpos" => Of(|f| f.x),
        "ypos" => Of(|f| f.y),
        "ra" => Exact(|f, _| f.ra),
        "dec" => Exact(|f, _| f.dec),
        "magpsf" => Of(|f| f.magnitude),
        "sigmapsf" => Of(|f| f.error),
        "chipsf" => Of(|f| f.chi),
        "magap" => Of(|f| f.aperture),
        "sigmagap" => Of(|f| f.aperture_error),
        "distnr" => Of(|f| f.nearest),
        "magnr" => Near(|s| s.nearest.magnitude),
        "sigmagnr" => Near(|s| s.nearest.error),
        "chinr" => Near(|s| s.nearest.chi),
        "sharpnr" => Near(|s| s.nearest.sharp),
        "sky" => Of(|f| f.sky),
        "magdiff" => Of(|f| f.aperture - f.magnitude),
        "fwhm" => Of(|f| f.width),
        "classtar" => Of(|f| f.star),
        "mindtoedge" => Of(|f| f.edge),
        "seeratio" => Of(|f| f.widths),
        "aimage" => Of(|f| f.major),
        "bimage" => Of(|f| f.minor),
        "aimagerat" => Of(|f| f.major / f.width),
        "bimagerat" => Of(|f| f.minor / f.width),
        "elong" => Of(|f| f.major / f.minor),
        "nneg" => Count(|f| f.negatives),
        "nbad" => Count(|_| 0),
        "rb" => Of(|f| f.forest),
        "ssdistnr" => Body(|(distance, ..)| *distance),
        "ssmagnr" => Body(|(_, magnitude, _)| *magnitude),
        "ssnamenr" => Text(|e| e.found.as_ref()?.0.body.as_ref().map(|(.., name)| name.as_str())),
        "sumrat" => Of(|f| f.sum),
        "magapbig" => Of(|f| f.large_aperture),
        "sigmagapbig" => Of(|f| f.large_aperture_error),
        "ranr" => Exact(|_, s| s.nearest.ra),
        "decnr" => Exact(|_, s| s.nearest.dec),
        "scorr" => Of(|f| f.significance),
        "magzpsci" => Calibration(|e| e.zero_point),
        "magzpsciunc" => Calibration(|e| e.zero_point_error),
        "clrcounc" => Calibration(|e| e.colour_error),
        "rbversion" => Text(|_| Some("t17_f5_c3")),
        _ => return None,
    })
}

/// Fields of `prv_candidates`.
pub(super) fn history(name: &str) -> Option<Fill<Entry>> {
    let get = match name {
        "pdiffimfilename" => Get::Text(|e| Some(&e.exposure.archived_file)),
        "magzpscirms" => Get::Calibration(|e| e.scatter_again),
        "clrcoeff" => Get::Calibration(|e| e.colour_again),
        "magfromlim" => return of(|e: &Entry| from_limit(e).map_or(Value::Null, |v| Value::Real(as_in_table(v)))),
        _ => common(name)?,
    };
    of(move |entry: &Entry| get.in_history(entry))
}

fn from_limit(entry: &Entry) -> Option<f64> {
    entry.found.as_ref().map(|(found, _)| entry.exposure.limit - found.aperture)
}

/// Fields of `candidate`.
pub(super) fn trigger(name: &str) -> Option<Fill<Trigger>> {
    if let Some((nth, field)) = neighbour_field(name) {
        return of(move |t: &Trigger| field.of(t.scene().and_then(|s| s.neighbours[nth].as_ref())));
    }
    let get = match name {
        "pdiffimfilename" => Get::Text(|e| Some(&e.exposure.file)),
        "magzpscirms" => Get::Calibration(|e| e.zero_point_scatter),
        "clrcoeff" => Get::Calibration(|e| e.colour),
        "magfromlim" => return real(|t| from_limit(&t.entry)),
        "ndethist" => return of(|t: &Trigger| Value::Whole(t.detections)),
        "ncovhist" => return of(|t: &Trigger| Value::Whole(t.exposures)),
        "jdstarthist" => return real(|t| Some(t.since)),
        "jdendhist" => return real(|t| Some(t.entry.exposure.jd)),
        "tooflag" => return always(Value::Whole(0)),
        "nmtchps" => return of(|t: &Trigger| Value::Whole(t.scene().map_or(0, |s| s.matches))),
        "rfid" => return of(|t: &Trigger| Value::Whole(t.entry.exposure.reference())),
        "jdstartref" => return real(|t| t.scene().map(|s| s.reference.0)),
        "jdendref" => return real(|t| t.scene().map(|s| s.reference.1)),
        "nframesref" => return of(|t: &Trigger| Value::Whole(t.scene().map_or(0, |s| s.reference.2))),
        "dsnrms" => return real(|t| t.found().map(|f| f.shallow)),
        "ssnrms" => return real(|t| t.found().map(|f| f.deep)),
        "dsdiff" => return real(|t| t.found().map(|f| f.shallow - f.deep)),
        "nmatches" => return of(|t: &Trigger| Value::Whole(t.entry.exposure.calibrators)),
        "zpclrcov" => return real(|t| Some(-1.2 * t.entry.exposure.colour_error)),
        "zpmed" => return real(|t| Some(t.entry.exposure.zero_point + 0.06)),
        "clrmed" => return real(|t| Some(0.4 + 10.0 * t.entry.exposure.astrometry.0 / 2.0)),
        "clrrms" => return real(|t| Some(0.2 + t.entry.exposure.astrometry.1)),
        "neargaia" => return real(|t| t.scene()?.gaia.map(|(distance, _)| distance)),
        "maggaia" => return real(|t| t.scene()?.gaia.map(|(_, magnitude)| magnitude)),
        "neargaiabright" => return real(|t| t.scene()?.gaia_bright.map(|(distance, _)| distance)),
        "maggaiabright" => return real(|t| t.scene()?.gaia_bright.map(|(_, magnitude)| magnitude)),
        "exptime" => return always(Value::Real(30.0)),
        "drb" => return real(|t| t.found().map(|f| f.network)),
        "drbversion" => return always(Value::Text("d6_m7")),
        _ => common(name)?,
    };
    of(move |trigger: &Trigger| get.in_trigger(&trigger.entry))
}

impl Trigger {
    fn found(&self) -> Option<&Found> {
        self.entry.found.as_ref().map(|(found, _)| found)
    }

    fn scene(&self) -> Option<&Scene> {
        self.entry.found.as_ref().map(|(_, scene)| scene)
    }
}

fn real(get: fn(&Trigger) -> Option<f64>) -> Option<Fill<Trigger>> {
    of(move |trigger: &Trigger| Value::Real(get(trigger).unwrap_or(MISSING)))
}

/// What a field says of one of the neighbours in the catalogue.
#[derive(Clone, Copy)]
enum NeighbourField {
    Id,
    Distance,
    Score,
    Magnitude(usize),
}

/// Which neighbour and what of it, for names such as `sgmag2`.
fn neighbour_field(name: &str) -> Option<(usize, NeighbourField)> {
    let nth = ["1", "2", "3"].iter().position(|digit| name.ends_with(digit))?;
    let field = match &name[..name.len() - 1] {
        "objectidps" => NeighbourField::Id,
        "distpsnr" => NeighbourField::Distance,
        "sgscore" => NeighbourField::Score,
        "sgmag" => NeighbourField::Magnitude(0),
        "srmag" => NeighbourField::Magnitude(1),
        "simag" => NeighbourField::Magnitude(2),
        "szmag" => NeighbourField::Magnitude(3),
        _ => return None,
    };
    Some((nth, field))
}

impl NeighbourField {
    fn of(self, neighbour: Option<&Neighbour>) -> Value<'static> {
        let real = |get: &dyn Fn(&Neighbour) -> Option<f64>| Value::Real(neighbour.and_then(get).unwrap_or(MISSING));
        match self {
            Self::Id => Value::Whole(neighbour.map_or(MISSING as i64, |n| n.id)),
            Self::Distance => real(&|n| Some(n.distance)),
            Self::Score => real(&|n| Some(n.score)),
            Self::Magnitude(band) => real(&|n| n.magnitudes[band]),
        }
    }
}

/// Fields of `fp_hists`.
pub(super) fn forced(name: &str) -> Option<Fill<Measured>> {
    fn calibration(get: fn(&Exposure) -> f64) -> Option<Fill<Measured>> {
        of(move |m: &Measured| Value::Real(six_digits(get(&m.exposure))))
    }
    fn number(get: fn(&Exposure) -> i64) -> Option<Fill<Measured>> {
        of(move |m: &Measured| Value::Whole(get(&m.exposure)))
    }
    fn near(get: fn(&Scene, f64) -> f64) -> Option<Fill<Measured>> {
        of(move |m: &Measured| Value::Real(m.forced.nearest.map_or(MISSING_FORCED, |at| get(&m.scene, at))))
    }
    match name {
        "field" => number(|e| e.field),
        "rcid" => number(|e| e.channel.into()),
        "fid" => number(|e| e.filter),
        "pid" => number(|e| e.pid),
        "rfid" => number(Exposure::reference),
        "programid" => number(|e| e.program),
        "sciinpseeing" => calibration(|e| e.width),
        "scibckgnd" => calibration(|e| e.background),
        "scisigpix" => calibration(|e| e.deviation),
        "magzpsci" => calibration(|e| e.zero_point),
        "magzpsciunc" => calibration(|e| e.zero_point_error),
        "magzpscirms" => calibration(|e| e.scatter_again),
        "clrcoeff" => calibration(|e| e.colour_again),
        "clrcounc" => calibration(|e| e.colour_error),
        "exptime" => always(Value::Real(30.0)),
        "adpctdif1" => calibration(|e| e.astrometry.0),
        "adpctdif2" => calibration(|e| e.astrometry.1),
        "diffmaglim" => calibration(|e| e.limit),
        "jd" => of(|m: &Measured| Value::Real(m.exposure.jd)),
        "forcediffimflux" => of(|m: &Measured| Value::Real(m.forced.flux.map_or(MISSING_FORCED, |f| f.0))),
        "forcediffimfluxunc" => of(|m: &Measured| Value::Real(m.forced.flux.map_or(MISSING_FORCED, |f| f.1))),
        "procstatus" => of(|m: &Measured| Value::Text(m.forced.status)),
        "distnr" => near(|_, distance| distance),
        "ranr" => near(|s, _| s.nearest.ra),
        "decnr" => near(|s, _| s.nearest.dec),
        "magnr" => near(|s, _| s.nearest.magnitude),
        "sigmagnr" => near(|s, _| s.nearest.error),
        "chinr" => near(|s, _| s.nearest.chi),
        "sharpnr" => near(|s, _| s.nearest.sharp),
        _ => None,
    }
}
