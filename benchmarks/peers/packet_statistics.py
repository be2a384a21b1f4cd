"""What alert packets are made of: bytes, compressibility, lengths and unknown values, by part.

usage: packet_statistics.py [--schemas FOLDER] [--most N] [--fields RECORD] [NAME=]SOURCE...

Each SOURCE is a folder, a file or a nightly tar.gz of packets and becomes a column of the Markdown table that is
printed; the same NAME may be given several times. Packets are Confluent frames, Avro object container files or bare
datums beside a `schema.json`; each may be gzip'd. SCHEMAS holds a schema for each id in the frames: `ID.avsc`, or
container files whose record names say their version (`lsst.v11_1.alert` is id 1101). With --fields, the shares of null
and NaN of every field of a record type (`trigger`, `history`, `forced`, `object`) are printed as well.

A cell of the first table holds the mean bytes of the part in those packets that have it, its share of all bytes, and
what zstd level 3 leaves of it in per cent: packet by packet, and all packets behind each other. FITS files are taken
apart (unpacked first where they are gzip'd): header blocks, planes by EXTNAME, padding.
"""

import argparse
import collections
import gzip
import io
import json
import math
import pathlib
import re
import statistics
import struct
import sys
import tarfile

import fastavro
import zstandard

BLOCK = 2880
# Fields of the datum by what they hold, for every survey.
RECORDS = {
    "trigger": ("diaSource", "candidate"),
    "history": ("prvDiaSources", "prv_candidates"),
    "forced": ("prvDiaForcedSources", "fp_hists"),
    "object": ("diaObject",),
    "solar system": ("ssSource", "MPCORB", "mpc_orbits"),
}
CUTOUTS = {
    "difference": "cutoutDifference",
    "science": "cutoutScience",
    "template": "cutoutTemplate",
}
PART_OF = {field: part for part, fields in RECORDS.items() for field in fields}
PLANE_OF = {field: kind for kind, field in CUTOUTS.items()}
PIECES = ("header", "image", "variance", "PSF", "padding", "gzip'd file")


def files(source):
    """Name and bytes of every file of a folder, a file or a tar, without a gzip around it."""
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            yield from files(path)
    elif source.name.endswith((".tar", ".tar.gz", ".tgz")):
        with tarfile.open(source) as tar:
            for member in tar:
                if member.isfile():
                    yield source / member.name, plain(tar.extractfile(member).read())
    elif source.suffix not in (".json", ".md", ".avsc", ".txt", ".parquet"):
        yield source, plain(source.read_bytes())


def plain(content):
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def schemas_by_id(folder):
    found = {}
    for path in sorted(folder.glob("*.avsc")) if folder else []:
        if path.stem.isdigit():
            found[int(path.stem)] = json.loads(path.read_text())
    for path in sorted(folder.glob("*.avro")) if folder else []:
        schema = container(path.read_bytes())[0]
        name = f"{schema.get('namespace', '')}.{schema['name']}"
        if version := re.search(r"v(\d+)_(\d+)", name):
            found[int(version[1]) * 100 + int(version[2])] = schema
    return found


def container(content):
    """Writer schema, decoded datums and bytes of the header of an object container file."""
    reader = fastavro.reader(io.BytesIO(content))
    schema = json.loads(reader.metadata["avro.schema"])
    records = list(reader)
    sync = content[-16:]
    return schema, records, content.find(sync) + 16


class Layout:
    """How a schema's fields are encoded, each for itself."""

    def __init__(self, schema):
        self.schema = fastavro.parse_schema(schema)
        expanded = fastavro.schema.expand_schema(schema)
        self.fields = {}
        for field in expanded["fields"]:
            self.fields[field["name"]] = fastavro.parse_schema(field["type"], named_schemas={})

    def decode(self, datum):
        stream = io.BytesIO(datum)
        record = fastavro.schemaless_reader(stream, self.schema)
        if stream.tell() != len(datum):
            raise ValueError(f"{len(datum) - stream.tell()} bytes behind the datum")
        return record

    def encode(self, name, value):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self.fields[name], value)
        return out.getvalue()


def planes(fits):
    """Pieces of a FITS file: (name, bytes)."""
    at, number = 0, 0
    while at < len(fits):
        start, cards, ended = at, {}, False
        while not ended:
            for offset in range(at, at + BLOCK, 80):
                card = fits[offset : offset + 80].decode("latin1")
                if card.startswith("END "):
                    ended = True
                    break
                cards[card[:8].strip()] = card[10:].split("/")[0].strip().strip("'").strip()
            at += BLOCK
        yield "header", fits[start:at]
        size = abs(int(cards["BITPIX"])) // 8
        for axis in range(int(cards["NAXIS"])):
            size *= int(cards[f"NAXIS{axis + 1}"])
        kind = {"UNCERT": "variance", "PSFIMAGE": "PSF"}.get(cards.get("EXTNAME"), "image" if number == 0 else "other")
        yield kind, fits[at : at + size]
        padded = -(-size // BLOCK) * BLOCK
        if at + padded <= len(fits) and padded > size:
            yield "padding", fits[at + size : at + padded]
        at += padded
        number += 1


class Counts:
    """Fields of one type of record: how many values, and how many of them are null or NaN."""

    def __init__(self):
        self.fields = collections.defaultdict(lambda: [0, 0, 0, 0])

    def add(self, record):
        for name, value in record.items():
            counts = self.fields[name]
            counts[0] += 1
            if value is None:
                counts[1] += 1
            elif isinstance(value, float) and math.isnan(value):
                counts[2] += 1
            elif value == -999:
                counts[3] += 1

    def shares(self):
        total = sum(c[0] for c in self.fields.values()) or 1
        return [sum(c[i] for c in self.fields.values()) / total for i in (1, 2, 3)]


class Set:
    """Everything that is known of one column."""

    def __init__(self, schemas, most):
        self.schemas, self.most = schemas, most
        self.layouts = {}
        self.zstd = zstandard.ZstdCompressor(level=3)
        self.sizes = []
        # Of each part: count, bytes, compressed one by one, all of them.
        self.parts = collections.defaultdict(lambda: [0, 0, 0, bytearray()])
        self.lengths = {part: [] for part in ("history", "forced")}
        self.empty = {part: [0, 0] for part in ("history", "forced")}
        self.counts = {part: Counts() for part in RECORDS}
        self.sides = collections.defaultdict(list)
        self.upper_limits = 0

    def layout(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.layouts:
            self.layouts[key] = Layout(schema)
        return self.layouts[key]

    def read(self, source):
        for path, content in files(source):
            if len(self.sizes) >= self.most:
                return
            try:
                self.file(path, content)
            except (ValueError, KeyError, IndexError, EOFError, struct.error) as error:
                raise SystemExit(f"{path}: {type(error).__name__} {error}") from error

    def file(self, path, content):
        if content[:4] == b"Obj\x01":
            schema, records, header = container(content)
            if len(records) == 1:
                self.sizes.append(len(content))
                self.part("container header", content[:header])
            for record in records:
                if len(records) > 1:
                    self.sizes.append(len(content) // len(records))
                self.alert(self.layout(schema), record)
        elif content[:1] == b"\0" and struct.unpack(">I", content[1:5])[0] in self.schemas:
            self.sizes.append(len(content))
            layout = self.layout(self.schemas[struct.unpack(">I", content[1:5])[0]])
            self.alert(layout, layout.decode(content[5:]))
        else:
            self.sizes.append(len(content))
            layout = self.layout(json.loads((path.parent / "schema.json").read_text()))
            self.alert(layout, layout.decode(content))

    def part(self, name, content):
        counts = self.parts[name]
        counts[0] += 1
        counts[1] += len(content)
        counts[2] += len(self.zstd.compress(content))
        counts[3] += content

    def alert(self, layout, record):
        rest = b""
        for name, value in record.items():
            if kind := PLANE_OF.get(name):
                self.cutout(kind, value)
            elif part := PART_OF.get(name):
                self.record(part, layout, name, value)
            else:
                rest += layout.encode(name, value)
        self.part("the rest", rest)

    def record(self, part, layout, name, value):
        if part in self.lengths:
            self.empty[part][0] += value is None
            self.empty[part][1] += value == []
            self.lengths[part].append(len(value or []))
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                self.counts[part].add(one)
                self.upper_limits += part == "history" and one.get("candid", 0) is None
        if value:
            self.part(part, layout.encode(name, value))

    def cutout(self, kind, value):
        if isinstance(value, dict):
            value = value["stampData"]
        if not value:
            return
        if value[:2] == b"\x1f\x8b":
            self.part(f"{kind} gzip'd file", value)
            value = gzip.decompress(value)
        total = collections.defaultdict(bytes)
        for piece, content in planes(value):
            total[piece] += content
            if piece == "image":
                self.sides[kind].append(round(math.sqrt(len(content) / 4)))
        for piece, content in total.items():
            self.part(f"{kind} {piece}", content)

    def cell(self, name):
        if name not in self.parts:
            return ""
        count, size, compressed, together = self.parts[name]
        everything = len(self.zstd.compress(bytes(together)))
        # What is inside a gzip'd file has no bytes of its own in a packet.
        packed = f"{name.split()[0]} gzip'd file" in self.parts and not name.endswith("gzip'd file")
        share = "inside" if packed else f"{100 * size / sum(self.sizes):.1f} %"
        return f"{size / count:,.0f} · {share} · {100 * compressed / size:.1f} · {100 * everything / size:.1f}"


def spread(values):
    if not values:
        return ""
    ordered = sorted(values)
    return f"{statistics.mean(ordered):,.0f} ({ordered[0]:,} · {statistics.median(ordered):,.0f} · {ordered[-1]:,})"


def table(title, columns, rows):
    print(f"| {title} | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for name, cells in rows:
        if any(cells):
            print(f"| {name} | " + " | ".join(cells) + " |")
    print()


def per_cent(value):
    return f"{100 * value:.1f} %" if value else "0"


def show(sets):
    columns, every = list(sets), list(sets.values())
    names = ["container header", "trigger", "history", "forced", "object", "solar system", "the rest"]
    names += [f"{kind} {piece}" for kind in CUTOUTS for piece in PIECES]
    print("Part: mean bytes · share of all · per cent that zstd -3 leaves, one by one · together.\n")
    table("part", columns, [(name, [s.cell(name) for s in every]) for name in names])

    rows = [
        ("packets", [f"{len(s.sizes):,}" for s in every]),
        ("bytes, mean (least · median · most)", [spread(s.sizes) for s in every]),
        ("side of the image in pixels", [spread(s.sides["science"]) for s in every]),
    ]
    for part in ("history", "forced"):
        rows.append((f"{part} records", [spread(s.lengths[part]) for s in every]))
        rows.append((f"{part} null", [per_cent(s.empty[part][0] / (len(s.lengths[part]) or 1)) for s in every]))
        rows.append((f"{part} empty list", [per_cent(s.empty[part][1] / (len(s.lengths[part]) or 1)) for s in every]))
    limits = [per_cent(s.upper_limits / (sum(s.lengths["history"]) or 1)) for s in every]
    rows.append(("upper limits in history", limits))
    for part in RECORDS:
        for i, what in enumerate(("null", "NaN", "-999")):
            cells = [per_cent(s.counts[part].shares()[i]) if s.counts[part].fields else "" for s in every]
            rows.append((f"{part}: values that are {what}", cells))
    table("", columns, rows)


def show_fields(part, sets):
    names = list(dict.fromkeys(name for s in sets.values() for name in s.counts[part].fields))

    def cell(counts):
        if not counts or not counts[0]:
            return ""
        shares = [f"{100 * counts[i] / counts[0]:.1f} {what}" for i, what in ((1, "null"), (2, "NaN"), (3, "-999"))]
        return ", ".join(s for s in shares if not s.startswith("0.0 ")) or "0"

    print("Per cent of values.\n")
    rows = [(f"`{name}`", [cell(s.counts[part].fields.get(name)) for s in sets.values()]) for name in names]
    table(part, list(sets), rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemas", type=pathlib.Path, help="folder of schemas for the ids in frames")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="packets to read of each column")
    parser.add_argument("--fields", action="append", default=[], choices=list(RECORDS), help="show every field")
    parser.add_argument("sources", nargs="+", metavar="[NAME=]SOURCE")
    asked = parser.parse_args()
    schemas = schemas_by_id(asked.schemas)
    sets = {}
    for source in asked.sources:
        name, _, path = source.rpartition("=")
        path = pathlib.Path(path)
        if not path.exists():
            parser.error(f"{path} is not there")
        sets.setdefault(name or path.name, Set(schemas, asked.most)).read(path)
    show(sets)
    for part in asked.fields:
        show_fields(part, sets)


if __name__ == "__main__":
    main()
