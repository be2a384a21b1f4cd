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


@real.needed
def test_a_published_filter_wants_the_same_of_a_replay_as_of_the_packets(real_address, fink):
    sent = {}
    for folder in ("lsst/v10.0-raw", "lsst/v10.0-restored"):
        for packet in real.files(folder):
            schema = fastavro.parse_schema(real.schema_of_frame(packet))
            alert = fastavro.schemaless_reader(io.BytesIO(packet[5:]), schema)
            sent[alert["diaSourceId"]] = alert
    replayed = [a for a in noctuary.replay(server=real_address, survey="lsst") if a.get("diaSourceId") in sent]
    replayed = list({alert["diaSourceId"]: alert for alert in replayed}.values())
    assert len(replayed) == len(sent) > 80
    expected = fink(list(sent.values()))
    assert fink(replayed) == expected
    # None of these packets shows a trail or has faded.
    assert len(expected) > 20 or fink.name in ("faint_trails", "b_is_fading")


def test_a_published_filter_sees_each_night_as_it_was(address, fink):
    """What it wants of all nights is what it wants of each night that is replayed alone."""
    nights = noctuary.sql("SELECT DISTINCT _night FROM lsst.alerts ORDER BY 1", server=address)["_night"].to_pylist()
    whole = list(noctuary.replay(server=address))
    apart = [list(noctuary.replay(server=address, nights=night)) for night in nights]
    assert len(whole) == sum(map(len, apart)) == 3_000 and len(apart) > 1
    assert fink(whole) == sorted(wanted for night in apart for wanted in fink(night))
