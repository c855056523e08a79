"""skrub's DataOps as Dask collections whose tasks are the steps of the plan."""
