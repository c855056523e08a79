"""The user decides: decorator, annotation, configuration, on every scheduler."""

import functools
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import dask
import numpy as np
import pytest
import xxhash
from distributed import Client, LocalCluster
from settled import settled

import stratum_dask
from stratum_dask import AnnotationError, explain
from stratum_dask.errors import StratumWarning
from stratum_dask.optimizations.purity import Declared, Judge
from stratum_dask.optimizations.verdict import Role

da = pytest.importorskip("dask.array")
db = pytest.importorskip("dask.bag")
dd = pytest.importorskip("dask.dataframe")
delayed = dask.delayed


def square(x):
    return x * x


def roll():
    return random.random()


def partition(values):
    return [random.random() for _ in values]


def block(x):
    return x + 1


# -- one vocabulary ---------------------------------------------------------


def declared(func, word, how):
    """A fresh function that does the same, declared ``word``, and a context."""
    config = {}
    if how == "decorator":
        func = getattr(stratum_dask, word)(func)
    elif how == "config":
        config = {f"stratum.purity.{word}": [f"{func.__module__}.{func.__qualname__}"]}
    return func, dask.config.set(config)


@pytest.mark.parametrize("how", ["decorator", "config"])
@pytest.mark.parametrize(
    ("word", "role"),
    [("pure", Role.MERGE), ("batch", Role.BATCH), ("impure", Role.REFUSE)],
)
def test_a_declaration_wins_over_evidence(word, role, how):
    def looks_pure(x):
        return x + 1

    def looks_random():
        return random.random()

    for func in (looks_pure, looks_random):
        func, config = declared(func, word, how)
        with config:
            verdict = Judge().function(func).verdict
        assert verdict.role is role
        assert word == "pure" or f"is declared {word}" in verdict.reason


def test_the_three_words_are_public():
    assert {"pure", "impure", "batch"} <= set(stratum_dask.__all__)


@pytest.mark.parametrize(
    ("mark", "listed", "said"),
    [
        (None, ["pure"], "pure"),
        (None, ["pure", "batch"], "batch"),
        (None, ["pure", "batch", "impure"], "impure"),
        ("pure", ["batch"], "pure"),
        ("batch", ["pure"], "batch"),
        ("pure", ["impure"], "impure"),
        ("impure", ["pure", "batch"], "impure"),
    ],
)
def test_which_declaration_wins(mark, listed, said):
    def func():
        pass

    if mark:
        getattr(stratum_dask, mark)(func)
    assert Declared(**{word: ["*.func"] for word in listed}).about(func) == said


def test_a_wrapper_of_a_declared_function_is_not_declared():
    @stratum_dask.batch
    def inner():
        return 1

    @functools.wraps(inner)
    def outer():
        return random.random() + inner()

    assert Judge().function(outer).verdict.role is Role.REFUSE


# -- annotations, on every scheduler ----------------------------------------

SCHEDULERS = ("threads", "sync", "processes", "executor", "distributed")
ON = {"stratum.enabled": True}


@pytest.fixture(scope="module")
def client():
    with (
        dask.config.set({"distributed.scheduler.validate": True}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as made,
        dask.config.set(ON),
        Client(made) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def pool():
    """Processes cost seconds to start."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as found:
        yield found


@pytest.fixture(params=SCHEDULERS)
def compute(request):
    """Compute on one scheduler with the plugin on, by threads where it is local."""
    if request.param == "distributed":
        client = request.getfixturevalue("client")
    options = {"scheduler": request.param}
    if request.param == "processes":
        options["pool"] = request.getfixturevalue("pool")

    def run(*collections):
        with dask.config.set(ON):
            if request.param == "distributed":
                with client.as_current():
                    return dask.compute(*collections)
            if request.param == "executor":
                with ThreadPoolExecutor(2) as pool:
                    return dask.compute(*collections, scheduler=pool)
            return dask.compute(*collections, **options)

    return run


@pytest.mark.parametrize("word", ["pure", "batch"])
def test_annotated_to_be_merged(compute, word):
    assert len(set(compute(*[delayed(roll)() for _ in range(4)]))) == 4
    with dask.annotate(stratum=word):
        rolls = [delayed(roll)() for _ in range(4)]
    assert len(set(compute(*rolls))) == 1


@pytest.mark.parametrize("word", ["pure", "batch"])
def test_annotated_around_the_computation(compute, word):
    rolls = [delayed(roll)() for _ in range(4)]
    with dask.annotate(stratum=word):
        assert len(set(compute(*rolls))) == 1


def test_annotated_by_key(compute):
    def by_key(key):
        return "pure" if key.startswith("same") else None

    with dask.annotate(stratum=by_key):
        same = [delayed(roll)(dask_key_name=f"same-{i}") for i in range(3)]
        other = [delayed(roll)(dask_key_name=f"other-{i}") for i in range(3)]
    found = compute(*same, *other)
    assert (len(set(found[:3])), len(set(found[3:]))) == (1, 3)


@stratum_dask.pure
def declared_pure():
    return random.random()


@stratum_dask.impure
def declared_impure():
    return random.random()


def test_impure_wins_over_a_declaration(compute):
    with dask.annotate(stratum="impure"):
        rolls = [delayed(declared_pure)() for _ in range(3)]
    assert len(set(compute(*rolls))) == 3
    assert len(set(compute(*[delayed(declared_pure)() for _ in range(3)]))) == 1


def test_a_declaration_of_impurity_wins_over_an_annotation(compute):
    with dask.annotate(stratum="pure"):
        rolls = [delayed(declared_impure)() for _ in range(3)]
    assert len(set(compute(*rolls))) == 3


def test_an_annotation_wins_over_the_configuration(compute):
    with (
        dask.config.set({"stratum.purity.batch": ["*.roll"]}),
        dask.annotate(stratum="pure"),
    ):
        rolls = [delayed(roll)() for _ in range(2)]
        assert not explain(*rolls).counts.refused
        assert len(set(compute(*rolls))) == 1


def test_impure_around_the_computation_wins(compute):
    with dask.annotate(stratum="pure"):
        rolls = [delayed(roll)() for _ in range(3)]
    with dask.annotate(stratum="impure"):
        assert len(set(compute(*rolls))) == 3


def test_what_is_below_an_impure_task_is_its_own(compute):
    with dask.annotate(stratum="impure"):
        rolls = [delayed(declared_pure)() for _ in range(2)]
    assert len(set(compute(*[delayed(square)(r) for r in rolls]))) == 2


def test_fused_tasks_of_a_bag(compute):
    def bags():
        return [
            db.from_delayed([delayed(list)([1, 2], dask_key_name=f"part-{n}")])
            .map_partitions(partition)
            .map(square)
            for n in range(2)
        ]

    first, second = compute(*bags())
    assert first != second
    with dask.annotate(stratum="pure"):
        annotated = bags()
    first, second = compute(*annotated)
    assert first == second


def test_only_one_part_of_a_fused_task_is_annotated(compute):
    """The annotation of one map must not be taken for that of the other one."""

    def bags(word):
        found = []
        for n in range(2):
            start = db.from_delayed([delayed(list)([1, 2], dask_key_name=f"x-{n}")])
            rolled = start.map_partitions(partition)
            with dask.annotate(stratum=word):
                found.append(rolled.map_partitions(list))
        return found

    first, second = compute(*bags("pure"))
    assert first != second


def test_fused_blocks_of_an_array(compute):
    def arrays(word):
        with dask.annotate(**({"stratum": word} if word else {})):
            return [
                (da.zeros(4, chunks=2) + 1)
                .map_blocks(noisy, dtype=float, name=f"noisy-{word}-{n}")
                .map_blocks(block, dtype=float, name=f"block-{word}-{n}")
                for n in range(2)
            ]

    first, second = compute(*arrays(None))
    assert not np.array_equal(first, second)
    first, second = compute(*arrays("pure"))
    assert np.array_equal(first, second)


def noisy(x):
    return x + random.random()


def test_an_annotation_around_the_computation_reaches_a_dataframe(compute):
    import pandas as pd

    def frames():
        df = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), npartitions=1)
        return [df.map_partitions(noisy, meta=df._meta) + n for n in range(2)]

    a, b = frames()
    with dask.annotate(stratum="impure"):
        first, second = compute(a, b)
    assert list(second.a - first.a) == pytest.approx([1.0, 1.0])


def test_a_live_generator_is_never_merged_whatever_is_said(compute):
    with dask.annotate(stratum="pure"):
        draws = [delayed(draw)(random.Random(1)) for _ in range(2)]
    assert compute(*draws) == (draw(random.Random(1)),) * 2
    assert {r.role for r in explain(*draws).counts.refused} == {"not merged"}


def draw(rng):
    return rng.random()


def test_an_iterator_is_read_once_whatever_is_said(compute):
    with dask.annotate(stratum="pure"):
        made = [delayed(list)(delayed(count)(3)) for _ in range(2)]
        also = delayed(count)(3)
        both = [delayed(list)(also), delayed(sum)(delayed(count)(3))]
    with dask.config.set(scheduler="sync"):
        assert dask.compute(*made, *both) == ([0, 1, 2], [0, 1, 2], [0, 1, 2], 3)
        with dask.config.set(ON):
            found = dask.compute(*made, *both)
    assert found == ([0, 1, 2], [0, 1, 2], [0, 1, 2], 3)


def count(n):
    return iter(range(n))


# -- values that mean nothing -----------------------------------------------

UNKNOWN = "'inpure'; did you mean 'impure'? Valid: 'impure', 'pure', 'batch'"


def misspelled():
    with dask.annotate(stratum="inpure"):
        return [delayed(square)(2), delayed(square)(2)]


def test_an_unknown_word_is_an_error(compute):
    with pytest.raises(AnnotationError) as caught:
        compute(*misspelled())
    assert UNKNOWN in str(caught.value)
    with pytest.raises(AnnotationError), dask.annotate(stratum=True):
        compute(delayed(square)(2))


def test_an_unknown_word_with_a_warning(compute):
    with (
        dask.config.set({"stratum.on-fail": "warn"}),
        pytest.warns(StratumWarning, match="did you mean 'impure'"),
    ):
        assert compute(*misspelled()) == (4, 4)


def test_an_unknown_word_in_explain():
    with pytest.raises(AnnotationError, match="Valid: 'impure', 'pure', 'batch'"):
        explain(*misspelled())


def test_an_unknown_word_means_nothing_while_switched_off():
    with dask.config.set({"stratum.enabled": False}):
        assert dask.compute(*misspelled(), scheduler="sync") == (4, 4)


# -- distributed ------------------------------------------------------------


def test_batch_is_not_reused_later(client):
    def run(word):
        with dask.annotate(stratum=word):
            return client.compute([delayed(roll)() for _ in range(2)])

    first, second = run("batch"), run("batch")
    assert len({f.result() for f in (*first, *second)}) == 2
    first = run("pure")
    found = {f.result() for f in first}  # a number: nobody can write into it
    assert found == {f.result() for f in run("pure")}
    assert len(found) == 1


def test_submit_and_map(client):
    with dask.annotate(stratum="impure"):
        a = [client.submit(declared_pure, key=f"a-{n}") for n in range(2)]
    assert len({f.result() for f in a}) == 2
    with dask.annotate(stratum="pure"):
        b = [client.submit(roll, key="b-0")]
        b[0].result()  # a number: until that is known it may be somebody's object
        b.append(client.submit(roll, key="b-1"))
        c = client.submit(roll, pure=False)
    assert len({f.result() for f in b}) == 1
    assert c.result() != b[0].result()


# -- strictness -------------------------------------------------------------

STRICTNESS = ("strict", "evidence", "trust")


def verdict(func, *args, strictness, **said):
    judge = Judge(Declared(strictness=strictness, **said))
    return judge.task(func, args)


def total(xs):
    return sum(xs)


def hashed(text):
    return xxhash.xxh3_64_hexdigest(text)


class Point:
    def __init__(self, x):
        self.x = x


def test_strict_merges_what_is_declared_or_known_only():
    assert verdict(square, 2, strictness="strict").role is Role.REFUSE
    assert "strictness is strict" in verdict(square, 2, strictness="strict").reason
    assert verdict(np.mean, [1], strictness="strict").role is Role.MERGE
    assert verdict(sum, [1], strictness="strict").role is Role.MERGE
    assert verdict(declared_pure, strictness="strict").role is Role.MERGE
    named = verdict(square, 2, strictness="strict", pure=["*.square"])
    assert named.role is Role.MERGE


def test_strict_looks_at_arguments_as_well():
    assert verdict(len, [Point(1)], strictness="strict").role is Role.REFUSE
    assert verdict(sorted, [1], square, strictness="strict").role is Role.REFUSE


def test_evidence_is_the_default():
    assert Declared.here().strictness == "evidence"
    assert verdict(total, [1], strictness="evidence").role is Role.MERGE
    assert verdict(hashed, "a", strictness="evidence").role is Role.REFUSE


def test_trust_merges_what_cannot_be_looked_into():
    assert verdict(hashed, "a", strictness="trust").role is Role.MERGE
    assert verdict(xxhash.xxh3_64_hexdigest, "a", strictness="trust").role is Role.MERGE
    ufunc = np.frompyfunc(len, 1, 1)
    assert verdict(ufunc, ["a"], strictness="evidence").role is Role.REFUSE
    assert verdict(ufunc, ["a"], strictness="trust").role is Role.MERGE


def clock():
    import time

    return time.time()


def prints(x):
    print(x)  # noqa: T201


def evaluates(text):
    return eval(text)


def mixes(text):
    return xxhash.xxh3_64_hexdigest(text), random.random()


@pytest.mark.parametrize("strictness", STRICTNESS)
@pytest.mark.parametrize(
    ("func", "args"),
    [
        (roll, ()),
        (random.random, ()),
        (clock, ()),
        (prints, (1,)),
        (evaluates, ("1",)),
        (mixes, ("a",)),
        (count, (3,)),
        (len, ([random.Random(1)],)),
        (declared_impure, ()),
        (total, (iter([1]),)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_known_to_be_impure_is_never_merged(func, args, strictness):
    assert verdict(func, *args, strictness=strictness).role is Role.REFUSE


@pytest.mark.parametrize("strictness", STRICTNESS)
def test_strictness_is_configuration(strictness):
    a, b = ([delayed(f)("a") for _ in range(2)] for f in (hashed, hashed))
    with dask.config.set({"stratum.purity.strictness": strictness}):
        assert explain(*a, *b).tasks_after == (1 if strictness == "trust" else 4)
        found = explain(delayed(square)(2), delayed(square)(2))
        assert found.tasks_after == (2 if strictness == "strict" else 1)


def test_the_annotation_outranks_strictness():
    with dask.annotate(stratum="pure"):
        tasks = [delayed(square)(2) for _ in range(2)]
    with dask.config.set({"stratum.purity.strictness": "strict"}):
        assert explain(*tasks).tasks_after == 1


def test_a_reader_that_is_declared_batch_is_batch(tmp_path):
    """By itself it would be merged, and reused as long as its file is the same."""
    pd = pytest.importorskip("pandas")
    file = settled(tmp_path / "a.csv", "a\n1\n")
    tasks = [delayed(pd.read_csv)(str(file)) for _ in range(2)]
    assert not explain(*tasks).counts.refused
    name = f"{pd.read_csv.__module__}.read_csv"
    with dask.config.set({"stratum.purity.batch": [name]}):
        (refusal,) = explain(*tasks).counts.refused
    assert (refusal.role, refusal.reason[-8:]) == ("not reused later", "ed batch")
