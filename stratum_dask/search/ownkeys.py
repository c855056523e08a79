"""Keep apart what two candidates call by one name.

Dask goes by the key: of two tasks that different programs call "score" only one
would run, for both. Keys that Dask makes up are different where the work is; those
that people write (``dask_key_name``, graphs made by hand) get a suffix here, one for
each task that was written. Equal work under different keys is merged anyway.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.utils import key_split

from stratum_dask.graph import Graph, Key, as_graph, rekey

__all__ = ["own_keys"]

_MADE_UP = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def own_keys(collection: Any) -> Any:
    """``collection`` with keys that no other candidate has; a Delayed only.

    Examples
    --------
    >>> from dask import delayed
    >>> one = own_keys(delayed(abs)(-1, dask_key_name="score"))
    >>> other = own_keys(delayed(abs)(-2, dask_key_name="score"))
    >>> one.key == other.key, one.key.startswith("score-")
    (False, True)
    >>> made_up = delayed(abs)(-1)
    >>> own_keys(made_up) is made_up
    True
    """
    if type(collection) is not Delayed:
        return collection
    dsk = collection.__dask_graph__()
    if not any(map(_by_hand, dsk)):
        return collection
    if not isinstance(dsk, HighLevelGraph):
        dsk = HighLevelGraph({collection.key: dsk}, {collection.key: set()})
    suffix = uuid.uuid4()
    graph: Graph = as_graph(dict(dsk))
    names: dict[Key, Key] = {
        key: f"{key_split(key)}-{i}-{suffix}"
        for i, key in enumerate(graph)
        if _by_hand(key)
    }
    layers = {
        f"{name}-{suffix}": MaterializedLayer(
            {
                names.get(key, key): rekey(graph[key], names.get(key, key), names)
                for key in layer
            },
            annotations=layer.annotations,
        )
        for name, layer in dsk.layers.items()
    }
    needs = {
        f"{name}-{suffix}": {f"{each}-{suffix}" for each in below}
        for name, below in dsk.dependencies.items()
    }
    key = names.get(collection.key, collection.key)
    (layer,) = [name for name, tasks in layers.items() if key in tasks]
    return Delayed(key, HighLevelGraph(layers, needs), layer=layer)


def _by_hand(key: Key) -> bool:
    name = key[0] if isinstance(key, tuple) and key else key
    return not (isinstance(name, str) and _MADE_UP.search(name))
