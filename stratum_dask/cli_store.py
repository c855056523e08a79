"""The ``dask stratum store`` commands: look at a store, check it, make room in it.

Every ``dask`` command imports this module, so it imports nothing heavy itself.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stratum_dask.scheduler_plugins.store.store import Store

__all__ = ["store"]

_NONE = """\
no store is configured, so results end with their cluster.
To keep them name a folder of yours, in Dask's configuration:
    stratum: {store: {url: ~/.cache/stratum-dask}}
or in the environment of scheduler and workers:
    DASK_STRATUM__STORE__URL=~/.cache/stratum-dask
To look at another store than the configured one: --url FOLDER"""
_SORTS = {
    "worth": lambda row: -row.priority,
    "size": lambda row: -row.size,
    "seconds": lambda row: -row.seconds,
    "hits": lambda row: -row.hits,
    "age": lambda row: row.created,
    "used": lambda row: -row.used,
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def store() -> None:
    """Look at the results that outlive their cluster, check them, make room."""


def _command(act: Callable[..., None]) -> Any:
    """A command on one store, which is opened for it and closed again."""

    @functools.wraps(act)
    def run(url: str | None, as_json: bool, **options: Any) -> None:
        from stratum_dask.errors import StratumError

        opened = None
        try:
            opened = _open(url)
            act(opened, as_json, **options)
        except StratumError as e:
            raise click.ClickException(str(e)) from e
        except OSError as e:
            raise click.ClickException(f"{e.strerror or e}: {e.filename}") from e
        finally:
            if opened is not None:
                opened.close()

    decorated = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(run)
    named = click.option(
        "--url", metavar="URL", help="This store, not the configured one."
    )
    return store.command()(named(decorated))


def _open(url: str | None) -> Store:
    from stratum_dask.scheduler_plugins.store.files import LocalFiles, files_at
    from stratum_dask.scheduler_plugins.store.options import options
    from stratum_dask.scheduler_plugins.store.store import Store

    chosen = options(url)
    if chosen.url is None:
        raise click.ClickException(_NONE)
    files = files_at(chosen.url)
    if isinstance(files, LocalFiles) and not files.root.is_dir():
        raise click.ClickException(
            f"there is no store at {files.root} yet. A scheduler makes it when it "
            "starts; if it should be there already, check stratum.store.url."
        )
    if isinstance(files, LocalFiles) and not files.is_store():
        raise click.ClickException(
            f"{files.root} is a folder, but no store. Check stratum.store.url or --url."
        )
    return Store(chosen, say=lambda text: click.echo(f"note: {text}", err=True))


@_command
@click.option(
    "--sort", type=click.Choice(list(_SORTS)), default="worth", show_default=True
)
@click.option("-n", "count", default=30, show_default=True, help="At most so many.")
def ls(opened: Store, as_json: bool, sort: str, count: int) -> None:
    """List the results, those first that are kept longest."""
    from stratum_dask import store_text

    rows = sorted(opened.rows().values(), key=_SORTS[sort])
    if as_json:
        click.echo(json.dumps([store_text.plain(row) for row in rows], indent=2))
    else:
        click.echo(store_text.table(rows, count))


@_command
def info(opened: Store, as_json: bool) -> None:
    """Tell where the store is, how full, and what it is allowed to hold."""
    from stratum_dask import store_text

    facts = store_text.facts(opened)
    click.echo(json.dumps(facts, indent=2) if as_json else store_text.told(facts))


@_command
@click.option("--remove", is_flag=True, help="Remove what cannot be used.")
def verify(opened: Store, as_json: bool, remove: bool) -> None:
    """Read every byte of every result and compare checksums.

    The exit status is 1 if something is wrong.
    """
    from stratum_dask import store_text

    bad = opened.check(remove=remove)
    left = len(opened.rows())
    if as_json:
        found = {"entries": left, "bad": [each._asdict() for each in bad]}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(store_text.checked(bad, left))
    sys.exit(1 if bad else 0)


@_command
@click.option("--to", metavar="SIZE", help="Leave so much.  [default: the limit]")
@click.option(
    "--unused-for",
    metavar="TIME",
    help="Remove what was not used for so long: 30 days.",
)
def prune(opened: Store, as_json: bool, to: str | None, unused_for: str | None) -> None:
    """Make room: remove what is worth least, and what writers have left behind."""
    from stratum_dask import store_text

    size = opened.options.limit if to is None else _parsed("--to", to, "'5 GiB'")
    old = None
    if unused_for is not None:
        old = _parsed("--unused-for", unused_for, "'30 days'", seconds=True)
    gone = opened.tidy(int(size), old)
    if as_json:
        found = {"removed": [store_text.plain(row) for row in gone]}
        click.echo(json.dumps({**found, "left": opened.size()}, indent=2))
    else:
        click.echo(store_text.pruned(gone, opened))


@_command
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(opened: Store, as_json: bool, yes: bool) -> None:
    """Remove all results. Schedulers that use the store go on, and fill it again."""
    from stratum_dask import store_text

    if not yes:
        click.confirm(
            f"Remove all {len(opened.rows()):,} results from {opened.url}?",
            abort=True,
            err=as_json,
        )
    size, count = opened.size(), opened.clear()
    if as_json:
        click.echo(json.dumps({"removed": count, "bytes": size}, indent=2))
    else:
        click.echo(store_text.cleared(count, size, opened))


def _parsed(name: str, value: str, example: str, *, seconds: bool = False) -> float:
    from dask.utils import parse_bytes, parse_timedelta

    try:
        found = float(parse_timedelta(value) if seconds else parse_bytes(value))
    except (ValueError, KeyError):
        found = -1.0
    if found < 0:
        raise click.BadParameter(f"{value!r}; write it as {example}", param_hint=name)
    return found
