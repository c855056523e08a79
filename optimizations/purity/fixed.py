"""Calls of which some arguments are there already, and calls of whole tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from stratum_dask.optimizations.purity.calls import UNSEEN, Call, Lit
from stratum_dask.optimizations.purity.contracts import Contract, Outcome
from stratum_dask.optimizations.verdict import Verdict

__all__ = ["Fixed", "check_task", "literal"]


class Fixed(NamedTuple):
    """The contract of a ``partial``: some arguments are there already."""

    inner: Contract
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def loose(self) -> Verdict:
        return self.check(Call()).verdict

    def check(self, call: Call) -> Outcome:
        return self.inner.check(self._whole(call))

    def check_task(self, call: Call) -> Outcome:
        return check_task(self.inner, self._whole(call))

    @property
    def reads(self) -> bool:
        """Whether it reads files whose paths can be seen in a call of it."""
        return bool(getattr(self.inner, "reads", False))

    def paths(self, call: Call) -> list[Any] | None:
        """The files that a call of it reads; None where one can't be seen."""
        found: list[Any] | None = self.inner.paths(self._whole(call))  # type: ignore[attr-defined]
        return found

    def _whole(self, call: Call) -> Call:
        return call._replace(
            args=(*self.args, *call.args), kwargs={**self.kwargs, **call.kwargs}
        )


def check_task(contract: Contract, call: Call) -> Outcome:
    """Judge the call of a task, whose arguments are in its fingerprint."""
    own = getattr(contract, "check_task", None)
    outcome: Outcome = contract.check(call) if own is None else own(call)
    return outcome


def literal(value: Any) -> Any:
    """A task's argument as the contracts see it."""
    return UNSEEN if type(value).__module__ == "dask._task_spec" else Lit(value)
