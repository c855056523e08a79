"""Pipelines of other libraries as Dask collections whose tasks are their steps."""
