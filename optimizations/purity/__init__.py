"""May this task be merged, and why not; what may it do to its arguments."""

from stratum_dask.optimizations.purity.declared import (
    Declared,
    batch,
    impure,
    pure,
)
from stratum_dask.optimizations.purity.judge import Finding, Judge

__all__ = ["Declared", "Finding", "Judge", "batch", "impure", "pure"]
