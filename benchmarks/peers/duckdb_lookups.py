"""Asks DuckDB about Parquet files.

usage: duckdb_lookups.py QUESTIONS answers|warm|cold FILE...

QUESTIONS is a JSON list of statements about `lsst.sources`, which is made of the FILEs. The last line of the output is
JSON: seconds, peak_memory, latencies, answers.
"""

import sys

import duckdb
from arrow_answers import ask_all

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


def main(questions, how, *files):
    ask_all(lambda: opened(files), asked, questions, how)


if __name__ == "__main__":
    main(*sys.argv[1:])
