"""What makes a merged task safe to share: the names that tasks on workers refer to.

After a merge several pipelines look at one object where each had its own. What is
here runs on workers, inside tasks: a consumer that might write is
:class:`Isolated`, and a task with several lookers-on is :class:`Shareable`. Pickles
name this module, so its names stay, wherever they are defined.
"""

from __future__ import annotations

from stratum_dask.optimizations.copying import Uncopyable
from stratum_dask.optimizations.handles import private, privates
from stratum_dask.optimizations.owning import Own
from stratum_dask.optimizations.recipe import Recipe, Shareable
from stratum_dask.optimizations.wrapping import Isolated, Opened

__all__ = [
    "Isolated",
    "Opened",
    "Own",
    "Recipe",
    "Shareable",
    "Uncopyable",
    "private",
    "privates",
]
