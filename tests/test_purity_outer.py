"""Objects that live outside a function: reading them merges, writing never does."""

# ruff: noqa: F841, B007, B905, BLE001, FURB192, PERF102, PLC3002

import collections
import dataclasses
import enum
import functools
import heapq
import itertools
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.verdict import Role

OUT = []
COLS = ["a", "b"]
MAP = {"a": "x"}
NEST = {"a": ["x", "y"], "b": [1]}
DF = pd.DataFrame({"a": [1]})
ARR = np.ones(3)
DATA = {"a": [1, 2], "b": [3, 4]}
RECORDS = [{"a": 1}, {"a": 2}]
WEIGHTS = [0.1, 0.2]


@dataclasses.dataclass
class Cfg:
    n: int = 1
    cols: list = dataclasses.field(default_factory=list)


CFG = Cfg()


class Color(enum.Enum):
    R = 1


PAT = re.compile("a")


def reads_1(df):
    return df[COLS]


def reads_2(df):
    return df.rename(columns=MAP).drop(columns=COLS)


def reads_3(df):
    return df.merge(DF, on="a", how="left")


def reads_4(df):
    df = df.copy()
    df["z"] = df["a"].map(MAP).fillna(0)
    return df


def reads_5():
    df = pd.DataFrame(DATA)
    df["c"] = df.a * 2
    return df


def reads_6(x):
    t = 0
    for w in WEIGHTS:
        t += w * x
    return t


def reads_7(x):
    t = []
    for k, cols in NEST.items():
        for c in cols:
            t.append((k, c))
    return t


def reads_9(x):
    return np.dot(ARR, x) + ARR * 2


def reads_10(df):
    return df.isin(COLS).sum()


def reads_11(df):
    out = {}
    for c in COLS:
        out[c] = df[c].mean()
    return pd.Series(out)


def reads_12(df):
    return df[[*COLS, "c"]].assign(k=MAP["a"])


def reads_13(df):
    return helper(df, COLS)


def helper(df, cols):
    cols = list(cols)
    cols.append("z")
    return df[cols]


def reads_14(x):
    return x * CFG.n


def reads_15(x):
    return Color.R.value + x, PAT.match(x)


def reads_16(df):
    return df.groupby(COLS).agg({"a": "sum"})


def reads_17():
    rows = []
    for r in RECORDS:
        rows.append({**r, "k": 1})
    return pd.DataFrame(rows)


def reads_18(x):
    return sorted(COLS, key=len)[0], max(WEIGHTS), sum(WEIGHTS) / len(WEIGHTS)


def reads_19(x):
    return ", ".join(COLS) + f"{COLS}" + json.dumps(MAP)


def reads_20(model, df):
    return model.fit(df[COLS], df["y"]).predict(df[COLS])


def reads_21(x):
    wanted = [*COLS, "q"]
    wanted += ["r"]
    wanted.append("s")
    return x[wanted]


def reads_22(x):
    return [f(x) for f in (np.sin, np.cos)]


def reads_23(x):
    fs = {"a": math.sin}
    return fs["a"](x)


def reads_24(df):
    for c in COLS:
        df[c] = df[c].astype(float)
    return df


def reads_25(df):
    res = None
    for name, cols in NEST.items():
        part = df[cols].mean()
        res = part if res is None else res + part
    return res


def reads_27(df):
    return DF.merge(df).reset_index()


def reads_28(x):
    return np.asarray(WEIGHTS) @ x


def reads_29(x):
    try:
        return MAP[x]
    except KeyError:
        return None


def reads_30(x):
    return (ARR - ARR.mean()) / ARR.std()


def reads_31(df):
    return pd.concat([df, DF])


def reads_32(x):
    return dict(MAP, q=1), list(COLS), [*COLS, "z"], {**MAP}


def reads_33(df):
    cols = [*COLS, "z"]
    cols.append(1)
    return df[cols]


def reads_34(df):
    return df[df["a"] > DF["a"].mean()]


def writes_1():
    return OUT


def writes_2(x):
    y = NEST["a"]
    y.append(1)


def writes_3(x):
    [o.append(1) for o in [OUT]]


def writes_4(x):
    list(map(OUT.append, x))


def writes_5(x):
    f = OUT.append
    f(1)


def writes_6(fn):
    fn(OUT)


def writes_7(x):
    d = {}
    d["k"] = OUT
    d["k"].append(1)


def writes_8(x):
    d = []
    d.append(OUT)
    d[0].append(1)


def writes_9(x):
    for k, v in NEST.items():
        v.append(1)


def writes_10(x):
    np.add(ARR, 1, ARR)


def writes_11(x):
    np.add(x, 1, out=ARR)


def writes_12(x):
    a = ARR[1:]
    a += 1


def writes_13(x):
    heapq.heappush(OUT, 1)


def writes_14(x):
    CFG.cols.append(1)


def writes_15(x):
    c = CFG
    c.n += 1


def writes_16(x):
    functools.reduce(lambda a, b: a.append(b) or a, x, OUT)


def writes_17(x):
    OUT[len(OUT) :] = [1]


def writes_18(x):
    (lambda q: q.append(1))(OUT)


def writes_19(x):
    itertools.chain([OUT]).__next__().append(1)


def writes_20(x):
    def inner(a=OUT):
        a.append(1)

    inner()


def writes_21(x):
    with_ = (OUT if x else None) and OUT
    with_.append(1)


def writes_22(x):
    OUT.append(1)


def writes_23(x):
    collections.ChainMap(MAP)["k"] = 1


def writes_24(x):
    global OUT
    OUT += [1]


def writes_25(x):
    while x:
        y = OUT
        if x > 3:
            break
        y = []
    y.append(1)


def writes_26(x):
    try:
        y = OUT
        x()
    except Exception:
        y = []
    finally:
        y.append(1)


def writes_27(x):
    DF.loc[0, "a"] = 3


def writes_28(x):
    DF.drop(columns="a", inplace=True)


def writes_29(x):
    for i, OUTER in zip([1], [OUT]):
        OUTER += [1]


def writes_30(x):
    x.bump(OUT)


def writes_31(x):
    y = OUT
    del y[:]


def writes_32(x):
    MAP.setdefault("q", []).append(1)


def writes_33(x):
    d = collections.defaultdict(lambda: OUT)
    d[1].append(2)


def writes_34(x):
    it = iter([OUT])
    next(it).append(1)


def writes_35(x):
    (y := OUT).append(1)


def writes_36(x):
    a, b = OUT, 1
    a.append(b)


READS = [f for n, f in list(globals().items()) if n.startswith("reads_")]
WRITES = [f for n, f in list(globals().items()) if n.startswith("writes_")]


@pytest.mark.parametrize("func", READS, ids=lambda f: f.__name__)
def test_reading_an_outer_object_stays_merged(func):
    assert Judge().function(func).verdict.role is Role.MERGE


@pytest.mark.parametrize("func", WRITES, ids=lambda f: f.__name__)
def test_writing_into_an_outer_object_on_a_detour_is_refused(func):
    assert Judge().function(func).verdict.role is Role.REFUSE


@pytest.mark.parametrize("own", [[1], {"a": 1}, np.ones(2), collections.deque([1])])
def test_writing_into_an_object_of_the_users_is_refused(own):
    def bump(x):
        x[0] = 1

    assert "that it is given" in Judge().task(bump, (own,)).reason
    assert Judge().takes_care(bump)
