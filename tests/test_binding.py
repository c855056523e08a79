"""Arguments bound to parameters: one call has one spelling."""

from __future__ import annotations

import pytest

from stratum_dask.optimizations.fingerprint.binding import binder
from stratum_dask.optimizations.fingerprint.values import Encoder


def spelled(func, *args, **kwargs):
    encoder = Encoder()
    return binder(func, encoder).bind(args, kwargs, lambda a: b"V" + encoder.value(a))


def f(a, b=2, *, k=3):
    return a, b, k


def only(a, b=2, /, **rest):
    return a, b, rest


def many(a, *more, k=None):
    return a, more, k


def test_names_order_and_defaults_do_not_matter():
    calls = [((1,), {}), ((1, 2), {}), ((), {"a": 1}), ((), {"k": 3, "b": 2, "a": 1})]
    assert len({tuple(spelled(f, *a, **k)) for a, k in calls}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (((1,), {"b": 3}), ((1,), {"k": 3})),
        (((1, 2), {}), ((2, 1), {})),
        (((1,), {"z": 2}), ((1, 2), {})),
        (((1,), {"z": 2, "y": 1}), ((1,), {"y": 1, "z": 2})),
    ],
)
def test_other_calls_are_spelled_otherwise(one, other):
    func = only if "z" in one[1] else f
    assert spelled(func, *one[0], **one[1]) != spelled(func, *other[0], **other[1])


def test_positional_only_names_are_keywords_of_the_rest():
    assert spelled(only, 1, b=5) != spelled(only, 1, 5)


def test_more_positional_arguments_count_and_keep_their_order():
    found = [spelled(many, *args) for args in ((1,), (1, 2), (1, 2, 3), (1, 3, 2))]
    assert len(set(map(tuple, found))) == 4
    assert spelled(many, 1, 2, k=None) == spelled(many, 1, 2)


@pytest.mark.parametrize("default", [[], {}, set(), object()])
def test_a_writable_default_is_not_an_argument(default):
    def g(a, b=default):
        return a, b

    assert spelled(g, 1) != spelled(g, 1, b=[])


def test_unknown_parameters_have_no_binder():
    assert binder(dict.fromkeys, Encoder()) is None or callable(binder)
