"""`TableVectorizer`: random by default, shared as soon as somebody has seeded it."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skrub")

from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from skrub import MinHashEncoder, StringEncoder, TableVectorizer

import stratum_dask.sklearn as ours
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.verdict import Role

N = 90
FRAME = pd.DataFrame(
    {"words": [f"w{i} x{7 * i % 13} y{i % 17}" for i in range(N)], "n": np.arange(N)}
)


def seeded():
    return TableVectorizer(high_cardinality=StringEncoder(3, random_state=0))


def test_by_default_it_gives_something_else_each_time():
    """The reason why it is not merged: words of many values draw random numbers."""
    one, other = (
        TableVectorizer(high_cardinality=StringEncoder(3)).fit_transform(FRAME)
        for _ in range(2)
    )
    assert not one.equals(other)
    one, other = (seeded().fit_transform(FRAME) for _ in range(2))
    assert one.equals(other)


def default(df):
    return TableVectorizer().fit_transform(df)


def unseeded(df):
    return TableVectorizer(high_cardinality=StringEncoder()).fit_transform(df)


def unseeded_elsewhere(df):
    few = StringEncoder()
    table = TableVectorizer(high_cardinality="drop", low_cardinality=few)
    return table.fit_transform(df)


def unseeded_later(df):
    table = TableVectorizer(high_cardinality="drop")
    table.set_params(high_cardinality=StringEncoder())
    return table.fit_transform(df)


def any_options(df, **options):
    return TableVectorizer(**options).fit_transform(df)


def given(df, encoder):
    return TableVectorizer(high_cardinality=encoder).fit_transform(df)


def with_seed(df):
    return TableVectorizer(high_cardinality=StringEncoder(random_state=0)).fit(df)


def hashed(df):
    return TableVectorizer(high_cardinality=MinHashEncoder()).fit_transform(df)


@pytest.mark.parametrize(
    ("func", "args", "role"),
    [
        (TableVectorizer, (), Role.REFUSE),
        (default, (FRAME,), Role.REFUSE),
        (unseeded, (FRAME,), Role.REFUSE),
        (unseeded_elsewhere, (FRAME,), Role.REFUSE),
        (unseeded_later, (FRAME,), Role.REFUSE),
        (any_options, (FRAME,), Role.REFUSE),
        (given, (FRAME, StringEncoder()), Role.REFUSE),
        (given, (FRAME, StringEncoder(random_state=0)), Role.MERGE),
        (with_seed, (FRAME,), Role.MERGE),
        (hashed, (FRAME,), Role.MERGE),
    ],
)
def test_what_it_is_given_decides(func, args, role):
    assert Judge().task(func, args).role is role


def test_the_reason_names_what_to_write():
    verdict = Judge().task(default, (FRAME,))
    assert verdict.reason == "TableVectorizer makes a StringEncoder that nobody seeds"
    assert verdict.remedy.startswith("give high_cardinality=, a StringEncoder with")


@pytest.mark.parametrize(
    ("table", "asked", "run", "left"),
    [(TableVectorizer(), 0, 0, 4), (seeded(), 4, 2, 0)],
)
def test_candidates_share_a_table_that_is_seeded(table, asked, run, left):
    search = ours.GridSearchCV(
        make_pipeline(table, Ridge()), {"ridge__alpha": [1, 2]}, cv=2, n_jobs=1
    )
    X, y = FRAME[["n"]], FRAME["n"]  # nothing to encode, which only the fit can tell
    with ours.count_tasks() as tasks:
        search.fit(X, y)
    fits = "fit_transform"
    assert (tasks.asked[fits], tasks.run[fits], tasks.left) == (asked, run, left)
