"""What calls do by name: change their object, write into it, return an iterator."""

from __future__ import annotations

from stratum_dask.optimizations.purity.words import words

__all__ = ["ITERATORS", "MUTATORS", "NUMBERS", "WRITES_FIRST"]

MUTATORS = frozenset(
    words("""
    append extend insert pop popitem clear remove discard add update setdefault sort
    reverse appendleft extendleft popleft rotate subtract move_to_end
    difference_update intersection_update symmetric_difference_update put fill
    itemset setflags resize partial_fit fit fit_transform fit_predict set_params
    write writelines seek truncate read readline readlines __setitem__ __delitem__
    __setattr__ __next__ send throw set_value set_flags isetitem setdiag fromlist
    frombytes fromunicode __iadd__ __isub__ __imul__ __itruediv__ __ifloordiv__
    __imod__ __ipow__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__ __imatmul__
    """)
)
"""Methods that change the object they belong to."""

WRITES_FIRST = frozenset(
    words("""
    at shuffle fill_diagonal copyto put place putmask put_along_axis heappush
    heappop heapify heapreplace heappushpop insort insort_left insort_right
    """)
)
"""Functions that write into their first argument."""

ITERATORS = frozenset(
    words("""
    builtins.iter builtins.map builtins.filter builtins.zip builtins.enumerate
    builtins.reversed builtins.open io.open _csv.reader csv.reader csv.DictReader
    numpy.nditer numpy.nested_iters numpy.ndenumerate numpy.ndindex numpy.broadcast
    struct.iter_unpack _struct.iter_unpack toolz.iterate toolz.itertoolz.iterate
    """)
)
"""Callables whose result can be read once only."""

NUMBERS = frozenset(
    words("""
    builtins.int builtins.len builtins.abs builtins.hash
    """)
)
"""Callables whose result is a number, never None."""
