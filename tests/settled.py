"""Files whose version can be told: their next change will show."""

import time
from pathlib import Path

from stratum_dask.optimizations.fingerprint.files import file_version


def settled(path, text=None):
    """``path``, with ``text`` in it if any, once its clock has gone on."""
    if text is not None:
        Path(path).write_text(text)
    end = time.monotonic() + 10
    while file_version(path) is None:
        assert time.monotonic() < end, f"{path} never came to have a version"
        time.sleep(0.005)
    return path
