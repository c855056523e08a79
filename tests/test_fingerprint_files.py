"""A reader's files enter by their versions, and only known readers' do."""

import datetime
import functools
import io
import os
import sys
from typing import ClassVar

import fsspec
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


class Bucket(fsspec.AbstractFileSystem):
    """An object store that tells of its one file what it is told to tell."""

    protocol = "bucket"
    told: ClassVar = {}
    dropped: ClassVar = []

    def info(self, path, **kwargs):
        return {"name": path, "type": "file", "size": 3, **self.told}

    def invalidate_cache(self, path=None):
        self.dropped.append(path)


@pytest.fixture
def bucket(monkeypatch):
    fsspec.register_implementation("bucket", Bucket, clobber=True)

    def version(**told):
        monkeypatch.setattr(Bucket, "told", told)
        return file_version("bucket://a/b.csv")

    return version


LONG_AGO = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
LATER = LONG_AGO + datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"generation": "1"}, {"generation": "2"}),
        ({"VersionId": "x"}, {"VersionId": "y"}),
        ({"LastModified": LONG_AGO}, {"LastModified": LATER}),
        ({"last_modified": LONG_AGO}, {"last_modified": LATER}),
        ({"updated": "2020-01-02T03:04:05Z"}, {"updated": "2020-01-02T03:04:06Z"}),
        # within one second
        ({"LastModified": LONG_AGO, "ETag": "a"}, {"LastModified": LONG_AGO}),
        # an old content that was put back
        (
            {"ETag": "a", "LastModified": LONG_AGO},
            {"ETag": "a", "LastModified": LATER},
        ),
        ({"generation": "1"}, {"generation": "1", "size": 4}),
    ],
)
def test_a_remote_file_has_the_version_its_store_tells(bucket, before, after):
    assert bucket(**before)[0] == "url"
    assert bucket(**before) == bucket(**before)
    assert bucket(**after) != bucket(**before)


@pytest.mark.parametrize(
    "told",
    [
        {},
        # come again with the old content
        {"ETag": "a"},
        {"md5Hash": "a"},
        # comes again with the old file
        {"mtime": 1.0},
        {"Last-Modified": "Thu, 02 Jan 2020 03:04:05 GMT", "ETag": "a"},
        # S3 says so of all files where it keeps no versions
        {"VersionId": "null"},
        {"LastModified": LONG_AGO.replace(tzinfo=None)},
        {"LastModified": "last week"},
        {"generation": "1", "type": "directory"},
    ],
)
def test_what_may_come_again_is_no_version_of_a_remote_file(bucket, told):
    assert bucket(**told) is None


def test_a_remote_file_that_was_written_a_moment_ago_has_no_version(bucket):
    assert bucket(LastModified=datetime.datetime.now(datetime.UTC)) is None


def test_a_listing_that_is_kept_is_not_believed(bucket, monkeypatch):
    monkeypatch.setattr(Bucket, "dropped", [])
    bucket(generation="1")
    assert Bucket.dropped == ["a/b.csv"]


def test_files_in_memory_have_no_version():
    fsspec.filesystem("memory").pipe("/stratum/a.csv", b"a\n1\n")
    assert file_version("memory://stratum/a.csv") is None


@pytest.mark.parametrize("option", ["storage_options", "filesystem"])
def test_a_file_of_another_place_has_no_version(csv, option):
    given = {option: {"endpoint_url": "https://example.org"}}
    nothing, reason = encode_paths(pd.read_parquet, (str(csv),), given)
    assert nothing == b""
    assert option in reason
    assert encode_paths(pd.read_parquet, (str(csv),), {option: None})[1] == ""


@pytest.mark.parametrize("above", [0, 1])
def test_a_file_of_a_folder_that_was_renamed_and_came_back_has_another_version(
    tmp_path, above
):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    csv = settled(folder / "x.csv", "a,b\n1,2\n")
    before = file_version(csv)
    moved = [folder, folder.parent][above]
    moved.rename(tmp_path / "c")
    (tmp_path / "c").rename(moved)
    assert file_version(csv) != before


def test_other_files_of_a_folder_are_no_matter(csv):
    csv.with_name("other.csv").write_text("x")
    before = file_version(csv)
    csv.with_name("another.csv").write_text("y")
    assert file_version(csv) == before


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
