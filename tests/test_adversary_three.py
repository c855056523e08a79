"""What a third adversary found: each case twice without us is two results, or two effects."""

import contextlib
import io
import operator
import random

import dask
import joblib
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from settled import settled

import stratum_dask
from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Role, Submission
from stratum_dask.optimizations.purity import Judge

# ------------------------------------------------------------------- what is reached


class Counts:
    n = 0

    @classmethod
    def bump(cls):
        cls.n += 1
        return cls.n

    @classmethod
    def roll(cls):
        return cls._roll()

    @classmethod
    def _roll(cls):
        return random.random()

    @classmethod
    def read(cls, path):
        return cls._read(path)

    @classmethod
    def _read(cls, path):
        with open(path) as file:
            return file.read()


class Base:
    def __init__(self, path, seed=None):
        self.base = pd.read_csv(path + ".base")
        self.luck = np.random.default_rng(seed).random()


class Both(Base):
    def __init__(self, path, seed=None):
        super().__init__(path)
        self.own = pd.read_csv(path)
        self.more = np.random.default_rng(seed).random()


class New:
    def __new__(cls, path):
        made = object.__new__(cls)
        made.base = pd.read_csv(path + ".base")
        return made

    def __init__(self, path):
        self.own = pd.read_csv(path)


class Named:
    which = "a"


class Unnamed(Named):
    which = None


def draw(seed, again=True):
    return draw(None, False) if again else np.random.default_rng(seed).random()


def chained(path):
    frame = pd.read_csv(path)
    after = frame["next"][0]
    return frame.x[0] + (chained(f"/tmp/{after}") if isinstance(after, str) else 0)


def only_by_position(seed, /, **more):
    return np.random.default_rng(seed).random()


def read_by_position(path, /, **more):
    return pd.read_csv(path)


def of_its_class():
    return pd.read_csv(f"/tmp/{Unnamed.which}")


def renames(a, b):
    from pathlib import Path

    Path(a).rename(b)


def size_of(path):
    from pathlib import Path

    return Path(path).stat().st_size


def to_orc(path):
    pd.DataFrame({"x": [1]}).to_orc(path)


def dumps_array(x, path):
    x.dump(path)


def maps_for_writing(path):
    joblib.load(path, mmap_mode="r+")[0] += 1


def fits_on_files(paths):
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(input="filename").fit(paths).vocabulary_


def loads_model(path):
    return joblib.load(path).predict()


def hour_here():
    import datetime

    return datetime.datetime.fromtimestamp(0).hour


def info():
    pd.DataFrame({"zz": [1]}).info()


def prints():
    import pprint

    pprint.pprint("zz")  # noqa: T203


def minimizes():
    import scipy.optimize

    return scipy.optimize.fmin(lambda x: float(x[0] ** 2), [1.0])


def asks_now():
    return pd.DataFrame({"y": [0]}).eval("y + @pd.Timestamp.now().value")


def speaks():
    return pd.Series(range(50)).agg("sample")


def takes_apart():
    return np.__dict__["random"].rand(3)


def maps(path):
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (Counts.bump, ()),
        (Counts.roll, ()),
        (Counts.read, ("a",)),
        (Both, ("a", 0)),
        (New, ("a",)),
        (draw, (0,)),
        (chained, ("a",)),
        (only_by_position, (None,)),
        (renames, ("a", "b")),
        (size_of, ("a",)),
        (to_orc, ("a",)),
        (dumps_array, (1, "a")),
        (maps_for_writing, ("a",)),
        (fits_on_files, (["a"],)),
        (loads_model, ("a",)),
        (hour_here, ()),
        (info, ()),
        (prints, ()),
        (minimizes, ()),
        (asks_now, ()),
        (takes_apart, ()),
        (speaks, ()),
        (maps, ("a.npy",)),
        (np.load, ("a.npy", "r")),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_it_is_not_reused_later(func, args):
    judge = Judge()
    assert judge.task(func, args).role is not Role.MERGE


def test_a_keyword_does_not_mean_what_has_no_name():
    judge = Judge()
    assert judge.task(only_by_position, (None,), {"seed": 0}).role is Role.REFUSE
    assert judge.paths(read_by_position, ("a",), {"path": "b"}) == ["a"]


def test_a_class_attribute_that_is_none_is_none():
    assert Judge().paths(of_its_class, (), {}) in (None, ["/tmp/None"])


RANDOM = """
    sparse.random toolz.random_sample skrub.TableVectorizer skrub.GapEncoder
    scipy.stats.PermutationMethod scipy.stats.dunnett scipy.sparse.linalg.svds
    scipy.linalg.clarkson_woodruff_transform scipy.integrate.qmc_quad
    pyarrow.compute.random sklearn.utils.random.sample_without_replacement
    sklearn.feature_extraction.image.extract_patches_2d dask.utils.random_state_data
"""


@pytest.mark.parametrize("name", RANDOM.split())
def test_library_functions_that_nobody_seeds_are_random(name):
    module, _, attribute = name.rpartition(".")
    func = getattr(pytest.importorskip(module), attribute)
    assert Judge().task(func).role is Role.REFUSE


def test_a_seed_in_the_signature_seeds():
    patches = pytest.importorskip("sklearn.feature_extraction.image").extract_patches_2d
    judge = Judge()
    given = {"patch_size": (2, 2), "max_patches": 3, "random_state": 0}
    assert judge.task(patches, (np.eye(9),), given).role is Role.MERGE


# ----------------------------------------------------------- what is put in its place
def same(*tasks):
    with stratum_dask.enabled():
        return dask.compute(*tasks, scheduler="synchronous")


def test_a_function_in_the_place_of_a_reader_is_looked_into(monkeypatch):
    monkeypatch.setattr(pd, "read_csv", lambda path: random.random())
    one, other = same(*(delayed(lambda p: pd.read_csv(p))("a") for _ in range(2)))
    assert one != other


def test_methods_that_a_program_gives_to_frames(monkeypatch):
    monkeypatch.setattr(pd.DataFrame, "luck", lambda _: random.random(), raising=False)
    frame = pd.DataFrame({"a": [1]})
    one, other = same(*(delayed(lambda d: d.luck())(frame) for _ in range(2)))
    assert one != other


def test_methods_that_write_once_they_are_a_programs_own(monkeypatch):
    old = pd.Series.sum

    def total(series, *args, **kwargs):
        series.iloc[0] += 1
        return old(series, *args, **kwargs)

    monkeypatch.setattr(pd.Series, "sum", total)

    def make():
        return pd.Series([1, 2])

    tasks = [delayed(lambda s, k: (k, int(s.sum())))(delayed(make)(), k) for k in "abc"]
    assert [n for _, n in same(*tasks)] == [4] * 3


def test_accessors_that_a_program_registers():
    class Lucky:
        def __init__(self, frame):
            self.frame = frame

        def luck(self):
            return random.random()

    pd.api.extensions.register_dataframe_accessor("lucky")(Lucky)
    try:
        frame = pd.DataFrame({"a": [1]})
        one, other = same(*(delayed(lambda d: d.lucky.luck())(frame) for _ in range(2)))
        assert one != other
    finally:
        del pd.DataFrame.lucky


def test_a_generator_that_is_a_result_moves_on():
    rng = delayed(np.random.default_rng)(0)
    one, other = same(rng.random(), rng.random())
    assert one != other


# ------------------------------------------------- writes into the program's own object
def isetitem(frame):
    frame.isetitem(0, frame["a"] + 1)


def inserts(frame):
    pd.DataFrame.insert(frame, 0, f"c{len(frame.columns)}", 1)


def adds(array):
    array.__iadd__(1)


def by_name(values):
    operator.methodcaller("append", 1)(values)


def collected(values):
    (lambda *given: given[0].append(1))(values)  # noqa: PLC3002


@pytest.mark.parametrize(
    ("func", "make", "seen"),
    [
        (isetitem, lambda: pd.DataFrame({"a": [1]}), lambda d: d.a[0] == 3),
        (inserts, lambda: pd.DataFrame({"a": [1]}), lambda d: len(d.columns) == 3),
        (adds, lambda: np.zeros(1), lambda a: a[0] == 2),
        (by_name, list, lambda x: x == [1, 1]),
        (collected, list, lambda x: x == [1, 1]),
    ],
)
def test_it_happens_as_often_as_it_is_written(func, make, seen):
    mine = make()
    same(delayed(func)(mine), delayed(func)(mine))
    assert seen(mine)


def test_it_is_printed_as_often_as_it_is_written():
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        same(delayed(prints)(), delayed(prints)())
    assert said.getvalue().count("zz") == 2


# ------------------------------------------------------------------------------ values
def fingerprint(func, *args):
    return Submission(as_graph({"a": (func, *args)}), frozenset("a")).fingerprints["a"]


def test_the_order_in_which_a_set_of_numbers_is_gone_through():
    assert list({8, 0}) != list({0, 8})
    assert fingerprint(list, {8, 0}) != fingerprint(list, {0, 8})
    assert fingerprint(list, {1, 2}) == fingerprint(list, {2, 1})


def test_a_map_of_a_file_shows_what_it_becomes(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.zeros(4))
    settled(file)
    graph = as_graph({"a": (np.load, str(file), "r")})
    assert Submission(graph, frozenset("a")).verdicts["a"].role is Role.BATCH
