"""Random values: equal encodings exactly when a slow comparison says equal."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_dask.optimizations.fingerprint.values import Encoder


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
        if isinstance(x, (list, dict, Box, np.ndarray, pd.DataFrame, set, bytearray)):
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
            return {(type(i), i) for i in x} == {(type(i), i) for i in y}
        if isinstance(x, Box):
            return compare(x.content, y.content)
        if isinstance(x, np.ndarray):
            if (x.dtype.str, x.shape) != (y.dtype.str, y.shape):
                return False
            if x.flags.c_contiguous != y.flags.c_contiguous:
                return False
            if x.flags.f_contiguous != y.flags.f_contiguous:
                return False
            return x.tobytes() == y.tobytes()
        if isinstance(x, pd.DataFrame):
            return list(x.columns) == list(y.columns) and all(
                x.iloc[:, i].to_numpy().tobytes() == y.iloc[:, i].to_numpy().tobytes()
                and x.dtypes.iloc[i] == y.dtypes.iloc[i]
                for i in range(x.shape[1])
            )
        return bool(x == y)

    def list_of(x: dict[Any, Any]) -> tuple[Any, ...]:
        return tuple(i for pair in x.items() for i in pair)

    return compare(a, b)


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
mutable = (
    st.lists(plain, max_size=2)
    | arrays
    | frames
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
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@profile
@given(values, values)
def test_two_values_agree_exactly_when_they_are_the_same(a: Any, b: Any) -> None:
    assert (Encoder().value(a) == Encoder().value(b)) == same(a, b)


@profile
@given(values)
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
