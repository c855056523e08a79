"""What may be merged, what may not, and that the reason is said."""

from __future__ import annotations

import collections
import datetime
import functools
import importlib.util
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import random
import secrets
import subprocess
import sys
import threading
import time
import uuid
import warnings

import cloudpickle
import dask
import distributed
import pytest
from naming import named

from stratum_dask.optimizations import purity
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.verdict import MERGE, Role

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest, f_classif, mutual_info_classif
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    Ridge,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

COUNTER = {"n": 0}
CALLS = []
NUMBERS = iter([1, 2, 3])
TICKS = itertools.count()
LOCK = threading.Lock()
LOCAL = threading.local()
RNG = np.random.default_rng(0)
LOG = logging.getLogger("x")
CONFIG = {"columns": ["a"], "fill": 0}
SEED = 42
NO_SEED = None
PARAMS = {"n_estimators": 3, "random_state": 0}
LOOSE_PARAMS = {"n_estimators": 3}
STEPS = [random.random]
total = 0


ARRAY = np.zeros(3)
FRAME = pd.DataFrame({"a": [1]})


# ---------------------------------------------------------------- refused
class WithProperty:
    @property
    def v(self):
        return random.random()


def noise():
    return random.random()


def helper():
    return noise() + 1


def logged(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        print("called")  # noqa: T201
        return func(*args, **kwargs)

    return wrapper


def quiet(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapper


def closing(inner):
    def outer(x):
        return inner(x)

    return outer


def counting():
    n = 0

    def step(x):
        nonlocal n
        n += 1
        return x + n

    return step


class Noisy:
    def __init__(self, n):
        self.n = n

    def draw(self):
        return np.random.normal(size=self.n)


class Model:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, x):
        self.mean = np.mean(x)
        return self

    def predict(self, x):
        return x * self.alpha


class CallsPure:
    def __call__(self, x):
        return x + 1


class CallsCounting:
    n = 0

    def __call__(self, x):
        self.n += 1
        return x + self.n


class Counts:
    made = 0

    def __init__(self):
        Counts.made += 1


def f_global_np(n):
    return np.random.normal(size=n)


def f_rng_unseeded(n):
    rng = np.random.default_rng()
    return rng.normal(size=n)


def f_rng_none(n):
    return np.random.default_rng(None).normal(size=n)


def f_state_unseeded(n):
    return np.random.RandomState().normal(size=n)


def f_python_random_object():
    return random.Random().random()


def f_seeding(n):
    np.random.seed(0)
    return np.random.normal(size=n)


def f_import(n):
    from numpy.random import normal

    return normal(size=n)


def f_import_module():
    import random as r

    return r.randint(0, 3)


def f_import_later():
    import some_module_that_is_not_there as m

    return m.solve()


def f_comprehension(n):
    return [random.random() for _ in range(n)]


def f_dict_comprehension(n):
    return {i: uuid.uuid4() for i in range(n)}


def f_lambda(xs):
    return sorted(xs, key=lambda x: random.random())


def f_inner(x):
    def inner():
        return time.time()

    return x + inner()


def f_default(x, draw=random.random):
    return x + draw()


def f_default_list(x, seen=[]):  # noqa: B006
    seen.append(x)
    return len(seen)


def f_clock():
    return datetime.datetime.now()


def f_today():
    return datetime.date.today()


def f_timestamp():
    return pd.Timestamp.now()


def f_to_datetime(x):
    return x - pd.to_datetime("now")


def f_monotonic():
    return time.perf_counter()


def f_uuid():
    return str(uuid.uuid4())


def f_secret():
    return secrets.token_hex()


def f_pid():
    return os.getpid()


def f_print(x):
    print(x)  # noqa: T201
    return x


def f_log(x):
    LOG.info("x")
    return x


def f_logging(x):
    logging.info("x")  # noqa: LOG015
    return x


def f_stdout(x):
    sys.stdout.write("x")
    return x


def f_open_write(x):
    with open("x.txt", "w") as f:
        f.write(x)


def f_open_dynamic(path, mode):
    return open(path, mode).read()


def f_to_csv(df):
    df.to_csv("x.csv")
    return df


def f_to_parquet(df, path):
    df.to_parquet(path)


def f_np_save(x):
    np.save("x.npy", x)


def f_pickle(x, f):
    import pickle

    pickle.dump(x, f)


def f_remove(path):
    os.remove(path)


def f_setenv(x):
    os.environ["X"] = x


def f_subprocess():
    return subprocess.check_output(["ls"])


def f_socket():
    import socket

    return socket.gethostname()


def f_global(x):
    global total
    total += x
    return total


def f_counter(x):
    COUNTER["n"] += 1
    return x


def f_calls(x):
    CALLS.append(x)
    return x


def f_calls_alias(x):
    calls = CALLS
    calls.append(x)
    return x


def f_calls_via_helper(x):
    return remember(CALLS, x)


def remember(where, x):
    where.append(x)
    return x


def f_attribute(x):
    Model.cached = x
    return x


def f_setattr(x):
    setattr(Model, "cached", x)  # noqa: B010
    return x


def f_module_attribute(x):
    math.tau = x
    return x


def f_option(x):
    pd.set_option("display.width", 3)
    return x


def f_next(x):
    return next(NUMBERS) + x


def f_count(x):
    return x + next(TICKS)


def f_lock(x):
    with LOCK:
        return x


def f_local(x):
    LOCAL.x = x
    return x


def f_live_rng(n):
    return RNG.normal(size=n)


def f_id(x):
    return id(x)


def f_eval(x):
    return eval("x + 1")


def f_getattr_module(name):
    return getattr(np, name)(3)


def f_getattr_computed(df, name):
    return getattr(df, name)()


def f_getattr_sample(df):
    return getattr(df, "sample")(3)  # noqa: B009


def f_undefined(x):
    return not_defined_anywhere(x)  # noqa: F821


def f_table(x):
    return STEPS[0]() + x


def f_sample(df):
    return df.sample(3)


def f_sample_frac(df):
    return df.sample(frac=1.0).reset_index(drop=True)


def f_sample_none(df):
    return df.sample(3, random_state=None)


def f_sample_kept(df):
    sample = df.sample
    return sample(3, random_state=0) + sample(3)


def f_forest(x, y):
    return RandomForestClassifier(n_estimators=3).fit(x, y)


def f_forest_none(x, y):
    return RandomForestClassifier(random_state=None).fit(x, y)


def f_forest_global_none(x, y):
    return RandomForestClassifier(random_state=NO_SEED).fit(x, y)


def f_forest_loose_params(x, y):
    return RandomForestClassifier(**LOOSE_PARAMS).fit(x, y)


def f_forest_branch(x, y, deep):
    cls = RandomForestClassifier if deep else DecisionTreeClassifier
    return cls().fit(x, y)


def f_forest_expression(x, y, deep):
    return (RandomForestClassifier if deep else Ridge)().fit(x, y)


def f_forest_passed(x):
    return build(RandomForestClassifier, x)


def build(cls, x):
    return cls().fit(x)


def f_forest_in_list(x):
    return [m().fit(x) for m in (RandomForestClassifier, Ridge)]


def f_split(x):
    return train_test_split(x, test_size=0.2)


def f_kfold(x):
    return list(KFold(3, shuffle=True).split(x))


def f_logistic_saga(x, y):
    return LogisticRegression(solver="saga").fit(x, y)


def f_ridge_solver(x, y, solver):
    return Ridge(solver=solver).fit(x, y)


def f_pca(x):
    return PCA(2).fit_transform(x)


def f_svc_probability(x, y):
    return SVC(probability=True).fit(x, y)


def f_import_forest(x, y):
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor().fit(x, y)


def f_seed_forgotten(x, y):
    return make_forest().fit(x, y)


def make_forest(seed=None):
    return RandomForestClassifier(random_state=seed)


def f_unseeded_later():
    model = RandomForestClassifier(random_state=0)
    return model.set_params(random_state=None)


def f_methodcaller(df):
    return operator.methodcaller("sample", 3)(df)


def f_out(x):
    np.add(x, 1, out=ARRAY)
    return ARRAY


def f_add_at(x):
    np.add.at(ARRAY, 0, x)
    return ARRAY


def f_global_inplace(x):
    FRAME.dropna(inplace=True)
    return x


def f_global_shuffle(x):
    np.random.default_rng(0).shuffle(ARRAY)
    return x


def f_class_body(x):
    class Local:
        v = random.random()

    return Local.v + x


def f_property(x):
    return WithProperty().v + x


def f_branch_seed(x, flag):
    return np.random.default_rng(None if flag else 3).normal() + x


def f_dict_changed(x):
    kw = {"random_state": 0}
    kw["random_state"] = None
    return RandomForestClassifier(**kw).fit(x)


def f_pipeline(x, y):
    return make_pipeline(StandardScaler(), RandomForestClassifier()).fit(x, y)


def f_class(n):
    return Noisy(n).draw()


def f_popped(x, **kw):
    kw.pop("random_state")
    return RandomForestClassifier(**kw).fit(x)


def f_generator(n):
    yield from range(n)


def f_generator_expression(n):
    return (i for i in range(n))


def f_map(xs):
    return map(str, xs)


async def f_coroutine(n):
    return n


def f_recursive(n):
    return random.random() if n == 0 else f_recursive(n - 1)


def f_ping(n):
    return f_pong(n - 1) if n else 0


def f_pong(n):
    return f_ping(n) + random.random()


def f_try(x):
    try:
        return x / 0
    except ZeroDivisionError:
        return random.random()


def f_finally(x):
    try:
        return x
    finally:
        COUNTER["n"] = 1


def f_match(x):
    match x:
        case {"a": _}:
            return random.random()
        case _:
            return 0


def f_walrus(x):
    return (r := random.random()) + r + x


def mine(prefix):
    found = list(globals().items())
    return [v for k, v in found if k.startswith(prefix) and v.__module__ == __name__]


def f_address():
    return str(object())


def f_address_in_a_list():
    marks = [object(), 1]
    return f"{marks}"


def f_address_in_a_dict():
    return "%s" % {"mark": object()}  # noqa: UP031


def f_address_repr():
    mark = object()
    return f"{mark!r:>20}"


def f_address_format():
    return "{}".format(object())  # noqa: UP032


def f_address_hash():
    return hash(object())


def f_address_of_an_instance():
    return repr(Plain())


def f_address_of_a_function():
    return str(noise_free)


def f_now():
    return pd.to_datetime("now")


def f_now_timestamp():
    return pd.Timestamp("today")


def f_now_keyword(df):
    return df[df["day"] < pd.to_datetime(arg=" Now ")]


def f_now_period():
    return pd.Period("now", freq="D")


def f_now_helper():
    return a_time("now")


def f_set_params_none(model):
    return model.set_params(random_state=None)


def f_set_params_dynamic(model, names):
    return model.set_params(**{name: None for name in names})


def f_set_params_spread(model, more):
    return model.set_params(**{"random_state": 0, **more})


def f_forest_spread(params):
    return RandomForestClassifier(**{"random_state": 0, **params})


def f_table_to_a_file(df, path):
    return df.to_csv(**{name: path for name in ["path_or_buf"]})


def f_set_params_mode(x):
    return Ridge().set_params(solver="saga").fit(x)


def f_set_params_changed(model, params):
    params["random_state"] = None
    return model.set_params(**params)


def f_set_state(model):
    model.random_state = None
    return model


def f_set_state_by_name(model):
    setattr(model, "random_state", None)  # noqa: B010
    return model


def f_query_global(df):
    return df.query(QUERY)


def f_query_built(df, limit):
    return df.query("a > @" + limit)


def f_query_formatted(df, limit):
    return df.query(f"a > {limit}")


def f_query_unbound(df):
    return pd.DataFrame.query(df, QUERY)


def f_query_in_a_helper(df):
    return a_query(df, "a > @LIMIT")


def f_eval_keyword(df):
    return df.eval(expr=QUERY)


def f_eval_pandas(text):
    return pd.eval(text)


def f_comprehension_of_no_range(seeds):
    return [RandomForestClassifier(random_state=s) for s in [None, *seeds]]


QUERY = "a > @LIMIT"
LIMIT = 3


class Plain:
    pass


class Named:
    def __repr__(self):
        return "Named()"


def noise_free(x):
    return x


REFUSED = mine("f_")
REFUSED += [operator.methodcaller("query", "a > @LIMIT")]
REFUSED += [
    noise,
    helper,
    logged(math.sqrt),
    quiet(noise),
    closing(lambda x: x + random.random()),
    closing(noise),
    counting(),
    lambda: random.random(),
    functools.partial(f_global_np, 3),
    functools.partial(RandomForestClassifier().fit, [[0]]),
    Noisy,
    Noisy(3).draw,
    Model().fit,
    CallsCounting(),
    Counts,
    functools.lru_cache(noise),
    operator.methodcaller("sample", 3),
    [1].append,
    CALLS.append,
    random.random,
    random.Random(0).random,
    RNG.normal,
    np.random.normal,
    np.random.rand,
    np.random.seed,
    np.random.RandomState(0).normal,
    np.frompyfunc(noise, 0, 1),
    np.vectorize(noise),
    uuid.uuid1,
    uuid.uuid4,
    secrets.token_bytes,
    os.urandom,
    os.getpid,
    os.remove,
    time.time,
    time.monotonic,
    datetime.datetime.now,
    datetime.date.today,
    pd.Timestamp.now,
    print,
    input,
    id,
    eval,
    threading.get_ident,
    threading.Lock,
    subprocess.run,
    json.dump,
    iter,
    map,
    filter,
    zip,
    enumerate,
    reversed,
    itertools.count,
]


@pytest.mark.parametrize("func", REFUSED, ids=named)
def test_refused_with_a_reason(func):
    found = Judge().function(func)
    verdict = found.verdict
    if found.looks_at_arguments:
        verdict = Judge().arguments(found, (object(), object()), {})
    assert verdict.role is Role.REFUSE
    assert len(verdict.reason) > 10


# ----------------------------------------------------------------- merged
def g_clean(df):
    df = df.copy()
    df["x"] = np.log1p(df["a"].clip(lower=0)) + df["b"] ** 2
    df.loc[df["x"].isna(), "x"] = df["x"].median()
    df.columns = [c.strip().lower() for c in df.columns]
    return df.drop_duplicates().sort_values("x").reset_index(drop=True)


def g_inplace(df):
    df["z"] = 1
    df.drop(columns=["a"], inplace=True)
    return df


def g_merge(left, right, on="key"):
    return left.merge(right, on=on, how="left", suffixes=("", "_r"))


def g_groupby(df):
    grouped = df.groupby("k").agg(total=("v", "sum"), mean=("v", "mean"))
    return grouped.reset_index().rename(columns={"total": "t"})


def g_concat(*frames):
    return pd.concat([f for f in frames if f is not None], ignore_index=True)


def g_config(df):
    return df[CONFIG["columns"]].fillna(CONFIG["fill"])


def g_config_passed(df):
    return take(df, CONFIG)


def take(df, config):
    return df[config["columns"]]


def g_dates(df):
    when = pd.to_datetime(df["time"], errors="coerce")
    df["hour"] = when.dt.hour
    return df


def g_string(df):
    return f"{df.shape[0]:>5} rows, {len(df.columns)!r} columns"


def g_try(x):
    try:
        return int(x)
    except (TypeError, ValueError) as error:
        raise RuntimeError(f"bad {x}") from error


def g_isinstance(x):
    if isinstance(x, (list, tuple)) and not hasattr(x, "shape"):
        return [g_isinstance(i) for i in x]
    return x


def g_local_list(xs):
    out = []
    seen = set()
    counts = collections.Counter()
    for i, x in enumerate(xs):
        if x not in seen:
            seen.add(x)
            out.append((i, x))
        counts[x] += 1
    return out, dict(counts)


def g_nested(xs):
    acc = []

    def add(x):
        acc.append(x * SEED)

    for x in xs:
        add(x)
    return acc


def g_nonlocal(xs):
    n = 0

    def bump():
        nonlocal n
        n += 1

    for _ in xs:
        bump()
    return n


def g_generator_inside(n):
    def squares():
        for i in range(n):
            yield i * i

    return sum(squares()) + sum(x for x in range(n))


def g_zip(xs, ys):
    return [x + y for x, y in zip(xs, ys, strict=True)]


def g_math(x):
    return math.sqrt(abs(x)) + math.pi + np.pi + np.linalg.norm([x])


def g_numpy(x):
    y = np.asarray(x, dtype=np.float64)
    y[y < 0] = 0
    return np.where(y > np.nan_to_num(y.mean()), y, np.nan)


def g_import(x):
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import mean_squared_error

    model = LinearRegression().fit(np.array(x), x)
    return mean_squared_error(x, model.predict(x))


def g_linear(x, y):
    return LinearRegression().fit(x, y)


def g_ridge(x, y, alpha=1.0):
    return Ridge(alpha=alpha).fit(x, y)


def g_elastic(x, y):
    return ElasticNet(alpha=0.1, l1_ratio=0.5).fit(x, y)


def g_logistic(x, y):
    return LogisticRegression(max_iter=500).fit(x, y)


def g_svc(x, y):
    return SVC().fit(x, y)


def g_forest(x, y):
    return RandomForestClassifier(n_estimators=3, random_state=0).fit(x, y)


def g_forest_global(x, y):
    return RandomForestClassifier(random_state=SEED).fit(x, y)


def g_forest_params(x, y):
    return RandomForestClassifier(**PARAMS).fit(x, y)


def g_forest_variable(x, y):
    seed = 3
    cls = RandomForestClassifier
    return cls(random_state=seed).fit(x, y)


def g_forest_rng(x, y):
    rng = np.random.RandomState(0)
    return RandomForestClassifier(random_state=rng).fit(x, y)


def g_forest_arithmetic(x, k):
    return RandomForestClassifier(random_state=10 + k).fit(x)


def g_forest_helper(x, y):
    return make_forest(seed=5).fit(x, y)


def g_forest_import(x, y):
    from sklearn.ensemble import RandomForestRegressor as RFR

    return RFR(random_state=0).fit(x, y)


def g_hist(x, y):
    return HistGradientBoostingRegressor(max_iter=20, random_state=1).fit(x, y)


def g_pca(x):
    return PCA(2, svd_solver="full").fit_transform(x)


def g_split(x):
    return train_test_split(x, test_size=0.2, random_state=0)


def g_split_in_order(x):
    return train_test_split(x, shuffle=False)


def g_kfold(x, y, model):
    scores = []
    for train, test in KFold(n_splits=3).split(x):
        fitted = model.fit(x[train], y[train])
        scores.append(r2_score(y[test], fitted.predict(x[test])))
    return float(np.mean(scores))


def g_kfold_seeded(x):
    return list(KFold(3, shuffle=True, random_state=0).split(x))


def g_cross(model, x, y):
    return cross_val_score(model, x, y, cv=3, scoring="r2").mean()


def g_pipeline(x, y):
    pre = ColumnTransformer(
        [("n", StandardScaler(), ["a"]), ("c", OneHotEncoder(), ["b"])]
    )
    return Pipeline([("pre", pre), ("model", Ridge())]).fit(x, y)


def g_sample(df):
    return df.sample(frac=0.5, random_state=0)


def g_rng(n):
    rng = np.random.default_rng(0)
    rng.shuffle(x := rng.normal(size=n))
    return x, rng.choice(3), rng.permutation(n)


def g_rng_keyword(n):
    return np.random.default_rng(seed=SEED).integers(n)


def g_state(n):
    return np.random.RandomState(3).rand(n)


def g_random_object():
    rng = random.Random(7)
    return rng.random(), rng.choice([1, 2])


def g_to_csv_text(df):
    return df.to_csv()


def g_path(name):
    return os.path.join("data", name), pathlib.Path(name).suffix


def g_json(x):
    return json.loads(json.dumps(x))


def g_warn(x):
    warnings.warn("careful", stacklevel=2)
    return x


def g_class(x):
    return Model(2.0).fit(x).predict(x)


def g_lambda(df):
    return df.apply(lambda row: row["a"] + row["b"], axis=1)


def g_assign(df):
    return df.assign(r=lambda d: d["a"] / d["b"]).pipe(g_clean)


def g_recursive(n):
    return 1 if n <= 1 else n * g_recursive(n - 1)


def g_while(n):
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    return n


def g_with(x):
    with np.errstate(divide="ignore"):
        return 1 / x


def g_match(x):
    match x:
        case [a, *rest]:
            return a, rest
        case {"k": v}:
            return v
        case _:
            return None


def g_default(x, cols=("a", "b"), acc=None):
    acc = [] if acc is None else acc
    acc.append(x)
    return acc, cols


def g_sorted(xs):
    return sorted(xs, key=lambda x: (-x[1], x[0]))[:10]


def g_getattr(df):
    return getattr(df, "shape", None)


def g_sleep(x):
    time.sleep(0)
    return x


def g_star(*args, **kwargs):
    return g_merge(*args, **kwargs)


def g_annotated(x):
    y: int = x
    del x
    return y


def g_texts(x):
    return f"{x:>3} {x!r} {Named()}" + str(x) + "{}".format(x) + "%s" % x  # noqa: UP031, UP032


def g_sentinel(d):
    missing = object()
    return d.get("a", missing) is missing


def g_query(df):
    limit = 3  # noqa: F841 the text names it
    text = "a > @limit"
    return df.query(text).query("a > @LIMIT").eval("b = a + 1")


def g_eval_of_a_network(net, x):
    return net.eval()


def g_forests(n):
    return [RandomForestClassifier(random_state=i) for i in range(n)]


def g_forests_nested():
    return {
        a: [RandomForestClassifier(random_state=a + b) for b in range(2)]
        for a in range(3)
    }


def g_forest_spread(params):
    return RandomForestClassifier(**{**params, "random_state": 0})


def g_set_params(model):
    return model.set_params(alpha=1.0, random_state=3, solver="saga")


def g_times(df):
    return pd.to_datetime(df["when"]) - pd.Timestamp("2020-01-01")


MERGED = mine("g_")
MERGED += [
    closing(lambda x: x + 1),
    quiet(g_clean),
    functools.partial(g_merge, on="k"),
    functools.lru_cache(g_math),
    functools.partial(np.sum, axis=0),
    lambda x: x + 1,
    Model,
    Model().predict,
    CallsPure(),
    operator.add,
    operator.itemgetter(0),
    operator.attrgetter("shape"),
    operator.methodcaller("sum"),
    operator.methodcaller("sample", 3, random_state=0),
    np.add,
    np.sum,
    np.vectorize(math.sqrt),
    np.linalg.norm,
    pd.concat,
    pd.merge,
    pd.DataFrame,
    pd.DataFrame.dropna,
    str.upper,
    "a".join,
    len,
    sum,
    sorted,
    list,
    math.sqrt,
    json.loads,
    r2_score,
    cross_val_score,
    StandardScaler,
    LinearRegression,
    dask.utils.methodcaller("sum"),
    time.sleep,
    datetime.timedelta,
]


@pytest.mark.parametrize("func", MERGED, ids=named)
def test_merged(func):
    assert Judge().function(func) == (MERGE, False)


# ------------------------------------------------------------------ batch
def b_environ():
    return os.environ.get("HOME")


def b_environ_item():
    return os.environ["HOME"]


def b_getenv():
    return os.getenv("HOME")


def b_cwd():
    return os.getcwd()


def b_open(path):
    with open(path) as f:
        return f.read()


def b_open_binary(path):
    return open(path, mode="rb").read()


def b_read_csv(path):
    return pd.read_csv(path.strip(), index_col=0)


def b_load(paths):
    return np.load(paths[0])


def b_exists(path):
    return os.path.exists(path)


def b_path(path):
    return pathlib.Path(path).read_text()


BATCH = mine("b_")


@pytest.mark.parametrize("func", BATCH, ids=lambda f: f.__name__)
def test_what_reads_the_outside_world_is_batch(func):
    verdict = Judge().function(func).verdict
    assert verdict.role is Role.BATCH
    assert verdict.reason
    assert verdict.remedy


# -------------------------------------------------------------- arguments
def a_seed(x, seed):
    return RandomForestClassifier(random_state=seed).fit(x)


def a_default(x, seed=0):
    return RandomForestClassifier(random_state=seed).fit(x)


def a_default_none(x, seed=None):
    return RandomForestClassifier(random_state=seed).fit(x)


def a_keyword(x, *, seed=None):
    return np.random.default_rng(seed).normal(size=x)


def a_params(x, params):
    return RandomForestClassifier(**params).fit(x)


def a_kw(x, **kw):
    return RandomForestClassifier(**kw).fit(x)


def a_helper(x, s):
    return a_seed(x, s)


def a_closure(x, s):
    return [np.random.default_rng(s).normal() for _ in range(x)]


def a_time(when):
    return pd.Timestamp(when)


def a_set_params(model, params):
    return model.set_params(**params)


def a_forest_extra(x, **extra):
    return RandomForestClassifier(random_state=7).set_params(**extra)


def a_set_state(model, seed):
    model.random_state = seed
    return model


def a_query(df, text):
    return df.query(text)


TaskRef = dask._task_spec.TaskRef
ASKS = [
    (a_time, ("2020-01-01",), {}, Role.MERGE),
    (a_time, (["2020-01-01", "now"],), {}, Role.REFUSE),
    (a_time, (), {"when": "TODAY"}, Role.REFUSE),
    (pd.Timestamp, ("now",), {}, Role.REFUSE),
    (pd.to_datetime, (), {"arg": ["now"]}, Role.REFUSE),
    (a_set_params, (1, {"alpha": 3, "m__random_state": 3}), {}, Role.MERGE),
    (a_set_params, (1, {"m__random_state": None}), {}, Role.REFUSE),
    (a_set_params, (1, {"m__solver": "saga"}), {}, Role.REFUSE),
    (a_set_params, (1, TaskRef("params")), {}, Role.REFUSE),
    (a_forest_extra, (1,), {"n_estimators": 3}, Role.MERGE),
    (a_forest_extra, (1,), {}, Role.MERGE),
    (a_forest_extra, (1,), {"random_state": None}, Role.REFUSE),
    (a_set_state, (1, 3), {}, Role.MERGE),
    (a_set_state, (1, None), {}, Role.REFUSE),
    (a_query, (1, "a > 3"), {}, Role.MERGE),
    (a_query, (1, "a > @LIMIT"), {}, Role.REFUSE),
    (a_query, (1, TaskRef("text")), {}, Role.REFUSE),
    (pd.DataFrame.query, (1, "a > 3"), {}, Role.MERGE),
    (pd.DataFrame.eval, (1, "a > @LIMIT"), {}, Role.REFUSE),
    (dask.utils.methodcaller("query"), (TaskRef("df"), "a > 3"), {}, Role.MERGE),
    (dask.utils.methodcaller("query"), (TaskRef("df"), "a > @x"), {}, Role.REFUSE),
    (str, (3,), {}, Role.MERGE),
    (str, (object(),), {}, Role.REFUSE),
    (repr, (noise_free,), {}, Role.REFUSE),
    (operator.methodcaller, ("set_params",), {}, Role.REFUSE),
    (a_seed, (1, 2), {}, Role.MERGE),
    (a_seed, (1,), {"seed": 2}, Role.MERGE),
    (a_seed, (1, None), {}, Role.REFUSE),
    (a_seed, (1, "x"), {}, Role.REFUSE),
    (a_default, (1,), {}, Role.MERGE),
    (a_default, (1, None), {}, Role.REFUSE),
    (a_default_none, (1,), {}, Role.REFUSE),
    (a_default_none, (1, 3), {}, Role.MERGE),
    (a_keyword, (1,), {}, Role.REFUSE),
    (a_keyword, (1,), {"seed": 1}, Role.MERGE),
    (a_params, (1, {"random_state": 0}), {}, Role.MERGE),
    (a_params, (1, {"n_estimators": 5}), {}, Role.REFUSE),
    (a_kw, (1,), {"random_state": 0}, Role.MERGE),
    (a_kw, (1,), {}, Role.REFUSE),
    (a_helper, (1, 2), {}, Role.MERGE),
    (a_helper, (1, None), {}, Role.REFUSE),
    (a_closure, (1, 2), {}, Role.MERGE),
    (a_closure, (1, None), {}, Role.REFUSE),
    (functools.partial(a_seed, seed=3), (1,), {}, Role.MERGE),
    (functools.partial(a_seed, seed=3), (1,), {"seed": None}, Role.REFUSE),
    (functools.partial(a_seed, 1), (4,), {}, Role.MERGE),
    (RandomForestClassifier, (), {"random_state": 0}, Role.MERGE),
    (RandomForestClassifier, (), {}, Role.REFUSE),
    (Ridge, (), {"alpha": 1.0}, Role.MERGE),
    (Ridge, (), {"solver": "sag"}, Role.REFUSE),
    (PCA, (2,), {"svd_solver": "full"}, Role.MERGE),
    (PCA, (2,), {}, Role.REFUSE),
    (train_test_split, ([1],), {"random_state": 1}, Role.MERGE),
    (train_test_split, ([1],), {}, Role.REFUSE),
    (np.random.default_rng, (0,), {}, Role.MERGE),
    (np.random.default_rng, (), {}, Role.REFUSE),
    (pd.DataFrame.sample, (1, 3), {"random_state": 0}, Role.MERGE),
    (pd.DataFrame.sample, (1, 3), {}, Role.REFUSE),
    (pd.to_datetime, ("2020-01-01",), {}, Role.MERGE),
    (pd.to_datetime, ("now",), {}, Role.REFUSE),
    (pd.read_csv, ("a.csv",), {}, Role.MERGE),
    (pd.read_parquet, (pathlib.Path("a"),), {}, Role.MERGE),
    (pd.read_csv, (object(),), {}, Role.BATCH),
    (open, ("a.csv", "w"), {}, Role.REFUSE),
]


@pytest.mark.parametrize(("func", "args", "kwargs", "role"), ASKS)
def test_arguments_decide_where_the_function_asks(func, args, kwargs, role):
    judge = Judge()
    found = judge.function(func)
    assert found.looks_at_arguments
    assert judge.arguments(found, args, kwargs).role is role


def test_a_seed_from_another_task_is_refused():
    ref = dask._task_spec.TaskRef("seed")
    judge = Judge()
    verdict = judge.arguments(judge.function(a_seed), (1, ref), {})
    assert verdict.role is Role.REFUSE
    assert "seed" in verdict.reason


# ----------------------------------------------------------------- values
class Listed(list):
    pass


def cell(value):
    found = np.empty(2, object)
    found[:] = ["a", value]
    return found


VALUES = [
    (cell("b"), Role.MERGE),
    (cell(RandomForestClassifier(random_state=0)), Role.MERGE),
    (cell(RandomForestClassifier()), Role.REFUSE),
    (cell(np.random.default_rng(0)), Role.REFUSE),
    (pd.DataFrame({"n": [1, 2], "m": cell(PCA())}), Role.REFUSE),
    (pd.Series(cell(noise)), Role.REFUSE),
    (pd.Series(cell("b")), Role.MERGE),
    (np.array([(1, noise)], dtype=[("n", int), ("f", object)]), Role.REFUSE),
    (collections.deque([noise]), Role.REFUSE),
    (collections.OrderedDict(a=RandomForestClassifier()), Role.REFUSE),
    (Listed([RandomForestClassifier()]), Role.REFUSE),
    (Listed([1]), Role.MERGE),
    ({noise: 1}, Role.REFUSE),
    (1, Role.MERGE),
    ([1, "a", None], Role.MERGE),
    ({"a": [1, (2, 3)]}, Role.MERGE),
    (np.arange(3), Role.MERGE),
    (pd.DataFrame({"a": [1]}), Role.MERGE),
    (np.float64, Role.MERGE),
    (StandardScaler(), Role.MERGE),
    (Ridge(), Role.MERGE),
    (Ridge(solver="saga"), Role.REFUSE),
    (RandomForestClassifier(random_state=0), Role.MERGE),
    (RandomForestClassifier(random_state=np.int64(3)), Role.MERGE),
    (RandomForestClassifier(), Role.REFUSE),
    (RandomForestClassifier(random_state=np.random.RandomState(0)), Role.REFUSE),
    (Pipeline([("s", StandardScaler()), ("m", Ridge())]), Role.MERGE),
    (Pipeline([("s", StandardScaler()), ("m", PCA())]), Role.REFUSE),
    (ColumnTransformer([("a", PCA(2), ["x"])]), Role.REFUSE),
    (GridSearchCV(Ridge(), {"alpha": [1]}), Role.MERGE),
    (GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}), Role.REFUSE),
    (GridSearchCV(Ridge(), {}, cv=KFold(3, shuffle=True)), Role.REFUSE),
    (AdaBoostClassifier(DecisionTreeClassifier(), random_state=0), Role.MERGE),
    (BaggingClassifier(DecisionTreeClassifier()), Role.REFUSE),
    (KFold(3), Role.MERGE),
    (KFold(3, shuffle=True), Role.REFUSE),
    (KFold(3, shuffle=True, random_state=1), Role.MERGE),
    ([("a", RandomForestClassifier())], Role.REFUSE),
    ({"m": {"n": RandomForestClassifier()}}, Role.REFUSE),
    (SelectKBest(f_classif), Role.MERGE),
    (SelectKBest(mutual_info_classif), Role.REFUSE),
    (FunctionTransformer(np.log1p), Role.MERGE),
    (FunctionTransformer(noise), Role.REFUSE),
    (np.random.default_rng(0), Role.REFUSE),
    (np.random.RandomState(0), Role.REFUSE),
    (random.Random(0), Role.REFUSE),
    (iter([1]), Role.REFUSE),
    ((i for i in [1]), Role.REFUSE),
    (threading.Lock(), Role.REFUSE),
    (math, Role.REFUSE),
    (random.random, Role.REFUSE),
    ([noise], Role.REFUSE),
    (g_clean, Role.MERGE),
    (functools.partial(noise), Role.REFUSE),
    (Model(), Role.MERGE),
    (Noisy(1), Role.REFUSE),
]


@pytest.mark.parametrize(("value", "role"), VALUES)
def test_values_carry_randomness(value, role):
    assert Judge().value(value).role is role


def test_a_value_that_contains_itself_is_judged():
    loop = [object()]
    loop.append(loop)
    assert Judge().value(loop) == MERGE


def test_a_task_inside_the_arguments_is_judged():
    task = dask._task_spec.Task(None, noise)
    assert Judge().value(task).role is Role.REFUSE
    task = dask._task_spec.Task(None, math.sqrt, 2)
    assert Judge().value(task) == MERGE


# --------------------------------------------------------------- declared
def test_declared_pure_comes_before_evidence():
    @purity.pure
    def f():
        return random.random()

    assert Judge().function(f) == (MERGE, False)
    assert Judge().function(cloudpickle.loads(cloudpickle.dumps(f))) == (MERGE, False)


def test_declared_impure_comes_before_evidence_and_partials_inherit():
    @purity.impure
    def f(x):
        return x

    for func in (f, functools.partial(f, 1), lambda: f(1), quiet(f)):
        assert Judge().function(func).verdict.role is Role.REFUSE


def test_a_wrapper_does_not_inherit_that_what_it_wraps_is_pure():
    @purity.pure
    def f(x):
        return x + random.random()

    assert Judge().function(quiet(f)) == (MERGE, False)
    assert Judge().function(logged(f)).verdict.role is Role.REFUSE


def test_methods_of_declared_functions_inherit():
    class Sensor:
        @purity.pure
        def read(self):
            return random.random()

        @purity.impure
        def ask(self):
            return 1

    assert Judge().function(Sensor.read) == (MERGE, False)
    assert Judge().function(Sensor().ask).verdict.role is Role.REFUSE


def test_config_names_and_globs_decide_and_impure_wins():
    name = f"{noise.__module__}.{noise.__qualname__}"
    with dask.config.set({"stratum.purity.pure": [name]}):
        assert Judge().function(noise) == (MERGE, False)
        assert Judge().function(helper) == (MERGE, False)
    with dask.config.set(
        {"stratum.purity.pure": [name], "stratum.purity.impure": ["*.noise"]}
    ):
        assert Judge().function(noise).verdict.role is Role.REFUSE
    with dask.config.set({"stratum.purity.impure": ["math.*"]}):
        assert Judge().function(math.sqrt).verdict.role is Role.REFUSE


# ------------------------------------------------------------------ places
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_file_with_a_librarys_name_is_not_that_library(tmp_path, monkeypatch, kind):
    if kind == "file":
        (tmp_path / "catboost.py").write_text("")
    else:
        (tmp_path / "catboost").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "catboost", raising=False)

    def f(x):
        import catboost

        return catboost.sum_models(x)

    verdict = Judge().function(f).verdict
    assert verdict.role is Role.REFUSE
    assert "catboost" in verdict.reason


def test_a_library_that_is_not_there_is_not_believed_by_its_name():
    def f(x):
        import skrub_of_nobody as library

        return library.fit(x)

    def g(x):
        import polars

        return polars.concat(x)

    judge = Judge()
    assert judge.function(f).verdict.role is Role.REFUSE
    there = importlib.util.find_spec("polars") is not None
    assert judge.function(g).verdict.role is (Role.MERGE if there else Role.REFUSE)


def test_a_library_that_is_there_need_not_be_imported(fresh_python):
    code = (
        "import sys\n"
        "from stratum_dask.optimizations.purity import Judge\n"
        "def f(x):\n"
        "    import sklearn.metrics\n"
        "    return sklearn.metrics.r2_score(x, x)\n"
        "print(Judge().function(f).verdict.role.name, 'sklearn' in sys.modules)"
    )
    assert fresh_python(code).stdout.split() == ["MERGE", "False"]


# ----------------------------------------------------------------- conduct
def test_nothing_of_the_users_is_run():
    ran = []

    class Trap:
        def __getattr__(self, name):
            ran.append(name)
            raise RuntimeError(name)

        @property
        def shape(self):
            ran.append("shape")

        def __eq__(self, other):
            ran.append("eq")

        __hash__ = None

        def __bool__(self):
            ran.append("bool")
            return True

    trap = Trap()

    def f(x):
        return trap.shape + x

    judge = Judge()
    judge.function(f)
    judge.value(trap)
    judge.function(trap)
    judge.effect(trap)
    judge.arguments(judge.function(a_seed), (1, trap), {})
    assert ran == []


def test_strange_objects_are_refused_not_raised():
    judge = Judge()
    for obj in (None, 3, object(), types_without_module()):
        assert judge.function(obj).verdict.role in (Role.MERGE, Role.REFUSE)


def types_without_module():
    def f():
        return 1

    f.__module__ = None
    return f


def test_a_wrapper_that_calls_itself_numpy_is_still_looked_into():
    fake = logged(np.sum)
    fake.__module__ = "numpy"
    assert Judge().function(fake).verdict.role is Role.REFUSE


def test_a_cycle_of_functions_is_refused_from_both_ends():
    for first, second in ((f_ping, f_pong), (f_pong, f_ping)):
        judge = Judge()
        assert judge.function(first).verdict.role is Role.REFUSE
        assert judge.function(second).verdict.role is Role.REFUSE


def test_reason_and_remedy_name_the_function():
    verdict = Judge().function(f_uuid).verdict
    assert "uuid.uuid4" in verdict.reason
    assert "stratum.purity.pure: ['uuid.uuid4']" in verdict.remedy


# ------------------------------------------------------------------ graphs
def test_dasks_random_arrays_are_seeded_by_their_graph():
    array = pytest.importorskip("dask.array")
    numbers = array.random.default_rng(0).normal(size=(4, 4), chunks=2)
    tasks = [t for t in dict(numbers.__dask_graph__()).values() if hasattr(t, "func")]
    assert len(tasks) == 4
    for task in tasks:
        assert Judge().task(task.func, task.args, task.kwargs) == MERGE


def test_functions_that_ride_as_arguments_are_judged():
    bag = pytest.importorskip("dask.bag")
    noisy = bag.from_sequence([1, 2], npartitions=2).map(lambda x: x + random.random())
    (noisy,) = dask.optimize(noisy)
    tasks = [t for t in dict(noisy.__dask_graph__()).values() if hasattr(t, "func")]
    judge = Judge()
    roles = [judge.task(t.func, t.args, t.kwargs).role for t in tasks]
    assert roles == [Role.REFUSE] * len(tasks)
    assert roles


def test_what_leads_to_a_whole_program_is_refused_in_bounded_time():
    names = [f"f{i}" for i in range(6_000)]
    space = {"__name__": "program"}
    lines = [f"def {name}(): return 1" for name in names]
    lines += ["def wide():", *[f"    {name}()" for name in names]]
    exec("\n".join(lines), space)  # noqa: S102
    judge = Judge()
    verdict = judge.function(space["wide"]).verdict
    assert verdict.role is Role.REFUSE
    assert verdict.reason == "program.wide leads to more than 5,000 callables"
    assert judge.function(space["f5999"]).verdict.role is Role.MERGE


def test_parts_of_a_cluster_are_not_looked_into():
    class Held(distributed.Client):
        def __init__(self):
            self.everything = sys.modules

    verdict = Judge().value(Held())
    assert verdict.reason == "a live Held is a part of the cluster"
