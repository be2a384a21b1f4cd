"""Filters as a broker publishes them, unchanged, on replays: those of Fink for Rubin's alerts, from PyPI.

They are functions of pandas columns. Fink fills these from packets inside Spark; here a few lines fill them from a replay.
"""

import importlib
import io
import os
import warnings

import fastavro
import noctuary
import pandas
import pytest
import real

RUBIN = "fink_filters.rubin"


def column(field):
    """A record of alerts as a table, or a value of theirs as a column."""

    def filled(alerts):
        values = [alert[field] for alert in alerts]
        return pandas.DataFrame([value or {} for value in values]) if field.startswith("dia") else pandas.Series(values)

    return filled


def of_solar_system(alerts):
    return pandas.Series([alert["ssSource"] is not None for alert in alerts])


def sources_of_object(alerts):
    return pandas.Series([(alert["diaObject"] or {}).get("nDiaSources", 0) for alert in alerts])


FILTERS = {
    "remove_unlikely_transients": (
        f"{RUBIN}.livestream.filter_remove_unlikely_transients.filter",
        [column("diaSource"), sources_of_object, of_solar_system],
    ),
    "faint_trails": (f"{RUBIN}.livestream.filter_faint_trails.filter", [column("diaSource"), column("cutoutScience")]),
    "b_good_quality": (f"{RUBIN}.blocks", [column("diaSource")]),
    "b_is_rising": (f"{RUBIN}.blocks", [column("diaSource"), column("diaObject")]),
    "b_is_fading": (f"{RUBIN}.blocks", [column("diaSource"), column("diaObject")]),
}


@pytest.fixture(params=FILTERS)
def fink(request, monkeypatch):
    """A filter: from alerts to the ids of those that it wants."""
    # What Fink imports of Spark looks for the place of Spark, which nothing here needs.
    monkeypatch.setenv("SPARK_HOME", os.getcwd())
    module, columns = FILTERS[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        published = getattr(importlib.import_module(module), request.param)

    def wanted(alerts):
        kept = published(*(filled(alerts) for filled in columns))
        return sorted(alert["diaSourceId"] for alert, keep in zip(alerts, kept, strict=True) if keep)

    wanted.name = request.param
    return wanted


def of_filters(alert):
    """What the filters read of an alert: thousands of whole ones are too much to keep."""
    return {field: alert[field] for field in ("diaSourceId", "diaSource", "diaObject", "ssSource", "cutoutScience")}


@pytest.fixture(scope="module")
def sent():
    """Alerts of real packets by their ids, as fastavro has them."""
    packets = [packet for folder in ("lsst/v10.0-raw", "lsst/v10.0-restored") for packet in real.files(folder)]
    alerts = {}
    for packet in packets:
        schema = fastavro.parse_schema(real.schema_of_frame(packet))
        alert = fastavro.schemaless_reader(io.BytesIO(packet[5:]), schema)
        alerts[alert["diaSourceId"]] = of_filters(alert)
    return alerts


@pytest.fixture(scope="module")
def replayed(real_address, sent):
    """The same alerts, from a replay."""
    replay = noctuary.replay(server=real_address, survey="lsst")
    return {alert["diaSourceId"]: of_filters(alert) for alert in replay if alert.get("diaSourceId") in sent}


@pytest.fixture(scope="module")
def nights(address):
    """The nights of the demo, each replayed alone."""
    dates = noctuary.sql("SELECT DISTINCT _night FROM lsst.alerts ORDER BY 1", server=address)["_night"].to_pylist()
    return [[of_filters(alert) for alert in noctuary.replay(server=address, nights=date)] for date in dates]


@pytest.fixture(scope="module")
def whole(address):
    """All nights of the demo in one replay."""
    return [of_filters(alert) for alert in noctuary.replay(server=address)]


@real.needed
def test_a_published_filter_wants_the_same_of_a_replay_as_of_the_packets(sent, replayed, fink):
    assert set(replayed) == set(sent) and len(sent) > 80
    expected = fink(list(sent.values()))
    assert fink(list(replayed.values())) == expected
    # None of these packets shows a trail or has faded.
    assert len(expected) > 20 or fink.name in ("faint_trails", "b_is_fading")


def test_a_published_filter_sees_each_night_as_it_was(nights, whole, fink):
    """What it wants of all nights is what it wants of each night that is replayed alone."""
    assert len(whole) == sum(map(len, nights)) == 3_000 and len(nights) > 1
    assert fink(whole) == sorted(wanted for night in nights for wanted in fink(night))
