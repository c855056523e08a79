"""Names of parameters that are the same in every process, as pytest-xdist needs them."""

import re


def spelled(value):
    """``repr`` without the places of objects in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def named(value):
    """Its own name, where it has one."""
    return getattr(value, "__name__", None) or spelled(value)
