"""Pytest plugin of `sklearn_suite`: scikit-learn's names mean ours while tests run.

``SKLEARN_SUITE=graph`` has everything computed by graphs, also where nothing is
shared and a search would be left to scikit-learn's own processes.
"""

import os

from sklearn.utils import fixes  # noqa: F401 scikit-learn has to be imported first

from stratum_dask.frontends.sklearn.evaluate import Sharing
from stratum_dask.sklearn import patch


def pytest_configure(config):
    Sharing.always = os.environ["SKLEARN_SUITE"] == "graph"
    block = patch()
    block.__enter__()
    config.add_cleanup(lambda: block.__exit__(None, None, None))
