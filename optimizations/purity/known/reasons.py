"""Why what a library has is not merged: the verdicts that the tables name."""

from __future__ import annotations

from stratum_dask.optimizations.purity.contracts import Contract, refuse
from stratum_dask.optimizations.purity.textcontracts import Unless
from stratum_dask.optimizations.verdict import Role, Verdict

__all__ = [
    "BRINGS",
    "CLOCK",
    "CLUSTER",
    "FETCHES",
    "HIDDEN",
    "IDENTITY",
    "LOCKS",
    "LOOKS",
    "NOW",
    "OUTSIDE",
    "PARTS",
    "RANDOM",
    "STATE",
    "UNIQUE",
    "UNSEEDED",
    "WRITES",
    "Rule",
]

Rule = Verdict | Contract

RANDOM = refuse("draws from global random state", "use a generator with a seed")
UNSEEDED = refuse("is random where nobody seeds it", "seed it, and declare it pure")
UNIQUE = refuse("gives another value at every call")
CLOCK = refuse("reads the clock", "pass the time in as an argument")
WRITES = refuse("has a side effect that must happen every time")
OUTSIDE = refuse("talks to the outside world")
IDENTITY = refuse("depends on the process, not on the arguments")
STATE = refuse("changes settings of the whole process")
LOCKS = refuse("is shared between threads")
HIDDEN = refuse("runs code that can't be seen")
LOOKS = Verdict(
    Role.BATCH,
    "reads the environment or the file system",
    "pass what it reads as an argument",
)
BRINGS = Verdict(
    Role.BATCH,
    "brings along code that can't be seen",
    "pass the object itself as an argument",
)
FETCHES = Verdict(Role.BATCH, "loads a data set from outside")
CLUSTER = refuse("acts on the cluster itself")
PARTS = Verdict(Role.BATCH, "reads files whose version can't be seen")

NOW = Unless("pandas", CLOCK)
