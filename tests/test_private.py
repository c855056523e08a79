"""Private handles: equal to what is shared, independent of it, cheap to send."""

from __future__ import annotations

import asyncio
import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import io
import itertools
import operator
import pathlib
import pickle
import random
import socket
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import dask
import pytest
from dask.utils import funcname
from distributed import Client
from distributed.utils import iscoroutinefunction
from naming import spelled

from stratum_dask.optimizations.private import (
    Isolated,
    Opened,
    Recipe,
    Shareable,
    Uncopyable,
    private,
    privates,
)

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
PANDAS_3 = int(pd.__version__.partition(".")[0]) >= 3


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Box:
    content: object
    label: str = "box"


Point = collections.namedtuple("Point", "x y")


class Slotted:
    __slots__ = ("a", "b")


class Moody:
    """Refuses to be copied."""

    def __reduce_ex__(self, protocol):
        raise ValueError("not today")


def append(items, extra=0):
    """Write into the input."""
    items.append(extra)
    return items


async def append_later(items):
    await asyncio.sleep(0)
    items.append("late")
    return items


def count_up(n):
    yield from range(n)


def frame():
    made = pd.DataFrame(
        {
            "a": [1.0, 2.0, 3.0],
            "b": [4.0, 5.0, 6.0],
            "s": ["x", "y", "z"],
            "t": pd.to_datetime(["2020", "2021", "2022"]),
            "n": pd.array([1, 2, None], dtype="Int64"),
            "c": pd.Categorical(["u", "v", "u"]),
            "o": pd.Series([[1], {"k": [2]}, "plain"], dtype=object).to_numpy(),
        },
        index=pd.Index([10, 20, 30], name="row"),
    )
    made.attrs["source"] = {"file": ["f"]}
    return made


def state(df):
    """All there is to see of a frame, as bytes independent of the frame."""
    return pickle.dumps(
        [
            df.index.tolist(),
            list(df.index.names),
            list(df.columns),
            df.columns.name,
            df.attrs,
            df.flags.allows_duplicate_labels,
            [str(kind) for kind in df.dtypes],
            [repr(df[c].tolist()) for c in df.columns],
        ]
    )


# ---------------------------------------------------------------- immutable values


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        1j,
        "text",
        b"bytes",
        range(3),
        Colour.RED,
        ...,
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        datetime.timedelta(1),
        decimal.Decimal("1.5"),
        pathlib.Path("/tmp"),
        np.dtype("f8"),
        np.float64(1.5),
        np.add,
        pd.Timestamp("2020"),
        pd.NaT,
        pd.NA,
        pd.offsets.Day(2),
        len,
        append,
        Box,
        operator,
        slice(1, 2),
        (1, "a", (None, b"")),
        frozenset([1, (2, 3)]),
        str.upper,
    ],
    ids=spelled,
)
def test_immutable_values_come_back_themselves(value):
    assert private(value) is value


def test_arrow_objects_come_back_themselves():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2]})
    values = [table, table["a"], table.schema, pa.array([1]), pa.scalar(1), pa.int8()]
    assert all(private(value) is value for value in values)


def test_arrow_streams_are_not_taken_for_values():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2]})
    with pytest.raises(Uncopyable, match="RecordBatchReader"):
        private(table.to_reader())


def test_polars_frames_are_cloned():
    pl = pytest.importorskip("polars")
    shared = pl.DataFrame({"a": [1, 2]})
    mine = private(shared)
    mine[0, "a"] = 9
    assert shared["a"].to_list() == [1, 2]


# ------------------------------------------------------------ Python's own objects


@pytest.mark.parametrize(
    ("make", "write", "read"),
    [
        (lambda: [1, [2]], lambda x: x[1].append(3), lambda x: x),
        (lambda: {"a": {1}}, lambda x: x["a"].add(3), lambda x: x),
        (lambda: {1, 2}, lambda x: x.add(3), lambda x: x),
        (lambda: ([], 1), lambda x: x[0].append(1), lambda x: x),
        (lambda: Point([], 1), lambda x: x.x.append(1), lambda x: x),
        (lambda: bytearray(b"ab"), lambda x: x.extend(b"c"), bytes),
        (lambda: collections.deque([1], 3), lambda x: x.append(2), list),
        (
            lambda: collections.defaultdict(list, a=[1]),
            lambda x: x["b"].append(1),
            dict,
        ),
        (
            lambda: collections.OrderedDict(a=[1]),
            lambda x: x["a"].append(1),
            lambda x: x,
        ),
        (lambda: collections.Counter("aab"), lambda x: x.update("a"), lambda x: x),
        (lambda: Box([1]), lambda x: x.content.append(2), lambda x: x),
        (
            lambda: types.SimpleNamespace(a=[1]),
            lambda x: x.a.append(1),
            lambda x: x.a,
        ),
        (lambda: io.BytesIO(b"ab"), lambda x: x.write(b"zz"), lambda x: x.getvalue()),
        (lambda: random.Random(1), lambda x: x.random(), lambda x: x.getstate()),
        (
            lambda: functools.partial(append, [1]),
            lambda x: x(),
            lambda x: x.args[0],
        ),
        (lambda: [1].append, lambda x: x(2), lambda x: x.__self__),
        (lambda: Box([1]).content.append, lambda x: x(2), lambda x: x.__self__),
        (lambda: iter([1, 2]), next, lambda x: x.__length_hint__()),
        (lambda: slice([1], None), lambda x: x.start.append(2), lambda x: x.start),
    ],
)
def test_python_objects_are_equal_and_independent(make, write, read):
    shared, expected = make(), make()
    mine = private(shared)
    assert type(mine) is type(shared)
    assert read(mine) == read(expected)
    write(mine)
    assert read(shared) == read(expected)
    assert read(mine) != read(expected)


def test_slots_are_copied():
    shared = Slotted()
    shared.a = [1]
    mine = private(shared)
    mine.a.append(2)
    assert shared.a == [1]
    assert not hasattr(mine, "b")


def test_cycles_survive():
    shared = [1]
    shared.append({"me": (shared,)})
    mine = private(shared)
    assert mine is not shared
    assert mine[1]["me"][0] is mine


def test_closures_with_state_are_copied():
    def counter():
        seen = []

        def add(item, *, also=[]):  # noqa: B006
            also.append(item)
            seen.append(item)
            return add, len(seen), len(also)

        return add

    shared = counter()
    mine = private(shared)
    assert mine(1) == (mine, 1, 1)  # it refers to itself, not to the shared one
    assert mine(1) == (mine, 2, 2)
    assert shared(1) == (shared, 1, 1)


def test_two_closures_over_one_variable_still_share_it():
    def pair():
        seen = []

        def put(item):
            seen.append(item)
            return get()

        def get():
            return seen, put

        return put, get

    put, get = pair()
    my_put, my_get = privates([put, get])
    assert my_put(1) == ([1], my_put)
    assert my_get() == ([1], my_put)
    assert get() == ([], put)


def test_what_was_one_object_stays_one():
    row = [0]
    first, (second,), third = privates([row, [row], row])
    assert first is second is third
    assert first is not row


def test_a_plain_dict_carries_sharing_on():
    row, memo = [0], {}
    (first,) = privates([row], memo)
    (again,) = privates([[row]], memo)
    assert again[0] is first


# -------------------------------------------------------------------------- numpy


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.arange(6.0).reshape(2, 3),
        lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        lambda: np.arange(24.0).reshape(4, 6)[::2, ::-3],
        lambda: np.arange(1000.0)[3:7],
        lambda: np.array(5.0),
        lambda: np.arange(3).astype(">i4"),
        lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        lambda: np.array([(1, 2.0)] * 3, dtype=[("a", "i4"), ("b", "f8")])["b"],
        lambda: np.array(["2020"], "M8[D]")[:],
        lambda: np.array(["ab", "c"])[::-1],
        lambda: np.arange(4).view(np.recarray),
        lambda: np.array([1, 2]).reshape(1, 2).T,
        lambda: np.empty((0, 3)),
        lambda: np.array([1, 2, 3, 4], "i2").view("i4"),
    ],
)
def test_arrays_keep_type_bits_and_strides(make):
    shared, expected = make(), make()
    mine = private(shared)
    assert type(mine) is type(shared)
    assert (mine.dtype, mine.shape) == (shared.dtype, shared.shape)
    assert mine.strides == shared.strides
    assert mine.tobytes() == expected.tobytes()
    assert not np.shares_memory(mine, shared)
    mine[...] = np.zeros((), mine.dtype)
    assert shared.tobytes() == expected.tobytes()


def test_read_only_arrays_stay_read_only_and_guarded():
    shared = np.arange(3)
    shared.flags.writeable = False
    view = np.arange(8)[2:]
    view.flags.writeable = False
    mine, my_view = privates([shared, view])
    assert not mine.flags.writeable
    assert not my_view.flags.writeable
    mine.flags.writeable = my_view.flags.writeable = True
    mine[0] = my_view[0] = 99
    assert (shared[0], view[0]) == (0, 2)


def test_broadcast_arrays_stay_small():
    shared = np.broadcast_to(np.array([1.0]), (1_000_000_000, 1))
    mine = private(shared)
    assert (mine.shape, mine.strides) == (shared.shape, shared.strides)
    assert not np.may_share_memory(mine, shared)


@pytest.mark.parametrize("start", [0, 900])
def test_views_passed_along_keep_sharing(start):
    base = np.arange(1000.0)
    part = base[start:][:50]
    for order in ([base, part], [part, base], [part, {"b": [base]}]):
        mine = privates(order)
        whole, piece = mine if order[0] is base else (mine[1], mine[0])
        whole = whole["b"][0] if isinstance(whole, dict) else whole
        piece[0] = -1.0
        assert whole[start] == -1.0
        assert base[start] == start


def test_overlapping_windows_keep_overlapping():
    windows = np.lib.stride_tricks.as_strided(np.arange(5), (3, 3), (8, 8))
    mine = private(windows)
    mine[0, 1] = 77
    assert mine[1, 0] == 77
    assert windows[1, 0] == 1


@pytest.mark.parametrize("shape", [(), (2,), (2, 1)])
def test_cells_of_object_arrays_are_copied(shape):
    shared = np.empty(shape, object)
    shared.fill([1])
    first = (0,) * len(shape)
    mine = private(shared)
    mine[first].append(2)
    assert shared[first] == [1]
    assert mine[first] == [1, 2]


def test_object_fields_and_object_arrays_inside_themselves():
    shared = np.array([([1], 2)], dtype=[("o", object), ("i", int)])
    mine = private(shared)
    mine["o"][0].append(2)
    assert shared["o"][0] == [1]
    loop = np.empty(1, object)
    loop[0] = loop
    assert (copied := private(loop))[0] is copied


def test_masked_arrays_keep_mask_and_fill_value():
    shared = np.ma.array([1, 2, 3], mask=[0, 1, 0], fill_value=7)
    mine = private(shared)
    assert mine.fill_value == 7
    mine[0] = np.ma.masked
    mine[1] = 5
    mine.fill_value = 8
    assert shared.mask.tolist() == [False, True, False]
    assert shared.data.tolist() == [1, 2, 3]
    assert shared.fill_value == 7
    assert private(np.ma.masked) is np.ma.masked


def test_windows_on_files_stay_what_they_were(tmp_path):
    np.arange(3.0).tofile(tmp_path / "x")
    for mode in ("r", "r+"):
        shared = np.memmap(tmp_path / "x", mode=mode)
        assert private(shared) is shared
    scratch = np.memmap(tmp_path / "x", mode="c", dtype="f8")
    mine = private(scratch)
    mine[0] = 9
    assert (type(mine), mine.mode, scratch[0]) == (np.memmap, "c", 0.0)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_random_generators_have_equal_state_of_their_own(make):
    shared = make(3)
    mine = private(shared)
    drawn = mine.uniform(size=3).tolist()
    assert drawn == shared.uniform(size=3).tolist() == make(3).uniform(size=3).tolist()


def test_sparse_matrices_are_copied():
    sparse = pytest.importorskip("scipy.sparse")
    shared = sparse.csr_matrix(np.eye(3))
    mine = private(shared)
    mine.data[:] = 5
    mine.indices[:] = 0
    assert type(mine) is type(shared)
    assert (shared.toarray() == np.eye(3)).all()


# ------------------------------------------------------------------------- pandas


def _inplace(df):
    df.rename(columns={"a": "A"}, inplace=True)
    df.drop(columns="b", inplace=True)


def _flip_flag(df):
    values = df["a"].values
    values.flags.writeable = True
    values[0] = 99


def _whole_flip(df):
    values = df[["a", "b"]].to_numpy() if PANDAS_3 else df["a"].to_numpy()
    values.flags.writeable = True
    values[:] = 99
    _flip_flag(df)


ABOVE = {
    "setitem": lambda df: df.__setitem__("a", 0),
    "new column": lambda df: df.__setitem__("new", 0),
    "delitem": lambda df: df.__delitem__("a"),
    "pop": lambda df: df.pop("a"),
    "insert": lambda df: df.insert(0, "new", 1),
    "loc": lambda df: df.loc.__setitem__((10, "a"), -1.0),
    "iloc": lambda df: df.iloc.__setitem__((0, 0), -1.0),
    "at": lambda df: df.at.__setitem__((10, "a"), -1.0),
    "iat": lambda df: df.iat.__setitem__((0, 0), -1.0),
    "inplace": _inplace,
    "sort": lambda df: df.sort_values("a", ascending=False, inplace=True),
    "index name": lambda df: setattr(df.index, "name", "other"),
    "index names": lambda df: setattr(df.index, "names", ["other"]),
    "columns name": lambda df: setattr(df.columns, "name", "other"),
    "columns": lambda df: setattr(df, "columns", list("1234567")),
    "index": lambda df: setattr(df, "index", [1, 2, 3]),
    "attrs": lambda df: df.attrs.__setitem__("source", 1),
    "deep attrs": lambda df: df.attrs["source"]["file"].append(1),
    "flags": lambda df: setattr(df.flags, "allows_duplicate_labels", False),
    "cell list": lambda df: df["o"].iloc[0].append(5),
    "cell dict": lambda df: df["o"].iloc[1]["k"].append(5),
}
BENEATH = {
    "array": lambda df: df["a"].array.__setitem__(0, -1.0),
    "datetime array": lambda df: df["t"].array.__setitem__(0, pd.Timestamp("1999")),
    "string array": lambda df: df["s"].array.__setitem__(0, "other"),
    "masked array": lambda df: df["n"].array.__setitem__(0, 9),
    "categorical array": lambda df: df["c"].array.__setitem__(0, "v"),
    "_values": lambda df: df["a"]._values.__setitem__(0, -1.0),
    "index _values": lambda df: df.index._values.__setitem__(0, -1),
    "flipped": _flip_flag,
    "flipped block": _whole_flip,
}


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize(
    "write", [*ABOVE.values(), *BENEATH.values()], ids=[*ABOVE, *BENEATH]
)
def test_no_write_into_a_frame_leaks(write):
    shared = frame()
    before = state(shared)
    mine = private(shared)
    assert state(mine) == before
    write(mine)
    assert state(shared) == before
    assert state(mine) != before


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("write", ABOVE.values(), ids=ABOVE)
def test_copy_on_write_handles_guard_all_of_pandas_own_interface(write):
    shared = frame()
    before = state(shared)
    mine = private(shared, cow=True)
    write(mine)
    assert state(shared) == before
    assert state(mine) != before


@pytest.mark.skipif(not PANDAS_3, reason="copy-on-write is off")
@pytest.mark.parametrize("column", [["x", "y"], [1.0, 2.0], [None, "x"]])
def test_copy_on_write_handles_copy_no_memory(column):
    shared = pd.DataFrame({"a": [1.0, 2.0], "o": pd.Series(column, dtype=object)})
    mine = private(shared, cow=True)
    assert np.shares_memory(mine["a"].to_numpy(), shared["a"].to_numpy())
    assert not np.shares_memory(private(shared)["a"].to_numpy(), shared["a"].to_numpy())


@pytest.mark.skipif(PANDAS_3, reason="copy-on-write is always on")
def test_the_option_of_pandas_2_turns_copy_on_write_handles_on():
    shared = pd.DataFrame({"a": [1.0, 2.0]})
    plain = private(shared, cow=True)
    with pd.option_context("mode.copy_on_write", True):
        shallow = private(shared, cow=True)
    assert not np.shares_memory(plain["a"].to_numpy(), shared["a"].to_numpy())
    assert np.shares_memory(shallow["a"].to_numpy(), shared["a"].to_numpy())


def test_sklearn_writing_into_a_frame_does_not_leak():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    shared = pd.DataFrame(np.arange(12.0).reshape(4, 3))
    scaler = preprocessing.StandardScaler(copy=False)
    Isolated(scaler.fit_transform, (0,))(shared)
    assert shared.to_numpy().tolist() == np.arange(12.0).reshape(4, 3).tolist()


def test_frames_keep_memory_layout():
    made = pd.DataFrame(np.asfortranarray(np.arange(12.0).reshape(4, 3)), copy=False)
    for shared in (made, made.iloc[1:3], made.T, made.assign(x=1.0)):
        mine, theirs = private(shared).to_numpy(), shared.to_numpy()
        assert mine.strides == theirs.strides


def test_read_only_frames_raise_as_without_us():
    shared = pd.DataFrame({"a": [1.0], "b": [2.0]})
    writes = [lambda df: df.values.__setitem__((0, 0), 9.0)]
    for write in writes:
        outcome = []
        for df in (shared.copy(), private(shared)):
            try:
                write(df)
                outcome.append(df["a"].tolist())
            except ValueError as error:
                outcome.append(str(error))
        assert outcome[0] == outcome[1]
    assert shared["a"].tolist() == [1.0]


class Marked(pd.DataFrame):
    _metadata = ["marks"]  # noqa: RUF012

    @property
    def _constructor(self):
        return Marked


@pytest.mark.parametrize("cow", [False, True])
def test_subclasses_keep_type_metadata_and_own_attributes(cow):
    shared = Marked({"a": [1.0]})
    shared.marks = ["m"]
    object.__setattr__(shared, "note", ["n"])
    mine = private(shared, cow=cow)
    assert type(mine) is Marked
    assert (mine.marks, mine.note) == (["m"], ["n"])
    mine.marks.append(1)
    mine.note.append(1)
    assert (shared.marks, shared.note) == (["m"], ["n"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.RangeIndex(3, name="r"),
        lambda: pd.Index([3, 1, 2], name="i"),
        lambda: pd.Index(list("abc"), name="s"),
        lambda: pd.MultiIndex.from_product([[1, 2], ["a"]], names=["x", "y"]),
        lambda: pd.date_range("2020", periods=3, freq="D", tz="UTC", name="d"),
        lambda: pd.CategoricalIndex(list("aba")),
        lambda: pd.interval_range(0, 3),
        lambda: pd.period_range("2020", periods=3, freq="M"),
        lambda: pd.Series([1.5, None], name="v", index=list("ab")),
        lambda: pd.Series(pd.date_range("2020", periods=3, tz="Asia/Tokyo")),
        lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    ],
)
def test_indexes_and_series_are_equal(make):
    shared = make()
    mine = private(shared)
    check = pd.testing.assert_series_equal
    if isinstance(shared, pd.Index):
        check = pd.testing.assert_index_equal
    check(mine, shared)
    assert getattr(mine, "freq", None) == getattr(shared, "freq", None)
    shared_names = list(shared.names) if isinstance(shared, pd.Index) else shared.name
    mine.name = "other" if not isinstance(mine, pd.MultiIndex) else None
    now = list(shared.names) if isinstance(shared, pd.Index) else shared.name
    assert now == shared_names


def test_a_frame_in_a_dict_and_passed_directly_is_one_frame():
    df = frame()
    mine, box = privates([df, {"df": df, "index": df.index}])
    assert box["df"] is mine
    assert mine is not df


def test_series_index_and_frame_index_stay_one_object():
    index = pd.Index([1, 2])
    one, two = pd.Series([1, 2], index), pd.Series([3, 4], index)
    assert one.index is two.index or not PANDAS_3
    boxes = private([Box(index), Box(index)])
    assert boxes[0].content is boxes[1].content


def test_fitted_estimators_are_copied_with_their_random_state():
    ensemble = pytest.importorskip("sklearn.ensemble")
    x = np.random.RandomState(0).normal(size=(40, 3))
    shared = ensemble.RandomForestRegressor(5, random_state=np.random.RandomState(1))
    shared.fit(x, x[:, 0])
    shared.note = {"k": [1]}
    mine = private(shared)
    expected = shared.predict(x).tolist()
    assert mine.predict(x).tolist() == expected
    drawn = mine.random_state.uniform()
    mine.note["k"].append(2)
    mine.fit(x, x[:, 1])
    assert shared.predict(x).tolist() == expected
    assert shared.random_state.uniform() == drawn
    assert shared.note == {"k": [1]}


# ------------------------------------------------------------- what cannot be copied


def test_uncopyable_names_the_type_also_when_deep_inside():
    with pytest.raises(Uncopyable, match=r"test_private\.Moody .*__reduce_ex__"):
        private({"a": [Moody()]})
    error = pickle.loads(pickle.dumps(Uncopyable("a.B", "why")))
    assert "a.B" in str(error)
    assert isinstance(error, TypeError)


def test_errors_of_deepcopy_are_uncopyable_too():
    class Own:
        def __deepcopy__(self, memo):
            raise KeyError("x")

    with pytest.raises(Uncopyable, match="Own"):
        private(Own())


@pytest.mark.parametrize(
    "make",
    [
        lambda: count_up(3),
        lambda: itertools.count(),
        lambda: map(str, count_up(3)),
        lambda: open(__file__),  # noqa: SIM115
        lambda: threading.Lock(),
        lambda: socket.socket(),
        lambda: memoryview(b"ab"),
        lambda: [1, {"a": count_up(3)}],
        lambda: pd.Series([count_up(3)], dtype=object),
        Moody,
    ],
)
def test_what_cannot_be_copied_is_made_once_for_each_taker(make):
    made = []

    def call(*, tag):
        made.append(make())
        return made[-1]

    recipe = Shareable(call)(tag=1)
    assert isinstance(recipe, Recipe)
    takers = [private(recipe) for _ in range(3)]
    assert len(made) == 3  # as many as without a merge
    assert {id(taker) for taker in takers} == {id(one) for one in made}
    for one in made:
        getattr(one, "close", bool)()


@pytest.mark.parametrize(
    "value",
    [
        lambda: [1, "a", {"k": (2,)}],
        lambda: np.arange(3),
        frame,
        lambda: {"x": np.array([[1]], object)},
        lambda: iter([1]),
        lambda: Box({}),
        lambda: None,
    ],
)
def test_what_can_be_copied_is_returned_itself(value):
    made = value()
    assert Shareable(lambda: made)() is made


def test_one_task_gets_one_object_of_a_recipe():
    recipe = Shareable(count_up)(3)
    first, (second,) = privates([recipe, [recipe]])
    assert first is second
    assert list(first) == [0, 1, 2]


def test_recipes_survive_pickling_without_what_was_made():
    recipe = Shareable(count_up)(3)
    there = pickle.loads(pickle.dumps(recipe))
    assert list(private(there)) == list(private(recipe)) == [0, 1, 2]


def test_errors_of_a_repeated_call_pass_unchanged():
    error = ZeroDivisionError("mine")

    def call():
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        private([Box(Recipe(call, (), {}))])
    assert caught.value is error


class Lossy:
    def __init__(self, v=None):
        self.v = [] if v is None else v

    def __reduce__(self):
        return Lossy, ()


class Forgetful:
    def __init__(self):
        self.v = [1]

    def __getstate__(self):
        return {}


class Single:
    one = None

    def __new__(cls):
        cls.one = cls.one or super().__new__(cls)
        return cls.one


class Uncopied:
    def __deepcopy__(self, memo):
        return self


class Counting(collections.Counter):
    pass


def noted_counter():
    counter = Counting("ab")
    counter.note = 1
    return counter


def local_instance(**members):
    return type("Local", (), members)()


def registering_class():
    seen = []

    class Registering:
        def add(self):
            seen.append(1)

    return Registering()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lossy([1]),
        Forgetful,
        Single,
        Uncopied,
        noted_counter,
        lambda: type("Local", (), {}),
        lambda: local_instance(v=[]),
        lambda: local_instance(f=functools.cache(lambda self: [])),
        registering_class,
        lambda: enum.Enum("Made", "A"),
        lambda: enum.Enum("Made", "A").A,
        lambda: types.ModuleType("made"),
        lambda: eval("lambda: None", {}),
        lambda: functools.cache(list),
        lambda: __import__("weakref").ref(Box),
        lambda: functools.partial(local_instance().__class__),
    ],
)
def test_what_may_have_no_faithful_copy_is_refused(make):
    with pytest.raises(Uncopyable):
        private([make()])
    assert isinstance(Shareable(make)(), Recipe)


def test_sets_that_would_list_their_items_in_another_order_are_refused():
    shared = set(range(40_000, 0, -7))
    for i in range(40_000, 100, -7):
        shared.discard(i)
    shared |= {i << 20 for i in range(9)}
    try:
        mine = private(shared)
    except Uncopyable:
        mine = shared
    assert list(mine) == list(shared)


def ordinary_local_classes():
    @dataclasses.dataclass
    class Row:
        content: list
        label: str = "row"
        more: list = dataclasses.field(default_factory=list)

    @dataclasses.dataclass(frozen=True, slots=True)
    class Frozen:
        content: list

    class Base:
        LIMIT = 3

        def __init__(self, content):
            super().__init__()
            self.content = content

        @functools.cached_property
        def size(self):
            return len(self.content)

    class Items(list):
        def append(self, item):
            raise ValueError(item)

    class Pairs(dict):
        def __setitem__(self, key, value):
            raise ValueError(key)

    items, pairs = Items([[1]]), Pairs({"a": [1]})
    items.content, pairs.content = items[0], pairs["a"]
    point = collections.namedtuple("LocalPoint", "content")([1])
    return [Row([1]), Frozen([1]), Base([1]), items, pairs, point]


@pytest.mark.parametrize("at", range(6))
def test_instances_of_ordinary_local_classes_are_copied(at):
    shared = ordinary_local_classes()[at]
    mine = private(shared)
    assert type(mine) is type(shared)
    mine.content.append(2)
    assert (shared.content, mine.content) == ([1], [1, 2])


def test_functions_made_by_a_task_keep_their_attributes_to_themselves():
    def shared():
        return 7

    mine = private(shared)
    mine.note = 1
    assert not hasattr(shared, "note")
    assert mine() == 7


def nested(depth):
    made = []
    for _ in range(depth):
        made = [made]
    return made


def test_what_is_nested_beyond_the_stack_is_refused_and_read_as_it_is():
    shared = nested(100_000)
    with pytest.raises(Uncopyable, match="Recursion"):
        private(shared)
    assert Opened(len, (0,))(shared) == 1


def test_a_recipe_takes_new_handles_for_every_call():
    def grow(items):
        items.append(0)
        return (item for item in items)

    shared = [1]
    recipe = Shareable(Isolated(grow, (0,)))(shared)
    assert [list(private(recipe)) for _ in range(3)] == [[1, 0]] * 3
    assert shared == [1]


SHARING = {
    "column": lambda df: df["a"],
    "renamed": lambda df: df.rename(columns={"a": "z"}),
    "shallow": lambda df: df.copy(deep=False),
    "reset": lambda df: df.reset_index(drop=True),
    "overlap": lambda df: df.iloc[:2],
    "index": lambda df: pd.Index(df["a"]),
}


@pytest.mark.parametrize("shared_by", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize("held", [False, True])
def test_copies_that_share_memory_copy_on_write(shared_by, held):
    def write(df, other):
        df.iloc[0, 0] = 99
        return repr(other.tolist() if other.ndim == 1 else other.values.tolist())

    df = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    pair = Box(df, shared_by(df)) if held else (df, shared_by(df))
    mine = private(pair)
    got = write(mine.content, mine.label) if held else write(*mine)
    assert df.iloc[0, 0] == 1
    plain = df.copy()
    assert got == write(plain, shared_by(plain))


# ------------------------------------------------------------------------ wrappers


def test_only_the_named_arguments_are_copied():
    first, second, third = [1], [2], [3]
    got = Isolated(lambda a, b, c: (a, b, c), (0, "c"))(first, second, c=third)
    assert got == (first, second, third)
    assert [a is b for a, b in zip(got, (first, second, third), strict=True)] == [
        False,
        True,
        False,
    ]


def test_handles_of_one_call_share_with_each_other():
    row = [0]
    a, b = Isolated(lambda a, *, b: (a, b), (0, "b"))(row, b={"row": row})
    assert b["row"] is a


@pytest.mark.parametrize("wrap", [lambda f: Isolated(f, (0,)), Shareable])
@pytest.mark.parametrize(
    "func",
    [
        append,
        sorted,
        str.upper,
        [].append,
        Box,
        lambda x: x,
        functools.partial(append, extra=1),
        functools.partial(functools.partial(append), extra=1),
        dask.utils.methodcaller("mean"),
        operator.methodcaller("mean"),
        operator.itemgetter(0),
        np.vectorize(append),
        np.add,
    ],
    ids=funcname,
)
def test_wrappers_look_like_their_function(wrap, func):
    wrapper = wrap(func)
    assert funcname(wrapper) == funcname(func)
    assert wrapper.__wrapped__ is func
    assert wrapper.__doc__ == func.__doc__
    assert wrapper.__module__ == getattr(func, "__module__", None)
    if hasattr(func, "__qualname__"):
        assert wrapper.__qualname__ == func.__qualname__
    assert not inspect.iscoroutinefunction(wrapper)
    assert not iscoroutinefunction(wrapper)
    assert funcname(wrap(wrapper)) == funcname(func)


def test_wrappers_keep_the_signature_and_no_other_attribute():
    append.mark = 1
    wrapper = Isolated(append, (0,))
    assert inspect.signature(wrapper) == inspect.signature(append)
    assert not hasattr(wrapper, "mark")
    assert not hasattr(wrapper, "__deepcopy__")
    assert copy.copy(wrapper)([1]) == [1, 0]


def test_errors_pass_with_one_frame_of_ours():
    def fail(x):
        raise KeyError(x)

    with pytest.raises(KeyError) as caught:
        Isolated(fail, (0,))("x")
    assert [entry.name for entry in caught.traceback][1:] == ["__call__", "fail"]


def test_readers_get_the_shared_object_itself_but_their_own_of_a_recipe():
    shared = [1]
    reader = pickle.loads(pickle.dumps(Opened(pair_up, (0, "b"))))
    recipe = Shareable(count_up)(3)
    first, second = reader(shared, b={"r": [recipe]})
    assert first is shared
    assert list(second["r"][0]) == list(private(recipe)) == [0, 1, 2]
    shared.append(shared)
    assert reader(shared, b=1)[0] is shared
    one, (two,) = reader(recipe, b=[recipe])
    assert one is two


def pair_up(a, b):
    return a, b


@pytest.mark.parametrize("wrap", [lambda f: Isolated(f, (0,)), Shareable])
@pytest.mark.parametrize("func", [append_later, functools.partial(append_later)])
def test_async_functions_are_recognised(wrap, func):
    wrapper = wrap(func)
    assert inspect.iscoroutinefunction(wrapper)
    assert iscoroutinefunction(wrapper)
    assert asyncio.run(wrapper([1])) == [1, "late"]


def test_async_results_that_cannot_be_copied():
    async def lock():
        return threading.Lock()

    recipe = asyncio.run(Shareable(lock)())
    assert isinstance(recipe, Recipe)
    assert private(recipe) is not private(recipe)


def test_threads_get_handles_at_the_same_time():
    shared = frame()
    before = state(shared)
    start = threading.Barrier(2)

    def use(df, value):
        start.wait(10)
        df["a"] = value
        df["o"].iloc[0].append(value)
        return df

    isolated = Isolated(use, (0,))
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(isolated, [shared, shared], [1, 2])
    assert state(shared) == before
    assert (one["a"].tolist(), two["a"].tolist()) == ([1] * 3, [2] * 3)
    assert (one["o"].iloc[0], two["o"].iloc[0]) == ([1, 1], [1, 2])


# ---------------------------------------------------------------------------- pickle


def test_pickles_are_small():
    one = len(pickle.dumps(Isolated(append, (0,)), 5))
    many = len(pickle.dumps([Isolated(append, (0,)) for _ in range(100)], 5))
    assert one < 600
    assert (many - one) / 99 < 20
    assert len(pickle.dumps(Shareable(append), 5)) < 700


def test_pickles_come_back_as_the_same_class():
    isolated = pickle.loads(pickle.dumps(Isolated(append, (0, "x"), cow=True)))
    assert type(isolated) is Isolated
    assert (isolated.func, isolated.which, isolated.cow) == (append, (0, "x"), True)
    assert type(cloudpickle.loads(cloudpickle.dumps(Shareable(len)))) is Shareable


def test_subclasses_elsewhere_pickle_as_themselves():
    there = pickle.loads(pickle.dumps(Elsewhere(append, (0,))))
    assert type(there) is Elsewhere


class Elsewhere(Isolated):
    __slots__ = ()


BARE = """
import asyncio, inspect, pickle, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "stratum_dask":
            raise ImportError(name)

sys.meta_path.insert(0, Block())
import cloudpickle

for again in (False, True):
    sent = open(sys.argv[1], "rb").read()
    isolated, shareable, waits, waits_shared, recipe, listed, opened = pickle.loads(sent)
    if again:  # a scheduler in between unpickles and pickles
        isolated, shareable, waits, waits_shared = pickle.loads(
            cloudpickle.dumps([isolated, shareable, waits, waits_shared])
        )
    shared, other = [1], [2]
    result = isolated(shared, extra=other)
    assert result == ([1, 0], [2, 0]) and shared == [1] and other == [2], result
    numbers = shareable(3)
    assert listed(numbers) == listed(numbers) == listed(recipe) == [0, 1, 2]
    assert opened(recipe) == [0, 1, 2] and opened(shared) == [1]
    assert inspect.iscoroutinefunction(waits)
    assert asyncio.run(waits(shared)) == [1, "late"] and shared == [1]
    assert asyncio.run(waits_shared([5])) == [5, "late"]
assert not any(name.startswith("stratum_dask") for name in sys.modules)
sys.stdout.write("fine")
"""


def test_workers_without_the_package_isolate_too(tmp_path):
    def both(items, *, extra):
        items.append(0)
        extra.append(0)
        return items, extra

    # functions of a script: they travel by value
    home = {"asyncio": asyncio, "__name__": "__main__"}
    later, numbers = (
        types.FunctionType(f.__code__, home) for f in (append_later, count_up)
    )
    both.__module__ = "__main__"
    sent = [
        Isolated(both, (0, "extra")),
        Shareable(numbers),
        Isolated(later, (0,)),
        Shareable(later),
        Recipe(numbers, (3,), {}),
        Isolated(list, (0,)),
        Opened(list, (0,)),
    ]
    (tmp_path / "sent").write_bytes(cloudpickle.dumps(sent))
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(tmp_path / "sent")],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("fine", 0), done.stderr


# ----------------------------------------------------------------------- distributed


def test_async_tasks_run_on_a_real_worker():
    with Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as client:
        shared = client.submit(list, (1,), key="shared")
        later = client.submit(Isolated(append_later, (0,)), shared, key="later-1")
        wrapped = client.submit(Shareable(append_later), [5], key="later-2")
        assert later.result(10) == [1, "late"]
        assert wrapped.result(10) == [5, "late"]
        assert shared.result(10) == [1]


def test_round_trip_through_another_process():
    def write(df, others):
        df["a"] = -1.0
        others["df"]["b"] = -2.0
        return df, df is others["df"]

    with Client(
        processes=True, n_workers=1, threads_per_worker=2, dashboard_address=None
    ) as client:
        shared = client.submit(frame, key="shared")
        before = state(shared.result(30))
        isolated = Isolated(write, (0, 1))
        futures = [
            client.submit(isolated, shared, {"df": shared}, key=f"write-{i}")
            for i in range(2)
        ]
        for df, same in client.gather(futures):
            assert same
            assert (df["a"].tolist(), df["b"].tolist()) == ([-1.0] * 3, [-2.0] * 3)
        assert state(client.submit(lambda df: df, shared, key="again").result(30)) == (
            before
        )
