"""What operators and builtins may do to objects of the user's own classes.

``len(x)``, ``x + 1``, ``x.size`` and ``str(x)`` run whatever the class of ``x`` has
written for it: a method that counts its calls writes into ``x``, and one that returns
``self`` hands ``x`` on. Which class a result is of is not known before it is computed,
but it must be one of those that the functions and arguments of the graph lead to.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterable, Iterator

from stratum_dask.optimizations.purity.members import parts
from stratum_dask.optimizations.purity.places import installed
from stratum_dask.optimizations.purity.reach import Judging
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import Effect, Role

__all__ = ["at_least"]

_NOT_ASKED = frozenset(
    words("""
    __init__ __new__ __post_init__ __init_subclass__ __class_getitem__ __set_name__
    __reduce__ __reduce_ex__ __getstate__ __setstate__ __getnewargs__ __getnewargs_ex__
    __copy__ __deepcopy__ __replace__ __del__ __call__ __enter__ __exit__ __aenter__
    __aexit__ __setattr__ __delattr__ __setitem__ __delitem__ __prepare__ __sizeof__
    __sklearn_tags__ __sklearn_clone__ __sklearn_is_fitted__ __subclasshook__
    """)
)
"""Special methods that no operator or builtin of the tables runs."""
_ALSO = frozenset({"keys"})
"""What ``dict(x)`` calls besides."""
_OF_CLASSES = frozenset(
    words("""
    __name__ __module__ __qualname__ __doc__ __annotations__ __slots__ __classcell__
    __classdict__ __dict__ __firstlineno__ __static_attributes__ __type_params__
    __annotate__ __annotate_func__ __conditional_annotations__ __match_args__
    """)
)
_DESCRIBE = frozenset({"property", "cached_property"})
_BUILDS = dis.opmap["LOAD_BUILD_CLASS"]


def at_least(judge: Judging, met: Iterable[object]) -> Effect:
    """What operators may do, at least, where these functions and classes are met.

    Parameters
    ----------
    judge
        Looks into methods.
    met
        All functions and classes that a graph leads to.

    Examples
    --------
    >>> from stratum_dask.optimizations.purity import Judge
    >>> class Quiet:
    ...     def __len__(self): return 1
    >>> class Counts:
    ...     def __len__(self): self.asked = True; return 1
    >>> at_least(Judge(), [Quiet, len]).name, at_least(Judge(), [Counts]).name
    ('FRESH', 'WRITE')
    """
    classes: list[type] = []
    for obj in met:
        if isinstance(obj, type):
            if not installed(obj.__module__.partition(".")[0]):
                classes.append(obj)
        elif isinstance(obj, types.FunctionType) and _makes_class(obj.__code__):
            return Effect.WRITE  # its methods are there only once it runs
    return _Operators(judge, classes).effect() if classes else Effect.FRESH


class _Operators:
    """The methods of some classes, and what those that operators run do."""

    def __init__(self, judge: Judging, classes: list[type]) -> None:
        self.judge = judge
        self.by_name: dict[str, list[types.FunctionType]] = {}
        self.asked: list[tuple[str, types.FunctionType]] = []
        self.quiet: set[types.FunctionType] = set()
        for cls in classes:
            for name, member in vars(cls).items():
                asked = _is_asked(name)
                for func in _functions(member):
                    self.by_name.setdefault(name, []).append(func)
                    if asked or (func is not member and not _is_method(member)):
                        self.asked.append((name, func))

    def effect(self) -> Effect:
        found = Effect.FRESH
        for name, func in self.asked:
            if self._writes(func):
                return Effect.WRITE
            gives = self.judge.evidence(func).gives
            if name not in _GIVE_SCALARS and (gives is None or any(gives)):
                found = Effect.ALIAS
        return found

    def _writes(self, func: types.FunctionType) -> bool:
        """Whether a method writes, or calls by name one of these classes that does."""
        stack = [func]
        while stack:
            func = stack.pop()
            if func in self.quiet:
                continue
            evidence = self.judge.evidence(func)
            if evidence.writes or evidence.verdict.role is Role.REFUSE:
                return True
            self.quiet.add(func)
            for name in _names(func.__code__):
                stack += self.by_name.get(name, ())
        return False


def _is_asked(name: str) -> bool:
    special = name.startswith("__") and name.endswith("__")
    return (special and name not in _NOT_ASKED) or name in _ALSO


def _functions(member: object) -> list[types.FunctionType]:
    """The functions of the user's behind one member of a class."""
    if _is_method(member):
        member = getattr(member, "__func__", member)
    elif hasattr(type(member), "__get__"):
        found = [*parts(member), getattr(member, "func", None)]
        return [f for f in found if isinstance(f, types.FunctionType)]
    return [member] if isinstance(member, types.FunctionType) else []


def _is_method(member: object) -> bool:
    return isinstance(member, (types.FunctionType, staticmethod, classmethod))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


_GIVE_SCALARS = frozenset(
    words("""
    __len__ __str__ __repr__ __bool__ __hash__ __int__ __float__ __index__ __complex__
    __format__ __contains__ __length_hint__ __bytes__ __dir__
    """)
)
"""Special methods of which Python takes nothing but a number or a text."""


def _makes_class(code: types.CodeType) -> bool:
    """Whether code makes a class with methods that operators run."""
    builds = _BUILDS in code.co_code[::2]
    for inner in code.co_consts:
        if not isinstance(inner, types.CodeType):
            continue
        if builds and "__qualname__" in inner.co_names:
            own = set(inner.co_names) - _OF_CLASSES
            if any(map(_is_asked, own)) or not own.isdisjoint(_DESCRIBE):
                return True
        if _makes_class(inner):
            return True
    return False
