"""What a function may do to the objects it is given."""

from __future__ import annotations

import builtins
import functools
import operator
import sys
import types
from collections.abc import Mapping, Sequence

from stratum_dask.optimizations.purity.places import canonical, installed, root_of
from stratum_dask.optimizations.verdict import Effect

__all__ = ["computes", "declare", "effect", "is_library_ufunc", "positional_outputs"]

# `add`, `mul` and `or_` are not here: of lists and dicts they share the elements
_FRESH_OPERATORS = (
    "sub truediv floordiv mod pow matmul neg pos abs invert inv eq ne lt le gt ge "
    "and_ xor lshift rshift not_ truth is_ is_not contains countOf indexOf length_hint"
)
_FRESH_BUILTINS = (
    "abs len bool int float complex str repr format hash isinstance issubclass "
    "callable ord chr bin hex oct round divmod pow range any all type"
)
_ALIAS_BUILTINS = (
    "sum min max sorted reversed tuple list dict set frozenset getattr zip enumerate "
    "iter slice"
)
_TABLE: dict[object, Effect] = {
    **{getattr(operator, n): Effect.FRESH for n in _FRESH_OPERATORS.split()},
    **{getattr(builtins, n): Effect.FRESH for n in _FRESH_BUILTINS.split()},
    **{getattr(builtins, n): Effect.ALIAS for n in _ALIAS_BUILTINS.split()},
    operator.add: Effect.ALIAS,
    operator.concat: Effect.ALIAS,
    operator.mul: Effect.ALIAS,
    operator.or_: Effect.ALIAS,
    operator.getitem: Effect.ALIAS,
}
_GETTERS = (operator.itemgetter, operator.attrgetter)
_DECLARED: dict[types.FunctionType, Effect] = {}

# name -> how many positional arguments stand before `out`
_NUMPY_FRESH = {
    "sum": 3, "prod": 3, "mean": 3, "std": 3, "var": 3, "min": 2, "max": 2,
    "amin": 2, "amax": 2, "nansum": 3, "nanmean": 3, "nanstd": 3, "nanvar": 3,
    "nanmin": 2, "nanmax": 2, "median": 2, "nanmedian": 2, "any": 2, "all": 2,
    "argmin": 2, "argmax": 2, "dot": 2, "cumsum": 3, "cumprod": 3, "round": 2,
    "concatenate": 2, "stack": 2, "vstack": 9, "hstack": 9, "argsort": 9, "sort": 9,
    "unique": 9, "bincount": 9, "allclose": 9, "array_equal": 9, "isclose": 9,
    "quantile": 3, "percentile": 3, "count_nonzero": 9, "zeros_like": 9,
    "ones_like": 9, "full_like": 9, "tile": 9, "repeat": 9, "linalg.norm": 9,
    "linalg.solve": 9, "linalg.inv": 9, "linalg.det": 9, "corrcoef": 9, "cov": 9,
}  # fmt: skip

# library functions of Dask that only look, cut or join
_DASK_LOOKS = {
    "dask.array.core.getter", "dask.array.core.getter_nofancy",
    "dask.array.core.getter_inline", "dask.array.core.concatenate_axes",
    "dask.array.core.concatenate3", "dask.array.core.finalize",
    "dask.utils.getitem", "dask._task_spec._identity_cast",
    "dask._task_spec.identity", "dask.utils.identity", "dask.core.identity",
    "dask.dataframe.methods.concat", "dask.dataframe.core._concat",
    "dask.dataframe.dispatch.concat", "dask.delayed.single_key",
    "dask._task_spec._wrap_namedtuple_task",
    "dask._task_spec.NestedContainer.to_container",
}  # fmt: skip


def declare(func: types.FunctionType, known: Effect) -> None:
    """Say what a function of our own does to its arguments.

    Examples
    --------
    >>> def look(x): return x
    >>> declare(look, Effect.ALIAS)
    >>> effect(look).name
    'ALIAS'
    """
    _DECLARED[func] = known


def effect(
    func: object,
    args: Sequence[object] | None = None,
    kwargs: Mapping[str, object] | None = None,
) -> Effect:
    """Answer what a function may do to its arguments.

    Parameters
    ----------
    func
        The callable of a task.
    args, kwargs
        The task's arguments, if known: numpy's functions write into ``out``,
        so without them they are taken for writers.

    Examples
    --------
    >>> import operator
    >>> effect(operator.truediv).name, effect(operator.getitem).name
    ('FRESH', 'ALIAS')
    >>> effect(list.append).name
    'WRITE'
    """
    if isinstance(func, functools.partial):
        more = None if args is None else (*func.args, *args)
        return effect(func.func, more, {**func.keywords, **(kwargs or {})})
    if type(func) in (types.BuiltinFunctionType, type):
        known = _TABLE.get(func)
        if known is not None:
            return known
    if type(func) in _GETTERS:
        return Effect.ALIAS
    if type(func) is types.FunctionType and func in _DECLARED:
        return _DECLARED[func]
    if isinstance(func, types.MethodType):
        return Effect.WRITE
    name = canonical(func)
    # numpy 1 does not say where its ufuncs are from
    root = "numpy" if type(func).__name__ == "ufunc" else root_of(name)
    if root not in ("numpy", "dask", "sklearn", "pandas") or not installed(root):
        return Effect.WRITE
    if root == "numpy":
        return _numpy(func, name, args, kwargs)
    if root == "dask":
        return Effect.ALIAS if name in _DASK_LOOKS else Effect.WRITE
    if root == "sklearn" and name.startswith("sklearn.metrics."):
        takes_func = "pairwise" in name or "scorer" in name or isinstance(func, type)
        return Effect.WRITE if takes_func else Effect.FRESH
    return Effect.ALIAS if name in _PANDAS_LOOKS else Effect.WRITE


_PANDAS_LOOKS = {
    "pandas.concat", "pandas.core.reshape.concat.concat", "pandas.merge",
    "pandas.core.reshape.merge.merge", "pandas.get_dummies",
    "pandas.core.reshape.encoding.get_dummies",
}  # fmt: skip


def computes(
    func: object, args: Sequence[object], kwargs: Mapping[str, object]
) -> bool:
    """Whether this is a call of numpy that writes into nothing, its ``out`` included.

    Examples
    --------
    >>> import numpy as np
    >>> computes(np.mean, ("a",), {}), computes(np.mean, ("a",), {"out": "b"})
    (True, False)
    """
    if type(func).__module__ != "numpy":  # ufuncs, and what knows of its arrays
        return False
    return effect(func, args, kwargs) is Effect.FRESH


_OUTPUTS = frozenset({"out", "overwrite_input"})


def is_library_ufunc(func: object) -> bool:
    """Whether a ufunc is numpy's or scipy's own, not made by ``np.frompyfunc``."""
    name = getattr(func, "__name__", "")
    homes = (sys.modules.get("numpy"), sys.modules.get("scipy.special"))
    return any(home is not None and vars(home).get(name) is func for home in homes)


def _numpy(
    func: object,
    name: str,
    args: Sequence[object] | None,
    kwargs: Mapping[str, object] | None,
) -> Effect:
    if args is None or (kwargs and not _OUTPUTS.isdisjoint(kwargs)):
        return Effect.WRITE
    if type(func).__name__ == "ufunc":
        known = is_library_ufunc(func) and len(args) <= getattr(func, "nin", 0)
        return Effect.FRESH if known else Effect.WRITE
    before_out = _NUMPY_FRESH.get(name.removeprefix("numpy."), -1)
    return Effect.FRESH if len(args) <= before_out else Effect.WRITE


def positional_outputs(func: object, args: Sequence[object]) -> Sequence[object]:
    """The arguments of a function of numpy that stand where its ``out`` does.

    Examples
    --------
    >>> import numpy as np
    >>> positional_outputs(np.add, ("a", "b", "c"))
    ('c',)
    """
    if type(func).__name__ == "ufunc":
        return args[getattr(func, "nin", 0) :]
    if func is None or not callable(func) or type(func).__module__ != "numpy":
        return ()
    name = canonical(func).removeprefix("numpy.")
    return args[_NUMPY_FRESH.get(name, len(args)) :]
