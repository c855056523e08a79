"""Functions that only look get shared objects themselves; all others get copies."""

from __future__ import annotations

import functools

import dask
import numpy as np
import pandas as pd
import pytest

from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.looking import Looker
from stratum_dask.optimizations.private import Isolated

COLUMNS = ["a", "b"]
SCALES = {"a": 2.0, "b": 3.0}
HELD = []


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
    y = np.where(np.isnan(x), 0, np.log1p(x)) * 2
    y += 1
    return np.concatenate([y, x]), y.shape, f"{x.ndim}"


def formats(x):
    return f"{x.shape} {x.mean():.2f}" + ", ".join([str(v) for v in x.ravel()])


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
    df = df.copy()
    df["d"] = np.sqrt(df["a"]) + df["b"]
    df.loc[df["b"] == 1, "a"] = 0.0
    df.columns = ["A", "B", "C", "D"]
    return df[df["D"] > 1].reset_index(drop=True)


def assigned(df):
    return df.assign(d=df["a"] * 2).drop(columns=["c"])


def groups(df):
    found = df.groupby("c")["a"].mean().reset_index()
    return df.merge(found, on="c", how="left")


def by_columns(df):
    out = {}
    for name in COLUMNS:
        out[name] = df[name].fillna(0).mean() * SCALES[name]
    return pd.DataFrame([out])


def texts(df):
    return df["c"].str.upper().astype("category")


def chosen(df):
    return df[["a", "b"]]


def is_frame(df):
    return isinstance(df, pd.DataFrame) and len(df)


FRAME_LOOKERS = [
    features,
    assigned,
    groups,
    by_columns,
    texts,
    chosen,
    is_frame,
    lambda df: df,
    lambda df: df.copy(),
    lambda df: df.index.isna(),
]


@pytest.mark.parametrize("func", ARRAY_LOOKERS)
def test_who_only_looks_at_an_array_gets_it(func):
    assert Looker().only_looks(func)
    shared = array()
    before = Encoder().value(shared)
    given = []

    @functools.wraps(func)
    def seen(x):
        given.append(x)
        return func(x)

    expected = Encoder().value(func(array()))
    result = Isolated(seen, (0,), looks=True)(shared)
    assert given[0] is shared
    assert Encoder().value(result) == expected
    overwrite(result)
    assert Encoder().value(shared) == before


@pytest.mark.parametrize("func", FRAME_LOOKERS)
def test_who_only_looks_at_a_frame_gets_it(func):
    assert Looker().only_looks(func)
    shared = frame()
    before = Encoder().value(shared)
    given = []

    @functools.wraps(func)
    def seen(x):
        given.append(x)
        return func(x)

    result = Isolated(seen, (0,), looks=True)(shared)
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
        assert np.array_equal(found, expected)


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


class Sneaky:
    """Writes into what it is added to."""

    def __radd__(self, other):
        other[0] = 1


class Kind(type):
    def __instancecheck__(cls, obj):
        obj[0] = 1


class Asked(metaclass=Kind):
    pass


class Named:
    """A callable that passes for a function of numpy by its name."""

    def __init__(self, func):
        functools.update_wrapper(self, func)

    def __call__(self, x):
        x[0] = 1


total = Named(np.sum)


def default_that_writes(x, k=Sneaky()):  # noqa: B008
    return x + k


def default_that_is_called(df, k=a_column):
    df.groupby("b").apply(k)


def callback_in_a_cell(df):
    func = a_column
    return [df.agg(func) for _ in range(2)], lambda: func


def callback_of_a_closure(func=a_column):
    def called(df):
        def inner(d):
            return d.agg(func)

        return inner(df)

    return called


def default_of_an_inner_function(df):
    kept = df

    def inner(x, func=a_column):
        return kept.agg(func), x

    return inner(1)


def kept_list():
    return HELD


def kept_by_a_helper(x):
    [kept_list()][0].append(x)


def takes_it_along(x):
    raise ValueError(x)


def with_builtins_of_its_own():
    scope = {"__builtins__": {"len": lambda x: x.fill(0)}}
    exec("def func(x): return len(x)", scope)  # noqa: S102
    return scope["func"]


SLY = [
    default_that_writes,
    default_that_is_called,
    callback_in_a_cell,
    callback_of_a_closure(),
    default_of_an_inner_function,
    kept_by_a_helper,
    takes_it_along,
    with_builtins_of_its_own(),
    lambda x: isinstance(x, Asked),
    lambda x: total(x),
    lambda x: np.ma.array(x).fill(0),
    lambda x: np.float64(x).fill(0),
    lambda x: np.diff(x, n=0).fill(0),
    lambda x: [x.fill],
    lambda df: df.attrs,
    lambda df: df.query("@a_column(a)"),
    lambda df: df.apply("__init__"),
    lambda df: df.index.isna().fill(True),
    lambda df: df.get("z", df).pop("a"),
    lambda df: df.copy().index.values.fill(1),
]


@pytest.mark.parametrize(
    "shared",
    [[1, 2], {1, 2}, {"a": 1}, array(), frame()],
    ids=lambda s: type(s).__name__,
)
@pytest.mark.parametrize("func", [lambda x: x, lambda x: {"p": [x]}, lambda x: (x,)])
def test_result_never_is_or_holds_what_is_shared(func, shared):
    result = Isolated(func, (0,), looks=Looker().only_looks(func))(shared)
    while type(result) in (tuple, dict, list) and result not in ([1, 2], {"a": 1}):
        result = next(iter(result.values() if type(result) is dict else result))
    assert result is not shared


def test_rows_in_the_cells_of_a_frame_are_private():
    shared = array()
    series = Isolated(lambda x: pd.Series(list(x)), (0,), looks=True)(shared)
    series[0][...] = -1
    assert Encoder().value(shared) == Encoder().value(array())


def test_question_about_any_code_is_answered_soon():
    deep = "x"
    for _ in range(12):
        deep = f"[{deep} for x in x]"
    tries = "\n".join(
        "    try: x.sum()\n    except ValueError: pass" for _ in range(300)
    )
    scope = {}
    exec(f"def nested(x): return {deep}\ndef tries(x):\n{tries}", scope)  # noqa: S102
    nest = ()
    for _ in range(5000):
        nest = (nest,)
    looker = Looker()
    looker.only_looks(scope["nested"])  # some Pythons have no functions in there
    assert not looker.only_looks(scope["tries"])
    assert not looker.only_looks(functools.partial(mean, nest))


@pytest.mark.parametrize("func", [*ARRAY_WRITERS, *FRAME_WRITERS, *SLY])
def test_who_may_write_is_not_taken_for_one_who_looks(func):
    assert not Looker().only_looks(func)


def test_what_is_not_plain_is_copied():
    class Mine(np.ndarray):
        pass

    odd = pd.DataFrame({"a": [[1], [2]]})
    noted = frame()
    noted.attrs["a"] = [1]
    given = []
    isolated = Isolated(given.append, (0,), looks=True)
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

    assert Looker().only_looks(add)
    shared, given = array(), []

    def seen(x, y):
        given.append(x)

    Isolated(seen, (0,), looks=True)(shared, Sneaky())
    assert given[0] is not shared


def test_result_that_cannot_be_copied_is_made_anew_of_a_copy():
    given = []

    def parts(x):
        given.append(x)
        return (row for row in x)

    shared = array()
    for row in Isolated(parts, (0,), looks=True)(shared):
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
