"""Functions are what they do; file, lines and names of variables are not."""

import functools
import operator
import os
import subprocess
import sys
import textwrap
import types

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import toolz

from stratum_dask.optimizations.fingerprint.functions import (
    encode_callee,
    encode_function,
    parameters,
)
from stratum_dask.optimizations.fingerprint.origin import installed_name, module_origin
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.verdict import Refused


def make(source, name="f", /, filename="<cell>", **namespace):
    """What a program of its own calls ``name``."""
    space = {"__name__": "__main__", **namespace}
    exec(compile(textwrap.dedent(source), filename, "exec"), space)  # noqa: S102
    return space[name]


def callee(func):
    return encode_callee(func, Encoder())


def whole(func):
    return encode_function(func, Encoder())


BASE = """
import numpy as np
LIMIT = 3
def clean(df):
    return df.dropna()
def f(df, n=2, *, k=1):
    out = clean(df)
    out["x"] = np.sqrt(out["a"]) * n + LIMIT
    return out
"""

SAME = {
    "other lines": "\n\n\n" + BASE,
    "comment": BASE.replace("    return out", "    # as it was\n    return out"),
    "docstring": BASE.replace("k=1):", 'k=1):\n    "Adds x."'),
    "helper's docstring": BASE.replace("clean(df):", 'clean(df):\n    "Drops."'),
    "pass": BASE.replace("    return out", "    pass\n    return out"),
    "formatting": BASE.replace("np.sqrt(out[", "np.sqrt(\n        out\n    [\n"),
    "hints": BASE.replace("n=2", "n: int = 2").replace("k=1)", "k=1) -> 'X'"),
    "local": BASE.replace("out", "result"),
    "alias of a module": BASE.replace("numpy as np", "numpy").replace("np.", "numpy."),
    "unused global": BASE + "OTHER = 5\n",
    "unused helper": BASE + "def g(x): return x\n",
}
PARAMETERS = {
    "own name": BASE.replace("def f(", "def f2(") + "f = f2\n",
    "parameter": BASE.replace("def f(df", "def f(data").replace(
        "ean(df)\n", "ean(data)\n"
    ),
    "keyword parameter": BASE.replace("k=1", "kk=1"),
}
OTHER = {
    "default": BASE.replace("n=2", "n=3"),
    "type of default": BASE.replace("n=2", "n=2.0"),
    "keyword default": BASE.replace("k=1", "k=True"),
    "no default": BASE.replace("n=2", "n"),
    "global": BASE.replace("LIMIT = 3", "LIMIT = 4"),
    "type of global": BASE.replace("LIMIT = 3", "LIMIT = 3.0"),
    "constant": BASE.replace('"x"', '"y"'),
    "operator": BASE.replace("* n", "/ n"),
    "attribute": BASE.replace("np.sqrt", "np.cbrt"),
    "helper": BASE.replace("dropna()", "fillna(0)"),
    "missing global": BASE.replace("LIMIT = 3", ""),
    "order": BASE.replace("* n + LIMIT", "* LIMIT + n"),
    "generator": BASE.replace("return out", "yield out"),
}


@pytest.mark.parametrize("change", SAME)
def test_how_it_is_written_does_not_matter(change):
    assert whole(make(SAME[change], filename="other.py")) == whole(make(BASE))
    assert callee(make(SAME[change], filename="other.py")) == callee(make(BASE))


@pytest.mark.parametrize("change", PARAMETERS)
def test_names_of_parameters_matter_to_receivers_only(change):
    assert callee(make(PARAMETERS[change])) == callee(make(BASE))
    assert whole(make(PARAMETERS[change])) != whole(make(BASE))


@pytest.mark.parametrize("change", OTHER)
def test_what_it_does_matters(change):
    assert callee(make(OTHER[change])) != callee(make(BASE))


def test_a_shadowed_builtin_is_another_function():
    source = "def f(x): return len(x)"
    assert callee(make(source)) != callee(make(source, len=max))
    assert callee(make(source, len=max)) != callee(make(source, len=min))


BODIES = {
    "typed constants": ("1", "True", "1.0"),
    "signed zero": ("0.0", "-0.0"),
    "nested constant": ("(1, (2,))", "(1, (2.0,))", "(1, 2)"),
    "builtin": ("len(x)", "sum(x)"),
    "closure by comprehension": ("[x + i for i in x]", "[x - i for i in x]"),
    "lambda": ("lambda y: y + x", "lambda y: y - x", "lambda z: z + x"),
    "condition": ("1 if x else 2", "2 if x else 1"),
    "comparison": ("x < 1", "x <= 1"),
    "membership": ("x in {1, 2}", "x in {1, 3}", "x in (1, 2)"),
    "builtin as a value": ("len", "open"),
    "bytes": ("'a'", "b'a'"),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies_that_differ(case):
    seen = [callee(make(f"def f(x):\n    return {body}")) for body in BODIES[case]]
    assert len(set(seen)) == len(seen)


TWINS = {
    "names of cells": (
        "def f(a):\n  p = a\n  z = 2\n  def g(): return p - z\n  return g()",
        "def f(a):\n  z = a\n  p = 2\n  def g(): return z - p\n  return g()",
    ),
    "frozenset in another order": (
        "def f(x): return x in {'a', 'b', 'c'}",
        "def f(x): return x in {'c', 'b', 'a'}",
    ),
    "recursion": (
        "def f(n): return 1 if n < 2 else n * f(n - 1)",
        "def g(n): return 1 if n < 2 else n * g(n - 1)\nf = g",
    ),
    "annotated local": (
        "def f(x):\n  y = x\n  return y",
        "def f(a):\n  b: int = a\n  return b",
    ),
    "try": (
        "def f(x):\n  try:\n    y = g(x)\n  except ValueError:\n    y = 0\n  return y",
        (
            "def f(x):\n  # maybe\n  try:\n\n    q = g(\n      x\n    )\n  except ValueError:\n"
            "    pass\n    q = 0\n  return q"
        ),
    ),
    "local class": (
        (
            "def f(x):\n  class A:\n    'one'\n    b = 2\n    def m(self): self.u = self.v = 1\n"
            "  return A().b"
        ),
        (
            "def f(x):\n\n\n  class A:\n    'two'\n    b = 2\n    def m(self): self.u = self.v = 1\n"
            "  return A().b"
        ),
    ),
}


@pytest.mark.parametrize("case", TWINS)
def test_twins(case):
    one, other = TWINS[case]
    assert callee(make(one)) == callee(make(other))


@pytest.mark.parametrize(
    "pair",
    [
        # The same shape, bound the other way round.
        (
            "def f(a):\n  p = a\n  z = 2\n  def g(): return p - z\n  return g()",
            "def f(a):\n  p = a\n  z = 2\n  def g(): return z - p\n  return g()",
        ),
        # A recursive call by keyword meets the parameters by name.
        (
            "def f(a, b=0): return b if a < 1 else f(a=a - 1, b=1)",
            "def f(b, a=0): return a if b < 1 else f(a=b - 1, b=1)",
        ),
        # A class body's own name hides the global of the same value.
        (
            "x = z = 1\ndef f():\n  class A:\n    x = 2\n    y = x\n  return A.y",
            "x = z = 1\ndef f():\n  class A:\n    x = 2\n    y = z\n  return A.y",
        ),
        # Names of variables that text refers to.
        (
            "def f(df):\n  a = 1\n  b = 2\n  return df.query('x > @a')",
            "def f(df):\n  b = 1\n  a = 2\n  return df.query('x > @a')",
        ),
        (
            "A = 1\ndef f(df): return df.query('x > @A')",
            "A = 2\ndef f(df): return df.query('x > @A')",
        ),
        (
            "A = 1\ndef f(df): return df.pipe(lambda d: d.query('x > @A'))",
            "A = 2\ndef f(df): return df.pipe(lambda d: d.query('x > @A'))",
        ),
        (
            "A = 1\ndef f(df): return df.eval('x + @A')",
            "A = 2\ndef f(df): return df.eval('x + @A')",
        ),
        (
            "import pandas as pd\nA = 1\ndef f(): return pd.eval('A + 1')",
            "import pandas as pd\nA = 2\ndef f(): return pd.eval('A + 1')",
        ),
        (
            "A = {'n': 1}\ndef g(): return A\ndef f(df): return df.eval('x + @g()')",
            "A = {'n': 2}\ndef g(): return A\ndef f(df): return df.eval('x + @g()')",
        ),
        (
            "def f():\n  a = 1\n  return locals()",
            "def f():\n  b = 1\n  return locals()",
        ),
        (
            "A = 1\ndef f(): return eval('A + 1')",
            "A = 2\ndef f(): return eval('A + 1')",
        ),
        (
            "import sys\ndef h(): return sys._getframe(1).f_locals\ndef f():\n  a = 1\n  return h()",
            "import sys\ndef h(): return sys._getframe(1).f_locals\ndef f():\n  b = 1\n  return h()",
        ),
        # A function handed on is seen with its name: agg() labels columns by it.
        (
            "def p(x): return x\ndef f(df): return df.agg([p])",
            "def q(x): return x\ndef f(df): return df.agg([q])",
        ),
        (
            "def f(df):\n  def p(x): return x\n  return df.agg([p])",
            "def f(df):\n  def q(x): return x\n  return df.agg([q])",
        ),
    ],
)
def test_near_twins_that_differ(pair):
    one, other = pair
    assert callee(make(one)) != callee(make(other))


def test_calls_and_tracing_leave_no_trace():
    def f(x):
        total = 0
        for i in range(x):
            total += len([i, x]) * 2
        return total

    before = callee(f)
    for _ in range(10_000):
        f(3)
    assert callee(f) == before
    old = sys.gettrace()
    lines = []
    sys.settrace(lambda *event: lines.append(event) or sys.gettrace())
    try:
        f(3)
        traced = callee(f)
    finally:
        sys.settrace(old)
    assert lines
    assert traced == before


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of 3.12")
def test_monitoring_leaves_no_trace():
    f = make("def f(x):\n  if x:\n    return len(x)\n  return [y for y in x]")
    before = callee(f)
    events, tool = [], 4
    sys.monitoring.use_tool_id(tool, "test")
    try:
        kind = sys.monitoring.events
        everything = kind.LINE | kind.PY_START | kind.CALL | kind.PY_RETURN | kind.JUMP
        sys.monitoring.register_callback(tool, kind.LINE, lambda *a: events.append(a))
        sys.monitoring.set_local_events(tool, f.__code__, everything)
        f([1])
        assert callee(f) == before
    finally:
        sys.monitoring.free_tool_id(tool)
    assert events


def test_closures_by_value_and_not_by_place():
    def adder(n):
        return lambda x: x + n

    assert callee(adder(1)) == callee(adder(1))
    assert callee(adder(1)) != callee(adder(2))
    assert callee(adder(1)) != callee(adder(True))


def test_what_is_not_there_yet():
    assert callee(make("def f(): return later()")) != callee(
        make("def later(): return 1\ndef f(): return later()")
    )


MUTUAL = """
def a(n): return n < 1 or b(n - 1)
def b(n): return n < 2 or a(n - 2)
def outer(n): return a(n) + b(n)
"""


def test_circles_are_stable_whatever_is_entered_first():
    a = make(MUTUAL, "a")
    space = a.__globals__
    fresh = {name: whole(space[name]) for name in ("a", "b", "outer")}
    assert len(set(fresh.values())) == 3
    for order in (("a", "b", "outer"), ("outer", "b", "a"), ("b", "outer", "a")):
        encoder = Encoder()
        for name in order:
            assert encode_function(space[name], encoder) == fresh[name]
    assert whole(make("\n" + MUTUAL, "a")) == fresh["a"]
    assert whole(make(MUTUAL.replace("< 2", "< 3"), "a")) != fresh["a"]


def test_a_circle_through_a_table_never_mixes_up_its_functions():
    source = """
    def g(n): return h(n)
    TABLE = {"g": g}
    def h(n): return TABLE["g"](n - 1) if n else {0}
    def f(n): return TABLE["g"](n) + h(n)
    """

    def outcome(n):
        try:
            return callee(make(textwrap.dedent(source).replace("{0}", n)))
        except Refused as refused:
            return refused.reason

    assert outcome("1") == outcome("1")
    one, two = outcome("1"), outcome("2")
    assert one != two or isinstance(one, str)


CLASSES = """
import abc, collections, enum, functools
from dataclasses import dataclass, field
from typing import NamedTuple
from sklearn.base import BaseEstimator, TransformerMixin
class Plain:
    'Plain.'
    limit = 3
    def __init__(self, n=1): super().__init__(); self.n = Plain.limit
    def method(self): return __class__.limit + self.n
    @property
    def half(self): return self.n / 2
    @staticmethod
    def static(): return 1
    @classmethod
    def made(cls): return cls(7)
class Lazy:
    @functools.cached_property
    def twice(self): return self.n * 2
class Slots:
    __slots__ = ("p", "q")
class Child(Plain):
    pass
@dataclass(order=True)
class Data:
    x: int = 1
    y: list = field(default_factory=list)
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    def label(self): return self.name
class Flags(enum.IntFlag):
    A = 1
    B = 2
class Pair(NamedTuple):
    left: int
    right: str = "r"
Old = collections.namedtuple("Old", "p q")
class Base(abc.ABC):
    @abc.abstractmethod
    def run(self, n): ...
class Estimator(TransformerMixin, BaseEstimator):
    def __init__(self, alpha=1): self.alpha = alpha
    def fit(self, X, y=None): return self
    def transform(self, X): return X + self.alpha
"""
CHANGES = {
    "Plain": [
        ("limit = 3", "limit = 4"),
        ("n=1", "n=2"),
        ("/ 2", "/ 3"),
        ("return 1", "return 2"),
        ("cls(7)", "cls(8)"),
        ("class Plain:", "class Plain(dict):"),
    ],
    "Lazy": [("* 2", "* 3")],
    "Slots": [('"q"', '"r"')],
    "Child": [("limit = 3", "limit = 4")],
    "Data": [
        ("x: int = 1", "x: int = 2"),
        ("order=True", "frozen=True"),
        ("=list)", "=dict)"),
        ("x: int = 1\n", "x: int = 1\n    z: int = 1\n"),
    ],
    "Colour": [
        ("BLUE = 2", "BLUE = 3"),
        ("BLUE", "GREEN"),
        ("self.name", "self.value"),
    ],
    "Flags": [("B = 2\nclass Pair", "B = 4\nclass Pair")],
    "Pair": [('"r"', '"s"'), ("left", "lift")],
    "Old": [('"p q"', '"q p"')],
    "Base": [("run(self, n)", "run(self, m)")],
    "Estimator": [("alpha=1", "alpha=2"), ("X + self", "X - self")],
}


@pytest.mark.parametrize("name", CHANGES)
def test_classes_of_the_users(name):
    cls = make(CLASSES, name)
    moved = "\n\n\n" + CLASSES.replace("'Plain.'", "'Another docstring.'")
    assert whole(make(moved, name, __name__="elsewhere")) == whole(cls)
    for old, new in CHANGES[name]:
        assert old in CLASSES
        assert whole(make(CLASSES.replace(old, new), name)) != whole(cls), old


def test_type_hints_of_fields_do_not_matter():
    hinted = CLASSES.replace("x: int = 1", "x: 'float' = 1")
    assert whole(make(hinted, "Data")) == whole(make(CLASSES, "Data"))


def test_bound_methods_carry_their_object():
    one, other = make(CLASSES, "Plain"), make("\n" + CLASSES, "Plain")
    assert callee(one().method) == callee(other().method)
    changed = other()
    changed.n = 9
    assert callee(one().method) != callee(changed.method)
    assert callee(one.made) == callee(other.made)
    assert callee(one.made) != callee(make(CLASSES, "Child").made)


def test_partials():
    f, g = make("def f(a, b, c=3): return a"), make("def f(*, a=0, **kw): return kw")
    partial = functools.partial
    assert callee(partial(f, 1)) == callee(partial(f, 1))
    assert callee(partial(f, 1)) != callee(partial(f, 2))
    assert callee(partial(f, 1)) != callee(f)
    assert callee(partial(f, b=1, c=2)) == callee(partial(f, c=2, b=1))
    assert callee(partial(g, b=1, c=2)) != callee(partial(g, c=2, b=1))
    assert callee(partial(partial(f, 1), 2)) == callee(partial(f, 1, 2))
    assert callee(partial(dict, a=1, b=2)) != callee(partial(dict, b=2, a=1))


@pytest.mark.parametrize(
    "build",
    [
        lambda n: operator.itemgetter(n),
        lambda n: operator.attrgetter(f"a{n}"),
        lambda n: operator.methodcaller("m", n),
        lambda n: operator.methodcaller("m", k=n),
        lambda n: toolz.curry(make("def f(a, b): return a + b"))(n),
        lambda n: toolz.compose(make(f"def f(a): return a + {n}"), len),
        lambda n: functools.lru_cache(make(f"def f(a): return a + {n}")),
        lambda n: functools.partialmethod(len, n),
        lambda n: np.vectorize(make(f"def f(a): return a + {n}")),
        lambda n: __import__("dask").utils.methodcaller(f"m{n}"),
        lambda n: ["a", "b", "c"][n].upper,
        lambda n: [len, sum, max][n],
        lambda n: [np.add, np.sqrt, np.exp][n],
        lambda n: [np.mean, np.sum, np.linalg.norm][n],
        lambda n: [str.upper, str.lower, list.append][n],
        lambda n: [dict.fromkeys, bytes.fromhex, float.fromhex][n],
        lambda n: [pd.read_csv, pd.concat, pd.DataFrame.sum][n],
        lambda n: [pd.DataFrame, pd.Series, dict][n],
    ],
)
def test_other_callables(build):
    seen = [callee(build(n)) for n in range(3)]
    assert len(set(seen)) == 3
    assert [callee(build(n)) for n in range(3)] == seen


def test_singledispatch_by_its_registry():
    source = """
    import functools
    @functools.singledispatch
    def f(x): return x
    @f.register
    def _(x: int): return x + {0}
    @f.register
    def _(x: str): return x
    """
    one, two = source.replace("{0}", "1"), source.replace("{0}", "2")
    used = make(one)
    used(1)  # fills its cache
    assert callee(used) == callee(make(one))
    assert callee(used) != callee(make(two))


def test_a_cached_function_is_not_the_bare_one():
    f = make("def f(x): return x")
    assert callee(functools.cache(f)) != callee(f)


def test_callable_objects_are_their_class_and_state():
    source = (
        "class C:\n  def __init__(self, n): self.n = n\n  def __call__(self): return 1"
    )
    one, other = make(source, "C"), make("\n" + source, "C")
    assert callee(one(1)) == callee(other(1))
    assert callee(one(1)) != callee(one(2))
    changed = make(source.replace("return 1", "return 2"), "C")
    assert callee(one(1)) != callee(changed(1))


def test_attributes_of_functions_enter():
    f, g = make(BASE), make(BASE)
    g.unit = "m"
    assert callee(f) != callee(g)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: np.frompyfunc(lambda a: a, 1, 1), "compiled"),
        (lambda: make("def f(t): return eval(t)"), "eval()"),
        (lambda: make("def f(): return globals()['x']"), "globals()"),
        (lambda: make("import m\ndef f(): return vars(m)", m=1), "as a whole"),
        (lambda: make("def f():\n  import stratum_no\n"), "stratum_no"),
        (lambda: 5, "no known kind"),
    ],
)
def test_refusals_say_why(build, reason, monkeypatch):
    monkeypatch.setitem(sys.modules, "m", types.ModuleType("m"))
    encoder = Encoder()
    func = build()
    for _ in range(2):  # the second time it is remembered
        with pytest.raises(Refused) as error:
            encode_callee(func, encoder)
        assert reason in error.value.reason
    assert not {id(func), ~id(func)}.isdisjoint(encoder.memo)


def test_a_refused_helper_refuses_its_caller_and_nobody_else():
    f = make(
        "import numpy as np\nu = np.frompyfunc(min, 2, 1)\ndef g(): u()\ndef f(): g()"
    )
    encoder = Encoder()
    with pytest.raises(Refused):
        encode_callee(f, encoder)
    assert encode_callee(make(BASE), encoder) == callee(make(BASE))


def test_functions_in_a_long_row():
    source = "def f0(): return 0\n"
    source += "".join(f"def f{i}(): return f{i - 1}()\n" for i in range(1, 2000))
    with pytest.raises(Refused, match="too many"):
        callee(make(source, "f1999"))
    assert callee(make(source, "f9")) == callee(make(source, "f9"))


def user_module(monkeypatch, source):
    module = types.ModuleType("my_helpers")
    exec(textwrap.dedent(source), vars(module))  # noqa: S102
    monkeypatch.setitem(sys.modules, "my_helpers", module)
    return module


@pytest.mark.parametrize(
    "use",
    [
        "import my_helpers\ndef f(x): return my_helpers.clean(x) + my_helpers.N",
        "from my_helpers import clean, N\ndef f(x): return clean(x) + N",
        "def f(x):\n  from my_helpers import clean, N\n  return clean(x) + N",
    ],
)
def test_users_modules_are_followed(monkeypatch, use):
    def seen(source):
        user_module(monkeypatch, source)
        return callee(make(use))

    base = "N = 1\nOTHER = 1\ndef clean(x): return x + 1\n"
    assert seen(base) == seen(base)
    assert seen(base) == seen("\n" + base.replace("OTHER = 1", "OTHER = 2"))
    assert seen(base) != seen(base.replace("N = 1\nO", "N = 2\nO"))
    assert seen(base) != seen(base.replace("x + 1", "x + 2"))


def test_installed_code_is_known_by_its_version(monkeypatch):
    origin, module, name = installed_name(pd.read_csv)
    assert origin == ("pandas", pd.__version__)
    assert name == "read_csv"
    assert module in ("pandas", "pandas.io.parsers.readers")
    assert module_origin("sklearn.linear_model").name == "scikit-learn"
    assert module_origin("json").version == sys.version.split()[0]
    assert module_origin("stratum_no_such_module") is None
    assert module_origin(__name__) is None
    assert installed_name(make(BASE)) is None


def test_patched_library_functions_are_not_taken_for_the_original(monkeypatch):
    original = pd.concat
    before = callee(original)

    @functools.wraps(original)
    def concat(objs):
        return objs[0]

    home = sys.modules[original.__module__]  # not pandas itself in older versions
    monkeypatch.setattr(home, "concat", concat)
    assert installed_name(original) is None
    assert installed_name(concat) is None
    assert before not in (callee(concat), callee(original))


def test_library_closures_are_told_apart():
    from dask.utils import partial_by_order  # an installed function of plain Python

    def made(n):
        return functools.wraps(partial_by_order)(lambda: n)

    assert callee(made(1)) != callee(made(2))


def test_parameters():
    def f(a, b, /, c=3, *more, d, e=5, **rest):
        """Takes all there is."""

    known = parameters(f)
    assert known == (("a", "b", "c"), 2, ("d", "e"), True, True, {"c": 3, "e": 5})
    assert parameters(functools.partial(f, 1)).positional == ("b", "c")
    assert parameters(functools.partial(f, 1, 2, 3)).defaults == {"e": 5}
    assert parameters(functools.partial(f, 1, 2, 3, 4)) is None
    assert parameters(functools.partial(f, c=1)) is None
    assert parameters(len) is None
    assert parameters(pd.DataFrame) is None
    method = make(CLASSES, "Plain")().method
    assert parameters(method).positional == ()


SHOW = """
from stratum_dask.optimizations.fingerprint.functions import *
from stratum_dask.optimizations.fingerprint.values import Encoder
def show(*functions):
    sys.stdout.write(" ".join(encode_function(x, Encoder()).hex() for x in functions))
"""
NAMES = ("f", "fact", "words", "Plain", "Data", "Colour", "Pair", "Estimator")
TEXT = (
    CLASSES
    + BASE
    + """
def fact(n): return 1 if n < 2 else n * fact(n - 1)
def words(x):
    class Local:
        "Doc."
        def m(self): self.b = self.a = self.zz = 1
    return x in {"one", "two", "three", "four"} or Local
"""
)


def test_the_same_in_every_process(tmp_path):
    show = "import sys\n" + SHOW
    call = f"show({', '.join(NAMES)})\n"
    (tmp_path / "script.py").write_text(TEXT + show + call)
    (tmp_path / "as_module.py").write_text("\n\n# moved\n" + TEXT)
    (tmp_path / "importing.py").write_text(
        show + f"from as_module import {', '.join(NAMES)}\n" + call
    )
    (tmp_path / "executing.py").write_text(
        show + f"exec(compile({TEXT!r}, 'cell 7', 'exec'))\n" + call
    )
    # By value, as Dask sends what a script defines.
    dumped = tmp_path / "functions.pickle"
    maker = f"""
import cloudpickle, types
{TEXT}
with open({str(dumped)!r}, "wb") as file:
    cloudpickle.dump([{", ".join(NAMES)}], file)
"""
    (tmp_path / "dumping.py").write_text(maker)
    (tmp_path / "loading.py").write_text(
        show + f"import pickle\nshow(*pickle.load(open({str(dumped)!r}, 'rb')))\n"
    )
    seen = {}
    scripts = ("script", "importing", "executing", "dumping", "loading")
    for seed, script in zip("12345", scripts, strict=True):
        done = subprocess.run(
            [sys.executable, f"{script}.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen[script] = dict(zip(NAMES, done.stdout.split(), strict=False))
    del seen["dumping"]
    assert len(seen["script"]) == len(NAMES)
    for script, found in seen.items():
        assert found == seen["script"], script


def test_a_pickled_copy_in_this_process_is_the_same():
    f = make(BASE)
    copy = cloudpickle.loads(cloudpickle.dumps(f))
    assert copy is not f
    assert whole(copy) == whole(f)


def test_a_known_function_is_looked_up():
    encoder, f = Encoder(), make(BASE)
    first = encode_callee(f, encoder)
    f.__code__ = make("def f(df, n=2, *, k=1): return 0").__code__
    assert encode_callee(f, encoder) is first
