"""The ``/stratum`` page of a scheduler's dashboard, and its parts for JupyterLab.

Imported only where Bokeh is.
"""

from __future__ import annotations

from stratum_dask.scheduler_plugins.dashboard.document import attach

__all__ = ["attach"]
