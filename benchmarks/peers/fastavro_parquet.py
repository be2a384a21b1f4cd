"""Decodes alert packets with fastavro and writes them as Parquet with pyarrow.

usage: fastavro_parquet.py SCHEMAS OUTPUT BYTES SOURCE...

SCHEMAS holds writer schemas as ID.avsc for packets with a Confluent frame; container files bring their own. Stops
after BYTES. The last line of the output is JSON: packets, bytes, seconds, processor_seconds, peak_memory.
"""

import gzip
import io
import json
import pathlib
import resource
import struct
import sys
import tarfile
import time

import fastavro
import pyarrow
import pyarrow.parquet

# Transmitted bytes of one Parquet file: more rows make larger Python lists, not faster ones.
BYTES_A_FILE = 32_000_000


def messages(sources):
    """Every packet of folders, files and tars."""
    for source in map(pathlib.Path, sources):
        if source.is_dir():
            yield from messages(sorted(source.iterdir()))
        elif source.suffix == ".tar":
            with tarfile.open(source) as tar:
                for member in tar:
                    yield tar.extractfile(member).read()
        else:
            packet = source.read_bytes()
            yield gzip.decompress(packet) if packet[:2] == b"\x1f\x8b" else packet


def records(packet, schemas):
    """The records of a packet, and a key of their schema."""
    if packet[:4] == b"Obj\x01":
        reader = fastavro.reader(io.BytesIO(packet))
        return reader.metadata["avro.schema"], list(reader)
    (number,) = struct.unpack(">I", packet[1:5])
    if number not in schemas.parsed:
        text = (schemas.folder / f"{number}.avsc").read_text()
        schemas.parsed[number] = fastavro.parse_schema(json.loads(text))
    return number, [fastavro.schemaless_reader(io.BytesIO(packet[5:]), schemas.parsed[number])]


class Schemas:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.parsed = {}


def write(rows, file):
    table = pyarrow.Table.from_pylist(rows)
    # Parquet has no struct without fields, which is what records become that are null in every row.
    empty = [f.name for f in table.schema if pyarrow.types.is_struct(f.type) and f.type.num_fields == 0]
    pyarrow.parquet.write_table(table.drop_columns(empty), file, compression="zstd", compression_level=3)


def main(schemas, output, limit, *sources):
    schemas, output, limit = Schemas(schemas), pathlib.Path(output), int(limit)
    output.mkdir(parents=True)
    # Read before the clock starts, as the packets of the others lie in memory too.
    packets, total = [], 0
    for packet in messages(sources):
        packets.append(packet)
        total += len(packet)
        if total >= limit:
            break
    began, processor = time.perf_counter(), time.process_time()
    waiting, held, files = {}, 0, 0
    for index, packet in enumerate(packets):
        key, rows = records(packet, schemas)
        waiting.setdefault(key, []).extend(rows)
        held += len(packet)
        if held >= BYTES_A_FILE or index + 1 == len(packets):
            for rows in waiting.values():
                write(rows, output / f"{files}.parquet")
                files += 1
            waiting, held = {}, 0
    sample = {
        "packets": len(packets),
        "bytes": total,
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - processor,
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(sample))


if __name__ == "__main__":
    main(*sys.argv[1:])
