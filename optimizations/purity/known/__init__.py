"""What is known of libraries, by name: pure, volatile, random, or side effect."""

from __future__ import annotations

from stratum_dask.optimizations.purity.contracts import Seed
from stratum_dask.optimizations.purity.estimators import estimator_rule
from stratum_dask.optimizations.purity.known import reasons
from stratum_dask.optimizations.purity.known.exact import BUILTINS, EXACT
from stratum_dask.optimizations.purity.known.leaves import LEAVES, METHODS
from stratum_dask.optimizations.purity.known.libraries import LIBRARIES
from stratum_dask.optimizations.purity.known.touching import touching
from stratum_dask.optimizations.purity.known.traits import (
    ITERATORS,
    MUTATORS,
    NUMBERS,
    WRITES_FIRST,
)
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import MERGE

__all__ = ["ITERATORS", "METHODS", "MUTATORS", "NUMBERS", "WRITES_FIRST", "rule"]

_OWN_TABLES = frozenset(
    words("dask dask_ml dask_expr dask_glm datetime numba llvmlite")
)
"""Libraries of which each name that touches something outside is in the tables."""

_PATHS = frozenset(
    words("""
    join split splitext basename dirname normpath normcase isabs commonpath
    commonprefix splitdrive
    """)
)
"""Members of ``os.path`` that look at nothing but their argument."""


def rule(name: str) -> reasons.Rule | None:
    """What is known of a dotted name, None where its library is not known.

    Examples
    --------
    >>> rule("numpy.mean").role.name, rule("time.time").role.name
    ('MERGE', 'REFUSE')
    >>> rule("their_library.solve") is None
    True
    """
    found = EXACT.get(name)
    if found is not None:
        return found
    root, _, rest = name.partition(".")
    if name.startswith("numpy.random."):  # its classes live in private modules
        public = EXACT.get(f"numpy.random.{name.rpartition('.')[2]}")
        if public is not None:
            return public
    leaf = name.rpartition(".")[2]
    if root == "builtins":
        return BUILTINS.get(rest, MERGE)
    if root == "os" and name.startswith("os.path."):
        pure = leaf in _PATHS or leaf[:1].isupper() or leaf in ("sep", "path")
        return MERGE if pure else reasons.LOOKS
    library = LIBRARIES.get(root)
    if library is None:
        return None
    if root == "sklearn":
        random = estimator_rule(leaf)
        if random is not None:
            return random
        if leaf == "check_random_state":
            return Seed("check_random_state()", "seed", 0)
        if leaf.startswith("dump_"):
            return reasons.WRITES
        if leaf.startswith("fetch_") or leaf == "load_files":
            return reasons.FETCHES
        if leaf.endswith("Display"):
            return reasons.STATE
        outside = touching(leaf)
        if outside is not None:
            return outside
    if library == MERGE and root not in ("sklearn", "operator", "toolz", "collections"):
        special = LEAVES.get(leaf)
        if root == "dask" and leaf.endswith("_transfer"):
            return reasons.CLUSTER  # sends to the workers of a shuffle
        if special is None and root not in _OWN_TABLES:
            special = touching(leaf)
        if special is not None:
            return special
    if root == "datetime":
        return reasons.LOOKS if leaf == "fromtimestamp" else MERGE
    return _longest(name)


def _longest(name: str) -> reasons.Rule | None:
    while name:
        found = LIBRARIES.get(name)
        if found is not None:
            return found
        name = name.rpartition(".")[0]
    return None
