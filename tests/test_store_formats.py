"""What is read from a store is what was written, or it was not written at all."""

import datetime
import decimal
import math
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.fixes import parse_version

from stratum_dask.optimizations import Refused
from stratum_dask.scheduler_plugins.store import entries as entries_module
from stratum_dask.scheduler_plugins.store import format_arrow, formats
from stratum_dask.scheduler_plugins.store.comparing import content
from stratum_dask.scheduler_plugins.store.entries import Entries
from stratum_dask.scheduler_plugins.store.problems import EntryError, NotStored

KEY = "ab" * 20


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    return Entries(str(tmp_path_factory.mktemp("store") / "s"), create=True)


def through(entries, value):
    """Write and read a value; return what came back and in which format."""
    entries.write(KEY, value)
    again, header = entries.read(KEY)
    assert content(again) == content(value)
    assert type(again) is type(value)
    assert again is not value or not isinstance(value, (np.ndarray, pd.DataFrame, list))
    return again, header.format


FRAME = pd.DataFrame(
    {"i": [1, 2, 3], "f": [0.5, math.nan, -0.0], "s": ["a", "b", None]}
)


# Older pandas keeps texts as Python objects.
TEXT = "arrow" if FRAME["s"].dtype != object else "pickle"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "plain"),
        (0.1, "plain"),
        (-0.0, "plain"),
        (math.inf, "plain"),
        (2**200, "plain"),
        (1 + 2j, "plain"),
        (b"\x00\xff", "plain"),
        ("\ud800", "plain"),
        ({"a": (1, [True, None])}, "plain"),
        (np.float64(0.1), "plain"),
        (np.datetime64("2026-01-01", "ns"), "plain"),
        ({1, 2}, "pickle"),
        (decimal.Decimal("0.1"), "pickle"),
        (datetime.datetime(2026, 1, 1), "pickle"),
        ([0] * 60_000, "pickle"),
        (np.arange(10.0), "array"),
        (np.asfortranarray(np.eye(4)), "array"),
        (np.arange(10, dtype=">i2"), "array"),
        (np.arange(24).reshape(4, 6)[:, 1:3], "array"),
        (np.arange(24).reshape(4, 6)[::-1, ::2], "array"),
        (np.zeros((3, 0)), "array"),
        (np.array(5), "array"),
        (np.array(["a", "bcd"]), "array"),
        (np.array(["2026-01-01"], "M8[s]"), "array"),
        (np.broadcast_to(np.float32(1), (3, 3)), "array"),
        (np.array([1, "a"], dtype=object), "pickle"),
        (np.ma.masked_array([1, 2], [True, False]), "pickle"),
        (FRAME, TEXT),
        (FRAME["s"], TEXT),
        (FRAME["f"].rename(None), "arrow"),
        (FRAME.set_index("i"), TEXT),
        (FRAME.set_index(["i", "s"]), TEXT),
        (FRAME.assign(c=pd.Categorical(["x", "y", "x"])), TEXT),
        (FRAME.astype({"i": "Int64"}), TEXT),
        (FRAME.assign(t=pd.date_range("2026", periods=3, tz="Europe/Berlin")), TEXT),
        (FRAME.assign(o=[1, "a", None]), "pickle"),
        (pd.DataFrame(np.arange(6.0).reshape(3, 2)), "pickle"),
        (pd.DataFrame(), None),
        (FRAME.index, "pickle"),
        (pa.table({"a": [1, 2], "b": ["x", None]}), "arrow"),
        (pa.array([1.0, None]), "arrow"),
        (pa.chunked_array([[1], [2, 3]]), "arrow"),
        (scipy.sparse.csr_matrix(np.eye(3)), "pickle"),
        (LogisticRegression().fit([[0.0], [1.0]], [0, 1]), "pickle"),
        (OneHotEncoder().fit([["a"], ["b"]]), "pickle"),
        pytest.param(
            {"rng": np.random.default_rng(3)},
            "pickle",
            marks=pytest.mark.skipif(
                np.__version__ < "2", reason="NumPy 1 forgets its seed in a pickle"
            ),
        ),
        ([np.random.RandomState(3)], "pickle"),
        (RandomForestRegressor(3).fit(np.eye(9), np.arange(9.0)), "pickle"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_comes_back_as_it_was(entries, value, expected):
    _, found = through(entries, value)
    assert expected in (found, None)


def test_what_a_frame_says_of_itself_comes_back(entries):
    frame = FRAME.copy()
    frame.attrs["source"] = {"of": ["it"]}
    assert through(entries, frame)[0].attrs == {"source": {"of": ["it"]}}
    strict = FRAME.set_flags(allows_duplicate_labels=False)
    assert not through(entries, strict)[0].flags.allows_duplicate_labels
    named = FRAME.rename_axis(index="row", columns="column")
    again, _ = through(entries, named)
    assert (again.index.name, again.columns.name) == ("row", "column")


def test_memory_is_stepped_through_as_before(entries):
    block = pd.DataFrame(np.asfortranarray(np.random.default_rng(0).random((50, 7))))
    rows = pd.DataFrame(np.random.default_rng(0).random((50, 7)))
    apart = pd.DataFrame({i: rows[i].copy() for i in rows})
    for frame in (block, rows, apart, rows.iloc[::2], rows[[1, 3]]):
        try:
            again, _ = through(entries, frame)
        except NotStored:
            continue
        assert format_arrow.layout(again) == format_arrow.layout(frame)
        assert (again.sum(axis=1) == frame.sum(axis=1)).all()
    array = np.random.default_rng(0).random((100, 9))[::3, ::2]
    again, _ = through(entries, array)
    assert again.strides == array.strides
    assert again.sum() == array.sum()


@pytest.mark.parametrize(
    "value", [np.arange(5.0), FRAME, FRAME["f"], {"a": np.arange(5)}, np.eye(4)[::2]]
)
def test_what_is_read_may_be_written_into(entries, value):
    again, _ = through(entries, value)
    if isinstance(again, dict):
        again = again["a"]
    if isinstance(again, pd.DataFrame):
        again.loc[0, "f"] = 7.0
        again["new"] = 1
        again.array = None
    elif isinstance(again, pd.Series):
        again.iloc[0] = 7.0
    else:
        again[0] = 7.0
        assert again.flags.writeable
    assert content(again) != content(value)
    third, _ = entries.read(KEY)
    assert content(third) == content(value)


def test_a_model_comes_back_as_another_worker_would_get_it(entries):
    """A pickle leaves no gaps in memory, and so does every transfer."""
    model = LogisticRegression()
    model.coef_ = np.arange(24.0).reshape(4, 6)[:, ::2]
    model.same_ = model.coef_
    again, _ = through(entries, model)
    assert again.coef_.flags.c_contiguous
    assert (again.coef_ == model.coef_).all()
    assert again.same_ is again.coef_
    model.part_ = model.coef_[:2]
    with pytest.raises(NotStored, match="overlap in memory"):
        entries.write(KEY, model)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"),
    reason="older ones keep a compiled object that cannot be compared",
)
def test_a_fitted_model_that_holds_a_generator(entries):
    x = np.eye(9)
    model = HistGradientBoostingRegressor(max_iter=2).fit(x, np.arange(9.0))
    again, _ = through(entries, model)
    assert (again.predict(x) == model.predict(x)).all()


def test_what_was_read_only_stays_so(entries):
    array = np.arange(5.0)
    array.flags.writeable = False
    assert not through(entries, array)[0].flags.writeable


def test_what_is_one_object_twice_stays_one(entries):
    row = [1]
    again, found = through(entries, [row, row])
    assert found == "pickle"
    assert again[0] is again[1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (iter([1]), "cannot be compared"),
        (open, "cannot be compared|pickle"),
        (type("Lost", (), {"__reduce__": lambda self: (list, ())})(), "pickle"),
    ],
)
def test_what_does_not_come_back_is_not_written(entries, value, says):
    entries.files.remove(KEY)
    if value is open:
        entries.write(KEY, value)  # it is found by its name
        assert entries.read(KEY)[0] is open
        return
    with pytest.raises(NotStored, match=says):
        entries.write(KEY, value)
    assert not entries.files.path(KEY).exists()


def test_a_class_of_the_program_travels_inside(entries, fresh_python):
    code = (
        "import sys\n"
        "from stratum_dask.scheduler_plugins.store.entries import Entries\n"
        "class Model:\n"
        "    def __init__(self): self.weight = 3\n"
        "    def predict(self, x): return self.weight * x\n"
        f"Entries({str(entries.files.root)!r}).write({KEY!r}, Model())\n"
    )
    fresh_python(code)
    assert entries.read(KEY)[0].predict(2) == 6


def test_without_pickles_only_data_is_written(tmp_path):
    entries = Entries(str(tmp_path / "s"), "never", create=True)
    for value in (1.5, np.arange(3), FRAME[["i", "f"]]):
        through(entries, value)
    with pytest.raises(
        NotStored, match=r"a set needs a pickle.*stratum\.store\.pickle"
    ):
        entries.write(KEY, {1})


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd", "auto"])
def test_compression_changes_only_the_size(tmp_path, codec):
    entries = Entries(str(tmp_path / "s"), compression=codec, create=True)
    written = entries.write(KEY, np.zeros(100_000))
    assert (written.size < 100_000) == (codec != "none")
    assert (entries.read(KEY)[0] == 0).all()
    noise = np.random.default_rng(0).random(10_000)
    assert entries.write(KEY, noise).size > noise.nbytes  # it would not pay
    assert (entries.read(KEY)[0] == noise).all()


def test_a_format_of_later_days_is_not_guessed_at():
    with pytest.raises(EntryError, match="a format called 'tensor'"):
        formats.decode("tensor", {}, [], pickles=True)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.dates()
)
arrays = hnp.arrays(
    hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes(),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)
columns = st.dictionaries(
    st.text(max_size=3),
    st.lists(st.floats(), min_size=3, max_size=3)
    | st.lists(st.text(max_size=3), min_size=3, max_size=3)
    | st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3)
    | st.lists(st.none() | st.booleans(), min_size=3, max_size=3),
    max_size=4,
)
frames = columns.map(pd.DataFrame)
values = st.recursive(
    scalars | arrays | frames,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


@given(values, st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_value_comes_back_as_it_was_or_is_refused(value, pickles):
    try:
        encoded = formats.encode(value, pickles=pickles)
    except NotStored:
        return
    frames = [bytearray(frame) for frame in encoded.frames]
    again = formats.decode(encoded.format, encoded.meta, frames, pickles=pickles)
    assert type(again) is type(value)
    assert content(again) == content(value) == encoded.value


def test_pickles_that_were_changed_in_their_class_are_not_believed(tmp_path):
    entries = Entries(str(tmp_path / "s"), create=True)
    written = entries.write(KEY, {1, 2})
    assert written.header.format == "pickle"
    with (
        mock.patch.object(entries_module, "fingerprint", return_value="another"),
        pytest.raises(EntryError, match="is not what it was") as caught,
    ):
        entries.read(KEY)
    assert caught.value.kind == "changed"
    with (
        mock.patch.object(
            entries_module, "fingerprint", side_effect=Refused("a new slot")
        ),
        pytest.raises(EntryError, match="a new slot"),
    ):
        entries.read(KEY)
