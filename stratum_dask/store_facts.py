"""What a person should know of the store that is configured here."""

from __future__ import annotations

import os
from typing import Any

from stratum_dask.errors import StratumError

__all__ = ["store_facts"]


def store_facts() -> dict[str, Any] | None:
    """Return the state of the configured store; None where none is.

    ``error`` says why it cannot be used, ``without_pickles`` why models and other
    objects are not stored.
    """
    from stratum_dask.scheduler_plugins.store.files import LocalFiles, files_at
    from stratum_dask.scheduler_plugins.store.options import options
    from stratum_dask.scheduler_plugins.store.store import Store

    url: str | None = None
    try:
        chosen = options()
        url = chosen.url
        if url is None:
            return None
        files = files_at(url)
        if isinstance(files, LocalFiles) and not files.is_store():
            above = next(p for p in (files.root, *files.root.parents) if p.exists())
            if not above.is_dir() or not os.access(above, os.W_OK):
                return {"url": url, "error": f"nothing can be made in {above}"}
            return {"url": url, "entries": 0, "bytes": 0, "new": True}
        store = Store(chosen)
        try:
            rows = dict(store.rows())
            lacks = store.entries.why_no_pickles()
        finally:
            store.close()
    except StratumError as e:
        return {"url": url, "error": str(e)}
    except Exception as e:  # noqa: BLE001 file systems fail in ways of their own
        return {"url": url, "error": f"{type(e).__name__}: {e}"}
    return {
        "url": url,
        "entries": len(rows),
        "bytes": sum(row.size for row in rows.values()),
        "new": False,
        "without_pickles": lacks if chosen.pickle == "private" and lacks else None,
    }
