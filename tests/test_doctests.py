"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOMES = {
    "stratum_dask": ROOT / "stratum_dask",
    "stratum_dask.optimizations": ROOT / "optimizations",
    "stratum_dask.scheduler_plugins": ROOT / "scheduler_plugins",
}


def documented():
    """Yield every module that has an example, by its name."""
    for package, folder in HOMES.items():
        for file in sorted(folder.rglob("*.py")):
            if ">>> " in file.read_text():
                inside = file.relative_to(folder).with_suffix("")
                yield ".".join([package, *inside.parts]).removesuffix(".__init__")


@pytest.mark.parametrize("name", sorted(set(documented())))
def test_examples(name):
    module = importlib.import_module(name)
    # What an example defines is a user's, also where the package is installed.
    result = doctest.testmod(
        module, extraglobs={"__name__": "__main__"}, optionflags=doctest.ELLIPSIS
    )
    assert result.attempted > 0
    assert result.failed == 0
