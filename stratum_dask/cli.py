"""The ``dask stratum`` command.

Every ``dask`` command imports this module, so it imports nothing heavy itself.
"""

from __future__ import annotations

import json
import sys

import click

from stratum_dask import dropin
from stratum_dask.cli_store import store

__all__ = ["stratum"]


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
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait for the scheduler.",
)
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
