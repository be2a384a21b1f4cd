"""A server over a small archive, for every test.

NOCTUARY_BIN names the program; without it the one that cargo built in release mode is taken.
"""

import os
import pathlib
import signal
import subprocess

import pytest
import real
from server import Server

ROOT = pathlib.Path(__file__).resolve().parents[3]


def find_program() -> str:
    if program := os.environ.get("NOCTUARY_BIN"):
        return program
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "release" / "noctuary"
    if not program.exists():
        pytest.exit(f"{program} is not there: build it with `cargo build --release`, or set NOCTUARY_BIN", 2)
    return str(program)


@pytest.fixture(scope="session")
def program() -> str:
    return find_program()


@pytest.fixture(scope="session")
def archive(program, tmp_path_factory) -> str:
    """The archive of the demo: three nights, 3,000 alerts."""
    folder = tmp_path_factory.mktemp("nights")
    subprocess.run([program, "demo", "--dir", str(folder)], check=True, capture_output=True)
    return str(folder)


@pytest.fixture(scope="session")
def ask(program, archive):
    """Runs the program on the archive and gives back its standard output."""

    def run(*arguments: str) -> bytes:
        command = [program, *arguments, "--archive", archive]
        return subprocess.run(command, check=True, capture_output=True).stdout

    return run


@pytest.fixture(scope="session")
def address(program, archive):
    """Where a server of the archive listens."""
    command = [program, "serve", "--listen", "127.0.0.1:0", "--archive", archive]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    yield line.removeprefix("listening on ").strip()
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=30) == 0, "the server does not stop when it is told to"


@pytest.fixture(scope="session")
def real_address(program, tmp_path_factory):
    """A server of all real packets, broken ones not among them."""
    archive = str(tmp_path_factory.mktemp("real"))
    folders = [str(real.DATA / folder) for folder in real.FRAMES + real.CONTAINERS]
    bare = ["--schema", "lsst 9.0", str(real.DATA / real.DATUMS)]
    for sources in (folders, bare):
        subprocess.run([program, "ingest", *sources, "--archive", archive], check=True, capture_output=True)
    server = Server(program, archive)
    yield server.address
    server.stop(signal.SIGTERM)
