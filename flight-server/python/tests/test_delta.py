"""Tables are read by engines that know nothing of the program, while it writes, merges and rolls back."""

import io
import os
import pathlib
import subprocess
import threading

import deltalake
import duckdb
import duckdb_extension_delta
import polars
import pyarrow.csv
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = pathlib.Path(os.environ.get("NOCTUARY_TEST_DATA", ROOT.parent / "shared" / "data"))


class Archive:
    """An archive of its own."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *arguments, codes=(0,)):
        done = subprocess.run([self.program, *arguments, "--archive", str(self.folder)], capture_output=True)
        assert done.returncode in codes, done.stderr.decode()
        return done.stdout

    def sql(self, question, *more):
        answer = self.run("sql", "-c", question, "--format", "csv", *more)
        return pyarrow.csv.read_csv(io.BytesIO(answer))

    def number(self, question, *more):
        return self.sql(question, *more).column(0)[0].as_py()

    def table(self, name):
        return str(self.folder / name)


@pytest.fixture(scope="module")
def duck():
    [extension] = pathlib.Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension}'")
    return connection


def counts(archive, duck, name):
    """How many rows each reader finds."""
    place = archive.table(name)
    return {
        "deltalake": deltalake.DeltaTable(place).to_pyarrow_dataset().count_rows(),
        "duckdb": duck.sql(f"SELECT count(*) FROM delta_scan('{place}')").fetchone()[0],
        "polars": polars.scan_delta(place).select(polars.len()).collect().item(),
    }


@pytest.fixture(scope="module")
def archive(program, tmp_path_factory):
    """Six nights of alerts as files, of which the first two have been taken in and are published."""
    folder = tmp_path_factory.mktemp("published")
    nights = folder / "nights"
    size = ["--nights", "6", "--visits", "6", "--rate", "20", "--fields", "2", "--packet-size", "90kB"]
    subprocess.run([program, "simulate", "--survey", "lsst", *size, str(nights)], check=True, capture_output=True)
    archive = Archive(program, folder / "archive")
    archive.files = sorted(path for path in nights.rglob("*") if path.is_file())
    assert len(archive.files) >= 12
    archive.run("ingest", *map(str, archive.files[:3]))
    archive.run("delta", "on")
    return archive


def test_readers_see_whole_versions_while_everything_runs(archive, duck):
    ended, seen, failures = threading.Event(), [], []
    place = archive.table("alerts/lsst")

    def watch():
        while not ended.is_set():
            try:
                table = deltalake.DeltaTable(place)
                rows = table.to_pyarrow_table(columns=["_alert", "_sha256", "_bytes"])
                ids = rows.column("_alert").to_pylist()
                assert len(ids) == len(set(ids)), "an alert twice"
                seen.append((table.transaction_version("noctuary"), len(ids)))
                count = duck.sql(f"SELECT count(*), count(DISTINCT _alert) FROM delta_scan('{place}')").fetchone()
                assert count[0] == count[1], count
                seen.append((None, count[0]))
            except Exception as failure:  # noqa: BLE001: whatever it is, the test is to tell of it
                failures.append(failure)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    rest = archive.files[3:]
    for part in range(4):
        archive.run("ingest", "--commit-size", "2MiB", *map(str, rest[part::4]))
        archive.run("compact", "--now")
    ended.set()
    watcher.join()
    assert not failures, failures
    versions = {version: rows for version, rows in seen if version is not None}
    assert len(versions) > 2, "too little was seen"
    stored = archive.sql("SELECT version, sum(stored) OVER (ORDER BY version) AS rows FROM archive.versions")
    of_versions = {row["version"]: row["rows"] for row in stored.to_pylist()}
    assert {version: of_versions[version] for version in versions} == versions
    assert {rows for _, rows in seen} <= set(of_versions.values())
    for version in list(versions)[:: max(1, len(versions) // 3)]:
        asked = archive.number("SELECT count(*) FROM lsst.alerts", "--as-of", str(version))
        assert asked == versions[version], version


def test_all_readers_have_the_rows_of_the_newest_version(archive, duck):
    assert set(counts(archive, duck, "alerts/lsst").values()) == {archive.number("SELECT count(*) FROM lsst.alerts")}
    assert set(counts(archive, duck, "ledger").values()) == {archive.number("SELECT count(*) FROM archive.ledger")}
    asked = "SELECT _alert, _night, encode(_sha256, 'hex') AS h, diaSource.psfFlux AS flux FROM lsst.alerts ORDER BY 1"
    ours = archive.sql(asked)
    theirs = duck.sql(
        f"SELECT _alert, _night, lower(hex(_sha256)), diaSource.psfFlux"
        f" FROM delta_scan('{archive.table('alerts/lsst')}') ORDER BY 1"
    ).fetchall()
    assert [row["_alert"] for row in ours.to_pylist()] == [row[0] for row in theirs]
    for own, other in zip(ours.to_pylist(), theirs, strict=True):
        assert (own["_night"], own["h"]) == (other[1], other[2])
        assert own["flux"] == pytest.approx(other[3], rel=1e-6)


def test_a_record_that_several_commits_brought_is_told_by_its_digest(archive, duck):
    # Of what is not merged each commit has its own copies.
    archive.run("ingest", str(archive.files[0]), codes=(0,))
    distinct = duck.sql(
        "SELECT count(*) FROM (SELECT DISTINCT _object, _origin, diaSourceId, midpointMjdTai, _digest"
        f" FROM delta_scan('{archive.table('sources/lsst')}'))"
    ).fetchone()[0]
    assert distinct == archive.number("SELECT count(*) FROM lsst.sources")


def test_conditions_find_the_same_rows(archive, duck):
    night, ra = archive.number("SELECT max(_night) FROM lsst.alerts"), archive.number("SELECT avg(_ra) FROM lsst.alerts")
    for condition in (f"_night = DATE '{night}'", f"_ra > {ra}", "_dec < -1e9", f"_ra <= {ra} AND diaSource.band = 'r'"):
        ours = archive.number(f"SELECT count(*) FROM lsst.alerts WHERE {condition}")
        place = archive.table("alerts/lsst")
        assert duck.sql(f"SELECT count(*) FROM delta_scan('{place}') WHERE {condition}").fetchone()[0] == ours, condition
        theirs = deltalake.QueryBuilder().register("alerts", deltalake.DeltaTable(place))
        spelled = condition.replace("diaSource.band", """"diaSource"['band']""")
        found = theirs.execute(f"SELECT count(*) AS n FROM alerts WHERE {spelled}").read_all()
        assert found.column(0)[0].as_py() == ours, condition


def test_what_was_rolled_back_is_gone_for_readers(archive, duck):
    middle = archive.number("SELECT max(version) FROM archive.versions") // 2
    archive.run("rollback", str(middle))
    rows = archive.number("SELECT count(*) FROM lsst.alerts")
    assert rows == archive.number("SELECT count(*) FROM lsst.alerts", "--as-of", str(middle))
    assert set(counts(archive, duck, "alerts/lsst").values()) == {rows}
    archive.run("verify")


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real packets")
@pytest.mark.parametrize("survey", ["lsst", "ztf"])
def test_real_packets_of_several_schemas_are_one_table(program, tmp_path, duck, survey):
    archive = Archive(program, tmp_path / "archive")
    archive.run("ingest", str(DATA / survey), codes=(0, 3))
    archive.run("delta", "on")
    rows = archive.number(f"SELECT count(*) FROM {survey}.alerts")
    assert set(counts(archive, duck, f"alerts/{survey}").values()) == {rows}
    record, field = ("diaSource", "ra") if survey == "lsst" else ("candidate", "ra")
    place = archive.table(f"alerts/{survey}")
    ours = archive.number(f"SELECT sum({record}.{field}) FROM {survey}.alerts")
    assert duck.sql(f"SELECT sum({record}.{field}) FROM delta_scan('{place}')").fetchone()[0] == pytest.approx(ours)
    struct = polars.scan_delta(place).select(polars.col(record).struct.field(field).sum()).collect().item()
    assert struct == pytest.approx(ours)
    # Every column of every table can be read.
    for table in ("alerts", "sources", "forced"):
        place = archive.folder / table / survey
        if place.is_dir():
            whole = deltalake.DeltaTable(str(place)).to_pyarrow_table()
            assert whole.num_rows == polars.scan_delta(str(place)).collect().height
            assert whole.num_rows == duck.sql(f"SELECT * FROM delta_scan('{place}')").to_arrow_table().num_rows
