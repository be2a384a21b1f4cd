"""Filters of brokers, as they are, on replays."""

import pathlib
import sys

import noctuary

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "examples"))

from broker_filter import Rising, likely_transient  # noqa: E402

FILTER = pathlib.Path(__file__).resolve().parents[3] / "queries/science/l03_likely_transients.sql"


def test_a_filter_finds_what_the_same_in_sql_finds(address):
    found = [alert["diaSourceId"] for alert in filter(likely_transient, noctuary.replay(server=address))]
    expected = noctuary.sql(FILTER.read_text(), server=address).column(0).to_pylist()
    assert sorted(found) == sorted(expected) and len(found) > 10


def test_a_filter_sees_the_past_as_it_was_then(address):
    """Its answer over all nights is that over each of them in turn: no night tells of a later one."""
    nights = noctuary.sql("SELECT DISTINCT _night FROM lsst.alerts ORDER BY 1", server=address)["_night"].to_pylist()
    whole, parts, what = Rising(0.2), Rising(0.2), {"server": address, "where": "diaSource.snr > 6"}
    together = [told for alert in noctuary.replay(**what) if (told := whole.process(alert))]
    apart = [told for night in nights for alert in noctuary.replay(**what, nights=night) if (told := parts.process(alert))]
    assert together == apart and together
