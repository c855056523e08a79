"""The files a known reader is given, and their versions."""

from __future__ import annotations

import functools
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["encode_paths", "file_version", "reads_files"]

# Every reader takes its path first; the name is for callers who spell it.
_READERS: dict[str, dict[str, str]] = {
    "pandas": {
        **dict.fromkeys(
            ("read_csv", "read_table", "read_fwf", "read_pickle", "read_stata"),
            "filepath_or_buffer",
        ),
        **dict.fromkeys(("read_parquet", "read_feather", "read_orc"), "path"),
        **dict.fromkeys(("read_json", "read_hdf"), "path_or_buf"),
        "read_sas": "filepath_or_buffer",
        "read_spss": "path",
        "read_excel": "io",
        "read_xml": "path_or_buffer",
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
    "joblib": {"load": "filename"},
    "scipy.io": {"loadmat": "file_name"},
    "scipy.sparse": {"load_npz": "file"},
}
_MODULES: dict[str, list[str]] = {}
for _module, _names in _READERS.items():
    for _name in _names:
        _MODULES.setdefault(_name, []).append(_module)

# What a remote file system says that changes when the file does.
_MARKERS = ("ETag", "etag", "version_id", "VersionId", "generation", "md5Hash")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


def file_version(path: object) -> tuple[object, ...] | None:
    """Return what changes when the file does, or None if that can't be seen.

    Size and both clocks and the inode of a local file, since the modification
    time alone can be set back. What the file system tells (etag, version, time)
    of a remote one, if fsspec is in use already. Folders have no version.

    Examples
    --------
    >>> import tempfile, os
    >>> file_version(tempfile.gettempdir()) is None
    True
    >>> file_version(os.__file__)[0]
    'file'
    """
    if not isinstance(path, str | os.PathLike):
        return None
    name = os.fspath(path)
    if not isinstance(name, str):
        return None
    if name.startswith("file://"):
        name = name.removeprefix("file://")
    elif "://" in name or "::" in name:
        return _remote_version(name)
    try:
        real = os.path.realpath(os.path.expanduser(name))
        found = os.stat(real)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return "file", real, found.st_size, *times, found.st_ino


def _remote_version(url: str) -> tuple[object, ...] | None:
    fsspec = sys.modules.get("fsspec")
    if fsspec is None:
        return None
    # File systems fail in ways of their own; unseen is a full answer.
    try:
        fs, path = fsspec.core.url_to_fs(url)
        info = fs.info(path)
    except Exception:  # noqa: BLE001
        return None
    if info.get("type") == "directory":
        return None
    for names in (_MARKERS, _TIMES):
        seen = [(name, str(info[name])) for name in names if info.get(name)]
        if seen:
            return "url", url, info.get("size"), *seen
    return None


def reads_files(func: object) -> tuple[str, ...] | None:
    """Return the names of the path parameters of a known reader, else None.

    Examples
    --------
    >>> import numpy as np
    >>> reads_files(np.load)
    ('file',)
    >>> reads_files(np.sum) is None
    True
    """
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", None)
    if not isinstance(name, str):
        return None
    for module in _MODULES.get(name, ()):
        if getattr(sys.modules.get(module), name, None) is func:
            return (_READERS[module][name],)
    return None


def encode_paths(
    func: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[bytes, str]:
    """Return the versions of the files that a known reader is given.

    Parameters
    ----------
    func
        The function of a task.
    args, kwargs
        What it is called with.

    Returns
    -------
    tuple
        The versions and an empty string; or no bytes and the reason why a
        version can't be seen: the result may then be shared inside one
        submission only. What is no reader, or reads from memory, has no
        versions and no reason.

    Examples
    --------
    >>> import numpy as np
    >>> encode_paths(np.load, ("missing.npy",), {})
    (b'', "the version of 'missing.npy' can't be seen: no such local file")
    >>> encode_paths(np.sum, ([1, 2],), {})
    (b'', '')
    """
    parameters = reads_files(func)
    if parameters is None:
        return b"", ""
    while isinstance(func, functools.partial):
        args, kwargs, func = func.args + args, {**func.keywords, **kwargs}, func.func
    given = args[0] if args else kwargs.get(parameters[0])
    versions: list[bytes] = []
    for path in _paths(given):
        if path is None:
            return b"", "the path it reads is computed by another task"
        version = file_version(path)
        if version is None:
            return b"", _unseen(path)
        # repr quotes strings, so a tuple of plain values is told from any other
        text = repr(version).encode("utf-8", "surrogatepass")
        versions.append(len(text).to_bytes(4, "little") + text)
    return b"".join(versions), ""


def _paths(given: object) -> Iterator[str | os.PathLike[str] | None]:
    """Yield the paths in an argument; None for one that is not known yet."""
    if isinstance(given, str | os.PathLike):
        yield given
    elif isinstance(given, list | tuple | set | frozenset):
        for item in given:
            yield from _paths(item)
    elif type(given).__module__.partition(".")[0] in ("dask", "distributed"):
        yield None


def _unseen(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    if "://" in name or "::" in name:
        why = "its file system tells no version"
        if "fsspec" not in sys.modules:
            why = "fsspec is not imported, which would tell"
    elif os.path.isdir(name):
        why = "it is a folder"
    else:
        why = "no such local file"
    return f"the version of {name!r} can't be seen: {why}"
