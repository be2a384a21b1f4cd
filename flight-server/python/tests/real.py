"""The real packets that tests use, read without the program: by fastavro, and the writer schemas in the survey's own files."""

import gzip
import io
import json
import math
import os
import pathlib
import struct

import fastavro
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = pathlib.Path(os.environ.get("NOCTUARY_TEST_DATA", ROOT.parent / "shared" / "data"))

needed = pytest.mark.skipif(not DATA.is_dir(), reason=f"there are no real packets at {DATA}")

FRAMES = ["lsst/v10.0-raw", "lsst/v10.0-restored", "lsst/v7.4-raw"]
DATUMS = "lsst/v9.0-schemaless"
CONTAINERS = [
    "lsst/v9.0-ocf",
    "ztf/v3.0-2018-08-19_ampel",
    "ztf/v3.2-2018-11-29",
    "ztf/v3.3-2020-01-01",
    "ztf/v3.3-ZTF21abiuvdk",
    "ztf/v3.3-v4.01_kowalski",
    "ztf/v4.02-boom",
]


def files(folder):
    found = (path for path in (DATA / folder).rglob("*") if path.name.removesuffix(".gz").endswith(".avro"))
    return [gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes() for p in sorted(found)]


def schema_of_frame(packet):
    """What the survey says that the number in a frame means: major times 100 plus minor."""
    number = int.from_bytes(packet[1:5], "big")
    with (DATA / f"lsst/schemas/fakeAlert_v{number // 100}_{number % 100}.avro").open("rb") as file:
        return fastavro.reader(file).writer_schema


def frames():
    """Packets in frames as they are."""
    return [packet for folder in FRAMES for packet in files(folder)]


def alerts(survey):
    """What fastavro makes of every packet of a survey."""
    found = []
    for folder in (folder for folder in FRAMES if folder.startswith(survey)):
        for packet in files(folder):
            schema = fastavro.parse_schema(schema_of_frame(packet))
            found.append(fastavro.schemaless_reader(io.BytesIO(packet[5:]), schema))
    if DATUMS.startswith(survey):
        schema = fastavro.parse_schema(json.loads((DATA / DATUMS / "schema.json").read_text()))
        found += [fastavro.schemaless_reader(io.BytesIO(datum), schema) for datum in files(DATUMS)]
    for folder in (folder for folder in CONTAINERS if folder.startswith(survey)):
        for file in files(folder):
            found += fastavro.reader(io.BytesIO(file))
    return found


def same(one, other):
    """True if two values are the same to the last bit and the type; NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return math.isnan(one) and math.isnan(other) or struct.pack("d", one) == struct.pack("d", other)
    return one == other
