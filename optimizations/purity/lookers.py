"""Library functions whose result looks into what they are given.

What is written into ``a.ravel()`` or ``np.asarray(a)`` is written into ``a``.
"""

from __future__ import annotations

from collections.abc import Container

from stratum_dask.optimizations.purity.outer import copies
from stratum_dask.optimizations.purity.places import canonical, root_of
from stratum_dask.optimizations.purity.reach import Named, Ref
from stratum_dask.optimizations.purity.stack import Bound
from stratum_dask.optimizations.purity.words import words

__all__ = ["gathers", "looks_into"]

_METHODS = frozenset(
    words("""
    reshape ravel view squeeze swapaxes transpose diagonal to_numpy __array__
    __getitem__ __iter__ __next__
    """)
)
_BUILTINS = frozenset(
    words("enumerate zip reversed iter next min max getattr memoryview filter map vars")
)
_STANDARD = frozenset(words("itertools functools operator"))
_GATHER = frozenset(words("list tuple set frozenset dict sorted"))


def looks_into(func: Ref | Named | Bound, keywords: Container[str]) -> bool:
    """Whether writing into the result may write into an argument.

    Parameters
    ----------
    func
        What is called: of a library, or a method of an object of unknown type.
    keywords
        Those of the call: ``copy`` says that there may be none.

    Examples
    --------
    >>> from stratum_dask.optimizations.purity.evidence import PURE
    >>> looks_into(Named("numpy.ravel", PURE), ())
    True
    >>> looks_into(Ref(len, "len", PURE), ())
    False
    """
    if isinstance(func, Bound) and not isinstance(func.base, Ref | Named):
        return func.name in _METHODS or "copy" in keywords
    if isinstance(func, Bound):
        name = f"{_name(func.base)}.{func.name}"
        return _looks(name, None, keywords)
    return _looks(_name(func), getattr(func, "obj", None), keywords)


def gathers(func: Ref | Named | Bound) -> bool:
    """Whether the result is a new container of what is in the arguments.

    Examples
    --------
    >>> from stratum_dask.optimizations.purity.evidence import PURE
    >>> gathers(Ref(sorted, "sorted", PURE)), gathers(Ref(len, "len", PURE))
    (True, False)
    """
    if isinstance(func, Bound):
        return isinstance(func.base, Ref | Named) and _gather(
            f"{_name(func.base)}.{func.name}"
        )
    return _gather(_name(func))


def _gather(name: str) -> bool:
    root, leaf = root_of(name), name.rpartition(".")[2]
    if root == "builtins":
        return leaf in _GATHER
    return root == "collections" or name in ("types.SimpleNamespace", "copy.copy")


def _name(func: Ref | Named) -> str:
    obj = getattr(func, "obj", None)
    return canonical(obj) if obj is not None else str(getattr(func, "path", ""))


def _looks(name: str, obj: object, keywords: Container[str]) -> bool:
    root, leaf = root_of(name), name.rpartition(".")[2]
    if root == "builtins":
        return leaf in _BUILTINS
    if root == "numpy":
        return "copy" in keywords or not copies(root, leaf, obj)
    if root == "pandas":
        return "copy" in keywords
    return root in _STANDARD
