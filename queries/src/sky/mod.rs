//! Functions of the sky.

mod boxes;
mod cells;
mod circles;
mod coordinates;
mod geometry;
mod moc;
mod polygon;
mod vectors;

use noctuary_engine::{ANGULAR_DISTANCE, HEALPIX};

use crate::define::{Argument, Compute, Definition, Made, Row};
use boxes::SkyBox;
use circles::Circle;
use coordinates::{ECLIPTIC, GALACTIC};
pub(crate) use geometry::angular_distance;
use geometry::position_angle;
use moc::Moc;
use polygon::Polygon;

const fn right_ascension(name: &'static str, about: &'static str) -> Argument {
    Argument::number(name, about)
}

const fn declination(name: &'static str, about: &'static str) -> Argument {
    Argument::between(name, -90.0, 90.0, about)
}

const RA: Argument = right_ascension("ra", "right ascension in degrees");
const DEC: Argument = declination("dec", "declination in degrees, -90 to 90");
const RA1: Argument = right_ascension("ra1", "right ascension of the first point in degrees");
const DEC1: Argument = declination("dec1", "declination of the first point in degrees, -90 to 90");
const RA2: Argument = right_ascension("ra2", "right ascension of the second point in degrees");
const DEC2: Argument = declination("dec2", "declination of the second point in degrees, -90 to 90");
const ORDER: Argument = Argument::whole("order", 0, cells::FINEST, "HEALPix order, 0 to 29");
const CELL: Argument = Argument::whole("cell", 0, cells::LAST, "number of a HEALPix cell, NESTED");
const L: Argument = right_ascension("l", "galactic longitude in degrees");
const B: Argument = declination("b", "galactic latitude in degrees, -90 to 90");
const LON: Argument = right_ascension("lon", "ecliptic longitude in degrees");
const LAT: Argument = declination("lat", "ecliptic latitude in degrees, -90 to 90");

const CIRCLE: &[Argument] = &[
    RA,
    DEC,
    right_ascension("ra0", "right ascension of the middle in degrees"),
    declination("dec0", "declination of the middle in degrees, -90 to 90"),
    Argument::between("radius", 0.0, f64::INFINITY, "radius in degrees, 0 or more").firm(),
];
const BOX: &[Argument] = &[
    RA,
    DEC,
    right_ascension("ra_min", "western edge in degrees").firm(),
    right_ascension("ra_max", "eastern edge in degrees").firm(),
    declination("dec_min", "southern edge in degrees, -90 to 90").firm(),
    declination("dec_max", "northern edge in degrees, -90 to 90").firm(),
];
const LIST_OF_VERTICES: &[Argument] =
    &[RA, DEC, Argument::numbers("vertices", "right ascension and declination of each vertex in turn, in degrees")];
const VERTICES: &[Argument] = &[
    RA,
    DEC,
    right_ascension("ra1", "right ascension of the first vertex in degrees").firm(),
    declination("dec1", "declination of the first vertex in degrees, -90 to 90").firm(),
    right_ascension("ra2", "right ascension of the second vertex in degrees").firm(),
    declination("dec2", "declination of the second vertex in degrees, -90 to 90").firm(),
    right_ascension("ra3", "right ascension of the third vertex in degrees").firm(),
    declination("dec3", "declination of the third vertex in degrees, -90 to 90").firm(),
];
const COVERAGE: &[Argument] = &[RA, DEC, Argument::text("moc", "IVOA MOC 2.0 as ASCII or JSON")];
const POINT: &[Argument] = &[RA, DEC];
const POINTS: &[Argument] = &[RA1, DEC1, RA2, DEC2];

/// The functions.
pub(crate) static FUNCTIONS: &[Definition] = &[
    Definition::new("cone", &[CIRCLE], Compute::Inside(cone), "true within a radius of a point, the edge included"),
    Definition::new(
        "in_box",
        &[BOX],
        Compute::Inside(in_box),
        "true between two right ascensions, going east, and two declinations, the edges included",
    ),
    Definition::new(
        "in_polygon",
        &[LIST_OF_VERTICES, VERTICES],
        Compute::Inside(in_polygon),
        "true on the smaller side of a line of great circles through the vertices, the line included",
    )
    .with_more_pairs(),
    Definition::new("in_moc", &[COVERAGE], Compute::Inside(in_moc), "true in the cells of a coverage map"),
    Definition::new(
        ANGULAR_DISTANCE,
        &[POINTS],
        Compute::Number(|row| {
            let [ra1, dec1, ra2, dec2] = row.numbers()?;
            Some(angular_distance(ra1, dec1, ra2, dec2))
        }),
        "the angle between two points in degrees, 0 to 180",
    ),
    Definition::new(
        "position_angle",
        &[POINTS],
        Compute::Number(|row| {
            let [ra1, dec1, ra2, dec2] = row.numbers()?;
            position_angle(ra1, dec1, ra2, dec2)
        }),
        "the direction from the first point to the second in degrees, from north through east, 0 to 360; \
         null where both are the same or antipodes",
    ),
    Definition::new(
        HEALPIX,
        &[&[ORDER, RA, DEC]],
        Compute::Whole(|row| cells::of_point(row.whole(0)?, row.number(1)?, row.number(2)?)?.try_into().ok()),
        "the HEALPix cell of an order that holds a point, NESTED",
    ),
    Definition::new(
        "healpix_ra",
        &[&[ORDER, CELL]],
        Compute::Number(|row| Some(cells::centre(row.whole(0)?, row.whole(1)?)?.0)),
        "right ascension of the middle of a HEALPix cell in degrees, 0 to 360; null where the order has no such cell",
    ),
    Definition::new(
        "healpix_dec",
        &[&[ORDER, CELL]],
        Compute::Number(|row| Some(cells::centre(row.whole(0)?, row.whole(1)?)?.1)),
        "declination of the middle of a HEALPix cell in degrees; null where the order has no such cell",
    ),
    Definition::new(
        "galactic_l",
        &[POINT],
        Compute::Number(|row| Some(GALACTIC.angles_of(row.number(0)?, row.number(1)?).0)),
        "galactic longitude in degrees, 0 to 360",
    ),
    Definition::new(
        "galactic_b",
        &[POINT],
        Compute::Number(|row| Some(GALACTIC.angles_of(row.number(0)?, row.number(1)?).1)),
        "galactic latitude in degrees, -90 to 90",
    ),
    Definition::new(
        "galactic_to_ra",
        &[&[L, B]],
        Compute::Number(|row| Some(GALACTIC.icrs_of(row.number(0)?, row.number(1)?).0)),
        "right ascension in degrees, 0 to 360",
    ),
    Definition::new(
        "galactic_to_dec",
        &[&[L, B]],
        Compute::Number(|row| Some(GALACTIC.icrs_of(row.number(0)?, row.number(1)?).1)),
        "declination in degrees, -90 to 90",
    ),
    Definition::new(
        "ecliptic_lon",
        &[POINT],
        Compute::Number(|row| Some(ECLIPTIC.angles_of(row.number(0)?, row.number(1)?).0)),
        "longitude in degrees in the mean ecliptic and equinox of J2000, 0 to 360",
    ),
    Definition::new(
        "ecliptic_lat",
        &[POINT],
        Compute::Number(|row| Some(ECLIPTIC.angles_of(row.number(0)?, row.number(1)?).1)),
        "latitude in degrees in the mean ecliptic and equinox of J2000, -90 to 90",
    ),
    Definition::new(
        "ecliptic_to_ra",
        &[&[LON, LAT]],
        Compute::Number(|row| Some(ECLIPTIC.icrs_of(row.number(0)?, row.number(1)?).0)),
        "right ascension in degrees, 0 to 360",
    ),
    Definition::new(
        "ecliptic_to_dec",
        &[&[LON, LAT]],
        Compute::Number(|row| Some(ECLIPTIC.icrs_of(row.number(0)?, row.number(1)?).1)),
        "declination in degrees, -90 to 90",
    ),
    Definition::new(
        "arcsec",
        &[&[Argument::number("x", "seconds of arc")]],
        Compute::Number(|row| Some(row.number(0)? / 3_600.0)),
        "seconds of arc in degrees",
    ),
    Definition::new(
        "arcmin",
        &[&[Argument::number("x", "minutes of arc")]],
        Compute::Number(|row| Some(row.number(0)? / 60.0)),
        "minutes of arc in degrees",
    ),
];

fn cone(row: Row<'_>) -> Made {
    let (Some(ra), Some(dec), Some(radius)) = (row.number(2), row.number(3), row.number(4)) else { return Ok(None) };
    Ok(Some(Box::new(Circle { ra, dec, radius })))
}

fn in_box(row: Row<'_>) -> Made {
    let edge = |at| row.number(at);
    let (Some(west), Some(east), Some(south), Some(north)) = (edge(2), edge(3), edge(4), edge(5)) else {
        return Ok(None);
    };
    Ok(Some(Box::new(SkyBox::new((west, east), (south, north))?)))
}

fn in_polygon(row: Row<'_>) -> Made {
    let vertices = if row.len() == LIST_OF_VERTICES.len() {
        row.list(2)
    } else {
        (2..row.len()).map(|at| row.number(at)).collect()
    };
    let Some(vertices) = vertices else { return Ok(None) };
    Ok(Some(Box::new(Polygon::new(&vertices)?)))
}

fn in_moc(row: Row<'_>) -> Made {
    let Some(text) = row.text(2) else { return Ok(None) };
    Ok(Some(Box::new(Moc::parse(text)?)))
}
