"""Every simulated packet is one that Python's Avro library reads, and writes again byte for byte."""

import gzip
import io
import subprocess

import fastavro
import pytest

VERSIONS = [("lsst", version) for version in ("9.0", "10.0", "11.0", "11.1")] + [("ztf", "3.3"), ("ztf", "4.02")]
CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: "-".join(version))
def alerts(request, program, tmp_path_factory):
    """Survey and alerts of a folder of packets, each a container file."""
    survey, version = request.param
    folder = tmp_path_factory.mktemp(survey)
    size = ["--packet-size", "90kB"] if survey == "lsst" else []
    form = ["--form", "packet-containers", "--nights", "2", "--visits", "8", "--rate", "15", "--fields", "3"]
    command = [program, "simulate", "--survey", survey, "--schema", version, *size, *form, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    paths = sorted(folder.rglob("*.avro"))
    assert len(paths) == 2 * 8 * 15
    return survey, [decode(path.read_bytes()) for path in paths]


def decode(content):
    """The one alert of a container file, after a look whether writing it gives the same bytes."""
    blocks = list(fastavro.block_reader(io.BytesIO(content)))
    assert len(blocks) == 1 and blocks[0].num_records == 1
    schema = blocks[0].writer_schema
    datum = blocks[0].bytes_.getvalue()
    (alert,) = fastavro.reader(io.BytesIO(content))
    again = io.BytesIO()
    fastavro.schemaless_writer(again, schema, alert)
    assert again.getvalue() == datum
    return alert


def test_ids_repeat_inside(alerts):
    survey, alerts = alerts
    trigger, name = ("diaSource", "diaSourceId") if survey == "lsst" else ("candidate", "candid")
    assert all(alert[name] == alert[trigger][name] for alert in alerts)
    assert len({alert[name] for alert in alerts}) == len(alerts)


def test_cutouts_are_fits(alerts):
    survey, alerts = alerts
    for alert in alerts:
        for name in CUTOUTS:
            fits = alert[name] if survey == "lsst" else gzip.decompress(alert[name]["stampData"])
            assert fits.startswith(b"SIMPLE  =") and len(fits) % 2880 == 0


def test_history_comes_before(alerts):
    survey, alerts = alerts
    trigger, history, time = (
        ("diaSource", "prvDiaSources", "midpointMjdTai") if survey == "lsst" else ("candidate", "prv_candidates", "jd")
    )
    some = 0
    for alert in alerts:
        times = [record[time] for record in alert[history] or []]
        assert times == sorted(times) and all(before < alert[trigger][time] for before in times)
        some += len(times) > 0
    assert some > len(alerts) / 3
