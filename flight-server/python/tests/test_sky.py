"""Functions of the sky and of time beside astropy, on random places and on those at which something changes."""

import datetime
import math
import random

import adbc_driver_flightsql.dbapi as flightsql
import astropy.coordinates
import astropy.time
import astropy.units as u
import astropy_healpix
import erfa
import numpy
import pytest
from astropy.utils import iers

# Leap seconds come with the package; nothing is fetched.
iers.conf.auto_download = False

EDGES = [
    (ra, dec)
    for ra in (0.0, 1e-9, 90.0, 179.9999999, 180.0, 270.0, 359.9999999, 360.0)
    for dec in (-90.0, -89.9999999, -45.0, 0.0, 1e-9, 41.8103148957786, 89.9999999, 90.0)
]


@pytest.fixture(scope="module")
def places():
    """Right ascensions and declinations: even on the sphere, and edges."""
    chance = random.Random(2)
    even = [(chance.uniform(0, 360), math.degrees(math.asin(chance.uniform(-1, 1)))) for _ in range(600)]
    return even + EDGES


@pytest.fixture(scope="module")
def pairs(places):
    """Pairs of places: far apart, close to each other, the same, and antipodes."""
    chance = random.Random(3)
    far = list(zip(places, chance.sample(places, len(places)), strict=True))
    near = [((ra, dec), (ra + chance.gauss(0, 1e-4), max(-90.0, min(90.0, dec + chance.gauss(0, 1e-4))))) for ra, dec in places]
    odd = [((ra, dec), (ra, dec)) for ra, dec in EDGES] + [((ra, dec), (ra + 180.0, -dec)) for ra, dec in EDGES]
    return [(*one, *other) for one, other in far + near + odd]


@pytest.fixture(scope="module")
def connection(address):
    with flightsql.connect(address, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def ask(connection):
    """Asks for some expressions of every row; gives an array for each."""

    def run(names, rows, *expressions):
        values = ", ".join(f"({at}, {', '.join(text(value) for value in row)})" for at, row in enumerate(rows))
        sql = f"SELECT {', '.join(expressions)} FROM (VALUES {values}) AS v(n, {names}) ORDER BY n"
        with connection.cursor() as cursor:
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
        assert table.num_rows == len(rows)
        return [column.to_pylist() for column in table.columns]

    return run


def text(value):
    return f"CAST('{value!r}' AS DOUBLE)" if isinstance(value, float) else str(value)


def sky(places):
    ra, dec = numpy.array(places).T
    return astropy.coordinates.SkyCoord(ra, dec, unit="deg", frame="icrs")


def apart(lon, lat, other_lon, other_lat):
    """Arcseconds between places."""
    there = astropy.coordinates.UnitSphericalRepresentation(other_lon, other_lat).to_cartesian()
    here = astropy.coordinates.UnitSphericalRepresentation(lon * u.deg, lat * u.deg).to_cartesian()
    return (2 * numpy.arcsin((here - there).norm() / 2)).to_value(u.arcsec)


def test_distances(ask, pairs):
    (own,) = ask("a, b, c, d", pairs, "angular_distance(a, b, c, d)")
    theirs = sky([pair[:2] for pair in pairs]).separation(sky([pair[2:] for pair in pairs])).deg
    assert numpy.max(numpy.abs(numpy.array(own) - theirs)) < 1e-12


def test_directions(ask, pairs):
    own, distance = ask("a, b, c, d", pairs, "position_angle(a, b, c, d)", "angular_distance(a, b, c, d)")
    theirs = sky([pair[:2] for pair in pairs]).position_angle(sky([pair[2:] for pair in pairs])).deg
    for pair, ours, other, far in zip(pairs, own, theirs, distance, strict=True):
        across = math.sin(math.radians(far))
        if ours is None:
            assert far in (0.0, 180.0), pair
        else:
            # What counts is where the direction leads to, which is little at a small distance.
            assert abs((ours - other + 180) % 360 - 180) * across < 1e-11, pair
    assert None in own


def test_cones(ask, pairs):
    radii = [0.0, 1e-4, 1.0, 90.0, 180.0]
    conditions = [f"cone(a, b, c, d, {radius!r})" for radius in radii]
    theirs = sky([pair[:2] for pair in pairs]).separation(sky([pair[2:] for pair in pairs])).deg
    for radius, own in zip(radii, ask("a, b, c, d", pairs, *conditions), strict=True):
        for inside, far in zip(own, theirs, strict=True):
            assert inside == (far <= radius) or abs(far - radius) < 1e-12


def test_galactic(ask, places):
    lon, lat = (numpy.array(column) for column in ask("ra, dec", places, "galactic_l(ra, dec)", "galactic_b(ra, dec)"))
    theirs = erfa.icrs2g(*numpy.radians(numpy.array(places)).T)
    assert numpy.max(apart(lon, lat, theirs[0] * u.rad, theirs[1] * u.rad)) < 1e-9
    # astropy goes by way of FK5.
    theirs = sky(places).galactic
    assert numpy.max(apart(lon, lat, theirs.l, theirs.b)) < 0.05
    back = ask("l, b", list(zip(lon.tolist(), lat.tolist(), strict=True)), "galactic_to_ra(l, b)", "galactic_to_dec(l, b)")
    ra, dec = (numpy.array(column) for column in back)
    assert numpy.max(apart(ra, dec, sky(places).ra, sky(places).dec)) < 1e-9


def test_ecliptic(ask, places):
    lon, lat = (numpy.array(c) for c in ask("ra, dec", places, "ecliptic_lon(ra, dec)", "ecliptic_lat(ra, dec)"))
    theirs = sky(places).transform_to(astropy.coordinates.BarycentricMeanEcliptic(equinox="J2000"))
    assert numpy.max(apart(lon, lat, theirs.lon, theirs.lat)) < 1e-9
    back = ask("l, b", list(zip(lon.tolist(), lat.tolist(), strict=True)), "ecliptic_to_ra(l, b)", "ecliptic_to_dec(l, b)")
    ra, dec = (numpy.array(column) for column in back)
    assert numpy.max(apart(ra, dec, sky(places).ra, sky(places).dec)) < 1e-9


@pytest.mark.parametrize("order", [0, 1, 5, 12, 20])
def test_cells(ask, places, order):
    # At the edges of cells the two may round to either side.
    inner = places[: -len(EDGES)]
    cells, ra, dec = ask(
        "ra, dec", inner, f"healpix({order}, ra, dec)", f"healpix_ra({order}, healpix({order}, ra, dec))",
        f"healpix_dec({order}, healpix({order}, ra, dec))",
    )  # fmt: skip
    grid = astropy_healpix.HEALPix(nside=2**order, order="nested")
    lon, lat = (numpy.array(column) * u.deg for column in zip(*inner, strict=True))
    assert cells == grid.lonlat_to_healpix(lon, lat).tolist()
    theirs = grid.healpix_to_lonlat(numpy.array(cells))
    assert numpy.max(apart(numpy.array(ra), numpy.array(dec), *theirs)) < 1e-6


def test_coverage(ask, places):
    chance = random.Random(4)
    inner = places[: -len(EDGES)]
    lon, lat = (numpy.array(column) * u.deg for column in zip(*inner, strict=True))
    inside = numpy.zeros(len(inner), dtype=bool)
    moc = ""
    for order, some in [(1, 5), (3, 90), (4, 200)]:
        cells = sorted(chance.sample(range(12 * 4**order), some))
        moc += f"{order}/{' '.join(map(str, cells))} "
        inside |= numpy.isin(astropy_healpix.HEALPix(nside=2**order, order="nested").lonlat_to_healpix(lon, lat), cells)
    (own,) = ask("ra, dec", inner, f"in_moc(ra, dec, '{moc}')")
    assert own == inside.tolist() and 0.1 < inside.mean() < 0.9


def moments():
    """Timestamps in UTC to the microsecond, among them those about every leap second since 1999."""
    chance = random.Random(5)
    first, epoch = datetime.datetime(1997, 7, 1), datetime.datetime(1970, 1, 1)
    out = [first + datetime.timedelta(microseconds=chance.randrange(40 * 366 * 86_400 * 10**6)) for _ in range(300)]
    for year, month in [(1999, 1), (2006, 1), (2009, 1), (2012, 7), (2015, 7), (2017, 1)]:
        midnight = datetime.datetime(year, month, 1)
        out += [midnight + datetime.timedelta(seconds=s) for s in (-40.0, -1.0, -0.000001, 0.0, 0.5, 1.0, 40.0)]
    return [(moment, (moment - epoch) // datetime.timedelta(microseconds=1)) for moment in out]


@pytest.mark.filterwarnings("ignore:ERFA function.*dubious year")
def test_times(ask):
    utc = moments()
    mjd, back = ask(
        "us", [(f"arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')",) for _, micros in utc],
        "utc_to_mjd_tai(us)", "mjd_tai_to_utc(utc_to_mjd_tai(us))",
    )  # fmt: skip
    theirs = astropy.time.Time([moment for moment, _ in utc], scale="utc").tai
    # Both are doubles, which hold a day of our years to less than a microsecond.
    assert numpy.max(numpy.abs(numpy.array(mjd) - theirs.mjd)) * 86_400e6 < 1
    assert [moment.replace(tzinfo=None) for moment in back] == [moment for moment, _ in utc]


@pytest.mark.filterwarnings("ignore:ERFA function.*dubious year")
def test_julian_dates(ask):
    chance = random.Random(6)
    # From the middle of 1997, without the days that end with a leap second, of which a Julian date is stretched.
    longer = {51_178, 53_735, 54_831, 56_108, 57_203, 57_753}
    dates = [(jd,) for jd in (chance.uniform(2_450_630.5, 2_465_000.5) for _ in range(500)) if int(jd - 2_400_000.5) not in longer]
    mjd, same, again = ask("jd", dates, "jd_utc_to_mjd_tai(jd)", "jd_to_mjd(jd)", "mjd_to_jd(jd_to_mjd(jd))")
    theirs = astropy.time.Time([jd for (jd,) in dates], format="jd", scale="utc")
    assert numpy.max(numpy.abs(numpy.array(mjd) - theirs.tai.mjd)) * 86_400e6 < 2
    assert same == theirs.mjd.tolist()
    assert again == [jd for (jd,) in dates]


def test_magnitudes(ask):
    chance = random.Random(7)
    fluxes = [(10 ** chance.uniform(-3, 9), 10 ** chance.uniform(-4, 3)) for _ in range(200)]
    mags, errors, back = ask("f, e", fluxes, "ab_mag(f)", "ab_mag_err(f, e)", "mag_to_flux(ab_mag(f))")
    flux = numpy.array([flux for flux, _ in fluxes])
    assert mags == pytest.approx((flux * u.nJy).to(u.ABmag).value, abs=1e-9)
    assert errors == pytest.approx([2.5 / math.log(10) * error / flux for flux, error in fluxes])
    assert back == pytest.approx(flux, rel=1e-12)


@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.5, 40.0])
def test_crossmatch_is_that_of_astropy(connection, places, radius):
    """All pairs and the nearest ones, of places with others that are close to some of them."""
    chance = random.Random(5)
    left = sky(places)
    near = [(ra + chance.gauss(0, 1e-3), max(-90.0, min(90.0, dec + chance.gauss(0, 1e-3)))) for ra, dec in places]
    others = chance.sample(near, 300) + chance.sample(places, 50)
    right = sky(others)

    def rows(table):
        values = ", ".join(f"({at}, {text(float(ra))}, {text(float(dec))})" for at, (ra, dec) in enumerate(table))
        return f"(VALUES {values}) AS v(n, ra, dec)"

    def found(matches):
        tables = f"WITH one AS (SELECT * FROM {rows(places)}), other AS (SELECT * FROM {rows(others)}) "
        columns = "SELECT n, right_n, distance FROM "
        with connection.cursor() as cursor:
            cursor.execute(f"{tables}{columns}crossmatch(one, other, {radius!r}, '{matches}') ORDER BY n, right_n")
            return [column.to_numpy() for column in cursor.fetch_arrow_table().columns]

    # What is at the edge to within rounding may be on either side of it.
    at_left, at_right, apart, _ = right.search_around_sky(left, (radius + 1e-9) * u.deg)
    sure = apart.deg <= radius - 1e-9
    ours = found("all")
    pairs = set(zip(ours[0], ours[1], strict=True))
    assert set(zip(at_left[sure], at_right[sure], strict=True)) <= pairs <= set(zip(at_left, at_right, strict=True))
    known = dict(zip(zip(at_left, at_right, strict=True), apart.deg, strict=True))
    assert all(abs(known[pair] - distance) < 1e-9 for *pair, distance in zip(*ours, strict=True) for pair in [tuple(pair)])

    nearest, least, _ = left.match_to_catalog_sky(right)
    best = found("best")
    assert set(numpy.flatnonzero(least.deg <= radius - 1e-9)) <= set(best[0])
    assert numpy.abs(least.deg[best[0]] - best[2]).max(initial=0) < 1e-9
