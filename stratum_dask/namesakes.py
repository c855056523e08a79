"""Tasks that were not merged although others of the same name are there."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from stratum_dask.differences import Differences
from stratum_dask.graph import Key, Task, is_identity
from stratum_dask.optimizations import Role, Submission
from stratum_dask.tally import name_of

__all__ = ["REMEDY", "Twin", "as_data", "twins"]

REMEDY = (
    "if equal calls are equal work: @stratum_dask.pure, "
    'or dask.annotate(stratum="pure") around it'
)
"""What helps where nothing more precise is known."""

_CANDIDATES = 8


class Twin(NamedTuple):
    """A task that is not merged, and one of the same name that it is not equal to."""

    function: str
    task: Key
    twin: Key
    refused: bool
    """Whether it may not be merged at all; else it is other work."""
    reason: str
    remedy: str


def twins(submission: Submission) -> list[Twin]:
    """Every task that was not merged although a twin by name exists.

    Parameters
    ----------
    submission
        A graph on which the rules have run.

    Returns
    -------
    list
        In the order of the graph. A task is compared with the most similar one of
        the first few of its name.
    """
    differences = Differences(submission)
    groups: dict[str, list[Key]] = {}
    for key, node in submission.original.items():
        if isinstance(node, Task) and not is_identity(node.func):
            groups.setdefault(name_of(key, node), []).append(key)
    found: dict[Key, Twin] = {}
    for name, keys in groups.items():
        if len(keys) > 1:
            for twin in _group(submission, differences, name, keys):
                found[twin.task] = twin
    return [found[key] for key in submission.original if key in found]


def _group(
    submission: Submission, differences: Differences, name: str, keys: list[Key]
) -> list[Twin]:
    fingerprints = submission.fingerprints
    merged = {*submission.replaced, *submission.replaced.values()}
    merged |= {*submission.copies, *submission.copies.values()}
    alike = Counter(fingerprints[key] for key in keys)
    layers: dict[Key, dict[Key, Key]] = {}
    for key in keys:
        layers.setdefault(_layer(key), {})[_place(key)] = key
    found: list[Twin] = []
    for key in keys:
        near = _near(key, layers)
        if not near:
            continue
        verdict = submission.verdicts.get(key)
        if verdict is not None and verdict.role is Role.REFUSE:
            remedy = verdict.remedy or REMEDY
            found.append(Twin(name, key, near[0], True, verdict.reason, remedy))
        elif alike[fingerprints[key]] == 1 and key not in merged:
            nearest = min(near, key=partial(differences.count, key))
            why = differences.between(key, nearest)
            found.append(Twin(name, key, nearest, False, why.reason, why.remedy))
    return found


def _layer(key: Key) -> Key:
    """What the blocks of one collection have in common."""
    return key[0] if isinstance(key, tuple) else key


def _place(key: Key) -> Key:
    return key[1:] if isinstance(key, tuple) else ()


def _near(key: Key, layers: dict[Key, dict[Key, Key]]) -> list[Key]:
    """Candidates for a twin: of other collections, the block at the same place."""
    others = (blocks for layer, blocks in layers.items() if layer != _layer(key))
    return [
        blocks.get(_place(key), next(iter(blocks.values())))
        for blocks in islice(others, _CANDIDATES)
    ]


def as_data(twin: Twin) -> dict[str, Any]:
    """Plain data for JSON."""
    return {**twin._asdict(), "task": str(twin.task), "twin": str(twin.twin)}
