"""The ``dask stratum`` command.

Every ``dask`` command imports this module, so it imports nothing heavy itself.
"""

from __future__ import annotations

import json
import sys

import click

from stratum_dask import dropin
from stratum_dask.cli_store import store
from stratum_dask.errors import StratumError

__all__ = ["stratum"]


_SCHEDULER = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="The scheduler to ask; if not given, that of DASK_SCHEDULER_ADDRESS.",
)
_TIMEOUT = click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait for the scheduler.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def stratum() -> None:
    """Run equal work once: switch it on or off, and see what is active."""


stratum.add_command(store)


@stratum.command()
def enable() -> None:
    """Switch stratum on for all Dask programs of this user.

    Writes a drop-in file into this user's Dask configuration folder. Programs and
    schedulers that start from now on read it.
    """
    try:
        changed = dropin.enable()
    except dropin.DropInError as error:
        raise click.ClickException(str(error)) from error
    said = "wrote" if changed else "already in"
    click.echo(f"{said} {dropin.path()}: stratum is switched on")
    _mind_others(wanted=True)


@stratum.command()
def disable() -> None:
    """Take back what `dask stratum enable` wrote."""
    try:
        changed = dropin.disable()
    except dropin.DropInError as error:
        raise click.ClickException(str(error)) from error
    said = "removed our line from" if changed else "nothing of ours in"
    click.echo(f"{said} {dropin.path()}")
    _mind_others(wanted=False)


@stratum.command()
@click.option("--scheduler", metavar="ADDRESS", help="Look at this scheduler, too.")
@_TIMEOUT
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def doctor(scheduler: str | None, timeout: float, as_json: bool) -> None:
    """Tell what is installed, active and where, and what to do if not.

    The exit status is 0 if all that was asked for works, else 1.
    """
    from stratum_dask import doctor

    facts = doctor.examine(scheduler, timeout=timeout)
    if as_json:
        click.echo(json.dumps(facts, indent=2, default=str))
    else:
        click.echo(doctor.render(facts))
    sys.exit(0 if facts["healthy"] else 1)


@stratum.command()
@_SCHEDULER
@_TIMEOUT
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def report(scheduler: str | None, timeout: float, as_json: bool) -> None:
    """Tell what a scheduler was asked for, what it ran and what was saved."""
    from stratum_dask import asking

    try:
        found = asking.ask_once(asking.address_of(scheduler), timeout)
    except StratumError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else repr(found))


@stratum.command()
@_SCHEDULER
@_TIMEOUT
@click.option(
    "--interval",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once and end.")
def top(scheduler: str | None, timeout: float, interval: float, once: bool) -> None:
    """Watch what a scheduler is asked for and what it saves, live.

    Ctrl-C ends it. Where the output is no terminal it looks once.
    """
    import asyncio

    try:
        from rich.console import Console

        from stratum_dask import asking
        from stratum_dask import top as view
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"this needs the package {error.name}: pip install 'stratum-dask[cli]'. "
            "`dask stratum report` works without it."
        ) from error
    console = Console()
    try:
        address = asking.address_of(scheduler)
        if once or not console.is_terminal:
            view.once(address, timeout, console)
        else:
            asyncio.run(view.watch(address, timeout, interval, console))
    except StratumError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        pass  # the way to end it


def _mind_others(*, wanted: bool) -> None:
    """Say so, with a failing exit status, if another place outranks the drop-in."""
    last = dropin.in_force()
    if (last is not None and last.enables) == wanted:
        return
    assert last is not None  # nothing but an origin enables, or outranks ours
    state = "on" if last.enables else "off"
    raise click.ClickException(
        f"stratum stays {state}: {last.where} says "
        f"`stratum.enabled: {last.value}` and outranks that file. Change it there."
    )
