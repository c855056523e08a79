"""Functions that only look get shared objects themselves; all others get copies."""

from __future__ import annotations

import functools

import dask
import numpy as np
import pandas as pd
import pytest

from stratum_dask.optimizations.copying_libraries import copies_on_write
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.looking import ARRAYS, FRAMES, Looker
from stratum_dask.optimizations.private import Isolated

COLUMNS = ["a", "b"]
SCALES = {"a": 2.0, "b": 3.0}
HELD = []
frames_only = pytest.mark.skipif(
    not copies_on_write(), reason="pandas shares memory with what is taken of frames"
)


def array():
    return np.arange(12.0).reshape(4, 3)


def frame():
    return pd.DataFrame({"a": [3.0, 1.0, 2.0], "b": [1, 1, 2], "c": ["x", "y", "x"]})


def helper(x, k):
    return x[x > k].sum()


# ------------------------------------------------------------------ that only look
def mean(x):
    return float(x.mean())


def through_a_helper(x, k=1):
    return helper(x, k) + helper(x * 2, k=k)


def loops(x):
    total, parts = 0, []
    for row in x:
        total += float(row.sum())
        parts.append(total)
    while total > 10:
        total /= 2
    return parts, [p for p in parts if p > 1], {p: 1 for p in parts}


def own_copy(x):
    x = np.array(x)
    x[0] = 1
    x += 1
    return x


def ufuncs(x):
    y = np.where(np.isnan(x), 0, np.log1p(x))
    y += 1
    return np.concatenate([y, x]), y.shape, f"{x.ndim}"


def formats(x):
    return f"{x.shape} {x.mean():.2f}" + ", ".join(map(str, x.ravel()))


def guarded(x):
    try:
        return float(x[0, 0])
    except (IndexError, TypeError) as error:
        return str(error)


def hands_on(x):
    return x


def a_view(x):
    return x[1:].T


def in_a_list(x):
    return [x, {"first": x[0]}]


ARRAY_LOOKERS = [
    mean,
    through_a_helper,
    loops,
    own_copy,
    ufuncs,
    formats,
    guarded,
    hands_on,
    a_view,
    in_a_list,
    functools.partial(through_a_helper, k=2),
    lambda x: x.max() - x.min(),
]


def features(df):
    df = df.assign(d=df["a"] * 2)
    df["e"] = np.sqrt(df["a"]) + df["b"]
    df = df[df["e"] > 1]
    df.loc[df["b"] == 1, "e"] = 0.0
    df.columns = [name.upper() for name in df.columns]
    return df.reset_index(drop=True)


def deep_copy(df):
    df = df.copy()
    df["d"] = 1
    df.drop(columns=["c"])
    return df


def groups(df):
    found = df.groupby("c")["a"].agg(["mean", "max"])
    found.columns = ["m", "n"]
    return df.merge(found.reset_index(), on="c", how="left")


def by_columns(df):
    out = {}
    for name in COLUMNS:
        out[name] = df[name].fillna(0).mean() * SCALES[name]
    return pd.DataFrame([out])


def applies(df):
    return df[COLUMNS].apply(lambda s: (s - s.mean()) / s.std())


def texts(df):
    return df["c"].str.upper().map({"X": 1, "Y": 2}).astype(float)


def chosen(df):
    return df[["a", "b"]]


def is_frame(df):
    return isinstance(df, pd.DataFrame) and len(df)


FRAME_LOOKERS = [
    features,
    deep_copy,
    groups,
    by_columns,
    applies,
    texts,
    chosen,
    is_frame,
    lambda df: df,
]


@pytest.mark.parametrize("func", ARRAY_LOOKERS)
def test_who_only_looks_at_an_array_gets_it(func):
    assert Looker().only_looks(func) & ARRAYS
    shared = array()
    before = Encoder().value(shared)
    given = []

    @functools.wraps(func)
    def seen(x):
        given.append(x)
        return func(x)

    expected = Encoder().value(func(array()))
    result = Isolated(seen, (0,), looks=ARRAYS)(shared)
    assert given[0] is shared
    assert Encoder().value(result) == expected
    overwrite(result)
    assert Encoder().value(shared) == before


@frames_only
@pytest.mark.parametrize("func", FRAME_LOOKERS)
def test_who_only_looks_at_a_frame_gets_it(func):
    looks = Looker().only_looks(func)
    assert looks & FRAMES
    shared = frame()
    before = Encoder().value(shared)
    given = []

    @functools.wraps(func)
    def seen(x):
        given.append(x)
        return func(x)

    result = Isolated(seen, (0,), looks=looks)(shared)
    assert given[0] is shared
    assert_equal(result, func(frame()))
    overwrite(result)
    assert Encoder().value(shared) == before


def assert_equal(found, expected):
    if isinstance(expected, pd.DataFrame | pd.Series):
        check = getattr(
            pd.testing, f"assert_{'frame' if found.ndim > 1 else 'series'}_equal"
        )
        check(found, expected, check_exact=True)
    else:
        assert found == expected


def overwrite(result):
    """Write into a result as the meanest of its users would."""
    if isinstance(result, np.ndarray):
        result[...] = -1
    elif isinstance(result, pd.DataFrame):
        result.index.name = "written"
        for name in result:
            if result[name].dtype == float:
                result[name].array._ndarray.flags.writeable = True
                result[name].array._ndarray[...] = -1
        result.columns.name = "written"
    elif isinstance(result, pd.Series):
        result.index.name = "written"
    elif isinstance(result, list | tuple):
        for item in result:
            overwrite(item)
    elif isinstance(result, dict):
        for item in result.values():
            overwrite(item)


# --------------------------------------------------------------------- that may write
def in_place(x):
    x -= x.mean()
    return x


def an_item(x):
    x[0] = 1


def a_slice_of_it(x):
    y = x[1:]
    y[0] = 1


def a_branch(x, k=0):
    y = x if k else x.copy()
    y[0] = 1


def a_loop(x):
    y = x.copy()
    for _ in range(2):
        y[0] = 1
        y = x


def out(x):
    np.add(x, 1, out=x)


def out_by_position(x):
    np.add(x, 1, x)


def clip_into(x):
    np.clip(x, 0, 1, x)


def sorts(x):
    x.sort()


def fills(x):
    x.fill(0)


def at(x):
    np.add.at(x, 0, 1)


def shuffles(x):
    np.random.default_rng(0).shuffle(x)


def a_row(x):
    for row in x:
        row[0] = 1


def of_a_list(x):
    held = [x]
    held[0][0] = 1


def of_an_alias(x):
    held = []
    other = held
    other.append(x)
    held[0][0] = 1


def of_a_shallow_copy(x):
    for held in [[x]]:
        held.copy()[0][0] = 1


def through_a_view(x):
    np.asarray(x).ravel()[0] = 1


def not_a_copy(x):
    np.nan_to_num(x, copy=False)


def a_helper_that_writes(x):
    in_place(x)


def a_lambda_that_writes(x):
    list(map(lambda row: row.__setitem__(0, 1), x))  # noqa: C417


def an_inner_function(x):
    def inner(y):
        y[0] = 1

    inner(x)


def a_closure(x):
    def inner():
        x[0] = 1

    inner()


def kept_outside(x):
    HELD.append(x)


def an_unknown_function(x, f=None):
    f(x)


def unpacked(x, **more):
    np.add(x, 1, **more)


def a_generator(x):
    yield x


async def asynchronous(x):
    return x


def a_setter(x):
    x.shape = (12,)


def of_what_failed(x):
    try:
        raise ValueError(x)
    except ValueError as error:
        error.args[0][0] = 1


ARRAY_WRITERS = [
    in_place,
    an_item,
    a_slice_of_it,
    a_branch,
    a_loop,
    out,
    out_by_position,
    clip_into,
    sorts,
    fills,
    at,
    shuffles,
    a_row,
    of_a_list,
    of_an_alias,
    of_a_shallow_copy,
    through_a_view,
    not_a_copy,
    a_helper_that_writes,
    a_lambda_that_writes,
    an_inner_function,
    a_closure,
    kept_outside,
    an_unknown_function,
    unpacked,
    a_generator,
    asynchronous,
    a_setter,
    of_what_failed,
]


def a_column(df):
    df["d"] = 1


def by_loc(df):
    df.loc[0, "a"] = 1


def inplace(df):
    df.drop(columns=["a"], inplace=True)


def inplace_if(df, really=True):
    df.fillna(0, inplace=really)


def pops(df):
    df.pop("a")


def inserts(df):
    df.insert(0, "d", 1)


def renames(df):
    df.columns = ["x", "y", "z"]


def names_the_index(df):
    df.index.name = "i"


def names_the_columns(df):
    other = df.assign(d=1)
    other.columns.name = "i"


def attrs(df):
    df.attrs["a"] = 1


def beneath(df):
    df["a"].array[0] = 1


def in_values(df):
    df.values[0] = 1


def by_name(df):
    df.apply("insert", loc=0, column="d", value=1)


def evaluates(df):
    df.eval("d = a + b", inplace=True)


def from_an_object_column(df):
    other = df.assign(d=None)
    other["d"] = [df, df, df]
    other["d"][0]["a"] = 1


def from_a_joined_list(df):
    ([df, *COLUMNS])[0]["d"] = 1


def applied_writer(df):
    df.apply(lambda s: s.__setitem__(0, 1))


def piped(df):
    df.pipe(a_column)


FRAME_WRITERS = [
    a_column,
    by_loc,
    inplace,
    inplace_if,
    pops,
    inserts,
    renames,
    names_the_index,
    names_the_columns,
    attrs,
    beneath,
    in_values,
    by_name,
    evaluates,
    from_an_object_column,
    from_a_joined_list,
    applied_writer,
    piped,
]


@pytest.mark.parametrize("func", ARRAY_WRITERS)
def test_who_may_write_into_an_array_is_not_taken_for_one_who_looks(func):
    assert not Looker().only_looks(func) & ARRAYS


@pytest.mark.parametrize("func", FRAME_WRITERS)
def test_who_may_write_into_a_frame_is_not_taken_for_one_who_looks(func):
    assert Looker().only_looks(func) == 0


def test_what_is_not_plain_is_copied():
    class Mine(np.ndarray):
        pass

    odd = pd.DataFrame({"a": [[1], [2]]})
    noted = frame()
    noted.attrs["a"] = [1]
    given = []
    isolated = Isolated(given.append, (0,), looks=ARRAYS | FRAMES)
    shared = [
        array().view(Mine),
        np.array([[1], [2, 3]], dtype=object),
        odd,
        noted,
        [array()],
        {"a": [1]},
    ]
    for value in shared:
        isolated(value)
        assert given[-1] is not value


def test_another_argument_that_is_not_plain_makes_it_copy():
    class Sneaky:
        def __radd__(self, other):
            return None

    def add(x, y):
        return x + y

    assert Looker().only_looks(add) & ARRAYS
    shared, given = array(), []

    def seen(x, y):
        given.append(x)

    Isolated(seen, (0,), looks=ARRAYS)(shared, Sneaky())
    assert given[0] is not shared


def test_result_that_cannot_be_copied_is_made_anew_of_a_copy():
    given = []

    def parts(x):
        given.append(x)
        return (row for row in x)

    shared = array()
    for row in Isolated(parts, (0,), looks=ARRAYS)(shared):
        row[...] = 1
    assert given[0] is shared
    assert given[1] is not shared
    assert Encoder().value(shared) == Encoder().value(array())


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_lookers_and_writers_of_one_frame_see_what_plain_dask_shows(scheduler):
    def load():
        return frame()

    def look(df):
        df = df.assign(d=1)
        return df

    def write(df):
        df["a"] = 0.0
        return df

    def run():
        makes = [dask.delayed(load)() for _ in range(4)]
        steps = [
            dask.delayed(f)(m) for f, m in zip([look, write] * 2, makes, strict=True)
        ]
        later = [dask.delayed(write)(s) for s in steps]
        return dask.compute(*steps, *later, scheduler=scheduler)

    plain = run()
    with dask.config.set({"stratum.enabled": True}):
        found = run()
    for result, expected in zip(found, plain, strict=True):
        assert_equal(result, expected)
