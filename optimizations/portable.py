"""Pickles that also work on a worker which has never heard of this package.

A class is pickled as an expression that finds it. Where it cannot be imported the
expression makes a stand-in from the standard library, which keeps results right but
isolates by plain :func:`copy.deepcopy`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["Found", "Portable"]

_HOME = "stratum_dask.optimizations.private"
_DEFINED_IN = frozenset(
    f"stratum_dask.optimizations.{name}" for name in ("wrapping", "recipe", "owning")
)

# Kept short: they travel with every wrapped task.
_ISOLATED = """
 from copy import deepcopy as D
 def C(f,w,*_):
  def g(*a,**k):m={};return f(*[D(v,m)if i in w else v for i,v in enumerate(a)],\
**{i:D(v,m)if i in w else v for i,v in k.items()})
  return g"""
_OPENED = """
 def O(v):
  t=type(v)
  if hasattr(t,'__stratum_recipe__'):return v.__deepcopy__({})
  if t is dict:return{i:O(x)for i,x in v.items()}
  return t(map(O,v))if t in(list,tuple,set)else v
 def C(f,w):
  def g(*a,**k):return f(*[O(v)if i in w else v for i,v in enumerate(a)],\
**{i:O(v)if i in w else v for i,v in k.items()})
  return g"""
_OWN = """
 from copy import deepcopy as D
 from dask.sizeof import sizeof as S
 def C(f,n):
  def g(*a,**k):
   r=f(*a,**k)
   try:return D(r)if S(r)<=n else r
   except Exception:return r
  return g"""
_RECIPE = """
 class {}:
  __stratum_recipe__=True
  def __init__(s,*a):s.a=a
  def __deepcopy__(s,m):f,a,k=s.a;return f(*a,**k)"""
_SHAREABLE = (
    _RECIPE.format("R")
    + """
 from copy import deepcopy as D
 def C(f):
  def g(*a,**k):
   r=f(*a,**k)
   try:hasattr(r,'__array__')or D(r);return r
   except Exception:return R(f,a,k)
  return g"""
)


def _expression(name: str, stand_in: str, home: str) -> str:
    source = f"try:from {home} import {name} as C\nexcept Exception:{stand_in}"
    loaded = f"getattr(__import__('sys').modules.get({home!r}),{name!r},0)"
    return f"{loaded}or(lambda d:exec({source!r},d)or d['C'])({{}})"


class Found:
    """A class of this package that pickles as the expression which finds it.

    Parameters
    ----------
    name, home
        Its name, and that of its module.
    stand_in
        What defines ``C`` in its place: lines that are indented by one.
    """

    def __init__(self, name: str, stand_in: str, home: str = _HOME) -> None:
        self.name = name
        self.home = home
        self.expression = _expression(name, stand_in, home)

    def __call__(self, *parts: Any) -> Any:
        return getattr(importlib.import_module(self.home), self.name)(*parts)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return eval, (self.expression,)


def _awaiting(stand_in: str) -> str:
    return (
        stand_in.replace("def g(", "async def g(")
        .replace("return f(*[", "return await f(*[")
        .replace("r=f(", "r=await f(")
    )


_FOUND = {
    (name, waits): Found(name, _awaiting(stand_in) if waits else stand_in)
    for name, stand_in in [
        ("Isolated", _ISOLATED),
        ("Opened", _OPENED),
        ("Own", _OWN),
        ("Shareable", _SHAREABLE),
        ("Recipe", _RECIPE.format("C")),
    ]
    for waits in (False, True)
    if name != "Recipe" or not waits
}


class Portable:
    """Base of what travels to workers inside tasks.

    Examples
    --------
    >>> import pickle
    >>> from stratum_dask.optimizations.private import Isolated
    >>> pickle.loads(pickle.dumps(Isolated(sorted, (0,))))([2, 1])
    [1, 2]
    """

    __slots__ = ()

    def _parts(self) -> tuple[Any, ...]:
        """Return the arguments that make an equal object."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        cls = type(self)
        if (
            cls.__module__ not in _DEFINED_IN
        ):  # somebody's subclass: no stand-in is known
            return cls, self._parts()
        return _FOUND[cls.__name__, inspect.iscoroutinefunction(self)], self._parts()
