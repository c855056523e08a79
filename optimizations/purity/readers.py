"""Known readers, and which of their parameters is the path."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.purity.evidence import Evidence
from stratum_dask.optimizations.purity.filecontracts import Maps, Reads
from stratum_dask.optimizations.purity.places import root_of

__all__ = ["path_parameter", "place_parameters", "versioned"]

# Every reader takes its path first; the name is for callers who spell it.
_READERS: dict[str, dict[str, str]] = {
    "pandas": {
        **dict.fromkeys(
            ("read_csv", "read_table", "read_fwf", "read_stata"),
            "filepath_or_buffer",
        ),
        **dict.fromkeys(("read_parquet", "read_feather", "read_orc"), "path"),
        **dict.fromkeys(("read_json", "read_hdf"), "path_or_buf"),
        "read_sas": "filepath_or_buffer",
        "read_spss": "path",
        "read_excel": "io",
        "read_html": "io",
    },
    "numpy": {"load": "file", "loadtxt": "fname", "genfromtxt": "fname"},
    "pyarrow.parquet": {"read_table": "source", "read_schema": "where"},
    "pyarrow.csv": {"read_csv": "input_file"},
    "pyarrow.json": {"read_json": "input_file"},
    "pyarrow.feather": {"read_table": "source", "read_feather": "source"},
    "pyarrow.orc": {"read_table": "source"},
    "polars": dict.fromkeys(
        (
            "read_csv",
            "read_parquet",
            "read_ipc",
            "read_json",
            "read_ndjson",
            "read_avro",
            "read_excel",
        ),
        "source",
    ),
    "scipy.io": {"loadmat": "file_name"},
    "scipy.sparse": {"load_npz": "file"},
}
_PLACES = ("storage_options", "filesystem", "fs")
_MODULES: dict[str, list[str]] = {}
for _module, _names in _READERS.items():
    for _name in _names:
        _MODULES.setdefault(_name, []).append(_module)


def path_parameter(func: object) -> str:
    """The name of the parameter that is the path, of a known reader; else nothing.

    A function that was put in the place of a reader is none.

    Examples
    --------
    >>> import numpy as np
    >>> path_parameter(np.load), path_parameter(np.sum)
    ('file', '')
    """
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", None)
    if not isinstance(name, str):
        return ""
    for module in _MODULES.get(name, ()):
        if getattr(sys.modules.get(module), name, None) is func:
            return _READERS[module][name] if _is_of(func, module) else ""
    return ""


def _is_of(func: object, module: str) -> bool:
    if not isinstance(func, types.FunctionType):
        return True
    # not __module__: functools.wraps gives a wrapper that of what it wraps
    return root_of(str(func.__globals__.get("__name__", ""))) == root_of(module)


@functools.lru_cache(maxsize=256)
def place_parameters(func: Callable[..., Any]) -> tuple[tuple[str, int | None], ...]:
    """The parameters of a reader that tell where its path is one, and their positions.

    With one of them the path alone does not tell which file is meant.

    Examples
    --------
    >>> import pandas as pd
    >>> place_parameters(pd.read_csv)
    (('storage_options', None),)
    """
    try:
        parameters = inspect.signature(func).parameters
    except (TypeError, ValueError):  # written in C: by keyword, if at all
        return tuple((name, None) for name in _PLACES)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return tuple(
        (name, None if parameters[name].kind is keyword else i)
        for i, name in enumerate(parameters)
        if name in _PLACES
    )


def versioned(func: object, found: Evidence) -> Evidence:
    """The evidence on a known reader, told which parameter is the path."""
    contract = found.contract
    if isinstance(contract, Reads | Maps) and (path := path_parameter(func)):
        assert callable(func)
        places = place_parameters(func)
        told = contract._replace(path=path, places=places)
        return found._replace(contract=told)
    return found
