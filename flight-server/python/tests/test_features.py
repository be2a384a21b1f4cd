"""Features of light curves beside numpy, scipy and astropy, on random light curves with gaps."""

import math

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import numpy
import pytest
import scipy.optimize
import scipy.stats
from astropy.timeseries import LombScargle

CURVES = 12


@pytest.fixture(scope="module")
def connection(address):
    with flightsql.connect(address, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def curves():
    """Times, values and errors of light curves of 5 to 120 points: noise, and a sine in every second one."""
    chance = numpy.random.default_rng(5)
    found = []
    for number, size in enumerate(numpy.linspace(5, 120, CURVES, dtype=int)):
        seasons = 365.25 * chance.integers(0, 4, size)
        t = numpy.sort(61_000 + seasons + chance.uniform(0, 200, size))
        error = chance.uniform(0.5, 4, size)
        x = 300 + chance.normal(0, error)
        if number % 2:
            x += 12 * numpy.sin(2 * math.pi * t / chance.uniform(1.2, 40))
        found.append((t, x, error))
    return found


@pytest.fixture(scope="module")
def ask(connection, curves):
    """The answers of the server to functions of t, x and e, for each curve; rows come in no order."""
    rows = [(curve, *row) for curve, (t, x, e) in enumerate(curves) for row in zip(t, x, e, strict=True)]
    numpy.random.default_rng(6).shuffle(rows)
    values = ", ".join(f"({int(curve)}, {t!r}, {x!r}, {e!r})"
                       for curve, t, x, e in ((c, float(t), float(x), float(e)) for c, t, x, e in rows))

    def ask(*functions):
        columns = ", ".join(functions)
        sql = f"SELECT {columns} FROM (VALUES {values}) AS v (curve, t, x, e) GROUP BY curve ORDER BY curve"
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return numpy.array(cursor.fetchall(), dtype=float).T

    return ask


def close(own, expected, rtol=1e-9):
    numpy.testing.assert_allclose(own, expected, rtol=rtol, atol=1e-12)


def line(t, x, error):
    """Slope and its error, by a solver that knows nothing of formulas."""
    (slope, _), covariance = numpy.polyfit(t - t.mean(), x, 1, w=1 / error, cov="unscaled")
    return slope, math.sqrt(covariance[0, 0])


DISTRIBUTION = {
    "amplitude(x)": lambda x: numpy.ptp(x) / 2,
    "percent_amplitude(x)": lambda x: numpy.max(numpy.abs(x - numpy.median(x))) / abs(numpy.median(x)),
    "percentile(x, 0.05)": lambda x: numpy.percentile(x, 5),
    "percentile(x, 0.37)": lambda x: numpy.quantile(x, 0.37),
    "percentile(x, 1)": numpy.max,
    "inter_percentile_range(x, 0.1)": lambda x: numpy.quantile(x, 0.9) - numpy.quantile(x, 0.1),
    "iqr(x)": scipy.stats.iqr,
    "mad(x)": scipy.stats.median_abs_deviation,
    "skew(x)": lambda x: scipy.stats.skew(x, bias=False),
    "kurtosis(x)": lambda x: scipy.stats.kurtosis(x, bias=False),
    "beyond_n_std(x, 1)": lambda x: numpy.mean(numpy.abs(scipy.stats.zscore(x, ddof=1)) > 1),
}


@pytest.mark.parametrize("function", DISTRIBUTION)
def test_distribution(ask, curves, function):
    close(ask(function)[0], [DISTRIBUTION[function](x) for _, x, _ in curves])


WEIGHTED = {
    "weighted_mean(x, e)": lambda x, e: numpy.average(x, weights=e**-2),
    "weighted_mean_err(x, e)": lambda x, e: numpy.sum(e**-2) ** -0.5,
    "reduced_chi2(x, e)": lambda x, e: numpy.sum(((x - numpy.average(x, weights=e**-2)) / e) ** 2) / (len(x) - 1),
    "excess_variance(x, e)": lambda x, e: (numpy.var(x, ddof=1) - numpy.mean(e**2)) / numpy.mean(x) ** 2,
}


@pytest.mark.parametrize("function", WEIGHTED)
def test_weighted(ask, curves, function):
    close(ask(function)[0], [WEIGHTED[function](x, e) for _, x, e in curves])


def test_stetson_k(ask, curves):
    residuals = [(x - numpy.average(x, weights=e**-2)) / e for _, x, e in curves]
    close(ask("stetson_k(x, e)")[0], [numpy.mean(numpy.abs(r)) / numpy.sqrt(numpy.mean(r**2)) for r in residuals])


def test_colour(connection, curves):
    (_, g, ge), (_, r, re) = curves[-2:]
    rows = [("g", *row) for row in zip(g, ge, strict=True)] + [("r", *row) for row in zip(r, re, strict=True)]
    values = ", ".join(f"('{band}', {float(x)!r}, {float(e)!r})" for band, x, e in rows)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT colour(band, x, e, 'g', 'r'), flux_colour(band, x, e, 'g', 'r') "
                       f"FROM (VALUES {values}, ('i', 1.0, 1.0)) AS v (band, x, e)")
        own = cursor.fetchone()
    g, r = numpy.average(g, weights=ge**-2), numpy.average(r, weights=re**-2)
    close(own, [g - r, -2.5 * math.log10(g / r)])


SEQUENCE = {
    "time_span(t)": lambda t, x: numpy.ptp(t),
    "max_gap(t)": lambda t, x: numpy.max(numpy.diff(t)),
    "max_slope(t, x)": lambda t, x: numpy.max(numpy.abs(numpy.diff(x) / numpy.diff(t))),
    "von_neumann_eta(t, x)": lambda t, x: numpy.mean(numpy.diff(x) ** 2) / numpy.var(x, ddof=1),
    "von_neumann_eta_e(t, x)": lambda t, x: (numpy.ptp(t) / (len(t) - 1)) ** 2
    * numpy.mean((numpy.diff(x) / numpy.diff(t)) ** 2) / numpy.var(x, ddof=1),
    "cusum(t, x)": lambda t, x: numpy.ptp(numpy.cumsum(x - numpy.mean(x))) / len(x) / numpy.std(x, ddof=1),
}


@pytest.mark.parametrize("function", SEQUENCE)
def test_sequence(ask, curves, function):
    close(ask(function)[0], [SEQUENCE[function](t, x) for t, x, _ in curves])


def test_slopes(ask, curves):
    slope, slope_err, weighted, weighted_err = ask(
        "linear_slope(t, x)", "linear_slope_err(t, x)", "linear_slope(t, x, e)", "linear_slope_err(t, x, e)"
    )
    fits = [scipy.stats.linregress(t, x) for t, x, _ in curves]
    close(slope, [fit.slope for fit in fits], 1e-7)
    close(slope_err, [fit.stderr for fit in fits], 1e-7)
    close([weighted, weighted_err], numpy.transpose([line(*curve) for curve in curves]), 1e-7)


def grid(t, shortest=None, longest=None):
    """The frequencies that are looked at."""
    span = numpy.ptp(t)
    first, last = 1 / (longest or span), 1 / (shortest or 2 * span / (5 * len(t)))
    count = int((last - first) * 5 * span) + 1
    return first + numpy.arange(count) / (5 * span), last


def highest(periodogram, frequencies, last):
    """The highest peak of astropy's periodogram, from the best frequency of a grid on; its period and power."""
    best = frequencies[numpy.argmax(periodogram.power(frequencies, method="cython"))]
    step = frequencies[1] - frequencies[0]
    low, high = max(best - step, frequencies[0]), min(best + step, last)
    found = scipy.optimize.minimize_scalar(
        lambda f: -float(periodogram.power(f, method="cython")), bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    return 1 / found.x, -found.fun


@pytest.mark.parametrize("errors", [False, True])
@pytest.mark.parametrize("limits", [(), (0.8, 60.0)])
def test_lomb_scargle(ask, curves, errors, limits):
    arguments = ", ".join(["t", "x", *(["e"] if errors else []), *map(str, limits)])
    period, power = ask(f"ls_period({arguments})", f"ls_power({arguments})")
    for own_period, own_power, (t, x, e) in zip(period, power, curves, strict=True):
        periodogram = LombScargle(t, x, e if errors else None, fit_mean=True, center_data=True)
        # The power is that of the period,
        assert own_power == pytest.approx(float(periodogram.power(1 / own_period, method="cython")), abs=1e-9)
        # it is the highest that astropy finds on the same grid and nearby,
        found, highest_power = highest(periodogram, *grid(t, *limits))
        assert own_power == pytest.approx(highest_power, abs=1e-6)
        # and where it stands out, it is of the same period. A flat peak is found to the root of the rounding.
        if len(t) > 20:
            assert own_period == pytest.approx(found, rel=1e-4)


def test_periods_that_were_put_in_are_found(connection):
    chance = numpy.random.default_rng(9)
    t = 61_000 + numpy.cumsum(chance.exponential(3, 150))
    for period in (0.31, 5.7, 88.0):
        x = 20 + numpy.sin(2 * math.pi * t / period) + chance.normal(0, 0.3, 150)
        values = ", ".join(f"({float(a)!r}, {float(b)!r})" for a, b in zip(t, x, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT ls_period(t, x, 0.2, 200), ls_power(t, x, 0.2, 200) FROM (VALUES {values}) AS v (t, x)")
            found, power = cursor.fetchone()
        assert found == pytest.approx(period, rel=1e-2) and power > 0.7


def test_mistakes_are_told(connection):
    for function, message in [
        ("percentile(x, 1.5)", "from 0 to 1"),
        ("ls_period(x, x, 3, 2)", "max_period must be above min_period"),
        ("mad()", "mad"),
    ]:
        with pytest.raises(adbc_driver_manager.Error, match=message), connection.cursor() as cursor:
            cursor.execute(f"SELECT {function} FROM (VALUES (1.0), (2.0)) AS v (x)")
            cursor.fetchall()
