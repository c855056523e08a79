"""What functions may do to the objects they are given."""

from __future__ import annotations

import functools
import math
import operator

import dask
import pytest

from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.purity.effects import effect
from stratum_dask.optimizations.verdict import Effect

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
metrics = pytest.importorskip("sklearn.metrics")


def user(x):
    x["a"] = 1
    return x


class Meta(type):
    def __hash__(cls):
        raise AssertionError("hashed")


class User(metaclass=Meta):
    pass


WITHOUT_ARGUMENTS = [
    (operator.truediv, Effect.FRESH),
    (operator.sub, Effect.FRESH),
    (operator.neg, Effect.FRESH),
    (operator.lt, Effect.FRESH),
    (len, Effect.FRESH),
    (float, Effect.FRESH),
    (metrics.r2_score, Effect.FRESH),
    (operator.add, Effect.ALIAS),
    (operator.mul, Effect.ALIAS),
    (operator.or_, Effect.ALIAS),
    (operator.getitem, Effect.ALIAS),
    (operator.itemgetter(0), Effect.ALIAS),
    (operator.attrgetter("a"), Effect.ALIAS),
    (getattr, Effect.ALIAS),
    (sum, Effect.ALIAS),
    (max, Effect.ALIAS),
    (sorted, Effect.ALIAS),
    (tuple, Effect.ALIAS),
    (list, Effect.ALIAS),
    (dict, Effect.ALIAS),
    (dask._task_spec._identity_cast, Effect.ALIAS),
    (dask._task_spec.List.to_container, Effect.ALIAS),
    (pd.concat, Effect.ALIAS),
    (functools.partial(operator.truediv, 1), Effect.FRESH),
    (operator.iadd, Effect.WRITE),
    (operator.setitem, Effect.WRITE),
    (setattr, Effect.WRITE),
    (map, Effect.WRITE),
    (user, Effect.WRITE),
    (User, Effect.WRITE),
    (lambda x: x, Effect.WRITE),
    (functools.partial(user, 1), Effect.WRITE),
    (operator.methodcaller("sum"), Effect.WRITE),
    (list.append, Effect.WRITE),
    ([].append, Effect.WRITE),
    (dask.utils.apply, Effect.WRITE),
    (dask._task_spec._execute_subgraph, Effect.WRITE),
    (metrics.pairwise_distances, Effect.WRITE),
    (pd.DataFrame.drop, Effect.WRITE),
    (np.add, Effect.WRITE),
    (np.fill_diagonal, Effect.WRITE),
    (np.vectorize(math.sqrt), Effect.WRITE),
    (None, Effect.WRITE),
]


@pytest.mark.parametrize(("func", "expected"), WITHOUT_ARGUMENTS)
def test_effect_of_a_function(func, expected):
    assert Judge().effect(func) is expected


WITH_ARGUMENTS = [
    (np.add, (1, 2), {}, Effect.FRESH),
    (np.add, (1, 2, 3), {}, Effect.WRITE),
    (np.add, (1, 2), {"out": 3}, Effect.WRITE),
    (np.add.at, (1, 2, 3), {}, Effect.WRITE),
    (np.sum, (1,), {"axis": 0}, Effect.FRESH),
    (np.sum, (1, 0, None, 3), {}, Effect.WRITE),
    (np.mean, (1,), {"out": 3}, Effect.WRITE),
    (np.median, (1,), {"overwrite_input": True}, Effect.WRITE),
    (np.reshape, (1, 2), {}, Effect.WRITE),
    (np.frompyfunc(user, 1, 1), (1,), {}, Effect.WRITE),
    (functools.partial(np.add, 1), (2,), {}, Effect.FRESH),
    (functools.partial(np.add, 1, 2), (3,), {}, Effect.WRITE),
    (functools.partial(np.add, out=1), (2, 3), {}, Effect.WRITE),
]


@pytest.mark.parametrize(("func", "args", "kwargs", "expected"), WITH_ARGUMENTS)
def test_numpy_writes_where_it_is_given_an_output(func, args, kwargs, expected):
    assert effect(func, args, kwargs) is expected


@pytest.mark.parametrize("op", ["sub", "truediv", "pow", "mod", "neg", "eq", "and_"])
def test_fresh_operators_share_no_memory(op):
    func = getattr(operator, op)
    assert effect(func) is Effect.FRESH
    array = np.arange(1, 4)
    frame = pd.DataFrame({"a": array})
    for x in (array, frame):
        result = func(x) if op == "neg" else func(x, x)
        assert not np.shares_memory(np.asarray(result), np.asarray(x))


@pytest.mark.parametrize("name", ["sum", "cumsum", "sort", "round", "concatenate"])
def test_fresh_numpy_functions_share_no_memory(name):
    func = getattr(np, name)
    array = np.arange(3.0)
    args = ([array],) if name == "concatenate" else (array,)
    assert effect(func, args, {}) is Effect.FRESH
    assert not np.shares_memory(func(*args), array)
