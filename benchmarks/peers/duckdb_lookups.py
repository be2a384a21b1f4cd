"""Asks DuckDB about Parquet files.

usage: duckdb_lookups.py QUESTIONS answers|warm|cold FILE...

QUESTIONS is a JSON list of statements about `lsst.sources`, which is made of the FILEs, and about `mine`, made of the one
of them that is called positions.parquet. The last line of the output is JSON: seconds, peak_memory, latencies, answers.
"""

import pathlib
import sys

import duckdb
from arrow_answers import POSITIONS, ask_all

# A box around the circle, which row groups are chosen by, and the distance. Neither pole nor the meridian of 0 is in it.
CONE = """
CREATE MACRO cone(ra, dec, ra0, dec0, radius) AS
    dec BETWEEN dec0 - radius AND dec0 + radius
    AND ra BETWEEN ra0 - radius / cos(radians(abs(dec0) + radius)) AND ra0 + radius / cos(radians(abs(dec0) + radius))
    AND pow(sin(radians(dec - dec0) / 2), 2)
        + cos(radians(dec0)) * cos(radians(dec)) * pow(sin(radians(ra - ra0) / 2), 2)
        <= pow(sin(radians(radius) / 2), 2)
"""


# The nearest of the sources within a radius of each position of `mine`, by cells that its circle touches: bands of
# declination, and in each steps of right ascension that are as wide. The names of the tables are for those who need them.
CROSSMATCH = """
CREATE MACRO crossmatch(of, among, radius, matches) AS TABLE
    WITH bands AS (
        SELECT id, ra, dec, size, unnest(range(floor((dec - radius) / size)::BIGINT, floor((dec + radius) / size)::BIGINT + 1)) AS y
        FROM (SELECT *, 4 * radius AS size FROM mine)
    ), cells AS (
        SELECT id, ra, dec, y, unnest(range(
            floor((ra - radius / cos(radians(abs(dec) + radius))) * cos(radians(y * size)) / size)::BIGINT,
            floor((ra + radius / cos(radians(abs(dec) + radius))) * cos(radians(y * size)) / size)::BIGINT + 1)) AS x
        FROM bands
    ), pairs AS (
        SELECT cells.id, s.diaSourceId, pow(sin(radians(s.dec - cells.dec) / 2), 2)
            + cos(radians(s.dec)) * cos(radians(cells.dec)) * pow(sin(radians(s.ra - cells.ra) / 2), 2) AS apart
        FROM cells JOIN lsst.sources AS s
            ON cells.y = floor(s.dec / (4 * radius))::BIGINT
            AND cells.x = floor(s.ra * cos(radians(floor(s.dec / (4 * radius))::BIGINT * (4 * radius))) / (4 * radius))::BIGINT
    )
    SELECT id, arg_min(diaSourceId, apart) AS diaSourceId FROM pairs
    WHERE apart <= pow(sin(radians(radius) / 2), 2) GROUP BY id
"""


def opened(files):
    connection = duckdb.connect()
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("CREATE SCHEMA lsst")
    quoted = {file: "'" + file.replace("'", "''") + "'" for file in files}
    of_sources = [text for file, text in quoted.items() if pathlib.Path(file).name != POSITIONS]
    connection.execute(f"CREATE VIEW lsst.sources AS SELECT * FROM read_parquet([{', '.join(of_sources)}])")
    connection.execute(CONE)
    for file, text in quoted.items():
        if pathlib.Path(file).name == POSITIONS:
            connection.execute(f"CREATE VIEW mine AS SELECT * FROM read_parquet({text})")
            connection.execute(CROSSMATCH)
    return connection


def asked(connection, sql):
    return connection.sql(sql).to_arrow_table()


def main(questions, how, *files):
    ask_all(lambda: opened(files), asked, questions, how)


if __name__ == "__main__":
    main(*sys.argv[1:])
