"""Random values: equal encodings exactly when a slow comparison says equal.

Also in other processes, whose hashes of strings differ. ``STRATUM_TEST_NIGHTLY=1``
runs thousands of new examples (``tox -e nightly``, see docs/internals.md).
"""

from __future__ import annotations

import math
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stratum_dask.optimizations.fingerprint.values import Encoder

NIGHTLY = bool(os.environ.get("STRATUM_TEST_NIGHTLY"))
pytestmark = pytest.mark.timeout(7200 if NIGHTLY else 120)


class Text(str):
    pass


class Box:
    def __init__(self, content: object) -> None:
        self.content = content


def same(a: Any, b: Any) -> bool:
    """Whether no program can tell ``a`` from ``b``: slow, and obviously right."""
    met: dict[int, int] = {}
    met_back: dict[int, int] = {}
    kept: list[object] = []

    def known(x: Any, y: Any) -> bool | None:
        """Whether two mutable objects were met before, and together."""
        if id(x) in met or id(y) in met_back:
            return met.get(id(x)) == id(y) and met_back.get(id(y)) == id(x)
        met[id(x)], met_back[id(y)] = id(y), id(x)
        kept.extend((x, y))
        return None

    def compare(x: Any, y: Any) -> bool:
        if type(x) is not type(y):
            return False
        # `in` and `index` find a NaN that is the very object, and no other
        if isinstance(x, MUTABLE) or (type(x) is float and math.isnan(x)):
            before = known(x, y)
            if before is not None:
                return before
        if isinstance(x, float):
            return struct.pack("<d", x) == struct.pack("<d", y)
        if isinstance(x, (list, tuple)):
            return len(x) == len(y) and all(map(compare, x, y))
        if isinstance(x, dict):
            return compare(list_of(x), list_of(y))
        if isinstance(x, (set, frozenset)):
            if {type(i) for i in x} <= {int, float, bool, complex}:
                # their order is the same in every process, and can be read
                return compare(tuple(x), tuple(y))
            return {(type(i), i) for i in x} == {(type(i), i) for i in y}
        if isinstance(x, Box):
            return compare(x.content, y.content)
        if isinstance(x, np.ma.MaskedArray):
            # what lies below the mask comes back when that is lifted
            return compare(x.data, y.data) and compare(
                (np.array(x.mask), x.fill_value.tobytes(), x.hardmask),
                (np.array(y.mask), y.fill_value.tobytes(), y.hardmask),
            )
        if isinstance(x, np.ndarray):
            if (repr(x.dtype), x.shape) != (repr(y.dtype), y.shape):
                return False
            if repr(x.flags).splitlines()[:2] != repr(y.flags).splitlines()[:2]:
                return False
            if x.flags.writeable != y.flags.writeable:
                return False
            if x.dtype == object:
                return all(map(compare, x.flat, y.flat))
            return x.tobytes() == y.tobytes()
        if isinstance(x, pd.DataFrame):
            return compare_labels(x, y) and all(
                compare_cells(x.iloc[:, i], y.iloc[:, i]) for i in range(x.shape[1])
            )
        if isinstance(x, pd.Series):
            return compare_labels(x, y) and compare_cells(x, y)
        if isinstance(x, pd.Index):
            return compare(
                (repr(x.dtype), list(x.names), getattr(x, "freqstr", None), len(x)),
                (repr(y.dtype), list(y.names), getattr(y, "freqstr", None), len(y)),
            ) and compare_items(x, y)
        if scipy.sparse.issparse(x):
            return x.shape == y.shape and all(
                compare(getattr(x, name), getattr(y, name)) for name in SPARSE[x.format]
            )
        if isinstance(x, pa.Table):
            return x.schema.equals(y.schema, check_metadata=True) and all(
                map(compare, x.columns, y.columns)
            )
        if isinstance(x, pa.ChunkedArray):
            return (
                x.type == y.type
                and x.num_chunks == y.num_chunks
                and all(map(compare, x.chunks, y.chunks))
            )
        if isinstance(x, pa.DictionaryArray):
            return (
                x.type == y.type
                and compare(x.indices, y.indices)
                and compare(x.dictionary, y.dictionary)
            )
        if isinstance(x, pa.Array):
            # lists of its own, not those of a program
            return x.type == y.type and same(x.to_pylist(), y.to_pylist())
        return x is y or bool(x == y)

    def compare_labels(x: Any, y: Any) -> bool:
        axes = zip(x.axes, y.axes, strict=True)
        named = getattr(x, "name", None), getattr(y, "name", None)
        return (
            x.shape == y.shape
            and all(compare(i, j) for i, j in axes)
            and compare(*named)
            and compare(x.attrs, y.attrs)
            and x.flags.allows_duplicate_labels == y.flags.allows_duplicate_labels
        )

    def compare_cells(x: Any, y: Any) -> bool:
        if repr(x.dtype) != repr(y.dtype):
            return False
        if isinstance(x.dtype, pd.CategoricalDtype):
            return compare(
                (x.cat.categories, x.cat.ordered), (y.cat.categories, y.cat.ordered)
            ) and compare_items(x.cat.codes, y.cat.codes)
        return compare_items(x, y)

    def compare_items(x: Any, y: Any) -> bool:
        # which cells have one NaN and which have several is an accident of pandas
        return all(map(compare_cell, x, y))

    def compare_cell(x: Any, y: Any) -> bool:
        if type(x) is type(y) is float:
            return struct.pack("<d", x) == struct.pack("<d", y)
        return compare(x, y)

    def list_of(x: dict[Any, Any]) -> tuple[Any, ...]:
        return tuple(i for pair in x.items() for i in pair)

    return compare(a, b)


MUTABLE = (
    *(list, dict, Box, np.ndarray, pd.DataFrame, pd.Series, set, bytearray),
    *(scipy.sparse.sparray, scipy.sparse.spmatrix),
)
SPARSE = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "coo": ("data", "row", "col", "has_canonical_format"),
    "dia": ("data", "offsets"),
}

small = st.sampled_from(
    [0, 1, -1, -2, 2**63, True, False, None, ..., 0.0, -0.0, 1.0, float("nan"), 1j]
)
words = st.sampled_from(["", "a", "ab", "b", "i1;", "s1:a", b"a", b"", Text("a")])
hashable = st.recursive(
    small | words | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.tuples(inner) | st.tuples(inner, inner),
    max_leaves=4,
)
plain = st.integers(-2, 2) | st.text("ab", max_size=2) | st.booleans()
arrays = st.builds(
    lambda data, dtype, order: np.array(data, dtype, order=order),
    st.sampled_from([[], [0], [1], [0, 1], [[0, 1], [1, 0]], [[0, 0], [0, 1]]]),
    st.sampled_from(["i4", ">i4", "f8", "?", "u1"]),
    st.sampled_from("CF"),
)
frames = st.builds(
    lambda names, dtype, fill: pd.DataFrame(
        np.full((2, len(names)), fill, dtype), columns=pd.Index(names, dtype=object)
    ),
    st.lists(st.sampled_from("ab"), max_size=3),
    st.sampled_from(["i4", "f8"]),
    st.integers(0, 1),
)
cells = st.lists(st.sampled_from([0, 1, None]), min_size=1, max_size=3)


def odd_array(data: list[Any], kind: str) -> np.ndarray[Any, Any]:
    """Arrays that are more than elements of one plain type in a row."""
    full = np.array([0 if x is None else x for x in data])
    if kind == "masked":
        return np.ma.MaskedArray(full, [x is None for x in data])
    if kind == "record":
        return np.array([(x, x + 0.5) for x in full], [("a", "i4"), ("b", "f8")])
    if kind == "object":
        return np.array([*data, [0], "x"], object)
    if kind == "date":
        return full.astype("M8[s]" if len(data) > 1 else "M8[ns]")
    if kind == "frozen":
        full.flags.writeable = False
        return full
    if kind == "text":
        return full.astype("U2" if len(data) > 1 else "S2")
    return np.repeat(full, 2)[:: 2 if kind == "gaps" else -2]


def odd_series(
    data: list[Any], kind: str, index: str, name: str | None
) -> pd.Series[Any]:
    full = [0 if x is None else x for x in data]
    made = {
        "Int64": lambda: pd.array(data, "Int64"),
        "float": lambda: np.array(data, "f8"),
        "str": lambda: pd.array([x if x is None else str(x) for x in data], "str"),
        "arrow": lambda: pd.array(data, pd.ArrowDtype(pa.int64())),
        "category": lambda: pd.Categorical(data, categories=[0, 1]),
        "turned": lambda: pd.Categorical(data, categories=[1, 0]),
        "ordered": lambda: pd.Categorical(data, categories=[0, 1], ordered=True),
        "dates": lambda: pd.to_datetime(full, unit="D"),
        "there": lambda: pd.to_datetime(full, unit="D", utc=True),
        "object": lambda: np.array([*data, [0]], object)[:-1],
    }[kind]()
    labels: Any = {
        "range": pd.RangeIndex(len(data)),
        "ints": pd.Index(range(len(data))),
        "named": pd.RangeIndex(len(data), name="n"),
        "text": pd.Index(list("abc"[: len(data)])),
        "days": pd.date_range("2020", periods=len(data), freq="D"),
        "tuples": pd.MultiIndex.from_arrays([full, full]),
    }[index]
    result = pd.Series(made, index=labels, name=name)
    if name == "noted":
        result.attrs["note"] = data
    return result


odd_arrays = st.builds(
    odd_array,
    cells,
    st.sampled_from(
        ["masked", "record", "object", "date", "frozen", "text", "gaps", "back"]
    ),
)
series = st.builds(
    odd_series,
    cells,
    st.sampled_from(
        [
            *("Int64", "float", "str", "arrow", "category", "turned", "ordered"),
            *("dates", "there", "object"),
        ]
    ),
    st.sampled_from(["range", "ints", "named", "text", "days", "tuples"]),
    st.sampled_from([None, "a", "noted"]),
)
mixed = st.lists(series, min_size=1, max_size=3).map(
    lambda columns: pd.concat(
        [c.reset_index(drop=True) for c in columns], axis=1, keys=range(len(columns))
    )
)
sparse = st.builds(
    lambda data, kind, old: getattr(
        scipy.sparse, f"{kind}_{'matrix' if old else 'array'}"
    )(np.array([[0 if x is None else x for x in data], [0] * len(data)])),
    cells,
    st.sampled_from(["csr", "csc", "coo", "dia"]),
    st.booleans(),
)
arrow_arrays = st.builds(
    lambda data, kind, cut: {
        "int": lambda: pa.array(data, pa.int32()),
        "float": lambda: pa.array(data, pa.float64()),
        "bool": lambda: pa.array([x if x is None else bool(x) for x in data]),
        "text": lambda: pa.array([x if x is None else "a" * x for x in data]),
        "list": lambda: pa.array([x if x is None else [x] * x for x in data]),
        "struct": lambda: pa.array([x if x is None else {"a": x} for x in data]),
        "codes": lambda: pa.array(data, pa.int8()).dictionary_encode(),
    }[kind]()[cut:],
    cells,
    st.sampled_from(["int", "float", "bool", "text", "list", "struct", "codes"]),
    st.integers(0, 2),
)
arrow = (
    arrow_arrays
    | st.builds(lambda x: pa.chunked_array([x]), arrow_arrays)
    | st.builds(lambda x: pa.chunked_array([x[:1], x[1:]]), arrow_arrays)
    | st.builds(
        lambda x, name: pa.table({name: x}), arrow_arrays, st.sampled_from("ab")
    )
)
mutable = (
    st.lists(plain, max_size=2)
    | arrays
    | odd_arrays
    | frames
    | series
    | mixed
    | sparse
    | arrow
    | st.builds(bytearray, st.binary(max_size=2))
)
values = st.recursive(
    hashable | mutable | st.sets(plain) | st.frozensets(plain),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(plain, inner, max_size=3)
        | st.builds(Box, inner)
        | st.builds(lambda x: [x, x], inner)
        | st.builds(lambda x, y: [x, y, x], inner, inner)
    ),
    max_leaves=8,
)

profile = settings(
    max_examples=10_000 if NIGHTLY else 250,
    derandomize=not NIGHTLY,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@profile
@given(values, values)
def test_two_values_agree_exactly_when_they_are_the_same(a: Any, b: Any) -> None:
    assert (Encoder().value(a) == Encoder().value(b)) == same(a, b)


@profile
@given(values)
@example({-2, -1, 0, 1, 2})
@example([float("nan")] * 2)
@example([float("nan"), float("nan")])
def test_a_copy_agrees_exactly_when_it_is_the_same(a: Any) -> None:
    b = pickle.loads(pickle.dumps(a))
    assert (Encoder().value(a) == Encoder().value(b)) == same(a, b)


@profile
@given(st.lists(values, min_size=2, max_size=6))
def test_one_encoder_tells_what_a_fresh_one_does(made: list[Any]) -> None:
    encoder = Encoder()
    for value in [*made, tuple(made), *made, tuple(reversed(made))]:
        assert encoder.value(value) == Encoder().value(value)


@profile
@given(st.lists(plain | arrays, min_size=1, max_size=4), st.integers(0, 3), plain)
def test_a_change_is_seen(made: list[Any], place: int, new: Any) -> None:
    changed = list(made)
    changed[place % len(made)] = new
    assert (Encoder().value(made) == Encoder().value(changed)) == same(made, changed)
    assert Encoder().value(made) != Encoder().value([*made, new])


@profile
@given(mutable, mutable)
def test_two_data_agree_exactly_when_they_are_the_same(a: Any, b: Any) -> None:
    assert (Encoder().value(a) == Encoder().value(b)) == same(a, b)


def test_pickling_an_object_does_not_change_its_class() -> None:
    class Kept:
        def __init__(self) -> None:
            self.content = 1

    before = Encoder().value(Kept)
    Kept().__reduce_ex__(4)
    assert "__slotnames__" in vars(Kept)
    assert Encoder().value(Kept) == before


# -- in other processes -------------------------------------------------------------

ANSWER = """
import importlib, pickle, sys
name, folder = sys.argv[1:]
sys.path.append(folder)
module = importlib.import_module(name)
asked, told = sys.stdin.buffer, sys.stdout.buffer
while True:
    try:
        content = pickle.load(asked)
    except EOFError:
        break
    value = pickle.loads(content)
    pickle.dump((module.Encoder().value(value), hash("a")), told)
    told.flush()
"""


ABOVE = Path(__file__).parents[__name__.count(".")]


class Elsewhere:
    """A process that encodes what it is sent."""

    def __init__(self, hash_seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", ANSWER, __name__, str(ABOVE)],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def encoded(self, content: bytes) -> tuple[bytes, int]:
        assert self.process.stdin
        assert self.process.stdout
        pickle.dump(content, self.process.stdin)
        self.process.stdin.flush()
        return pickle.load(self.process.stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[list[Elsewhere]]:
    others = [Elsewhere(1), Elsewhere(2)]
    yield others
    for other in others:
        other.process.communicate()


@profile
@given(made=values)
def test_other_processes_agree(elsewhere: list[Elsewhere], made: Any) -> None:
    content = pickle.dumps(made)
    one, other = (process.encoded(content) for process in elsewhere)
    assert one[1] != other[1]
    here = Encoder().value(pickle.loads(content))
    assert (one[0], other[0]) == (here, here)
