"""User functions that hand their path on to a reader: the file's version enters.

So they are reused by later submissions while the file is what it was, and never
afterwards.
"""

import functools
import os
import pathlib

import dask
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from dask import delayed
from distributed.utils_test import gen_cluster
from settled import settled

from clusters import Ran, another
from stratum_dask.graph import as_graph
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.verdict import Role
from stratum_dask.scheduler_plugins import StratumPlugin

FOLDER = "/tmp/nowhere"
HOME = pathlib.Path(FOLDER)
NAME = ["x.csv"]


def plain(path):
    return pd.read_csv(path)


def keyword(path, rows=None):
    return pd.read_csv(filepath_or_buffer=path, nrows=rows)


def by_default(path="/tmp/nowhere/x.csv"):
    return pd.read_csv(path)


def constant():
    return pd.read_csv("/tmp/nowhere/x.csv")


def of_a_global():
    return pd.read_csv(FOLDER + "/x.csv")


def of_a_path():
    return pd.read_csv(HOME / "x.csv")


def joined(folder):
    return pd.read_csv(os.path.join(folder, "x.csv"))


def formatted(folder, year):
    return pd.read_csv(f"{folder}/{year}.csv")


def converted(folder):
    path = str(pathlib.Path(folder) / "x.csv")
    return pd.read_csv(path)


def through_a_helper(folder):
    return plain(os.path.join(folder, "x.csv")).dropna()


def through_a_lambda(folder):
    one = lambda path: pd.read_csv(path)
    return one(folder + "/x.csv")


def inside_a_lambda(folder):
    one = lambda: pd.read_csv(folder + "/x.csv")
    return one()


def two(folder):
    return plain(f"{folder}/x.csv"), np.load(folder + "/y.npy")


def placed_nowhere(path):
    return pd.read_csv(path, storage_options=None)


class Table:
    def __init__(self, path):
        self.frame = pd.read_csv(path)


X = ["/tmp/nowhere/x.csv"]
SEEN = [
    (plain, ("/tmp/nowhere/x.csv",), X),
    (plain, (pathlib.Path("/tmp/nowhere/x.csv"),), [HOME / "x.csv"]),
    (keyword, ("/tmp/nowhere/x.csv",), X),
    (placed_nowhere, ("/tmp/nowhere/x.csv",), X),
    (by_default, (), X),
    (constant, (), X),
    (of_a_global, (), X),
    (of_a_path, (), [HOME / "x.csv"]),
    (joined, (FOLDER,), X),
    (formatted, (FOLDER, 2013), ["/tmp/nowhere/2013.csv"]),
    (converted, (FOLDER,), X),
    (through_a_helper, (FOLDER,), X),
    (through_a_lambda, (FOLDER,), X),
    (inside_a_lambda, (FOLDER,), X),
    (two, (FOLDER,), [*X, "/tmp/nowhere/y.npy"]),
    (Table, ("/tmp/nowhere/x.csv",), X),
    (functools.partial(plain, "/tmp/nowhere/x.csv"), (), X),
    (functools.partial(keyword, rows=3), ("/tmp/nowhere/x.csv",), X),
]


@pytest.mark.parametrize(("func", "args", "paths"), SEEN)
def test_the_paths_are_seen(func, args, paths):
    judge = Judge()
    assert judge.reads(func)
    assert sorted(judge.paths(func, args, {}), key=str) == sorted(paths, key=str)
    assert judge.task(func, args).role is Role.MERGE


def assigned_again(path):
    path = path + ".csv"
    return pd.read_csv(path)


def of_a_list(paths):
    return [pd.read_csv(path) for path in paths]


def of_state():
    return pd.read_csv(NAME[0])


def two_homes(folder):
    one = lambda name: pd.read_csv(folder + name)
    return one("/x.csv")


def lower(path):
    return pd.read_csv(path.lower())


def conditional(a, b, which):
    return pd.read_csv(a if which else b)


def by_hand(path):
    with open(path) as file:
        return file.read()


def lazy(path):
    pl = pytest.importorskip("polars")
    return pl.scan_csv(path)


def starred(*paths):
    return pd.read_csv(*paths)


def packed(**options):
    return pd.read_csv(**options)


def of_an_object(library, path):
    return library.read_csv(path)


def placed(path):
    return pd.read_csv(path, storage_options={"endpoint_url": "https://a.org"})


def placed_by_position(path):
    return pd.read_parquet(path, "auto", None, {"endpoint_url": "https://a.org"})


def placed_by_parameter(path, where):
    return pq.read_table(path, filesystem=where)


@pytest.mark.parametrize(
    "func",
    [
        assigned_again,
        placed,
        placed_by_position,
        placed_by_parameter,
        of_a_list,
        of_state,
        two_homes,
        lower,
        by_hand,
        lazy,
        starred,
        packed,
        of_an_object,
    ],
)
def test_what_can_not_be_seen_is_not_reused_later(func):
    judge = Judge()
    args = (["a.csv"],) if func is of_a_list else ("a.csv",) * 3
    args = args[: func.__code__.co_argcount]
    assert not judge.reads(func)
    assert judge.task(func, args).role is not Role.MERGE


def test_of_two_paths_both_are_seen_or_none():
    """Python 3.12 and newer make a call of each branch."""
    judge = Judge()
    args = ("a.csv", "b.csv", True)
    if judge.reads(conditional):
        assert sorted(judge.paths(conditional, args, {})) == ["a.csv", "b.csv"]
    else:
        assert judge.task(conditional, args).role is Role.BATCH


class Odd(str):
    def __str__(self):
        return "other.csv"


@pytest.mark.parametrize("path", [3, b"a.csv", ["a.csv"], None, Odd("a.csv")])
def test_a_path_that_is_no_text_is_not_seen(path):
    judge = Judge()
    assert judge.paths(plain, (path,), {}) is None
    assert judge.task(plain, (path,)).role is not Role.MERGE


def test_what_a_reader_writes_is_refused_all_the_same(tmp_path):
    def read(path):
        frame = pd.read_csv(path)
        frame.to_csv(path + ".copy")
        return frame

    assert Judge().task(read, ("a.csv",)).role is Role.REFUSE


def test_a_function_in_the_place_of_a_reader_is_none(monkeypatch):
    def read_csv(path, **options):
        return NAME

    monkeypatch.setattr(pd, "read_csv", functools.wraps(pd.read_csv)(read_csv))
    assert not Judge().reads(plain)


# ------------------------------------------------------------------ fingerprints
def fingerprint(func, *args):
    submission = Submission(as_graph({"a": (func, *args)}), frozenset("a"))
    return submission.fingerprints["a"], submission.verdicts.get("a")


@pytest.fixture
def csv(tmp_path):
    return settled(tmp_path / "x.csv", "a\n1\n")


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (plain, ("{}/x.csv",)),
        (joined, ("{}",)),
        (through_a_helper, ("{}",)),
        (Table, ("{}/x.csv",)),
    ],
)
def test_the_version_of_the_file_enters(csv, func, args):
    args = [a.format(csv.parent) for a in args]
    before, verdict = fingerprint(func, *args)
    assert verdict is None
    assert fingerprint(func, *args) == (before, None)
    settled(csv, "a\n2\n")
    after, verdict = fingerprint(func, *args)
    assert after != before
    assert verdict is None


def test_which_file_is_read_where_enters(tmp_path):
    """Two links that change places lead to the same files, in another order."""

    def read(a, b):
        return pd.read_csv(a) - pd.read_csv(b)

    one, other = (settled(tmp_path / n, f"a\n{n}\n") for n in "12")
    links = [tmp_path / "a.csv", tmp_path / "b.csv"]
    found = []
    for targets in ((one, other), (other, one)):
        for link, target in zip(links, targets, strict=True):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        found.append(fingerprint(read, *map(str, links)))
    assert found[0] != found[1]


def test_a_file_of_which_nothing_is_seen_says_why(tmp_path):
    _, verdict = fingerprint(plain, str(tmp_path / "missing.csv"))
    assert verdict.role is Role.BATCH
    assert "no such local file" in verdict.reason
    fresh = tmp_path / "fresh.csv"
    fresh.write_text("a\n1\n")
    os.utime(fresh, ns=(0, 2**62))  # its clock is ahead of ours
    _, verdict = fingerprint(plain, str(fresh))
    assert "changed only a moment ago" in verdict.reason
    _, verdict = fingerprint(plain, str(tmp_path / "[a].csv"))
    assert "several files" in verdict.reason


def test_an_annotation_stands_for_the_version(tmp_path):
    with dask.annotate(stratum="pure"):
        tasks = [delayed(plain)(str(tmp_path / "missing.csv")) for _ in range(2)]
    import stratum_dask

    assert not stratum_dask.explain(*tasks).counts.refused


# --------------------------------------------------------------------- clusters
@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_a_changed_file_changes_the_result(csv, scheduler):
    def total(frame):
        return int(frame["a"].sum())

    found = []
    with dask.config.set({"stratum.enabled": True}):
        for value in (1, 2, 3):
            csv.write_text(f"a\n{value}\n")
            tasks = [delayed(total)(delayed(plain)(str(csv))) for _ in range(3)]
            found.append(dask.compute(*tasks, scheduler=scheduler))
    assert found == [(1,) * 3, (2,) * 3, (3,) * 3]


@gen_cluster(client=True, config={"stratum.enabled": True})
async def test_a_read_is_shared_with_later_submissions(c, s, a, b):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        csv = settled(pathlib.Path(folder) / "x.csv", "a\n1\n")
        if "stratum" not in s.plugins:
            await s.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        ran = Ran(s)
        s.add_plugin(ran)
        async with another(s) as second:
            one = c.compute(delayed(joined)(folder))
            await one
            two = second.compute(delayed(joined)(folder))
            assert (await two)["a"].tolist() == [1]
            assert ran.names["joined"] == 1
            settled(csv, "a\n2\n")
            three = c.compute(delayed(joined)(folder))
            assert (await three)["a"].tolist() == [2]
            assert ran.names["joined"] == 2


# ------------------------------------------------------------- what libraries have
def library(name):
    module, _, attribute = name.rpartition(".")
    return getattr(pytest.importorskip(module), attribute)


HANDLES = [
    "pandas.ExcelFile",
    "pyarrow.parquet.ParquetFile",
    "pyarrow.parquet.ParquetDataset",
    "pyarrow.dataset.dataset",
    "pyarrow.csv.open_csv",
    "pyarrow.ipc.open_file",
    "pyarrow.RecordBatchFileReader",
    "scipy.io.netcdf_file",
    "scipy.io.FortranFile",
    "scipy.io.wavfile.read",
    "scipy.io.readsav",
    "scipy.io.hb_read",
    "scipy.io.mminfo",
    "scipy.io.whosmat",
    "sklearn.datasets.load_svmlight_file",
    "numpy.fromregex",
    "tokenize.open",
    "io.open_code",
]


@pytest.mark.parametrize("name", HANDLES)
def test_what_opens_or_reads_a_file_of_unseen_version_is_batch(name):
    assert Judge().task(library(name), ("a",)).role is Role.BATCH


WRITERS = [
    "joblib.dump",
    "cloudpickle.dump",
    "pandas.HDFStore",
    "pandas.ExcelWriter",
    "pyarrow.parquet.ParquetWriter",
    "pyarrow.parquet.write_metadata",
    "pyarrow.parquet.write_to_dataset",
    "pyarrow.ipc.new_file",
    "pyarrow.fs.copy_files",
    "pyarrow.fs.LocalFileSystem",
    "pyarrow.create_memory_map",
    "scipy.io.hb_write",
    "scipy.io.wavfile.write",
    "joblib.Memory",
    "pyarrow.set_cpu_count",
    "numpy.lib.format.write_array",
]


@pytest.mark.parametrize("name", WRITERS)
def test_what_writes_must_happen_every_time(name):
    """Also where the function is imported by itself: joblib's lives elsewhere."""
    assert Judge().task(library(name), ("a", "b")).role is Role.REFUSE


PURE = [
    "json.loads",
    "json.dumps",
    "pickle.dumps",
    "sklearn.datasets.load_iris",
    "sklearn.tree.export_graphviz",
    "scipy.ndimage.binary_opening",
    "hashlib.md5",
    "pyarrow.py_buffer",
    "numpy.shares_memory",
    "sklearn.linear_model.lasso_path",
]


@pytest.mark.parametrize("name", PURE)
def test_what_only_sounds_like_it_is_merged(name):
    assert Judge().task(library(name)).role is Role.MERGE


@pytest.mark.parametrize("options", [{"chunksize": 3}, {"iterator": True}])
def test_a_part_at_a_time_is_an_iterator(options):
    judge = Judge()
    assert judge.task(pd.read_csv, ("a",), options).role is Role.REFUSE
    nothing = dict.fromkeys(options)
    assert judge.task(pd.read_csv, ("a",), nothing).role is Role.MERGE

    def read(path, size):
        return pd.read_csv(path, chunksize=size)

    assert judge.task(read, ("a", 3)).role is not Role.MERGE


@pytest.mark.parametrize("name", ["numpy.nditer", "numpy.ndenumerate", "csv.reader"])
def test_iterators_of_libraries_are_refused(name):
    assert Judge().task(library(name), ([1],)).role is Role.REFUSE


def test_generators_of_libraries_are_refused():
    assert (
        Judge().task(library("sklearn.utils.gen_batches"), (3, 1)).role is Role.REFUSE
    )


def load_first(path):
    return np.load(path)


@pytest.mark.parametrize("func", [np.load, load_first])
def test_an_archive_of_arrays_is_an_open_file(func):
    judge = Judge()
    assert judge.task(func, ("a.npz",)).role is Role.BATCH
    assert judge.task(func, ("a.npy",)).role is Role.MERGE


# pandas leaves it to the garbage collector to close the file
@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@gen_cluster(client=True, nthreads=[("", 2)], config={"stratum.enabled": True})
async def test_an_open_file_is_not_given_to_later_submissions(c, s, a):
    import tempfile

    def first(archive):
        with archive as file:
            return float(file["a"].sum())

    def total(parts):
        return sum(float(part["a"].sum()) for part in parts)

    with tempfile.TemporaryDirectory() as folder:
        npz = f"{folder}/a.npz"
        np.savez(npz, a=np.arange(4))
        csv = settled(pathlib.Path(folder) / "x.csv", "a\n1\n2\n3\n")
        settled(npz)
        opened = delayed(np.load)(npz), delayed(pd.read_csv)(csv, chunksize=1)
        kept = c.compute(list(opened))
        for _ in range(2):
            tasks = [
                delayed(first)(delayed(np.load)(npz)),
                delayed(total)(delayed(pd.read_csv)(csv, chunksize=1)),
            ]
            assert await c.gather(c.compute(tasks)) == [6.0, 6.0]
        del kept


# --------------------------------------------------------------- files of other hosts
def elsewhere(func, *args):
    graph = as_graph({"a": (func, *args)})
    submission = Submission(graph, frozenset("a"), elsewhere=Elsewhere.HOSTS)
    return submission.verdicts.get("a")


@pytest.mark.parametrize("func", [plain, pd.read_csv])
def test_a_disk_of_this_host_tells_nothing_of_what_others_read(csv, func):
    verdict = elsewhere(func, str(csv))
    assert verdict.role is Role.BATCH
    assert "workers run on others" in verdict.reason


@pytest.mark.parametrize("func", [plain, pd.read_csv])
def test_a_file_system_that_hosts_share_tells(csv, func, monkeypatch):
    from stratum_dask.optimizations.fingerprint import mounts

    shared = {"/": "ext4", os.path.realpath(csv.parent): "nfs4"}
    monkeypatch.setattr(mounts, "_mounts", lambda _: shared)
    assert elsewhere(func, str(csv)) is None
    monkeypatch.setattr(mounts, "_mounts", lambda _: {})
    assert elsewhere(func, str(csv)) is not None


@pytest.mark.parametrize(
    ("scheduler", "workers", "one"),
    [
        ("inproc://1.2.3.4/1/1", [], True),
        ("tcp://127.0.0.1:8786", [], True),
        ("tls://localhost:8786", [], True),
        ("tcp://10.0.0.1:8786", [], False),
        ("tcp://10.0.0.1:8786", ["tcp://10.0.0.1:1", "tcp://10.0.0.1:2"], True),
        ("tcp://10.0.0.1:8786", ["tcp://10.0.0.1:1", "tcp://10.0.0.2:1"], False),
        ("tls://10.0.0.1:8786", ["tls://10.0.0.1:1"], True),
        ("tcp://[::1]:8786", [], True),
        ("?", [], False),
    ],
)
def test_a_cluster_on_one_host_is_known(scheduler, workers, one):
    from stratum_dask.seams.hosts import on_one_host

    assert on_one_host(scheduler, workers) is one


def seeded(path, seed):
    return pd.read_csv(path).sample(3, random_state=seed)


def test_an_unseen_path_does_not_make_a_seed_unseen():
    judge = Judge()
    assert judge.task(seeded, (3, 0)).role is Role.BATCH
    assert judge.task(seeded, ("a.csv", 0)).role is Role.MERGE
    assert judge.task(seeded, ("a.csv", None)).role is Role.REFUSE
