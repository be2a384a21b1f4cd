"""The package: what it needs and no more, as it is installed."""

import json
import pathlib
import subprocess
import sys
import zipfile

import noctuary
import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[1]


def test_it_is_installed_from_a_wheel(tmp_path, address):
    wheels, place = tmp_path / "wheels", tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation"]
    # Built from a copy: nothing is left behind in the sources.
    copy = tmp_path / "sources"
    (copy / "noctuary").mkdir(parents=True)
    for file in [FOLDER / "pyproject.toml", *(FOLDER / "noctuary").glob("*.py")]:
        (copy / file.relative_to(FOLDER)).write_bytes(file.read_bytes())
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", str(wheels), str(copy)], check=True)
    (wheel,) = wheels.glob("noctuary-*-py3-none-any.whl")
    names = {pathlib.PurePath(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert {path.name for path in names if path.parts[0] == "noctuary"} == {p.name for p in (FOLDER / "noctuary").glob("*.py")}
    subprocess.run([*pip, "install", *options, "--target", str(place), str(wheel)], check=True)
    script = "import noctuary; print(noctuary.__file__, noctuary.sql('SELECT 1 AS one').to_pylist())"
    environment = {"PYTHONPATH": str(place), "NOCTUARY_SERVER": address}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{place / 'noctuary' / '__init__.py'} [{{'one': 1}}]"


def test_whatever_is_offered_is_there():
    assert all(hasattr(noctuary, name) for name in noctuary.__all__)


def test_states_of_others_are_refused():
    with pytest.raises(ValueError, match="another version"):
        noctuary.resume(json.dumps({"form": 0}))


def test_times_need_a_zone():
    import datetime

    with pytest.raises(ValueError, match="time zone"):
        noctuary.replay(from_=datetime.datetime(2026, 11, 9))
