"""A reader's files enter by their versions, and only known readers' do."""

import functools
import io
import os
import sys

import numpy as np
import pandas as pd
import pytest
from settled import settled

from stratum_dask.optimizations.fingerprint.files import encode_paths, file_version
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.purity.readers import path_parameter


@pytest.fixture
def csv(tmp_path):
    return settled(tmp_path / "a.csv", "a,b\n1,2\n")


def test_a_file_has_one_version_however_its_path_is_written(csv, monkeypatch):
    monkeypatch.chdir(csv.parent)
    paths = (csv, str(csv), "a.csv", "./a.csv", f"file://{csv}")
    versions = {file_version(path) for path in paths}
    assert len(versions) == 1
    assert versions.pop()[0] == "file"


def test_a_link_that_is_made_anew_as_it_was_has_another_version(csv):
    """In between it may have led elsewhere, and may have been read."""
    link = csv.parent / "link.csv"
    versions = set()
    for _ in range(2):
        link.unlink(missing_ok=True)
        link.symlink_to(csv)
        versions.add(file_version(link))
    assert len(versions) == 2
    assert None not in versions


@pytest.mark.parametrize("path", ["/proc/uptime", "zip://a.csv::a.zip"])
def test_what_tells_nothing_has_no_version(path):
    assert file_version(path) is None


def test_a_relative_path_has_no_version_where_others_read_it(csv, monkeypatch):
    monkeypatch.chdir(csv.parent)
    assert file_version(csv.name) is not None
    assert file_version(csv.name, Elsewhere.PROCESSES) is None
    assert file_version(csv, Elsewhere.PROCESSES) == file_version(csv)


def test_a_path_of_ones_own_class_has_no_version(csv):
    class Odd(str):
        def __fspath__(self):
            return "/another"

    assert file_version(Odd(csv)) is None


def test_a_relative_path_is_another_file_elsewhere(csv, tmp_path, monkeypatch):
    other = tmp_path / "sub"
    other.mkdir()
    settled(other / "a.csv", csv.read_text())
    monkeypatch.chdir(tmp_path)
    here = file_version("a.csv")
    monkeypatch.chdir(other)
    assert file_version("a.csv") != here


def test_a_changed_file_has_another_version_even_with_its_old_time(csv):
    before, times = file_version(csv), os.stat(csv)
    settled(csv, "a,b\n1,3\n")
    os.utime(csv, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file_version(csv) != before


def test_a_replaced_file_has_another_version(csv):
    before = file_version(csv)
    twin = csv.with_name("twin.csv")
    settled(twin, csv.read_text())
    os.replace(twin, csv)
    assert file_version(csv) != before


@pytest.mark.parametrize("path", ["/no/such/file", "s3x://bucket/key", b"x", 3, ""])
def test_what_cannot_be_seen_has_no_version(path):
    assert file_version(path) is None


def test_a_folder_has_no_version(tmp_path):
    assert file_version(tmp_path) is None


def test_a_remote_file_has_the_version_its_file_system_tells():
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("memory")
    fs.pipe("/stratum/a.csv", b"a\n1\n")
    before = file_version("memory://stratum/a.csv")
    assert before[0] == "url"
    fs.rm("/stratum/a.csv")
    fs.pipe("/stratum/a.csv", b"a\n2\n")
    assert file_version("memory://stratum/a.csv") != before


def test_fsspec_is_not_imported_for_a_url(monkeypatch):
    monkeypatch.delitem(sys.modules, "fsspec", raising=False)
    assert file_version("memory://stratum/a.csv") is None
    assert "fsspec" not in sys.modules


def test_known_readers_name_their_path_parameter():
    assert path_parameter(pd.read_csv) == "filepath_or_buffer"
    assert path_parameter(pd.read_parquet) == "path"
    assert path_parameter(np.load) == "file"
    semicolon = functools.partial(pd.read_csv, sep=";")
    assert path_parameter(semicolon) == "filepath_or_buffer"


def test_only_the_libraries_own_functions_are_readers():
    def read_csv(path):
        return path

    read_csv.__module__ = "pandas"
    assert path_parameter(read_csv) == ""
    assert path_parameter(np.sum) == ""
    assert path_parameter("read_csv") == ""


@pytest.mark.parametrize("spelling", ["position", "keyword", "partial", "list"])
def test_a_readers_file_enters_and_its_change_too(csv, spelling):
    def encode():
        if spelling == "keyword":
            return encode_paths(pd.read_csv, (), {"filepath_or_buffer": csv})
        if spelling == "partial":
            return encode_paths(functools.partial(pd.read_csv, csv), (), {})
        if spelling == "list":
            return encode_paths(pd.read_parquet, ([str(csv)],), {})
        return encode_paths(pd.read_csv, (str(csv),), {"sep": ";"})

    before, reason = encode()
    assert before
    assert reason == ""
    assert encode() == (before, "")
    settled(csv, "another text")
    assert encode()[0] != before


def test_several_files_enter_in_their_order(csv):
    other = csv.with_name("b.csv")
    settled(other, "x")
    one, _ = encode_paths(pd.read_parquet, ([csv, other],), {})
    two, _ = encode_paths(pd.read_parquet, ([other, csv],), {})
    assert one != two
    assert len(one) == len(two)


def test_an_unseen_version_has_a_reason(tmp_path):
    nothing, reason = encode_paths(pd.read_parquet, (tmp_path,), {})
    assert nothing == b""
    assert "it is a folder" in reason
    nothing, reason = encode_paths(pd.read_csv, ("missing.csv",), {})
    assert nothing == b""
    assert "no such local file" in reason


def test_one_unseen_file_hides_all(csv):
    assert encode_paths(pd.read_parquet, ([csv, "missing"],), {})[0] == b""


def test_a_path_that_another_task_computes_is_unseen():
    from dask._task_spec import TaskRef

    nothing, reason = encode_paths(pd.read_csv, (TaskRef("path"),), {})
    assert nothing == b""
    assert "computed by another task" in reason


def test_reading_from_memory_and_other_functions_have_no_files():
    assert encode_paths(pd.read_csv, (io.StringIO("a\n1"),), {}) == (b"", "")
    assert encode_paths(np.sum, ("a.csv",), {}) == (b"", "")
