"""What is installed, active and where, and what to do if it is not."""

from __future__ import annotations

import importlib.metadata
import operator
import platform
import sys
from typing import Any, NamedTuple

from dask import config as dask_config
from packaging.version import Version

from stratum_dask import dropin
from stratum_dask.cluster_facts import cluster_facts
from stratum_dask.config import settings
from stratum_dask.dask_ml_facts import broken
from stratum_dask.doctor_text import render
from stratum_dask.errors import ConfigError
from stratum_dask.scheduler_plugins.store.problems import REMEDIES
from stratum_dask.store_facts import store_facts

__all__ = ["NEWEST_TRIED", "OLDEST", "Finding", "examine", "render"]

OLDEST = "2025.4.0"
NEWEST_TRIED = "2026.8.0"

_OURS = ("dask", "distributed", "stratum-dask")
_OPTIONAL = (
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "dask-ml",
    "bokeh",
    "prometheus-client",
    "rich",
)
_PRELOAD = "dask scheduler --preload stratum_dask.scheduler_plugins"


class Finding(NamedTuple):
    """One thing that a person should know, and what to do about it."""

    what: str
    todo: str
    fatal: bool = True


def examine(scheduler: str | None = None, *, timeout: float = 10.0) -> dict[str, Any]:
    """Return the facts of this environment and of a scheduler, and what is wrong.

    Parameters
    ----------
    scheduler
        Address of a running scheduler to look at, too.
    timeout
        Seconds to wait for it.

    Returns
    -------
    Plain data, fit for JSON; ``healthy`` is the verdict.
    """
    here = _here()
    findings = _of_here(here)
    cluster = None
    if scheduler is not None:
        cluster = cluster_facts(scheduler, timeout)
        findings += _of_cluster(here, cluster)
    return {
        "healthy": not any(finding.fatal for finding in findings),
        "here": here,
        "cluster": cluster,
        "findings": [finding._asdict() for finding in findings],
    }


def _here() -> dict[str, Any]:
    try:
        checked = settings()
        error = None
    except ConfigError as problem:
        checked, error = None, str(problem)
    on = checked is not None and checked.enabled
    # counted before the seams are asked for: the first compute puts them in
    runs, failure = _proof() if on else (None, None)
    versions = {name: _version(name) for name in _OURS}
    optional = {name: _version(name) for name in _OPTIONAL}
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "versions": versions,
        "optional": optional,
        "broken_in_dask_ml": [b._asdict() for b in broken({**versions, **optional})],
        "entry_point": any(
            entry.name == "stratum"
            for entry in importlib.metadata.entry_points(group="dask.sizeof")
        ),
        "enabled": on,
        "decided_by": _decided_by(),
        "distributed": checked.distributed if checked else None,
        "config_error": error,
        "runs_of_two_equal_tasks": runs,
        "failure": failure,
        "seams": _seams(),
        "store": store_facts(),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _decided_by() -> str:
    origin = dropin.in_force()
    value = dask_config.get("stratum.enabled", False)
    if origin is None:
        return "the default" if value is False else "this program"
    return origin.where if origin.value == value else "this program"


def _seams() -> dict[str, bool] | None:
    activation = sys.modules.get("stratum_dask.activation")
    return activation.installed() if activation is not None else None


def _proof() -> tuple[int | None, str | None]:
    try:
        return _runs_of_two_equal_tasks(), None
    # whatever it is, a person came to this command to be told of it
    except Exception as error:  # noqa: BLE001
        return None, f"{type(error).__name__}: {error}"


def _runs_of_two_equal_tasks() -> int:
    """Count the executions of two equal tasks, which is what stratum is for."""
    from dask.base import compute
    from dask.callbacks import Callback
    from dask.delayed import delayed

    ran: list[Any] = []
    pair = [delayed(operator.neg)(7) for _ in range(2)]
    with Callback(pretask=lambda key, *_: ran.append(key)):
        compute(*pair, scheduler="synchronous", optimize_graph=False)
    return sum(str(key).startswith("neg") for key in ran)


def _of_here(here: dict[str, Any]) -> list[Finding]:
    found = []
    versions = here["versions"]
    for name in ("dask", "distributed"):
        if Version(versions[name]) < Version(OLDEST):
            found.append(
                Finding(
                    f"{name} {versions[name]} is older than {OLDEST}: stratum steps "
                    "aside and plain Dask runs.",
                    f"pip install --upgrade 'dask>={OLDEST}' 'distributed>={OLDEST}'",
                )
            )
        elif Version(versions[name]) > Version(NEWEST_TRIED):
            found.append(
                Finding(
                    f"{name} {versions[name]} is newer than {NEWEST_TRIED}, the newest "
                    "that stratum was tried with.",
                    "pip install --upgrade stratum-dask",
                    fatal=False,
                )
            )
    if not here["entry_point"]:
        found.append(
            Finding(
                "The entry point of stratum-dask is not registered: configuration "
                "alone cannot switch it on.",
                "pip install --force-reinstall --no-deps stratum-dask",
            )
        )
    if here["config_error"]:
        found.append(
            Finding(
                here["config_error"],
                f"Correct it; it comes from {here['decided_by']} or another file in "
                f"{', '.join(map(str, dask_config.paths))}.",
            )
        )
    found += _of_store(here["store"])
    if here["failure"]:
        found.append(
            Finding(
                f"stratum is switched on, and a computation failed: {here['failure']}",
                "Report this with the output of `dask stratum doctor --json`.",
            )
        )
    if here["runs_of_two_equal_tasks"] not in (None, 1):
        found.append(
            Finding(
                "stratum is switched on, but two equal tasks ran "
                f"{here['runs_of_two_equal_tasks']} times on the local scheduler.",
                "Look for a warning from stratum above; if there is none, report this "
                "with the output of `dask stratum doctor --json`.",
            )
        )
    return found


def _of_store(store: dict[str, Any] | None) -> list[Finding]:
    if store is None:
        return []
    if store.get("error"):
        what = f"The store {store['url']} cannot be used: {store['error']}"
        todo = "Correct stratum.store.url, or what is said above. No result is stored."
        return [Finding(what, todo)]
    if why := store.get("without_pickles"):
        what = f"The store {store['url']} holds no models or other objects: {why}."
        return [Finding(what, f"{REMEDIES['untrusted']}.", fatal=False)]
    return []


def _of_cluster(here: dict[str, Any], cluster: dict[str, Any]) -> list[Finding]:
    address = cluster["address"]
    if "error" in cluster:
        return [
            Finding(
                f"The scheduler at {address} could not be asked: {cluster['error']}",
                "Check the address, and that the scheduler runs and can be reached "
                "from here; --timeout gives it more time.",
            )
        ]
    found = []
    scheduler = cluster["scheduler"]
    ours = here["versions"]["stratum-dask"]
    by_client = here["enabled"] and here["distributed"] == "client"
    will_ask = here["enabled"] and scheduler["importable"]
    if not scheduler["active"]:
        if scheduler["importable"]:
            what = "The scheduler has stratum-dask, but it is not active there."
            todo = f"On the scheduler's machine: {_PRELOAD}"
        else:
            what = "The scheduler does not have stratum-dask installed."
            todo = (
                "On the scheduler's machine:\n"
                f"pip install stratum-dask=={ours}\n{_PRELOAD}"
            )
        if by_client:
            what += " The graphs of this client are rewritten all the same."
        elif will_ask:
            what += " A client from this environment will ask it to load it."
        found.append(Finding(what, todo, fatal=not (by_client or will_ask)))
    return found + _of_versions(here, cluster)


def _of_versions(here: dict[str, Any], cluster: dict[str, Any]) -> list[Finding]:
    found = []
    active = cluster["scheduler"]["active"] or here["enabled"]
    ours = here["versions"]["stratum-dask"]
    nodes = {"the scheduler": cluster["scheduler"], **cluster["workers"]}
    lacking = [
        name
        for name, facts in cluster["workers"].items()
        if not facts.get("importable")
    ]
    if lacking and active:
        found.append(
            Finding(
                f"{len(lacking)} of {len(cluster['workers'])} workers lack "
                f"stratum-dask: {', '.join(lacking)}",
                f"On their machines: pip install stratum-dask=={ours}",
            )
        )
    for name in _OURS:
        others = sorted(
            f"{node} has {facts['versions'][name]}"
            for node, facts in nodes.items()
            if "versions" in facts
            and facts["versions"][name] not in (None, here["versions"][name])
        )
        if others:
            found.append(
                Finding(
                    f"This environment has {name} {here['versions'][name]}, but "
                    + ", ".join(others),
                    f"Install the same version of {name} everywhere.",
                    fatal=False,
                )
            )
    return found
