"""Asks PostgreSQL, with Q3C for the sky.

usage: postgres_lookups.py serve
       postgres_lookups.py load SOCKET FILE...
       postgres_lookups.py ask SOCKET QUESTIONS answers|warm

`serve` makes an empty server in a temporary folder, writes the folder of its socket as one line, and takes both away
when its standard input ends; without PostgreSQL it says so and fails. `load` appends Parquet files to `lsst.sources`,
or to `mine` if they are called positions.parquet, and brings indexes and statistics up to date. `ask` writes what `duckdb_lookups.py` does.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import adbc_driver_postgresql.dbapi
import pyarrow.parquet
from arrow_answers import POSITIONS, ask_all

PACKAGES = ["postgresql-15", "postgresql-15-q3c"]
PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
Q3C = pathlib.Path("/usr/share/postgresql/15/extension/q3c.control")
# The account that Debian's package makes: the server refuses to be root.
ACCOUNT = "postgres"

# What its manual advises for a machine like this one; what is lost with the power does not matter here.
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "16GB",
    "random_page_cost": "1.1",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}

TYPES = {"int64": "bigint", "int32": "integer", "double": "double precision", "float": "real", "bool": "boolean"}

# Inlined where it is called, so that the index is used.
CONE = """
CREATE FUNCTION cone(ra double precision, "dec" double precision, ra0 double precision, dec0 double precision,
                     radius double precision) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT q3c_radial_query(ra, "dec", ra0, dec0, radius)'
"""

# As the manual of Q3C has a nearest neighbour, with the small table outside.
CROSSMATCH = """
CREATE FUNCTION crossmatch("of" text, among text, radius double precision, matches text)
    RETURNS TABLE (id bigint, diasourceid bigint) LANGUAGE sql STABLE AS
    'SELECT m.id, s.diasourceid FROM mine AS m CROSS JOIN LATERAL (
        SELECT diasourceid FROM lsst.sources AS s WHERE q3c_join(m.ra, m."dec", s.ra, s."dec", radius)
        ORDER BY q3c_dist(m.ra, m."dec", s.ra, s."dec") LIMIT 1) AS s'
"""

INDEXES = [
    "CREATE INDEX IF NOT EXISTS by_object ON lsst.sources (diaobjectid, midpointmjdtai)",
    "CREATE INDEX IF NOT EXISTS by_place ON lsst.sources (q3c_ang2ipix(ra, \"dec\"))",
    "CREATE INDEX IF NOT EXISTS by_time ON lsst.sources (midpointmjdtai)",
    "VACUUM ANALYZE",
]


class Absent(Exception):
    """There is no PostgreSQL here, and why."""


def install():
    if (PROGRAMS / "initdb").exists() and Q3C.exists():
        return
    names = " and ".join(PACKAGES)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Absent(f"install {names}; only root of a Debian can have it done")
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True, "text": True}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    done = subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], check=False, **quiet)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["apt-get failed"])[-1]
        raise Absent(f"{names} could not be installed: {why}")


def serve():
    install()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="noctuary-postgres-"))
    account = {}
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
        account = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    common = {"cwd": folder, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **account}
    server = None
    try:
        with log.open("wb") as output:
            # The C locale: text is compared by its bytes, as everybody else here does.
            made = [PROGRAMS / "initdb", "-D", data, "--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale"]
            made += ["--username=postgres"]
            if subprocess.run(made, check=False, stdout=output, **common).returncode != 0:
                raise Absent(f"initdb failed: {log.read_text().strip().splitlines()[-1]}")
            options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
            server = subprocess.Popen([PROGRAMS / "postgres", "-D", data, "-k", folder, *options], stdout=output, **common)
        prepare(folder, server, log)
        print(folder, flush=True)
        sys.stdin.read()
    finally:
        if server is not None:
            # The fast way to shut down; a second request would not make it faster.
            server.send_signal(2)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def prepare(folder, server, log):
    """Waits until the server answers, and makes what questions need."""
    until = time.monotonic() + 60
    while True:
        try:
            with connected(folder) as connection:
                for sql in ["CREATE EXTENSION q3c", "CREATE SCHEMA lsst", CONE]:
                    execute(connection, sql)
            return
        except adbc_driver_postgresql.dbapi.Error as error:
            if server.poll() is not None or time.monotonic() > until:
                lines = log.read_text().strip().splitlines() or [str(error)]
                raise Absent(f"the server did not begin: {lines[-1]}") from error
            time.sleep(0.1)


def connected(socket):
    # Words with a meaning of their own in URLs do not occur in the name of a temporary folder of ours.
    connection = adbc_driver_postgresql.dbapi.connect(f"postgresql:///postgres?host={socket}&user=postgres", autocommit=True)
    return contextlib.closing(connection)


def execute(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def load(socket, *files):
    with connected(socket) as connection:
        # Files of sources first: what is made of a list needs their table.
        for file in sorted(files, key=lambda file: pathlib.Path(file).name == POSITIONS):
            if pathlib.Path(file).name == POSITIONS:
                append(connection, file, "public", "mine")
                execute(connection, CROSSMATCH)
            else:
                append(connection, file, "lsst", "sources")
        for sql in INDEXES:
            execute(connection, sql)


def append(connection, file, schema, table):
    parquet = pyarrow.parquet.ParquetFile(file)
    fields = parquet.schema_arrow
    columns = [f'"{field.name.lower()}" {TYPES.get(str(field.type), "text")}' for field in fields]
    execute(connection, f"CREATE TABLE IF NOT EXISTS {schema}.{table} ({', '.join(columns)})")
    lower = pyarrow.schema([field.with_name(field.name.lower()) for field in fields])
    batches = (batch.rename_columns(lower.names) for batch in parquet.iter_batches(65_536))
    reader = pyarrow.RecordBatchReader.from_batches(lower, batches)
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)


def asked(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def ask(socket, questions, how):
    with connected(socket) as connection:
        # What the server holds is shared memory, of which no process can say what is its own.
        ask_all(lambda: connection, asked, questions, how, memory=lambda: None)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    try:
        {"serve": serve, "load": load, "ask": ask}[mode](*arguments)
    except Absent as why:
        sys.exit(f"{why}")
