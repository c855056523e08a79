"""skrub's plans as graphs: skrub's own results, and equal steps once."""

import types
import warnings

import dask
import numpy as np
import pandas as pd
import pytest
from distributed.utils_test import gen_cluster

pytest.importorskip("skrub")

import skrub
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from skrub import selectors as s

import stratum_dask
from clusters import Ran
from stratum_dask import from_skrub
from stratum_dask.errors import StratumWarning
from stratum_dask.frontends.skrub import plans, private
from stratum_dask.frontends.skrub.lowering import Lowering
from stratum_dask.skrub import (
    cross_validate,
    lazy_cross_validate,
    lazy_fit,
    make_grid_search,
    make_randomized_search,
)

# an older scikit-learn with a newer scipy
pytestmark = pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")

RNG = np.random.default_rng(0)
N = 30
FRAME = pd.DataFrame(
    {
        "a": RNG.normal(size=N),
        "b": RNG.normal(size=N),
        "kind": RNG.choice(list("xyz"), N),
        "id": np.arange(N),
    }
)
TARGET = pd.Series((FRAME.a + RNG.normal(size=N) * 0.3 > 0).astype(int), name="target")
KINDS = pd.DataFrame({"kind": list("xyz"), "weight": [1.0, 2.0, 3.0]})


def features(frame):
    return frame.assign(ab=frame["a"] * frame["b"])


def same(one, other):
    if isinstance(one, pd.DataFrame):
        plain = [c for c in one if "time" not in c]
        pd.testing.assert_frame_equal(one[plain], other[plain])
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other)
    else:
        np.testing.assert_equal(one, other)


def prepared(X):
    made = X.drop(columns="id").skb.apply_func(features)
    made = made.merge(skrub.as_data_op(KINDS), on="kind", how="left")
    return made.skb.apply(OneHotEncoder(sparse_output=False), cols="kind")


LAZY = {"eager_data_ops": False} if "eager_data_ops" in skrub.get_config() else {}


def plan(model=None):
    with skrub.config_context(**LAZY):
        return built(model)


def built(model):
    X, y = skrub.X(FRAME), skrub.y(TARGET)
    scaler = skrub.choose_from(
        {"standard": StandardScaler(), "minmax": MinMaxScaler()}, name="scaler"
    )
    scaled = prepared(X).skb.apply(scaler, cols=s.numeric())
    if model is None:
        C = skrub.choose_from([0.1, 1.0], name="C")
        model = skrub.choose_from(
            {"logistic": LogisticRegression(C=C), "dummy": DummyClassifier()},
            name="model",
        )
    return scaled.skb.apply(model, y=y)


@pytest.fixture
def whole(monkeypatch):
    """Plans that skrub itself had to evaluate, because they were not understood."""
    found = []
    own = plans._whole

    def watched(data_op, *rest):
        found.append(data_op)
        return own(data_op, *rest)

    monkeypatch.setattr(plans, "_whole", watched)
    return found


def marks(frame):
    frame["mark"] = 1
    return frame


def match(choice):
    return choice.match({"one": 1, "two": 2}).as_data_op()


a, b = skrub.var("a", 3), skrub.var("b", 4)
frame = skrub.var("frame", FRAME)
table = skrub.var("table", {"x": [1, 2, 3]})
choice = skrub.choose_from(["one", "two"], name="number")
offset = skrub.as_data_op(10)

UNDERSTOOD = {
    "operators": a + b * 2 - 1,
    "unary": -a,
    "comparison": (a < b),
    "attributes": frame.shape,
    "items": frame[["a", "b"]],
    "slices": table["x"][1:],
    "methods": frame.groupby("kind")["a"].mean(),
    "methods with steps among their arguments": frame.assign(c=frame["a"] + frame["b"]),
    "functions": frame.skb.apply_func(features),
    "functions that write": skrub.var("own", FRAME.copy()).skb.apply_func(marks),
    "deferred functions": skrub.deferred(lambda x, y=1: x + y)(a, y=b),
    "closures over steps": skrub.deferred(lambda x: x + offset)(a),
    "containers": skrub.as_data_op({"sum": [a + b, (a, b)], "product": a * b}),
    "choices": skrub.as_data_op(choice),
    "matches of choices": match(choice),
    "numbers to choose": skrub.as_data_op(skrub.choose_float(0.5, 2.0)),
    "conditions that are known": skrub.as_data_op(True).skb.if_else(a, b),
    "matches that are known": skrub.as_data_op("q").skb.match({"q": a, "r": b}),
    "modes": skrub.eval_mode(),
    "tables side by side": frame.skb.concat(
        [table.skb.apply_func(pd.DataFrame)], axis=1
    ),
    "names": (a + b).skb.set_name("sum") * 2,
    "frozen": frame["a"].mean().skb.freeze_after_fit(),
    "transformers": frame.skb.apply(StandardScaler(), cols=["a", "b"]),
    "selectors": frame.skb.select(s.numeric() - "id"),
    "selectors of one's own": frame.skb.drop(s.filter_names(lambda name: name == "id")),
    "transformers to choose": frame.skb.apply(
        skrub.choose_from([MinMaxScaler(), StandardScaler()]), cols="a"
    ),
    "no transformer": frame.skb.apply("passthrough"),
    "a part of a fitted transformer": frame.skb.apply(
        StandardScaler(), cols=["a"]
    ).skb.applied_estimator.all_outputs_
    if hasattr(skrub, "ApplyToCols")
    else a,
    "predictions": plan(),
    "tables vectorized": frame.skb.apply(
        skrub.TableVectorizer(high_cardinality=skrub.MinHashEncoder())
    ),
    "parameters that are steps": skrub.var("n", 2).skb.apply_func(lambda n: n),
    "subsamples": frame.skb.subsample(n=5),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_a_plan_in_steps_gives_what_skrub_gives(name, whole):
    data_op = UNDERSTOOD[name]
    same(data_op.skb.eval(), from_skrub(data_op).compute(scheduler="sync"))
    assert whole == []
    with stratum_dask.enabled():
        one, other = dask.compute(from_skrub(data_op), from_skrub(data_op))
    same(one, data_op.skb.eval())
    same(one, other)


WHOLE = {
    "conditions that are results": (frame.shape[0] < 5).skb.if_else(a, b),
    "matches that are results": frame.shape[0].skb.match({3: a}, default=b),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_not_understood_skrub_evaluates(name, whole):
    same(WHOLE[name].skb.eval(), from_skrub(WHOLE[name]).compute(scheduler="sync"))
    assert len(whole) == 1


def test_kinds_of_nodes_from_the_future_are_left_to_skrub(whole, monkeypatch):
    monkeypatch.delitem(private.KINDS, "BinOp")
    assert from_skrub(a + b).compute(scheduler="sync") == 7
    assert len(whole) == 1


def test_environments_and_subsamples_are_those_of_eval():
    data_op = frame.skb.subsample(n=5).shape
    assert from_skrub(data_op).compute(scheduler="sync") == (N, 4)
    sample = from_skrub(data_op, keep_subsampling=True)
    assert sample.compute(scheduler="sync") == (5, 4)
    values = {"a": dask.delayed(10), "b": 5}
    assert from_skrub(a + b, values).compute(scheduler="sync") == 15


def test_what_fails_fails_as_in_skrub():
    with skrub.config_context(**LAZY):
        wrong = frame["nothing"] + 1
        missing = skrub.var("not given") + 1
    with pytest.raises(KeyError, match="nothing"):
        from_skrub(wrong).compute(scheduler="sync")
    with pytest.raises(Exception, match="not given") as ours:
        from_skrub(missing, {}).compute(scheduler="sync")
    with pytest.raises(type(ours.value)):
        missing.skb.eval({})
    with pytest.raises(TypeError, match="needs a skrub DataOp, not a int"):
        from_skrub(3)


@pytest.mark.parametrize(
    "scoring", [None, ["roc_auc", "neg_log_loss"], "its own", "without scores"]
)
def test_a_grid_is_searched_with_skrub_s_results(scoring):
    options = {"cv": 2, "scoring": scoring, "return_train_score": scoring is None}
    if isinstance(scoring, list):
        options["refit"] = "roc_auc"
    if scoring == "its own":
        options["scoring"] = lambda e, X, y: float(e.predict(X).sum())
    if scoring == "without scores":
        options["scoring"] = make_scorer(lambda y, p: float(np.mean(p)))
    made = plan()
    own = made.skb.make_grid_search(fitted=True, **options)
    same_search(own, make_grid_search(made, fitted=True, **options))
    if scoring != "without scores":
        later = lazy_fit(make_grid_search(made, **options), made.skb.get_data())
        same_search(own, later.compute(scheduler="sync"))


def same_search(own, search):
    assert type(search) is type(own)
    assert own.cv_results_.keys() == search.cv_results_.keys()
    same(own.results_, search.results_)
    for name, values in own.cv_results_.items():
        if "time" not in name and name != "params":
            np.testing.assert_array_equal(
                np.ma.filled(values, -1), np.ma.filled(search.cv_results_[name], -1)
            )
    assert own.cv_results_["params"] == search.cv_results_["params"]
    assert own.best_params_ == search.best_params_
    same(own.predict({"X": FRAME}), search.predict({"X": FRAME}))
    same(own.predict_proba({"X": FRAME}), search.predict_proba({"X": FRAME}))


def test_random_candidates_are_those_of_skrub():
    model = Ridge(alpha=skrub.choose_float(0.1, 10.0, log=True, name="alpha"))
    options = {"n_iter": 3, "random_state": 1, "cv": 2, "fitted": True}
    own = plan(model).skb.make_randomized_search(**options)
    found = make_randomized_search(plan(model), **options)
    same(own.results_, found.results_)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cv": KFold(3), "scoring": "roc_auc", "return_train_score": True},
        {"cv": ShuffleSplit(2, random_state=0), "error_score": "raise"},
        {"cv": [(np.arange(20), np.arange(20, 30))], "return_learner": True},
    ],
)
def test_a_plan_is_cross_validated_with_skrub_s_results(options):
    own = plan().skb.cross_validate(**options)
    found = cross_validate(plan(), **options)
    learners = [each.pop("learner") for each in (own, found) if "learner" in each]
    for one, other in zip(*learners, strict=True) if learners else ():
        same(one.predict({"X": FRAME}), other.predict({"X": FRAME}))
    assert list(own.columns) == list(found.columns)
    same(own, found)


def test_splits_that_a_plan_brings_are_used():
    data = skrub.var("frame", FRAME)
    X = data.drop(columns="target", errors="ignore")
    X = X.skb.mark_as_X(cv=KFold(3, shuffle=True, random_state=0), split_kwargs={})
    made = X[["a", "b"]].skb.apply(
        LogisticRegression(), y=skrub.var("target", TARGET).skb.mark_as_y()
    )
    same(made.skb.cross_validate(), cross_validate(made))


def test_scores_that_a_plan_brings_are_used():
    made = plan()
    if not hasattr(made.skb, "with_scoring"):
        pytest.skip("this skrub has none")
    made = made.skb.with_scoring(["roc_auc", "accuracy"])
    same(made.skb.cross_validate(cv=3), cross_validate(made, cv=3))


def test_a_candidate_that_fails_does_not_stop_the_others():
    model = skrub.choose_from([DummyClassifier(), Fails()], name="model")
    options = {"cv": 2, "fitted": True, "refit": False}
    with warnings.catch_warnings(action="ignore"):
        own = plan(model).skb.make_grid_search(**options)
        found = make_grid_search(plan(model), **options)
    same(own.results_, found.results_)
    assert found.results_["mean_test_score"].isna().sum() == 2


class Fails(DummyClassifier):
    def fit(self, X, y, sample_weight=None):
        raise ValueError("never fits")


def counted(delayeds):
    """Results, and how many tasks were asked for and are left."""
    with stratum_dask.enabled():
        explained = stratum_dask.explain(*delayeds)
        results = dask.compute(*delayeds, scheduler="sync")
    return results, explained


def test_separate_plans_over_one_file_read_it_once(tmp_path, monkeypatch):
    file = tmp_path / "frame.csv"
    FRAME.to_csv(file)

    def separate():
        with skrub.config_context(**LAZY):
            read = skrub.var("path", str(file)).skb.apply_func(pd.read_csv)
            return from_skrub(read.groupby("kind")["a"].mean().sort_values())

    (one, other), explained = counted([separate(), separate()])
    same(one, other)
    assert explained.counts.run < explained.counts.asked / 2 + 3
    assert explained.counts.merged["read_csv"] == 1


@gen_cluster(client=True, config={"stratum.enabled": True})
async def test_separate_plans_meet_on_a_cluster(c, s, a, b):
    ran = Ran(s)
    s.add_plugin(ran)
    frames = [FRAME.copy() for _ in range(3)]
    made = []
    for each in frames:
        with skrub.config_context(**LAZY):
            cleaned = skrub.var("frame", each).skb.apply_func(
                types.FunctionType(features.__code__, globals(), "features")
            )
            model = cleaned.skb.apply(StandardScaler(), cols=["a", "b"])
            made.append(from_skrub(model))
    first = await c.compute(made[0])
    others = await c.gather(c.compute(made[1:]))
    for each in others:
        same(first, each)
    assert ran.names["features"] <= 2


def test_lazy_searches_of_several_agents_share_their_steps():
    options = {"cv": 2, "refit": False}
    searches = [
        lazy_fit(make_grid_search(plan(model), **options), plan(model).skb.get_data())
        for model in (DummyRegressor(), Ridge(), Ridge(2))
    ]
    found, tasks = counted(searches)
    own = plan(Ridge()).skb.make_grid_search(fitted=True, **options)
    same(own.results_, found[1].results_)
    merged = tasks.counts.merged
    assert [merged[f"fit-{n}"] for n in ("OneHotEncoder", "StandardScaler")] == [4, 4]


def test_lambdas_and_selectors_merge_by_content():
    def one():
        return from_skrub(
            skrub.var("frame", FRAME.copy())
            .skb.apply_func(lambda f: f.assign(c=f["a"] + 1))
            .skb.apply(StandardScaler(), cols=s.numeric() - "id")
            .skb.select(s.filter_names(lambda name: name in "abc"))
        )

    (first, second), explained = counted([one(), one()])
    same(first, second)
    assert explained.counts.run <= explained.counts.asked / 2 + 2


def test_nothing_is_evaluated_to_build_the_graph(monkeypatch):
    ran = []
    with skrub.config_context(**LAZY):
        data_op = frame.skb.apply_func(lambda f: ran.append(1) or f)
        made = from_skrub(data_op)
    lazy_cross_validate(plan(), cv=3)
    assert ran == []
    made.compute(scheduler="sync")
    assert ran == [1]


def test_plans_go_in_through_the_door():
    with stratum_dask.Search("sync", window=0.2) as search:
        plain = search.add(a + b)
        models = [search.add(plan(DummyClassifier()), cv=3) for _ in range(2)]
        broken = search.add(skrub.var("missing") + 1, {})
    assert plain.value == 7
    own = plan(DummyClassifier()).skb.cross_validate(cv=3)
    assert [m.score for m in models] == [own["test_score"].mean()] * 2
    assert models[1].cost.ran < models[0].cost.ran / 2
    assert broken.status == "failed"


def test_steps_carry_names_that_people_know():
    with stratum_dask.enabled():
        keys = {dask.utils.key_split(k) for k in from_skrub(plan()).dask}
    assert {"drop", "merge", "features", "fit_transform-OneHotEncoder"} <= keys


def test_every_kind_of_node_is_known():
    from skrub._data_ops._data_ops import DataOpImpl

    kinds = {c.__name__ for c in DataOpImpl.__subclasses__()}
    assert kinds == set(private.KINDS)
    assert callable(Lowering)


def test_mistakes_of_ours_are_raised_or_warned_of(whole, monkeypatch):
    def mistake(*args, **kwargs):
        return {}["nothing"]

    monkeypatch.setattr(plans, "Lowering", mistake)
    assert from_skrub(a + b).compute(scheduler="sync") == 7  # skrub's, or the user's

    ours = types.FunctionType(mistake.__code__, {"__name__": plans.__name__})
    monkeypatch.setattr(plans, "Lowering", ours)
    with pytest.raises(KeyError, match="nothing"):
        from_skrub(a + b)
    with (
        dask.config.set({"stratum.on-fail": "warn"}),
        pytest.warns(StratumWarning, match="as a whole"),
    ):
        assert from_skrub(a + b).compute(scheduler="sync") == 7
