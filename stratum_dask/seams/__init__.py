"""The thin seams into Dask, one module each."""
