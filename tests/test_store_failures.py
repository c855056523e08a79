"""Whatever befalls a store: an entry is read as it was written, or not at all."""

import errno
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stratum_dask.scheduler_plugins.store import container, index, privacy
from stratum_dask.scheduler_plugins.store.entries import Entries
from stratum_dask.scheduler_plugins.store.files import LocalFiles
from stratum_dask.scheduler_plugins.store.options import options
from stratum_dask.scheduler_plugins.store.problems import (
    REMEDIES,
    EntryError,
    StoreError,
)
from stratum_dask.scheduler_plugins.store.store import Store

KEY, OTHER = "ab" * 20, "cd" * 20
VALUES = [
    {"score": 0.5},
    np.arange(50.0),
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    {1, 2, 3},
]


@pytest.fixture
def said():
    return []


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def entries(folder):
    return Entries(str(folder), create=True)


@pytest.fixture
def opened(folder, said):
    stores = []

    def one(**changes):
        found = options(str(folder))
        changed = type(found)(
            **{**{n: getattr(found, n) for n in found.__slots__}, **changes}
        )
        store = Store(changed, create=True, say=said.append)
        stores.append(store)
        return store

    yield one
    for store in stores:
        store.close()


def kind_of(entries, key=KEY):
    """Fail to read an entry; return what is wrong with it."""
    with pytest.raises(EntryError) as caught:
        entries.read(key)
    assert caught.value.kind in REMEDIES
    assert str(caught.value)
    return caught.value.kind


# -- one file ----------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_flipped_bit_anywhere_is_seen(entries, value):
    entries.write(KEY, value)
    path = entries.files.path(KEY)
    good = path.read_bytes()
    # Every byte of what is short; of the rest every byte of the first part.
    places = (
        range(len(good))
        if len(good) < 1200
        else [*range(700), *range(700, len(good), 7)]
    )
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bad)
        assert kind_of(entries) in ("corrupt", "foreign", "truncated", "newer")
    path.write_bytes(good)
    entries.read(KEY)


def test_a_truncated_file_is_seen_wherever_it_ends(entries):
    entries.write(KEY, np.arange(20.0))
    path = entries.files.path(KEY)
    good = path.read_bytes()
    for size in range(len(good)):
        path.write_bytes(good[:size])
        assert kind_of(entries) in ("truncated", "corrupt")
    path.write_bytes(good + b"\0")
    assert kind_of(entries) == "corrupt"


def test_each_other_failure_has_its_name(entries, monkeypatch):
    assert kind_of(entries) == "missing"
    path = entries.files.path(KEY)
    path.parent.mkdir()
    path.mkdir()
    assert kind_of(entries) in ("denied", "unreadable")
    path.rmdir()
    path.write_bytes(b"")
    assert kind_of(entries) == "truncated"
    path.write_bytes(b"a,b\n1,2\n" * 9)
    assert kind_of(entries) == "foreign"
    path.unlink()
    target = path.with_name("elsewhere")
    entries.write(OTHER, 1)
    os.replace(entries.files.path(OTHER), target)
    path.symlink_to(target)
    assert kind_of(entries) == "denied"
    path.unlink()
    os.replace(target, path)
    assert kind_of(entries) == "foreign"  # the entry of another key


def test_a_newer_format_version_is_left_alone(entries, opened, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(container, "VERSION", container.VERSION + 1)
        entries.write(KEY, 1)
    assert kind_of(entries) == "newer"
    (bad,) = opened().check(remove=True)
    assert (bad.kind, bad.removed) == ("newer", False)
    assert entries.files.path(KEY).exists()


def test_another_environment_is_seen(entries, monkeypatch):
    from stratum_dask.scheduler_plugins.store import entries as module

    other = {**module.environment(), "numpy": "0.1"}
    with monkeypatch.context() as patch:
        patch.setattr(module, "environment", lambda: other)
        entries.write(KEY, 1)
    with pytest.raises(EntryError, match=r"numpy 0\.1, ") as caught:
        entries.read(KEY)
    assert caught.value.kind == "environment"


def test_no_memory_for_an_entry_is_no_failure(entries, monkeypatch):
    entries.write(KEY, np.arange(20.0))

    def none(size):
        raise MemoryError

    monkeypatch.setattr(container, "bytearray", none, raising=False)
    assert kind_of(entries) == "unreadable"


# -- whose pickles they are ----------------------------------------------------


class Planted:
    """Its pickle runs code when it is read."""

    ran = False

    def __reduce__(self):
        return setattr, (Planted, "ran", True)


def plant(entries, key=KEY):
    """Write an entry whose pickle runs code, as somebody who means harm would."""
    written = entries.write(key, {1, 2})
    raw = pickle.dumps(Planted())
    header = written.header
    header.frames = [(len(raw), len(raw), "")]
    entries.files.write(key, container.pack(header, [memoryview(raw)]))
    Planted.ran = False


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o750, 0o701])
def test_pickles_of_a_folder_that_others_can_open_are_not_read(entries, folder, mode):
    plant(entries)
    folder.chmod(mode)
    assert kind_of(entries) == "untrusted"
    assert not Planted.ran
    entries.write(OTHER, np.arange(3))  # data is data
    assert entries.read(OTHER)[0].tolist() == [0, 1, 2]
    folder.chmod(0o700)
    assert kind_of(entries) in ("changed", "unreadable")
    assert Planted.ran  # which is what this test would find


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_pickles_of_another_user_are_not_read(entries, folder):
    plant(entries)
    os.chown(entries.files.path(KEY), 12345, -1)
    assert kind_of(entries) == "untrusted"
    os.chown(entries.files.path(KEY), 0, -1)
    os.chown(folder, 12345, -1)
    assert kind_of(entries) == "untrusted"
    assert not Planted.ran
    assert "belongs to the user 12345" in privacy.why_not_private(folder)


def test_pickles_that_others_can_write_to_are_not_read(entries):
    plant(entries)
    entries.files.path(KEY).chmod(0o620)
    assert kind_of(entries) == "untrusted"
    assert not Planted.ran


def test_pickles_are_for_those_who_said_so(folder):
    always = Entries(str(folder), "always", create=True)
    folder.chmod(0o777)
    always.write(KEY, {1, 2})
    assert always.read(KEY)[0] == {1, 2}
    assert kind_of(Entries(str(folder), "never")) == "untrusted"
    assert kind_of(Entries(str(folder), "private")) == "untrusted"


def test_a_folder_is_made_for_this_user_only(folder):
    Entries(str(folder), create=True).write(KEY, 1)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Entries(str(folder)).files.path(KEY).stat().st_mode & 0o777 == 0o600


# -- writing -------------------------------------------------------------------


def test_a_full_disk_leaves_nothing(entries, folder, monkeypatch):
    def full(file, piece):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    from stratum_dask.scheduler_plugins.store import files

    monkeypatch.setattr(files, "_write_all", full)
    with pytest.raises(OSError, match="No space left"):
        entries.write(KEY, 1)
    assert kind_of(entries) == "missing"
    assert list((folder / "unfinished").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_device_says_so(entries, monkeypatch):
    """The real error of a real device, where the file would have been."""
    path = entries.files.root / "unfinished"
    real = os.open

    def opened(name, flags, *mode):
        full = str(name).startswith(str(path))
        return real("/dev/full", os.O_WRONLY) if full else real(name, flags, *mode)

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(OSError, match="No space left"):
        entries.write(KEY, np.arange(100))


def test_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"Set stratum\.store\.url to a folder"):
        Entries(str(tmp_path / "file" / "store"), create=True)
    with pytest.raises(StoreError, match=r"no store can be kept in|is no folder"):
        Entries(str(tmp_path / "file"), create=True)
    with pytest.raises(StoreError, match="names the host 'elsewhere'"):
        Entries("file://elsewhere/store")
    with pytest.raises(StoreError, match="fsspec cannot open nonsense://x"):
        Entries("nonsense://x")


def test_two_writers_of_one_entry(folder):
    writers = [Entries(str(folder), create=True) for _ in range(4)]
    wrong = []

    def work(entries, seed):
        for _ in range(25):
            entries.write(KEY, np.full(10_000, 7.0))
            found = entries.read(KEY)[0]
            if not (found == 7.0).all():
                wrong.append(seed)

    threads = [
        threading.Thread(target=work, args=(entries, i))
        for i, entries in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list((folder / "unfinished").iterdir()) == []


KILLED = """
import sys, numpy as np
from stratum_dask.scheduler_plugins.store.options import options
from stratum_dask.scheduler_plugins.store.store import Store
store = Store(options(sys.argv[1]), create=True)
for i in range(200):
    store.put(f"{i:040x}", np.full(20_000 + i, float(i)), seconds=1.0)
    print(i, flush=True)
"""


def test_killed_in_the_middle_of_200_writes(folder, opened):
    after = 90
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if int(line) == after:
                os.kill(process.pid, signal.SIGKILL)
                break
    store = opened()
    assert store.check() == []
    found = {int(key, 16) for key in store.rows()}
    assert found >= set(range(after + 1))
    for i in found:
        value, _ = store.entries.read(f"{i:040x}")
        assert value.shape == (20_000 + i,)
        assert (value == i).all()


def test_what_a_killed_writer_left_goes_in_time(folder, opened):
    opened()
    now = time.time()
    for name, age in [("new", 0), ("old", 90_000), ("skewed", -90_000)]:
        file = folder / "unfinished" / name
        file.write_bytes(b"x")
        os.utime(file, (now - age, now - age))
    store = opened()
    assert [file.name for file in (folder / "unfinished").iterdir()] == ["new"]
    store.clear()
    assert list((folder / "unfinished").iterdir()) == []


def test_clocks_that_differ_change_nothing(opened):
    store = opened()
    for i, skew in enumerate([1e9, -1e9, 0]):
        key = f"{i:040x}"
        store.put(key, i, seconds=1.0)
        there = time.time() + skew
        os.utime(store.files.path(key), (there, there))
    Path(store.catalog.path).unlink()
    again = opened()
    assert sorted(again.entries.read(key)[0] for key in again.rows()) == [0, 1, 2]
    assert len(again.prune(0)) == 3


# -- the index -------------------------------------------------------------------


def filled(store, n=5):
    for i in range(n):
        store.put(f"{i:040x}", np.full(100, float(i)), seconds=1.0 + i, function="f")
    return sorted(store.rows())


def bend(path, how):
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    if how == "missing":
        path.unlink()
    elif how == "garbage":
        path.write_bytes(os.urandom(8192))
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "middle":
        raw = bytearray(path.read_bytes())
        raw[4096:] = os.urandom(len(raw) - 4096)
        path.write_bytes(raw)
    elif how == "columns":
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE entries")
            connection.execute("CREATE TABLE entries (key, other)")
        connection.close()
    elif how == "rows":
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM entries")
        connection.close()


HOWS = ["missing", "garbage", "truncated", "folder", "middle", "columns", "rows"]


@pytest.mark.parametrize("how", HOWS)
def test_an_index_is_made_again_from_the_files(opened, said, how):
    store = opened()
    keys = filled(store)
    store.close()
    bend(store.catalog.path, how)
    again = opened()
    assert sorted(again.rows()) == keys
    assert [row.seconds for _, row in sorted(again.rows().items())] == [1, 2, 3, 4, 5]
    assert len(said) == (how not in ("missing", "rows"))
    again.put(OTHER, 1)
    assert OTHER in opened().rows()


@pytest.mark.parametrize("how", ["missing", "garbage", "folder"])
def test_an_index_that_breaks_while_it_is_open(opened, said, how):
    store = opened()
    keys = filled(store)
    bend(store.catalog.path, how)
    store.put(OTHER, 1)
    store.catalog.hit([OTHER])
    assert sorted({*store.rows(), *opened().rows()}) == [*keys, OTHER]


def test_a_locked_index_is_done_without(opened, said, monkeypatch):
    monkeypatch.setattr(index, "_PATIENCE", 0.05)
    store = opened()
    keys = filled(store)
    other = sqlite3.connect(store.catalog.path)
    other.execute("BEGIN EXCLUSIVE")
    store.put(OTHER, 1)
    assert "is locked by another process" in said[0]
    other.rollback()
    other.close()
    assert set(keys) <= set(opened().rows())
    assert OTHER in opened().rows()  # its file is there


def test_an_index_of_a_later_version_is_left_alone(opened, said, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            index, "_TABLES", index._TABLES.replace("version = 1", "version = 2")
        )
        keys = filled(opened())
    store = opened()
    assert sorted(store.rows()) == keys
    assert "newer than this program" in said[-1]
    with sqlite3.connect(store.catalog.path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_several_processes_share_one_index(folder, opened, fresh_python):
    store = opened()
    filled(store, 3)
    code = (
        "import sys\n"
        "from stratum_dask.scheduler_plugins.store.options import options\n"
        "from stratum_dask.scheduler_plugins.store.store import Store\n"
        "store = Store(options(sys.argv[1]), create=True)\n"
        "print(len(store.rows()))\n"
        f"store.put({OTHER!r}, 1.5)\n"
        "store.catalog.hit([f'{0:040x}'])\n"
    )
    assert fresh_python(code, str(folder)).stdout == "3\n"
    store.catalog._looked = float("-inf")
    assert OTHER in store.rows()
    assert store.rows()[f"{0:040x}"].hits == 1


def test_what_is_worth_least_goes_first(opened):
    store = opened(limit=12_000)
    for i in range(10):
        store.put(
            f"{i:040x}", np.random.default_rng(i).random(200), seconds=float(i + 1)
        )
    left = {int(key, 16) for key in store.rows()}
    assert store.size() <= 12_000
    assert left == set(range(min(left), 10))
    assert {found.key for found in store.files.listed()} == set(store.rows())
    # What is asked for stays longer than what is worth as much.
    low = f"{min(left):040x}"
    for _ in range(20):
        store.catalog.hit([low])
    store.catalog._looked = float("-inf")
    store.prune(store.size() - 1)
    assert low in store.rows()


def test_a_folder_that_cannot_be_written_to_is_still_read(
    opened, folder, said, monkeypatch
):
    store = opened()
    filled(store)
    store.close()

    def never(*args, **kwargs):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(index.Index, "_open", never)
    monkeypatch.setattr(index.Index, "_replace", lambda self: False)
    again = opened()
    assert len(again.rows()) == 5
    assert "no index can be kept" in said[-1]
    assert again.entries.read(f"{3:040x}")[0].tolist() == [3.0] * 100
    again.put(OTHER, 1)
    again.catalog.hit([OTHER])
    assert again.rows()[OTHER].hits == 1
    again.remove([OTHER])
    assert OTHER not in again.rows()
    assert len(again.prune(0)) == 5


# -- elsewhere ---------------------------------------------------------------------


@pytest.fixture
def remote(said):
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("memory")
    store = Store(options("memory://stratum-test"), create=True, say=said.append)
    yield store
    if fs.exists("/stratum-test"):
        fs.rm("/stratum-test", recursive=True)


def test_a_store_that_fsspec_reaches(remote):
    filled(remote)
    assert len(remote.rows()) == 5
    again = Store(options("memory://stratum-test"))
    assert sorted(again.rows()) == sorted(remote.rows())
    assert again.rows()[f"{2:040x}"].seconds == 3.0
    value, header = again.entries.read(f"{2:040x}")
    value[0] = 9.0  # it is nobody else's
    assert header.function == "f"
    assert again.entries.read(f"{2:040x}")[0][0] == 2.0
    assert kind_of(again.entries, OTHER) == "missing"
    assert again.entries.why_no_pickles() == "who else can write there cannot be seen"
    path = again.files.path(f"{1:040x}")
    raw = bytearray(again.files.fs.cat_file(path))
    raw[-1] ^= 1
    again.files.fs.pipe_file(path, bytes(raw))
    (bad,) = again.check(remove=True)
    assert (bad.kind, bad.removed) == ("corrupt", True)
    assert len(again.prune(0)) == 4
    assert again.clear() == 0


def test_a_store_behind_a_file_system_that_shows_half_a_file(tmp_path):
    from stratum_dask.scheduler_plugins.store.remote import RemoteFiles

    files = RemoteFiles(f"dir::file://{tmp_path}")
    assert not files._at_once
    entries = Entries(str(tmp_path), create=True)
    entries.files = files
    entries.write(KEY, 1.5)
    assert entries.read(KEY)[0] == 1.5
    assert [found.key for found in files.listed()] == [KEY]

    def full(*paths):
        raise OSError("no room")

    files.fs.mv = full
    with pytest.raises(OSError, match="no room"):
        entries.write(OTHER, 1)
    assert kind_of(entries, OTHER) == "missing"
    assert not [path for path in files.fs.find(files.root) if OTHER in path]


def test_files_of_others_are_not_taken_for_entries(folder, opened):
    store = opened()
    filled(store, 1)
    (folder / "ab").mkdir()
    (folder / "ab" / "notes.txt").write_text("mine")
    (folder / "ab" / "..stratum").write_text("mine")
    (folder / "README.stratum").write_text("mine")
    assert len(list(LocalFiles(folder).listed())) == 1
    assert store.clear() == 1
    assert (folder / "ab" / "notes.txt").exists()
