"""Arrays, frames and Arrow data: content, types and labels, not memory layout."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xxhash
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stratum_dask.optimizations.fingerprint import arrays
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.verdict import Refused


def enc(value: object) -> bytes:
    return Encoder().value(value)


class Sub(np.ndarray):
    pass


class Frame(pd.DataFrame):
    pass


def tagged(array: np.ndarray, tag: object) -> np.ndarray:
    made = array.view(Sub)
    made.tag = tag
    return made


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def attributed(frame: pd.DataFrame, **attrs: object) -> pd.DataFrame:
    frame.attrs.update(attrs)
    return frame


def strings(values: list, storage: str = "python") -> pd.Series:
    return pd.Series(values, dtype=pd.StringDtype(storage))


def csr(data: list, indices: list, indptr: list) -> sparse.csr_matrix:
    return sparse.csr_matrix((data, indices, indptr), shape=(2, 2))


def fitted(alpha: float, x: list) -> Ridge:
    return Ridge(alpha=alpha).fit(np.array(x, float).reshape(-1, 1), [0.0, 1.0])


TEN = pa.array(range(10))
WORDS = pa.array(["a", "bb", None, "dd", "e", "bb"])
DAYS = pd.date_range("2020", periods=3, freq="D")
F = pd.DataFrame

DIFFERENT = {
    "memory order": (np.eye(2, order="C") + 1, np.eye(2, order="F") + 1),
    "transposed content": (
        np.array([[1, 2], [3, 4]]),
        np.asfortranarray(np.array([[1, 3], [2, 4]])),
    ),
    "shape": (np.zeros(4), np.zeros((2, 2))),
    "empty shapes": (np.zeros((0, 2)), np.zeros((0, 3))),
    "0-d, scalar": (np.array(1.0), np.float64(1.0)),
    "scalar, float": (np.float64(1.0), 1.0),
    "scalar types": (np.float64(1.0), np.float32(1.0)),
    "numpy bool": (np.bool_(True), True),
    "numpy str": (np.str_("a"), "a"),
    "array, list": (np.array([1]), [1]),
    "dtype": (np.array([1], "i4"), np.array([1], "i8")),
    "sign of dtype": (np.array([1], "u4"), np.array([1], "i4")),
    "byte order": (np.array([1], "<i4"), np.array([1], ">i4")),
    "byte order bytes": (np.array([1], "<i4"), np.array([1 << 24], ">i4")),
    "dtype objects": (np.dtype("i4"), np.dtype("i8")),
    "dtype metadata": (np.dtype("i4"), np.dtype("i4", metadata={"a": 1})),
    "signed zero": (np.array([0.0]), np.array([-0.0])),
    "strided": (np.arange(4)[::2], np.array([0, 2])),
    "strided content": (np.arange(4)[::2], np.arange(1, 5)[::2]),
    "reversed": (np.arange(3)[::-1], np.arange(3)),
    "writable": (np.zeros(2), frozen(np.zeros(2))),
    "date unit": (np.zeros(1, "M8[s]"), np.zeros(1, "M8[ns]")),
    "date, delta": (np.zeros(1, "M8[s]"), np.zeros(1, "m8[s]")),
    "field names": (np.zeros(1, "i4,i4"), np.zeros(1, [("a", "i4"), ("b", "i4")])),
    "field offsets": (
        np.zeros(1, np.dtype([("a", "i1"), ("b", "i4")])),
        np.zeros(1, np.dtype([("a", "i1"), ("b", "i4")], align=True)),
    ),
    "field titles": (
        np.zeros(1, [(("t", "a"), "i4")]),
        np.zeros(1, [("a", "i4")]),
    ),
    "record": (np.zeros(1, "i4,i4"), np.zeros(1, "i4,i4").view(np.recarray)),
    "string widths": (np.array(["a"], "U1"), np.array(["a"], "U2")),
    "object concatenation": (
        np.array(["a-b", "c"], object),
        np.array(["a", "b-c"], object),
    ),
    "object types": (np.array([1, 2], object), np.array([1, True], object)),
    "object, int": (np.array([1], object), np.array([1])),
    "subclass": (np.zeros(2), np.zeros(2).view(Sub)),
    "subclass state": (tagged(np.zeros(2), 1), tagged(np.zeros(2), 2)),
    "matrix": (np.zeros((2, 2)), np.zeros((2, 2)).view(np.matrix)),
    "mask": (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [1, 0])),
    "no mask": (np.ma.masked_array([1, 2]), np.ma.masked_array([1, 2], [0, 0])),
    "fill value": (
        np.ma.masked_array([1, 2], fill_value=1),
        np.ma.masked_array([1, 2], fill_value=2),
    ),
    "one array twice": ([a := np.zeros(2), a], [np.zeros(2), np.zeros(2)]),
    "overlapping views": (
        [(a := np.zeros(3))[:2], a[1:]],
        [(a := np.zeros(4))[:2], a[2:]],
    ),
    "view of an array": ([a := np.zeros(2), a[:]], [np.zeros(2), np.zeros(2)[:]]),
    "sparse format": (sparse.csr_matrix(np.eye(2)), sparse.csc_matrix(np.eye(2))),
    "sparse matrix, array": (sparse.csr_matrix(np.eye(2)), sparse.csr_array(np.eye(2))),
    "explicit zero": (csr([1.0], [0], [0, 1, 1]), csr([1.0, 0.0], [0, 1], [0, 2, 2])),
    "sparse order": (
        csr([1.0, 2.0], [0, 1], [0, 2, 2]),
        csr([2.0, 1.0], [1, 0], [0, 2, 2]),
    ),
    "sparse shape": (sparse.coo_array((2, 3)), sparse.coo_array((3, 2))),
    "block size": (
        sparse.bsr_array(np.ones((4, 4)), blocksize=(2, 2)),
        sparse.bsr_array(np.ones((4, 4)), blocksize=(1, 1)),
    ),
    "dok content": (
        sparse.dok_array(np.eye(2)),
        sparse.dok_array(2 * np.eye(2)),
    ),
    "columns by type": (
        F({"a": [1], "b": [5], "c": [0.1]}),
        F({"a": [1], "b": [0.1], "c": [5]}),
    ),
    "column order": (F({"a": [1], "b": [2]}), F({"b": [2], "a": [1]})),
    "swapped columns": (F({"a": [1], "b": [2]}), F({"a": [2], "b": [1]})),
    "column names": (F({"a": [1]}), F({"b": [1]})),
    "column name types": (F({1: [1]}), F({"1": [1]})),
    "columns' name": (F({"a": [1]}), F({"a": [1]}).rename_axis(columns="n")),
    "duplicate columns": (
        F([[1, 2]], columns=["a", "a"]),
        F([[2, 1]], columns=["a", "a"]),
    ),
    "index": (F({"a": [1]}), F({"a": [1]}, index=[1])),
    "index kind": (F({"a": [1]}), F({"a": [1]}, index=pd.Index([0]))),
    "index name": (F({"a": [1]}), F({"a": [1]}).rename_axis("n")),
    "range names": (pd.RangeIndex(3, name="a"), pd.RangeIndex(3, name="b")),
    "levels' names": (
        pd.MultiIndex.from_tuples([(1, 2)], names=["a", "b"]),
        pd.MultiIndex.from_tuples([(1, 2)], names=["b", "a"]),
    ),
    "levels": (
        pd.MultiIndex.from_tuples([(1, 2), (3, 4)]),
        pd.MultiIndex.from_tuples([(1, 4), (3, 2)]),
    ),
    "freq": (DAYS, pd.DatetimeIndex(list(DAYS))),
    "tz": (DAYS.tz_localize("UTC"), DAYS.tz_localize("Europe/Berlin")),
    "tz instants": (
        DAYS.tz_localize("UTC"),
        DAYS.tz_localize("UTC").tz_convert("Europe/Berlin"),
    ),
    "attrs": (F({"a": [1]}), attributed(F({"a": [1]}), a=1)),
    "flags": (F({"a": [1]}), F({"a": [1]}).set_flags(allows_duplicate_labels=False)),
    "frame subclass": (F({"a": [1]}), Frame({"a": [1]})),
    "frame, series": (F({"a": [1]}), F({"a": [1]})["a"]),
    "series name": (pd.Series([1], name="a"), pd.Series([1], name="b")),
    "series, index": (pd.Series([1]), pd.Index([1])),
    "categories": (
        pd.Categorical(["a"], categories=["a", "b"]),
        pd.Categorical(["a"], categories=["b", "a"]),
    ),
    "ordered": (pd.Categorical(["a"]), pd.Categorical(["a"], ordered=True)),
    "nullable, plain": (pd.Series([1], dtype="Int64"), pd.Series([1])),
    "null mask": (pd.array([1, None]), pd.array([1, 1])),
    "nullable floats": (pd.array([1.0], "Float64"), pd.array([1.0], "Float32")),
    "nullable bool": (pd.array([True, None]), pd.array([False, None])),
    "string storage": (strings(["a"]), strings(["a"], "pyarrow")),
    "string, object": (strings(["a"]), pd.Series(["a"], dtype=object)),
    "missing strings": (strings(["a", None]), strings(["a", ""])),
    "arrow strings": (strings(["a", "bc"], "pyarrow"), strings(["ab", "c"], "pyarrow")),
    "arrow windows": (
        strings(list("xyzw"), "pyarrow").iloc[:2].reset_index(drop=True),
        strings(list("xyzw"), "pyarrow").iloc[2:].reset_index(drop=True),
    ),
    "arrow dtype": (
        pd.Series([1], dtype="int64[pyarrow]"),
        pd.Series([1], dtype="Int64"),
    ),
    "object cells": (pd.Series([1, "a"]), pd.Series([1.0, "a"])),
    "none, nan": (
        pd.Series([None, "a"], dtype=object),
        pd.Series([np.nan, "a"], dtype=object),
    ),
    "na, nat": (pd.NA, pd.NaT),
    "interval sides": (pd.Interval(0, 1), pd.Interval(0, 1, "left")),
    "interval index": (pd.interval_range(0, 3), pd.interval_range(1, 4)),
    "periods": (pd.Period("2020", "Y"), pd.Period("2020-01", "M")),
    "period index": (
        pd.period_range("2020", periods=2, freq="D"),
        pd.period_range("2020", periods=2, freq="M"),
    ),
    "timestamp, datetime": (
        pd.Timestamp(2020, 1, 1),
        pd.Timestamp(2020, 1, 1).to_pydatetime(),
    ),
    "timestamp unit": (
        pd.Timestamp("2020").as_unit("s"),
        pd.Timestamp("2020").as_unit("ns"),
    ),
    "timedeltas": (pd.Timedelta(1), pd.Timedelta(2)),
    "offsets": (pd.offsets.Day(1), pd.offsets.Day(2)),
    "offset kinds": (pd.offsets.MonthEnd(), pd.offsets.MonthBegin()),
    "sparse pandas": (
        pd.arrays.SparseArray([0, 1]),
        pd.arrays.SparseArray([0, 1], fill_value=1),
    ),
    "arrow slices": (TEN.slice(0, 3), TEN.slice(4, 3)),
    "arrow tables": (
        pa.table({"a": TEN}).slice(0, 3),
        pa.table({"a": TEN}).slice(4, 3),
    ),
    "arrow types": (pa.array([1], pa.int32()), pa.array([1], pa.int64())),
    "arrow units": (pa.timestamp("s"), pa.timestamp("ms")),
    "arrow zones": (pa.timestamp("s", "UTC"), pa.timestamp("s")),
    "arrow nulls": (pa.array([0, None]), pa.array([None, 0])),
    "arrow null": (pa.array([0, None]), pa.array([0, 0])),
    "arrow bools": (pa.array([True, False]), pa.array([False, True])),
    "arrow words": (pa.array(["a", "bc"]), pa.array(["ab", "c"])),
    "arrow word sizes": (pa.array(["a"]), pa.array(["a"], pa.large_string())),
    "arrow word, bytes": (pa.array(["a"]), pa.array([b"a"])),
    "arrow lists": (pa.array([[1], [2, 3]]), pa.array([[1, 2], [3]])),
    "arrow empty, null list": (pa.array([[], [1]]), pa.array([None, [1]])),
    "arrow structs": (pa.array([{"a": 1}]), pa.array([{"b": 1}])),
    "arrow struct null": (
        pa.array([{"a": None}]),
        pa.array([None], pa.struct([("a", pa.null())])),
    ),
    "arrow dictionary": (
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["b", "a"]).dictionary_encode(),
    ),
    "arrow fixed lists": (
        pa.array([[1, 2]], pa.list_(pa.int8(), 2)),
        pa.array([[1, 3]], pa.list_(pa.int8(), 2)),
    ),
    "arrow maps": (
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array([[("b", 1)]], pa.map_(pa.string(), pa.int8())),
    ),
    "arrow names": (pa.table({"a": [1]}), pa.table({"b": [1]})),
    "arrow metadata": (
        pa.table({"a": [1]}),
        pa.table({"a": [1]}).replace_schema_metadata({"x": "y"}),
    ),
    "arrow table, batch": (
        pa.table({"a": [1]}),
        pa.record_batch({"a": [1]}),
    ),
    "arrow scalars": (pa.scalar(1), pa.scalar(2)),
    "arrow scalar, array": (pa.scalar(1), pa.array([1])),
    "arrow fields": (
        pa.field("a", pa.int8()),
        pa.field("a", pa.int8(), nullable=False),
    ),
    "arrow schemas": (pa.schema([("a", pa.int8())]), pa.schema([("b", pa.int8())])),
    "parameters": (Ridge(alpha=1.0), Ridge(alpha=1)),
    "parameters' values": (Ridge(alpha=1.0), Ridge(alpha=2.0)),
    "fitted": (Ridge(), fitted(1.0, [0, 1])),
    "fitted on": (fitted(1.0, [0, 1]), fitted(1.0, [0, 2])),
    "estimators": (Ridge(), StandardScaler()),
    "seeds": (RandomForestRegressor(random_state=0), RandomForestRegressor()),
    "steps": (
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(with_mean=False), Ridge()),
    ),
}


def blocks(order: str) -> pd.DataFrame:
    """Equal frames, packed in other ways."""
    values = np.arange(40_000.0).reshape(-1, 2)
    if order == "two":
        frame = F({0: values[:, 0].copy()})
        frame[1] = values[:, 1].copy()
        frame.columns = pd.RangeIndex(2)
        return frame
    return F(np.asarray(values, order=order), copy=False)


def dates(split: bool) -> pd.DataFrame:
    if split:
        frame = F({0: DAYS})
        frame[1] = DAYS
        frame.columns = pd.RangeIndex(2)
        return frame
    return F({0: DAYS, 1: DAYS}, columns=pd.RangeIndex(2)).copy()


def forest() -> RandomForestRegressor:
    x = np.arange(60.0).reshape(-1, 2)
    return RandomForestRegressor(n_estimators=3, random_state=0).fit(x, x[:, 0])


def beneath(value: int) -> pa.Array:
    """An array with ``value`` in the memory of a null."""
    data = pa.py_buffer(np.array([1, value, 3]))
    bits = pa.py_buffer(bytes([0b101 | (value & 1) << 7]))
    return pa.Array.from_buffers(pa.int64(), 3, [bits, data])


EQUAL = {
    "arrays": (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3)),
    "one-dimensional columns": (np.arange(3)[:, None], np.arange(3)[None, :].T),
    "objects": (np.array([[1], "a"], object), np.array([[1], "a"], object)),
    "a view and its copy": (np.arange(4)[1:3], np.array([1, 2])),
    "strided views": (np.arange(9)[::3], np.arange(9)[::3]),
    "C and F blocks": (blocks("C"), blocks("F")),
    "one and two blocks": (blocks("two"), blocks("F")),
    "blocks of dates": (dates(True), dates(False)),
    "frames": (F({"a": [1], "b": ["x"]}), F({"a": [1], "b": ["x"]})),
    "below a mask": (
        pd.arrays.IntegerArray(np.array([1, 5]), np.array([False, True])),
        pd.arrays.IntegerArray(np.array([1, 9]), np.array([False, True])),
    ),
    "arrow windows": (TEN.slice(2, 3), pa.array([2, 3, 4])),
    "arrow words": (WORDS.slice(1, 3), pa.array(["bb", None, "dd"])),
    "arrow bools": (
        pa.array([True, False, True, None]).slice(1, 3),
        pa.array([False, True, None]),
    ),
    "arrow lists": (pa.array([[1], [2, 3], None]).slice(1), pa.array([[2, 3], None])),
    "arrow structs": (
        pa.array([{"a": 1}, {"a": 2}]).slice(1),
        pa.array([{"a": 2}]),
    ),
    "arrow fixed lists": (
        pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)).slice(1),
        pa.array([[3, 4]], pa.list_(pa.int8(), 2)),
    ),
    "arrow nulls": (beneath(2), beneath(7)),
    "no nulls": (pa.array([None, 1, 2]).slice(1), pa.array([1, 2])),
    "estimators": (Ridge(alpha=2.0), clone(Ridge(alpha=2.0))),
    "fitted": (fitted(1.0, [0, 1]), fitted(1.0, [0, 1])),
    "forests": (forest(), forest()),
    "transformers": (
        ColumnTransformer([("a", StandardScaler(), ["a"])]),
        ColumnTransformer([("a", StandardScaler(), ["a"])]),
    ),
    "sparse": (sparse.csr_matrix(np.eye(2)), sparse.csr_matrix(np.eye(2))),
    "one frame twice": ([f := F({"a": [1]}), f], [f := F({"a": [1]}), f]),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_data_that_looks_alike_differs(name: str) -> None:
    a, b = DIFFERENT[name]
    assert enc(a) != enc(b)
    assert enc([a]) != enc([b])


@pytest.mark.parametrize("name", EQUAL)
def test_equal_data_agrees(name: str) -> None:
    a, b = EQUAL[name]
    assert enc(a) == enc(b)
    encoder = Encoder()
    assert encoder.value([a]) == encoder.value([b])


VIEWS = {"overlapping views", "view of an array", "strided", "strided content"}
MASKS = {"mask", "no mask", "fill value"}
LOST_BY_PICKLE = (
    VIEWS
    | MASKS
    | {"byte order", "byte order bytes"}
    | {"reversed", "writable", "subclass state", "dtype metadata"}
)


@pytest.mark.parametrize("name", sorted(DIFFERENT.keys() - LOST_BY_PICKLE))
def test_a_pickled_copy_agrees(name: str) -> None:
    for value in DIFFERENT[name]:
        assert enc(pickle.loads(pickle.dumps(value))) == enc(value)


def test_deep_copies_agree() -> None:
    frame = F({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])})
    assert enc(copy.deepcopy(frame)) == enc(frame)


@pytest.mark.parametrize(
    "made",
    [np.random.default_rng(0), np.random.RandomState(0), np.random.PCG64(0)],
    ids=["Generator", "RandomState", "BitGenerator"],
)
def test_live_generators_are_refused(made: object) -> None:
    for value in (made, [made], RandomForestRegressor(random_state=made)):
        with pytest.raises(Refused, match="its state changes with use"):
            enc(value)


def test_a_map_of_a_file_is_its_content(tmp_path: object) -> None:
    for name in ("a", "b"):
        np.arange(5).tofile(f"{tmp_path}/{name}")
    read = [np.memmap(f"{tmp_path}/{n}", int, "r") for n in "ab"]
    write = [np.memmap(f"{tmp_path}/{n}", int, "r+") for n in "ab"]
    assert enc(read[0]) == enc(read[1])
    assert enc(write[0]) != enc(write[1])
    assert enc(read[0]) != enc(write[0])
    assert enc(read[0]) != enc(np.array(read[0]))


def test_leftovers_between_fields_do_not_count() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "i4")], align=True)
    raw = [np.full(16, fill, np.uint8).view(dtype) for fill in (0, 255)]
    for array in raw:
        array["a"], array["b"] = 1, 2
    assert enc(raw[0]) == enc(raw[1])
    raw[1]["b"][1] = 3
    assert enc(raw[0]) != enc(raw[1])


def test_cached_answers_of_sparse_matrices_do_not_count() -> None:
    asked, fresh = sparse.csr_matrix(np.eye(3)), sparse.csr_matrix(np.eye(3))
    assert asked.has_sorted_indices
    assert enc(asked) == enc(fresh)


def test_an_index_that_was_used_is_the_same() -> None:
    used, fresh = pd.Index(["a", "b"]), pd.Index(["a", "b"])
    assert used.get_loc("b") == 1
    assert used.is_unique
    assert enc(used) == enc(fresh)


def test_mutable_cells_are_told_apart() -> None:
    cell = [1]
    assert enc(pd.Series([cell, cell])) != enc(pd.Series([[1], [1]]))


def test_frames_in_one_value_know_each_other() -> None:
    frame = F({"a": [1, 2]})
    assert enc([frame, frame]) != enc([frame, frame.copy()])
    assert enc([frame, frame.copy()]) == enc([frame.copy(), frame])


def test_an_array_that_holds_itself_ends() -> None:
    array = np.empty(1, object)
    array[0] = [array]
    assert enc(array) == enc(array)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy < 2")
def test_variable_width_strings() -> None:
    string = np.dtypes.StringDType
    plain = np.array(["a", "b" * 99], string())
    assert enc(plain) == enc(np.array(["a", "b" * 99], string()))
    assert enc(plain) != enc(np.array(["a", "b" * 98], string()))
    assert enc(plain) != enc(np.array(["a", "b" * 99], string(na_object=None)))


def test_content_is_hashed_where_it_lies() -> None:
    fed: list[int] = []

    class Hasher:
        def __init__(self, data: bytes = b"") -> None:
            self.inner = xxhash.xxh3_128(data)

        def update(self, data: object) -> None:
            raw = np.frombuffer(data, np.uint8)  # type: ignore[call-overload]
            fed.append(raw.__array_interface__["data"][0])
            self.inner.update(raw)

        def digest(self) -> bytes:
            return self.inner.digest()

    def places(value: object) -> list[int]:
        encoder = Encoder()
        encoder.hasher = Hasher  # type: ignore[assignment]
        fed.clear()
        encoder.value(value)
        return list(fed)

    array = np.arange(10_000.0)
    assert places(array) == [arrays.address(array)]
    square = np.asfortranarray(np.ones((100, 100)))
    assert places(square) == [arrays.address(square)]
    frame = F({"a": np.arange(9000.0), "b": np.arange(9000.0)}).copy()
    block = frame._mgr.blocks[0].values
    assert {arrays.address(row) for row in block} <= set(places(frame))
    table = pa.table({"a": array})
    assert table.column(0).chunk(0).buffers()[1].address in places(table)


def test_an_object_is_hashed_once_however_often_it_is_mentioned() -> None:
    encoder = Encoder()
    array, calls = np.arange(100.0), []
    make = encoder.hasher

    def counting(*data: bytes) -> object:
        calls.append(data)
        return make(*data)

    encoder.hasher = counting
    encoded = encoder.value(array)
    assert encoder.value(array) == encoded
    for _ in range(3):
        encoder.value([array, {"a": array}])
    assert len(calls) == 1


PROGRAM = """
import numpy as np, pandas as pd, pyarrow as pa
from scipy import sparse
from sklearn.ensemble import RandomForestRegressor
from stratum_dask.optimizations.fingerprint.values import Encoder
x = np.arange(60.0).reshape(-1, 2)
value = [
    pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.array([1, None])}),
    pd.date_range("2020", periods=3, tz="Europe/Berlin"), pa.table({"a": ["x", None]}),
    sparse.csr_matrix(np.eye(2)), np.zeros(2, "i4,f8"), np.dtype("M8[ns]"),
    RandomForestRegressor(n_estimators=2, random_state=0).fit(x, x[:, 0]),
    pd.offsets.CustomBusinessDay(2), pd.Categorical(["a"]), pd.interval_range(0, 3),
]
print(Encoder().value(value).hex())
"""


def test_other_processes_and_hash_seeds_agree() -> None:
    seen = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(seen) == 1
    assert len(seen.pop()) > 16
