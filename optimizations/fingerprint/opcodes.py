"""What the arguments of this Python's instructions mean."""

from __future__ import annotations

import dis

__all__ = [
    "AHEAD",
    "ATTRIBUTES",
    "BACK",
    "CONST",
    "EXTENDED",
    "GLOBAL",
    "IMPORT_NAME",
    "KIND",
    "LOAD_CLOSURE",
    "LOAD_FAST",
    "LOAD_GLOBAL",
    "LOAD_NAME",
    "LOCAL",
    "MAKE_CELL",
    "NAME",
    "PAIR",
    "PAIR_OF",
    "PLAIN",
    "RESUME",
    "SHIFT",
    "SKIP",
    "STORE_NAME",
]

# What an instruction's argument means.
PLAIN, SKIP, CONST, NAME, GLOBAL, LOCAL, PAIR, AHEAD, BACK = range(9)
_SHIFTS = {"LOAD_GLOBAL": 1, "LOAD_SUPER_ATTR": 2}
if dis.opmap.get("LOAD_FAST_CHECK"):  # since 3.12 this one carries a flag as well
    _SHIFTS["LOAD_ATTR"] = 1
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
KIND = [PLAIN] * 256
SHIFT = [0] * 256
PAIR_OF: dict[int, tuple[int, int]] = {}
for _name, _op in dis.opmap.items():
    if _op > 255:
        continue
    SHIFT[_op] = _SHIFTS.get(_name, 0)
    if _name in ("CACHE", "NOP", "EXTENDED_ARG"):
        KIND[_op] = SKIP
    elif _op in dis.hasconst:
        KIND[_op] = CONST
    elif _name in _GLOBALS:
        KIND[_op] = GLOBAL
    elif _op in dis.hasname:
        KIND[_op] = NAME
    elif _name in _PAIRS:
        KIND[_op] = PAIR
        first, second = _PAIRS[_name]
        PAIR_OF[_op] = dis.opmap[first], dis.opmap[second]
    elif _op in dis.haslocal or _op in dis.hasfree:
        KIND[_op] = LOCAL
    elif _op in dis.hasjrel:
        KIND[_op] = BACK if "BACKWARD" in _name else AHEAD

EXTENDED = dis.opmap["EXTENDED_ARG"]
STORE_NAME, IMPORT_NAME = dis.opmap["STORE_NAME"], dis.opmap["IMPORT_NAME"]
LOAD_GLOBAL = dis.opmap["LOAD_GLOBAL"]
LOAD_NAME, LOAD_FAST = dis.opmap["LOAD_NAME"], dis.opmap["LOAD_FAST"]
MAKE_CELL, RESUME = dis.opmap["MAKE_CELL"], dis.opmap["RESUME"]
# Before 3.13 a real instruction, from then on LOAD_FAST of a cell.
LOAD_CLOSURE = dis.opmap["LOAD_CLOSURE"] if "LOAD_CLOSURE" in dis.opname else -1
ATTRIBUTES = {
    dis.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in dis.opname
}
