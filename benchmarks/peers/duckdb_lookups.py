"""Asks DuckDB about Parquet files.

usage: duckdb_lookups.py QUESTIONS answers|warm|cold FILE...

QUESTIONS is a JSON list of statements about `lsst.sources`, which is made of the FILEs. With `answers` each is asked
once; with `warm` all are asked once, and then again with a clock; with `cold` the clock begins before the database is
opened, and the first is asked. The last line of the output is JSON: seconds, peak_memory, latencies, answers.
"""

import json
import pathlib
import sys
import time

import duckdb
import pyarrow
import pyarrow.compute

# A box around the circle, which row groups are chosen by, and the distance. Neither pole nor the meridian of 0 is in it.
CONE = """
CREATE MACRO cone(ra, dec, ra0, dec0, radius) AS
    dec BETWEEN dec0 - radius AND dec0 + radius
    AND ra BETWEEN ra0 - radius / cos(radians(abs(dec0) + radius)) AND ra0 + radius / cos(radians(abs(dec0) + radius))
    AND pow(sin(radians(dec - dec0) / 2), 2)
        + cos(radians(dec0)) * cos(radians(dec)) * pow(sin(radians(ra - ra0) / 2), 2)
        <= pow(sin(radians(radius) / 2), 2)
"""


def opened(files):
    connection = duckdb.connect()
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("CREATE SCHEMA lsst")
    names = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    connection.execute(f"CREATE VIEW lsst.sources AS SELECT * FROM read_parquet([{names}])")
    connection.execute(CONE)
    return connection


def asked(connection, sql):
    return connection.sql(sql).to_arrow_table()


def answer(table):
    whole, other = 0, 0.0
    for column in table.columns:
        total = pyarrow.compute.sum(column).as_py() if not pyarrow.types.is_string(column.type) else None
        if pyarrow.types.is_integer(column.type):
            whole += total or 0
        elif pyarrow.types.is_floating(column.type):
            other += total or 0.0
    return {"rows": table.num_rows, "whole": whole, "other": other}


def peak_memory():
    """Bytes; what getrusage tells is at least what the parent held when it began this process. Linux only."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def main(questions, how, *files):
    questions = json.loads(pathlib.Path(questions).read_text())
    latencies, began = [], time.perf_counter()
    connection = opened(files)
    answers = []
    for sql in questions[:1] if how == "cold" else questions:
        table = asked(connection, sql)
        if how == "cold":
            latencies.append((time.perf_counter() - began) * 1e3)
        answers.append(answer(table))
    if how == "warm":
        began = time.perf_counter()
        for sql in questions:
            before = time.perf_counter()
            asked(connection, sql)
            latencies.append((time.perf_counter() - before) * 1e3)
    sample = {
        "seconds": time.perf_counter() - began,
        "peak_memory": peak_memory(),
        "latencies": latencies,
        "answers": answers,
    }
    print(json.dumps(sample))


if __name__ == "__main__":
    main(*sys.argv[1:])
