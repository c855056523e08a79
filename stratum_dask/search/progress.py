"""A progress bar, in a terminal and in a notebook."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from stratum_dask.search.candidate import DONE, Candidate
from stratum_dask.search.errors import SearchError

__all__ = ["Bar"]


class Bar:
    """How many candidates have ended, how many of them badly, and the best score."""

    def __init__(self, best: Any) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as e:
            raise SearchError(
                "progress=True needs tqdm: pip install 'stratum-dask[search]', or "
                "leave progress out"
            ) from e
        self._best = best
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._bar = tqdm(total=0, desc="search", unit="candidate", leave=True)

    def added(self) -> None:
        """One more was handed in."""
        with self._lock:
            self._bar.total += 1
            self._bar.refresh()

    def ended(self, candidate: Candidate) -> None:
        """One has ended."""
        with self._lock:
            self._counts[candidate.status] += 1
            shown: dict[str, Any] = {
                status.replace(" ", "_"): n
                for status, n in self._counts.items()
                if status != DONE
            }
            best = self._best()
            if best is not None:
                shown = {"best": f"{best.score:.6g}", **shown}
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()

    def close(self) -> None:
        """Leave the bar as it stands."""
        with self._lock:
            self._bar.close()
