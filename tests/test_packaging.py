"""Wheel and sdist carry what git has, each what belongs into it, and they install."""

import ast
import fnmatch
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import stratum_dask

ROOT = Path(__file__).resolve().parent.parent
HOMES = {
    "optimizations": "stratum_dask/optimizations",
    "scheduler_plugins": "stratum_dask/scheduler_plugins",
    "stratum_dask": "stratum_dask",
}
DATA = ("stratum_dask/py.typed", "stratum_dask/*.yaml")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="compares with git, and this is no clone"
    ),
]

# Python 3.11.4 and newer know the filter, and newer ones warn without it.
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


@pytest.fixture(scope="session")
def tracked():
    """Paths of all files that git has, or would take; links count as files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = filter(None, listed.stdout.split("\0"))
    return {name for name in names if os.path.lexists(ROOT / name)}


@pytest.fixture(scope="session")
def clone(tracked, tmp_path_factory):
    """A copy of those files and no others, as after a fresh clone."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked:
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    return folder


def build(kind, source, out):
    """Let the backend of ``pyproject.toml`` build, as pip does without isolation."""
    code = (
        "import sys; from setuptools import build_meta; "
        f"build_meta.build_{kind}(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(out)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="session")
def sdist(clone, tmp_path_factory):
    return build("sdist", clone, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def unpacked(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **SAFELY)
    (inside,) = folder.iterdir()
    return inside


@pytest.fixture(scope="session")
def wheel(unpacked, tmp_path_factory):
    """Built as the index's users get it: from the sdist."""
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel"))


def code_and_data(tracked):
    """Map what a wheel must carry to where git has it."""
    expected = {}
    for name in tracked:
        top, _, rest = name.partition("/")
        is_data = any(fnmatch.fnmatch(name, pattern) for pattern in DATA)
        if top in HOMES and rest and (name.endswith(".py") or is_data):
            expected[f"{HOMES[top]}/{rest}"] = ROOT / name
    return expected


def test_wheel_carries_the_package_and_nothing_else(wheel, tracked):
    expected = code_and_data(tracked)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = {name for name in names if ".dist-info/" in name}
        assert names - info == set(expected)
        for name, file in expected.items():
            assert archive.read(name) == file.read_bytes()
    assert {name.split("/")[0] for name in names - info} == {"stratum_dask"}
    assert any(name.endswith("licenses/LICENSE") for name in info)


def test_wheel_of_the_clone_is_the_wheel_of_the_sdist(wheel, clone, tmp_path):
    with (
        zipfile.ZipFile(wheel) as one,
        zipfile.ZipFile(build("wheel", clone, tmp_path)) as other,
    ):
        contents = [
            {name: archive.read(name) for name in archive.namelist()}
            for archive in (one, other)
        ]
    assert contents[0] == contents[1]


def test_sdist_carries_all_that_builds_tests_and_explains(sdist, tracked):
    with tarfile.open(sdist) as archive:
        members = [member for member in archive if not member.isdir()]
    assert all(member.isfile() for member in members)
    names = {member.name.partition("/")[2] for member in members}
    links = {name for name in tracked if (ROOT / name).is_symlink()}
    made = {name for name in names if ".egg-info/" in name}
    made |= {"PKG-INFO", "setup.cfg"}
    assert names - made == tracked - links
    assert {name.split("/")[0] for name in names} >= {"tests", "README.md", "LICENSE"}


def test_the_only_links_are_the_two_families(tracked):
    links = {
        name: os.readlink(ROOT / name) for name in tracked if (ROOT / name).is_symlink()
    }
    assert links == {
        "stratum_dask/optimizations": "../optimizations",
        "stratum_dask/scheduler_plugins": "../scheduler_plugins",
    }


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == stratum_dask.__version__


def test_every_bound_is_a_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    for extra in [project["project"]["dependencies"], *extras]:
        assert all(">=" in each and "<" not in each for each in extra), extra


def test_the_wheel_installs_and_serves_dask(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import importlib.metadata as m, dask, stratum_dask\n"
        "import stratum_dask.optimizations, stratum_dask.config\n"
        "from dask.delayed import delayed\n"
        "print([stratum_dask.__file__, stratum_dask.optimizations.__file__])\n"
        "print([sorted((e.group, e.name) for e in m.distribution('stratum-dask')"
        ".entry_points)])\n"
        "print([delayed(abs)(-3).compute(scheduler='sync')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(site)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files, entries, result = map(ast.literal_eval, done.stdout.splitlines())
    assert files == [
        str(site / "stratum_dask/__init__.py"),
        str(site / "stratum_dask/optimizations/__init__.py"),
    ]
    assert entries == [[("dask.sizeof", "stratum"), ("dask_cli", "stratum")]]
    assert result == [3]
