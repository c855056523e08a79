"""Keep what pays after clients have let go, so that later graphs need not compute it."""

from stratum_dask.scheduler_plugins.retention.figures import Candidate, RetentionFigures
from stratum_dask.scheduler_plugins.retention.keeper import Retention
from stratum_dask.scheduler_plugins.retention.options import Options, options

__all__ = ["Candidate", "Options", "Retention", "RetentionFigures", "options"]
