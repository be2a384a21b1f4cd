"""What Python's own clients make of the server."""

import csv
import io
import json
import signal

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import fastavro
import pandas
import polars
import pyarrow
import pyarrow.flight
import pyarrow.parquet
import pytest
from server import Server


@pytest.fixture
def connection(address):
    with flightsql.connect(address, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def ids(ask):
    """Ids of all alerts, as the command line has them."""
    text = ask("sql", "-c", "SELECT diaSourceId FROM lsst.alerts ORDER BY 1", "--format", "csv").decode()
    return [int(row["diaSourceId"]) for row in csv.DictReader(io.StringIO(text))]


def fetch(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def test_ids_stay_exact(connection, ids):
    table = fetch(connection, "SELECT diaSourceId, diaSource.diaObjectId, diaSource.psfFlux FROM lsst.alerts ORDER BY 1")
    assert table.schema.field("diaSourceId").type == pyarrow.int64()
    assert table.schema.field("diaObjectId").type == pyarrow.int64()
    assert table.column("diaSourceId").to_pylist() == ids
    assert table.column("diaObjectId").null_count > 0, "bodies of the solar system have none"


def test_records_and_lists_arrive_whole(connection, ask, ids):
    sql = f"SELECT diaSource, prvDiaSources FROM lsst.alerts WHERE diaSourceId = {ids[-1]}"
    row = fetch(connection, sql).to_pylist()[0]
    packet = json.loads(ask("get", str(ids[-1]), "--format", "json"))
    assert row["diaSource"]["psfFlux"] == pytest.approx(packet["diaSource"]["psfFlux"], rel=1e-6)
    assert len(row["prvDiaSources"] or []) == len(packet["prvDiaSources"] or [])


@pytest.mark.parametrize("sql", [
    "SELECT diaSource.psfFlux AS flux FROM lsst.alerts WHERE diaSourceId = ?",
    "SELECT diaSource.psfFlux AS flux FROM lsst.alerts WHERE diaSourceId = $1",
])
def test_parameters_are_bound(connection, ids, sql):
    with connection.cursor() as cursor:
        for wanted in (ids[0], ids[7]):
            cursor.execute(sql, (wanted,))
            assert len(cursor.fetchall()) == 1


def test_parameters_of_every_kind(connection):
    sql = "SELECT CAST(? AS BIGINT) AS a, CAST(? AS DOUBLE) AS b, CAST(? AS VARCHAR) AS c"
    with connection.cursor() as cursor:
        cursor.execute(sql, (170239611403501617, 0.1, "it's"))
        assert cursor.fetchone() == (170239611403501617, 0.1, "it's")
    count = fetch(connection, "SELECT count(*) FROM lsst.alerts WHERE diaSource.band = ?", ("g",))
    assert count.column(0)[0].as_py() > 0


def test_what_there_is(connection):
    tree = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    tables = {
        (schema["db_schema_name"], table["table_name"]): table
        for catalog in tree
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    columns = [c["column_name"] for c in tables["lsst", "alerts"]["table_columns"]]
    assert "diaSourceId" in columns and "diaSource" in columns
    assert ("archive", "ledger") in tables
    assert connection.adbc_get_table_schema("alerts", db_schema_filter="lsst").field("diaSourceId").type == pyarrow.int64()
    assert "TABLE" in connection.adbc_get_table_types()
    assert connection.adbc_get_info()["vendor_name"] == "Noctuary"


def test_describe_tells_units(connection):
    rows = fetch(connection, "DESCRIBE lsst.alerts").to_pylist()
    flux = next(row for row in rows if "diaSource.psfFlux" in row.values())
    assert "nJy" in flux.values()


def test_mistakes_are_told(connection):
    with pytest.raises(adbc_driver_manager.Error, match="psfFlux"):
        fetch(connection, "SELECT diaSource.psfFlx FROM lsst.alerts")
    with pytest.raises(adbc_driver_manager.Error, match="read-only"):
        fetch(connection, "DELETE FROM lsst.alerts")
    with pytest.raises(adbc_driver_manager.Error, match="once for each row"), connection.cursor() as cursor:
        cursor.executemany("SELECT CAST(? AS BIGINT)", [(1,), (2,)])


def test_large_answers_are_cut(connection):
    # About 60 MB of text, in rows of very different size: no message may be refused by the client.
    sql = """
        SELECT value, repeat('x', CASE WHEN value % 1000 = 0 THEN 1000000 ELSE 10 END) AS text
        FROM (SELECT unnest(range(0, 60000)) AS value) AS numbers
    """
    table = fetch(connection, sql)
    assert table.num_rows == 60000
    assert table.nbytes > 60_000_000


def test_pandas_and_polars(connection, ids):
    sql = "SELECT diaSourceId, diaSource.psfFlux FROM lsst.alerts ORDER BY 1"
    frame = pandas.read_sql(sql, connection)
    assert frame["diaSourceId"].dtype == "int64" and list(frame["diaSourceId"]) == ids
    frame = polars.read_database(sql, connection)
    assert frame["diaSourceId"].dtype == polars.Int64 and frame["diaSourceId"].to_list() == ids


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def statement(sql: str) -> bytes:
    """CommandStatementQuery inside google.protobuf.Any, which pyarrow has no class for."""
    def field(number: int, value: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(value)) + value

    url = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
    return field(1, url) + field(2, field(1, sql.encode()))


def test_pyarrow_flight(address, ids):
    with pyarrow.flight.connect(address.replace("grpc://", "grpc+tcp://")) as client:
        token = client.authenticate_basic_token("anyone", "anything")
        options = pyarrow.flight.FlightCallOptions(headers=[token])
        sql = "SELECT diaSourceId, diaSource.band FROM lsst.alerts ORDER BY 1"
        info = client.get_flight_info(pyarrow.flight.FlightDescriptor.for_command(statement(sql)), options)
        reader = client.do_get(info.endpoints[0].ticket, options)
        assert reader.schema == info.schema
        assert reader.read_all().column("diaSourceId").to_pylist() == ids
        # A ticket can be used again, and by anyone.
        with pyarrow.flight.connect(address.replace("grpc://", "grpc+tcp://")) as other:
            assert other.do_get(info.endpoints[0].ticket).read_all().num_rows == len(ids)


def test_fastavro_reads_what_get_wrote(ask, ids):
    for wanted in ids[:3]:
        frame = ask("get", str(wanted))
        container = ask("get", str(wanted), "--format", "avro")
        (alert,) = fastavro.reader(io.BytesIO(container))
        assert alert["diaSourceId"] == wanted
        schema = fastavro.parse_schema(json.loads(ask("schema", "show", "1101", "--json")))
        assert frame[:5] == bytes([0, 0, 0, 4, 77])
        again = fastavro.schemaless_reader(io.BytesIO(frame[5:]), schema)
        assert repr(again) == repr(alert)


def test_parquet_of_the_command_line(ask, ids, tmp_path):
    path = tmp_path / "alerts.parquet"
    ask("sql", "-c", "SELECT diaSourceId, diaSource, prvDiaSources FROM lsst.alerts ORDER BY 1", "-o", str(path))
    assert pyarrow.parquet.read_table(path).column("diaSourceId").to_pylist() == ids


PAIRS = "(SELECT unnest(range(0, 3000)) AS a) CROSS JOIN (SELECT unnest(range(0, 3000)) AS b)"


@pytest.mark.parametrize(
    ("limit", "value", "asked"),
    [("--deadline", "500ms", f"sum(sin(a * b) * cos(a + b)) FROM {PAIRS} CROSS JOIN (SELECT unnest(range(0, 3000)) AS c)"),
     ("--memory", "24MiB", f"cardinality(array_agg(a * b)) FROM {PAIRS}")],
)
def test_what_takes_too_much_is_told_so_and_gives_it_back(program, archive, limit, value, asked):
    server = Server(program, archive, limit, value)
    try:
        with flightsql.connect(server.address, autocommit=True) as connection:
            for _ in range(3):
                with pytest.raises(adbc_driver_manager.Error, match=limit) as error:
                    fetch(connection, f"SELECT {asked}")
                assert "ResourceExhausted" in str(error.value)
                assert fetch(connection, "SELECT count(*) AS n FROM lsst.alerts")["n"].to_pylist() == [3_000]
    finally:
        server.stop(signal.SIGTERM)
