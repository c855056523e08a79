"""What a scheduler remembers of functions goes when they go."""

import gc

import numpy as np

from stratum_dask.graph import as_graph
from stratum_dask.optimizations.private import Isolated
from stratum_dask.scheduler_plugins.functions import Functions, innermost


def task(func, *args):
    return as_graph({"k": (func, *args)})["k"]


def test_each_function_has_its_own_facts():
    functions = Functions()
    look, write, other = (lambda x: len(x)), (lambda x: x.append(1)), (lambda x: x)
    functions.learn(look, looks=True, quiet=False)
    functions.learn(write, looks=False, quiet=False)
    functions.learn(other, looks=False, quiet=True)
    found = [
        (functions.looks(t), functions.quiet(t))
        for t in map(task, [look, write, other, abs])
    ]
    assert found == [(True, False), (False, False), (False, True), (False, False)]


def test_what_is_learnt_last_holds():
    functions = Functions()
    look = lambda x: len(x)
    functions.learn(look, looks=False, quiet=True)
    functions.learn(look, looks=True, quiet=False)
    assert functions.looks(task(look))
    assert not functions.quiet(task(look))
    del look
    gc.collect()
    assert not len(functions)


def test_one_that_is_gone_takes_nothing_of_who_came_to_its_place():
    functions = Functions()

    def one():
        func = eval("lambda x: x")
        functions.learn(func, looks=True, quiet=False)
        return functions.looks(task(func)), len(functions) <= 2

    # some of these lie where one before has lain
    assert all(one() == (True, True) for _ in range(1000))
    gc.collect()
    assert not len(functions)


def test_wrappers_are_looked_through():
    functions = Functions()
    look = lambda x: len(x)
    functions.learn(look, looks=True, quiet=True)
    isolated = Isolated(look, (0,))
    assert innermost(Isolated(isolated, (0,))) is look
    assert functions.quiet(task(isolated))
    assert not functions.looks(task(isolated))  # it has been told itself
    assert functions.looks(task(Isolated(look, (0,), looks=True)))


def test_what_has_no_weak_references_is_not_remembered():
    functions = Functions()
    functions.learn(np.add, looks=True, quiet=True)
    assert not len(functions)
    assert not functions.looks(task(np.add))
    assert not functions.looks(None)
