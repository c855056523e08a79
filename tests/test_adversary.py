"""Programs whose result, or number of side effects, the plugin once changed."""

import abc
import codecs
import collections
import copy
import functools
import gzip
import inspect
import io
import math
import operator
import pathlib
import statistics
import textwrap
import types
import warnings

import dask
import pytest
from dask import delayed

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def same_as_plain(program):
    """Run a program plain and with the plugin on, and compare what it returns."""

    @pytest.mark.parametrize("scheduler", ["sync", "threads"])
    def test(scheduler, tmp_path):
        found = []
        for on in (False, True):
            folder = tmp_path / str(len(found))
            folder.mkdir()
            settings = {"stratum.enabled": on, "scheduler": scheduler}
            with dask.config.set(settings), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(program(folder))
        assert found[1] == found[0]

    test.__name__ = test.__qualname__ = program.__name__
    test.__doc__ = program.__doc__
    return test


def twice(func, *args):
    """Compute two equal tasks."""
    return dask.compute(delayed(func)(*args), delayed(func)(*args))


def one():
    return [1]


def frame():
    return pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0]})


# -- copies of frames ---------------------------------------------------------------


@same_as_plain
def test_frame_and_its_column_in_one_result_stay_copy_on_write(folder):
    """Writing into the frame leaves the column alone: pandas copies on write."""

    def split(df):
        return df, df["a"]

    def write(pair):
        pair[0].iloc[0, 0] = 99
        return pair[1].tolist()

    def look(pair):
        return pair[1].tolist()

    a, b = (delayed(split)(delayed(frame)()) for _ in "ab")
    return dask.compute(delayed(write)(a), delayed(look)(b))


@same_as_plain
def test_frame_and_shallow_copy_in_one_output_stay_copy_on_write(folder):
    """The user writes into one frame of an output; the renamed one is unchanged."""

    def split(df):
        return df, df.rename(columns={"a": "z"})

    _, second = dask.compute(*(delayed(split)(delayed(frame)()) for _ in "ab"))
    second[0].iloc[0, 0] = 99
    return second[1]["z"].tolist()


@same_as_plain
def test_frame_and_its_column_as_two_outputs_stay_copy_on_write(folder):
    """The user writes into the frame he got; the column he got is unchanged."""
    a, b = delayed(frame)(), delayed(frame)()
    _, _, df, column = dask.compute(a, a["a"], b, b["a"])
    df.iloc[0, 0] = 99
    return column.tolist()


@same_as_plain
def test_frame_and_column_held_by_one_object_stay_copy_on_write(folder):
    """Attributes of one object: the column does not follow the frame."""

    class Holder:
        def __init__(self):
            self.df = pd.DataFrame({"a": [1, 2]})
            self.column = self.df["a"]

    def write(h):
        h.df.iloc[0, 0] = 99
        return h.column.tolist()

    def look(h):
        return h.column.tolist()

    return dask.compute(
        delayed(write)(delayed(Holder)()), delayed(look)(delayed(Holder)())
    )


# -- a write through a view, read later in the same program ----------------------------


def fill(x):
    x.append(3)
    return 0


def after(x, *first):
    return copy.deepcopy(x)


@same_as_plain
def test_write_through_a_slice_is_seen_by_an_ordered_reader(folder):
    """``v = a[1:]; v += 1``, then ``a`` is read: it shows the write."""

    def add(v):
        v += 1
        return 0

    def look(x, *first):
        return x.tolist()

    a, b = (delayed(np.zeros)(4) for _ in "ab")
    return dask.compute(delayed(look)(a, delayed(add)(a[1:])), delayed(look)(b))


@same_as_plain
def test_write_through_an_item_is_seen_by_an_ordered_reader(folder):
    """``d["x"].append(3)``, then ``d`` is read: it shows the write."""

    def make():
        return {"x": [1], "y": [2]}

    a, b = delayed(make)(), delayed(make)()
    return dask.compute(delayed(after)(a, delayed(fill)(a["x"])), b)


@same_as_plain
def test_write_through_an_attribute_is_seen_by_an_ordered_reader(folder):
    """``o.items.append(3)``, then ``o`` is read: it shows the write."""

    class Box:
        def __init__(self):
            self.items = [1]

    def look(o, *first):
        return list(o.items)

    a, b = delayed(Box)(), delayed(Box)()
    return dask.compute(delayed(look)(a, delayed(fill)(a.items)), delayed(look)(b))


@same_as_plain
def test_write_through_what_a_function_handed_on_is_seen(folder):
    """``fill(first(x))``, then ``x`` is read: it shows the write."""

    def make():
        return [[1], [2]]

    def first(x):
        return x[0]

    a, b = delayed(make)(), delayed(make)()
    return dask.compute(
        delayed(after)(a, delayed(fill)(delayed(first)(a))), delayed(after)(b)
    )


# -- the second run after InputWritten -------------------------------------------------


def _watched(log):
    def write(x, first):
        x.append(2)
        return len(x)

    def look(x, first):
        return list(x)

    outputs = []
    for i in range(2):
        x = delayed(one)()
        done = delayed(write)(x, log)
        outputs += [done, delayed(look)(x, (done, i))]
    return dask.compute(*outputs)


@same_as_plain
def test_side_effects_happen_once_where_a_task_writes_into_a_read_input(folder):
    """The log gets one line, whatever other tasks write into."""
    lines = []

    def log(x):
        lines.append(x)
        return x

    return _watched(delayed(log)(7)), lines


@same_as_plain
def test_users_array_is_written_once_where_a_task_writes_into_a_read_input(folder):
    """The user's array is incremented once."""
    mine = np.zeros(2)

    def bump(x):
        x += 1
        return 0

    return _watched(delayed(bump)(mine)), mine.tolist()


# -- side effects on files --------------------------------------------------------------


def _path_open(p):
    with p.open("a") as f:
        f.write("x")


def _gzip_open(p):
    with gzip.open(p, "ab") as f:
        f.write(b"x")


def _codecs_open(p):
    with codecs.open(p, "a") as f:
        f.write("x")


def _file_io(p):
    with io.FileIO(p, "a") as f:
        f.write(b"x")


def _hardlink(p):
    p.with_name(str(len(list(p.parent.iterdir())))).hardlink_to(__file__)


def _symlink(p):
    p.with_name(str(len(list(p.parent.iterdir())))).symlink_to(__file__)


def _new_memmap(p):
    at = p.with_name(str(len(list(p.parent.iterdir()))))
    np.lib.format.open_memmap(at, mode="w+", shape=(3,), dtype=float)[:] = 1


def _svmlight(p):
    from sklearn import datasets

    at = p.with_name(str(len(list(p.parent.iterdir()))))
    datasets.dump_svmlight_file(np.ones((2, 2)), [0, 1], str(at))


def _arrow_file(p):
    import pyarrow

    at = p.with_name(str(len(list(p.parent.iterdir()))))
    with pyarrow.OSFile(str(at), "wb") as f:
        f.write(b"x")


@pytest.mark.parametrize(
    "func",
    [
        *(_path_open, _gzip_open, _codecs_open, _file_io, _hardlink, _symlink),
        *(_new_memmap, _svmlight, _arrow_file),
    ],
)
def test_files_are_written_as_often_as_without_the_plugin(func, tmp_path):
    """Two tasks that write to a file write twice."""

    def program(folder):
        twice(func, folder / "file")
        return sorted((p.name, p.stat().st_size) for p in folder.iterdir())

    same_as_plain(program)("sync", tmp_path)


@same_as_plain
def test_mapped_file_that_was_made_twice_is_written_twice(folder):
    """Two maps of one file, two increments in the file."""
    at = str(folder / "map")
    np.zeros(3).tofile(at)

    def open_it(at):
        return np.memmap(at, mode="r+", dtype=float)

    def bump(m):
        m[0] += 1
        m.flush()

    dask.compute(*(delayed(bump)(delayed(open_it)(at)) for _ in "ab"))
    return np.fromfile(at).tolist()


# -- writes into what lives outside the function, on a detour ----------------------------


def _detours():
    def branch(out, flag):
        x = []
        if flag:
            x = out
        x.append(1)

    def ternary(out, flag):
        x = out if flag else []
        x.append(1)

    def fallback(out, flag):
        x = out or []
        x.append(1)

    def loop(out, flag):
        x = []
        for _ in range(2):
            x.append(1)
            x = out

    def in_tuple(out, flag):
        pair = (out, flag)
        pair[0].append(1)

    def in_dict(out, flag):
        held = {"k": out}
        held["k"].append(1)

    def in_attribute(out, flag):
        held = types.SimpleNamespace(x=out)
        held.x.append(1)

    def through_a_helper(out, flag):
        def same(x):
            return x

        same(out).append(1)

    def unpacked(out, flag):
        first, *_ = [out]
        first.append(1)

    def zipped(out, flag):
        for x, _ in zip([out], [1], strict=True):
            x.append(1)

    def enumerated(out, flag):
        for _, x in enumerate([out]):
            x.append(1)

    def matched(out, flag):
        match [out]:
            case [x]:
                x.append(1)

    def starred(out, flag):
        list.append(*(out, 1))

    def unbound(out, flag):
        list.append(out, 1)

    def by_operator(out, flag):
        operator.iadd(out, [1])

    def by_methodcaller(out, flag):
        operator.methodcaller("append", 1)(out)

    return {f.__name__: f for f in locals().copy().values()}


@pytest.mark.parametrize("name", _detours())
def test_write_into_a_list_of_the_closure_happens_twice(name, tmp_path):
    """Two tasks append to a list that lives outside them: two items."""

    def program(folder):
        out = [0]
        func = _outside(_detours()[name], out)
        twice(func, True)
        return out

    same_as_plain(program)("sync", tmp_path)


def _outside(func, out):
    """The function with its first parameter made a global."""
    text = textwrap.dedent(inspect.getsource(func)).replace("(out, flag)", "(flag)", 1)
    scope = {"out": out, "types": types, "operator": operator, "__name__": "user_code"}
    exec(text, scope)  # noqa: S102
    return scope[func.__name__]


@same_as_plain
def test_write_into_an_outer_array_through_a_view_happens_twice(folder):
    """``np.asarray(a)``, ``a.reshape``, ``ravel``, positional ``out``: two writes."""
    arrays = [np.zeros((2, 2)) for _ in range(4)]
    first, second, third, fourth = arrays

    def asarray():
        v = np.asarray(first)
        v[0] += 1

    def reshape():
        v = second.reshape(4, 1)
        v += 1

    def ravel():
        v = np.ravel(third)
        v[0] += 1

    def out():
        np.add(fourth, 1, fourth)

    for func in (asarray, reshape, ravel, out):
        twice(func)
    return [a.tolist() for a in arrays]


@same_as_plain
def test_write_through_a_memoryview_happens_twice(folder):
    """Two increments of a byte of the user's buffer."""
    buffer = bytearray(2)

    def bump():
        view = memoryview(buffer)
        view[0] += 1

    twice(bump)
    return bytes(buffer)


@same_as_plain
def test_setitem_of_operator_on_an_outer_list_happens_twice(folder):
    """Two increments of an item of the user's list."""
    items = [0]

    def bump():
        operator.setitem(items, 0, items[0] + 1)

    twice(bump)
    return items


@same_as_plain
def test_vars_of_an_outer_object_is_written_twice(folder):
    """Two increments through ``vars(o)``."""
    outer = types.SimpleNamespace(n=0)

    def bump():
        space = vars(outer)
        space["n"] += 1

    twice(bump)
    return outer.n


@same_as_plain
def test_method_that_counts_in_another_method_counts_twice(folder):
    """``bar.tick()`` calls ``self._tick()``, which counts: two."""

    class Bar:
        def __init__(self):
            self.n = 0

        def tick(self):
            self._tick()

        def _tick(self):
            self.n += 1

    bar = Bar()

    def work():
        bar.tick()

    twice(work)
    return bar.n


@same_as_plain
def test_constructor_that_counts_instances_in_its_class_counts_twice(folder):
    """``type(self).n += 1`` in ``__init__``: two instances, two counts."""

    class Counted:
        n = 0

        def __init__(self):
            type(self).n += 1

    twice(Counted)
    return Counted.n


@same_as_plain
def test_method_that_counts_in_the_class_counts_twice(folder):
    """``self.__class__.n += 1``: two calls, two counts."""

    class Counted:
        n = 0

        def tick(self):
            self.__class__.n += 1

    dask.compute(delayed(Counted)().tick(), delayed(Counted)().tick())
    return Counted.n


@same_as_plain
def test_write_into_the_class_of_an_input_happens_twice(folder):
    """``type(x).items.append(...)``: two items."""

    class Registry:
        items = []  # noqa: RUF012

    def register(x):
        type(x).items.append(1)

    dask.compute(*(delayed(register)(delayed(Registry)()) for _ in "ab"))
    return Registry.items


@same_as_plain
def test_descriptor_with_a_side_effect_is_read_twice(folder):
    """``__get__`` appends to a list: two items."""
    log = []

    class Logged:
        def __get__(self, owner, kind):
            log.append(1)
            return 3

    class Owner:
        value = Logged()

    def work():
        return Owner().value

    twice(work)
    return log


@same_as_plain
def test_property_setter_with_a_side_effect_runs_twice(folder):
    """``@p.setter`` appends to a list: two items."""
    log = []

    class Owner:
        @property
        def p(self):
            return 1

        @p.setter
        def p(self, value):
            log.append(value)

    def work():
        Owner().p = 3

    twice(work)
    return log


@same_as_plain
def test_metaclass_with_a_side_effect_runs_twice(folder):
    """The metaclass's ``__call__`` and ``__getitem__`` append to a list: four items."""
    log = []

    class Meta(type):
        def __call__(cls):
            log.append(1)
            return type.__call__(cls)

        def __getitem__(cls, item):
            log.append(item)

    class Owner(metaclass=Meta):
        pass

    def call():
        Owner()

    def look_up():
        return Owner[2]

    twice(call)
    twice(look_up)
    return log


def test_warnings_of_tasks_are_given_as_often_as_without_the_plugin():
    """Two tasks warn, through ``warnings`` and through numpy: four warnings.

    By default Python shows a warning once for each place it comes from, and then there
    is no difference; with ``simplefilter("always")`` there is. Almost every function
    of a library may warn, so tasks can't be told apart by that, and nothing that
    records warnings while a task runs is safe with threads (before Python 3.14).
    """

    def warn():
        warnings.warn("look here", stacklevel=1)

    def divide():
        return np.ones(1) / 0

    counts = []
    for on in (False, True):
        with (
            dask.config.set({"stratum.enabled": on, "scheduler": "sync"}),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            twice(warn)
            twice(divide)
        counts.append(len(caught))
    assert counts[1] == counts[0]


# -- randomness and the clock -------------------------------------------------------------


def _normal():
    return tuple(statistics.NormalDist().samples(3))


def _sobol():
    from scipy import stats

    return stats.qmc.Sobol(2).random(2).tolist()


def _kde():
    from scipy import stats

    return stats.gaussian_kde([1, 2, 3.0]).resample(3).tolist()


def _check_random_state():
    from sklearn.utils import check_random_state

    return check_random_state(None).rand()


def _index_now():
    return pd.DatetimeIndex(["now"])[0]


def _series_now():
    return pd.Series(["now"]).astype("datetime64[ns]")[0]


@pytest.mark.parametrize(
    "draw", [_normal, _sobol, _kde, _check_random_state, _index_now, _series_now]
)
def test_unseeded_draws_and_the_clock_differ_from_task_to_task(draw):
    """Two calls give two values."""
    with dask.config.set({"stratum.enabled": True, "scheduler": "sync"}):
        first, second = twice(draw)
    assert first != second


# -- the user's own objects as arguments ---------------------------------------------------


def bump(x):
    x += 1
    return 0


@same_as_plain
def test_users_array_is_written_by_every_task_that_takes_it(folder):
    """Two tasks increment one array: it shows two."""
    mine = np.zeros(2)
    twice(bump, mine)
    return mine.tolist()


@same_as_plain
def test_two_equal_arrays_of_the_user_are_both_written(folder):
    """Each of two arrays is incremented by its own task."""
    first, second = np.zeros(2), np.zeros(2)
    dask.compute(delayed(bump)(first), delayed(bump)(second))
    return first.tolist(), second.tolist()


@same_as_plain
def test_two_equal_arrays_wrapped_by_delayed_are_both_written(folder):
    """The same with ``delayed(array)``."""
    first, second = np.zeros(2), np.zeros(2)
    dask.compute(delayed(bump)(delayed(first)), delayed(bump)(delayed(second)))
    return first.tolist(), second.tolist()


@same_as_plain
def test_users_frame_gets_the_column_from_every_task(folder):
    """Each of two equal frames gets the new column."""
    first, second = frame(), frame()

    def add(df):
        df["new"] = 1
        return 0

    dask.compute(delayed(add)(first), delayed(add)(second))
    return list(first), list(second)


@same_as_plain
def test_users_deque_collects_what_every_task_puts_into_it(folder):
    """Two tasks append to one deque: two items."""
    mine = collections.deque()

    def put(x, value):
        x.append(value)
        return value

    twice(put, mine, 1)
    return list(mine)


class Total:
    def __init__(self):
        self.n = 0

    def add(self, k):
        self.n += k
        return k


@same_as_plain
def test_users_object_counts_the_calls_of_its_method_in_tasks(folder):
    """``total.add(1)`` inside two tasks: two."""
    mine = Total()

    def work(total, k):
        return total.add(k)

    twice(work, mine, 1)
    return mine.n


@same_as_plain
def test_users_object_counts_delayed_calls_of_its_method(folder):
    """``delayed(total).add(1)`` twice: two."""
    mine = Total()
    total = delayed(mine)
    dask.compute(total.add(1), total.add(1))
    return mine.n


# -- objects that live longer than a task ----------------------------------------------------


SENTINEL = type("Sentinel", (), {})()


def append(x):
    x.append(3)
    return 0


@same_as_plain
def test_list_of_the_closure_that_a_task_returns_is_written_twice(folder):
    """Tasks write into what ``get()`` returns, the user's own list: two items."""
    items = []

    def get():
        return items

    dask.compute(*(delayed(append)(delayed(get)()) for _ in "ab"))
    return items


@same_as_plain
def test_cached_list_that_a_task_returns_is_written_twice(folder):
    """``functools.cache`` returns one object: two items."""

    @functools.cache
    def get():
        return []

    dask.compute(*(delayed(append)(delayed(get)()) for _ in "ab"))
    return get()


@same_as_plain
def test_default_that_a_task_returns_is_written_twice(folder):
    """A mutable default is one object: two items."""

    def get(items=[]):  # noqa: B006 that is the point
        return items

    dask.compute(*(delayed(append)(delayed(get)()) for _ in "ab"))
    return get()


@same_as_plain
def test_global_object_that_two_tasks_return_is_that_object(folder):
    """Both outputs are the sentinel itself."""

    def get():
        return SENTINEL

    return [x is SENTINEL for x in twice(get)]


@same_as_plain
def test_global_object_inside_a_shared_result_is_that_object(folder):
    """Consumers of a shared list find the sentinel itself in it."""

    def make():
        return [SENTINEL]

    def write(x):
        x.append(1)
        return x[0] is SENTINEL

    def look(x):
        return x[0] is SENTINEL

    return dask.compute(delayed(write)(delayed(make)()), delayed(look)(delayed(make)()))


@same_as_plain
def test_users_array_that_tasks_hand_back_is_that_array(folder):
    """``f(x)`` returns ``x``: both outputs are the user's arrays themselves."""
    first, second = np.zeros(2), np.zeros(2)

    def same(x):
        return x

    a, b = dask.compute(delayed(same)(first), delayed(same)(second))
    return a is first, b is second


# -- operators and builtins on classes of the user --------------------------------------------


class Noisy:
    def __init__(self):
        self.seen = []

    def __len__(self):
        self.seen.append("len")
        return 1

    def __sub__(self, other):
        self.seen.append("sub")
        return 0

    def __eq__(self, other):
        self.seen.append("eq")
        return True

    def __contains__(self, item):
        self.seen.append("in")
        return True

    def __getitem__(self, item):
        self.seen.append("item")
        return item

    def __str__(self):
        self.seen.append("str")
        return ""

    def __pos__(self):
        return self

    __hash__ = None


@pytest.mark.parametrize(
    "use",
    [
        lambda x: delayed(len)(x),
        lambda x: x - 1,
        lambda x: x == 1,
        lambda x: delayed(operator.contains)(x, 1),
        lambda x: x[7],
        lambda x: delayed(str)(x),
    ],
    ids=["len", "sub", "eq", "contains", "getitem", "str"],
)
def test_operator_that_writes_into_its_object_writes_into_its_own(use, tmp_path):
    """``len(x)`` and the like leave a trace in the program's own object only."""

    def look(x, first):
        return list(x.seen)

    def program(folder):
        a, b = delayed(Noisy)(), delayed(Noisy)()
        used = delayed(operator.not_)(use(a))
        return dask.compute(delayed(look)(b, used))

    same_as_plain(program)("sync", tmp_path)


@same_as_plain
def test_operator_that_returns_its_object_hands_on_the_programs_own(folder):
    """``+x`` returns ``x``: a write into it reaches no other program."""

    def write(x):
        x.seen.append("written")
        return 0

    def look(x, *first):
        return list(x.seen)

    a, b = delayed(Noisy)(), delayed(Noisy)()
    return dask.compute(delayed(look)(b, delayed(write)(+a)))


# -- what cannot be copied, or not truly -------------------------------------------------------


@same_as_plain
def test_generator_beside_other_items_reaches_two_programs(folder):
    """``make()[0]`` is a generator; each program reads its own."""

    def make():
        return (i for i in range(4)), 4

    return dask.compute(
        delayed(list)(delayed(make)()[0]), delayed(sum)(delayed(make)()[0])
    )


@same_as_plain
def test_result_nested_beyond_the_stack_is_an_output_of_two_programs(folder):
    """A list nested 100,000 deep is returned twice."""

    def make():
        x = []
        for _ in range(100_000):
            x = [x]
        return x

    return [len(x) for x in twice(make)]


def _append_v(x):
    x.v.append(1)
    return len(x.v)


def _len_v(x, *first):
    return len(x.v)


def _make_uncopied():
    class Own:
        def __init__(self):
            self.v = []

        def __deepcopy__(self, memo):
            return self

    return Own()


class Lossy:
    def __init__(self, v=None):
        self.v = [] if v is None else v

    def __reduce__(self):
        return Lossy, ()


def _make_lossy():
    return Lossy([1, 2])


class Forgetful:
    def __init__(self):
        self.v = [1]

    def __getstate__(self):
        return {}

    def __setstate__(self, state):
        self.v = []


def _make_local_class():
    class Local:
        v = []  # noqa: RUF012

    return Local


def _make_instance_of_local_class():
    class Local:
        v = []  # noqa: RUF012

    return Local()


@pytest.mark.parametrize("make", [_make_lossy, Forgetful])
def test_object_that_loses_state_when_copied_reaches_consumers_whole(make, tmp_path):
    """Each consumer gets the object as it was made."""

    def program(folder):
        return dask.compute(
            delayed(_append_v)(delayed(make)()), delayed(_len_v)(delayed(make)())
        )

    same_as_plain(program)("sync", tmp_path)


@pytest.mark.parametrize(
    "make", [_make_uncopied, _make_local_class, _make_instance_of_local_class]
)
def test_object_that_copying_shares_stays_each_programs_own(make, tmp_path):
    """Each program sees its own writes only."""

    def program(folder):
        done = delayed(_append_v)(delayed(make)())
        return dask.compute(done, delayed(_len_v)(delayed(make)(), done))

    same_as_plain(program)("sync", tmp_path)


@same_as_plain
def test_function_made_by_a_task_keeps_its_attributes_to_its_program(folder):
    """``f.n = 1`` in one program; the other program's ``f`` has no ``n``."""

    def make():
        def f():
            pass

        return f

    def write(f):
        f.n = 1

    def look(f, *first):
        return hasattr(f, "n")

    done = delayed(write)(delayed(make)())
    return dask.compute(done, delayed(look)(delayed(make)(), done))


@same_as_plain
def test_module_made_by_a_task_keeps_its_attributes_to_its_program(folder):
    """``m.n = 1`` in one program; the other program's ``m`` has no ``n``."""

    def make():
        return types.ModuleType("made")

    def write(m):
        m.n = 1

    def look(m, *first):
        return hasattr(m, "n")

    done = delayed(write)(delayed(make)())
    return dask.compute(done, delayed(look)(delayed(make)(), done))


@same_as_plain
def test_built_in_class_without_annotations_of_its_own_can_be_a_task(folder):
    """``types.ModuleType("made")`` as a task, with ``on-fail: raise``."""
    return [m.__name__ for m in twice(types.ModuleType, "made")]


# -- identity -------------------------------------------------------------------------------


@same_as_plain
def test_equal_results_that_reach_one_task_on_two_ways_are_two_objects(folder):
    """``{a: 1}.get(b)`` finds nothing where ``a`` and ``b`` are two objects."""

    class Thing:
        pass

    def index(x):
        return {x: 1}

    def look_up(table, x):
        return table.get(x)

    a, b = delayed(Thing)(), delayed(Thing)()
    tables = delayed(index)(a), delayed(index)(b)
    return dask.compute(*(delayed(look_up)(t, x) for t in tables for x in (a, b)))


@same_as_plain
def test_two_nans_are_two_objects(folder):
    """``nan in [another nan]`` is False."""

    def nan():
        return float("nan")

    def wrap(x):
        return [x]

    def among(x, items):
        return x in items

    return dask.compute(delayed(among)(delayed(nan)(), delayed(wrap)(delayed(nan)())))


@same_as_plain
def test_outputs_that_are_one_object_stay_one(folder):
    """A program asks for a list, and for what was made around it: they share it."""

    def wrap(x):
        return [x]

    def other(x):
        return (x, x)

    a, b = delayed(one)(), delayed(one)()
    a, wrapped, _, _ = dask.compute(a, delayed(wrap)(a), delayed(other)(b), b)
    return wrapped[0] is a


@same_as_plain
def test_output_that_is_a_view_of_another_output_stays_one(folder):
    """The user writes into the array he got; the slice he got shows it."""
    a, b = (delayed(np.zeros)(4) for _ in "ab")
    whole, part, _, _ = dask.compute(a, a[1:], b, b[2:])
    whole[:] = 1
    return part.tolist()


# -- a cluster: results that live on ------------------------------------------------------------


@pytest.fixture(scope="module")
def worker():
    """One worker in this process, where plain Dask is as certain as on threads."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def again(func, change, *args):
    """What a task gives after a change, while its earlier result is kept."""
    with dask.config.set({"stratum.enabled": True}):
        kept = delayed(func)(*args).persist()
        kept.compute()
        change()
        found = delayed(func)(*args).compute()
        del kept
    return found


def test_relative_path_follows_the_current_directory(worker, tmp_path, monkeypatch):
    """``Path.absolute`` gives another path after ``chdir``."""

    def here():
        return str(pathlib.Path("x").absolute())

    found = again(here, lambda: monkeypatch.chdir(tmp_path))
    assert found == str(tmp_path / "x")


def test_resolved_path_follows_the_current_directory(worker, tmp_path, monkeypatch):
    """``Path.resolve`` gives another path after ``chdir``."""

    def here():
        return str(pathlib.Path("x").resolve())

    found = again(here, lambda: monkeypatch.chdir(tmp_path))
    assert found == str(tmp_path.resolve() / "x")


def test_file_read_through_path_open_is_read_again_when_it_changed(worker, tmp_path):
    """The task gives what is in the file now."""
    path = tmp_path / "file"
    path.write_text("1")

    def read(p):
        with p.open() as f:
            return f.read()

    assert again(read, lambda: path.write_text("22"), path) == "22"


def test_patched_function_of_a_library_is_called(worker, monkeypatch):
    """``np.mean`` was replaced: the task calls the new one."""

    def mean():
        return np.mean([1, 2])

    assert again(mean, lambda: monkeypatch.setattr(np, "mean", lambda x: 99)) == 99


def test_patched_function_of_the_standard_library_is_called(worker, monkeypatch):
    """``math.sqrt`` was replaced: the task calls the new one."""

    def root():
        return math.sqrt(4)

    assert again(root, lambda: monkeypatch.setattr(math, "sqrt", lambda x: 99)) == 99


def test_patched_method_of_a_library_is_called(worker, monkeypatch):
    """``DataFrame.mean`` was replaced: the task calls the new one."""

    def mean():
        return frame().mean()

    def patch():
        monkeypatch.setattr(pd.DataFrame, "mean", lambda self: 99)

    assert isinstance(again(mean, patch), int)


def test_configuration_read_in_a_task_is_that_of_now(worker):
    """``dask.config.get`` gives what was set meanwhile."""

    def read():
        return dask.config.get("adversary.value", 0)

    with dask.config.set({"adversary.value": 0}):
        change = functools.partial(dask.config.set, {"adversary.value": 1})
        assert again(read, change) == 1


def test_display_option_of_pandas_is_that_of_now(worker):
    """The text of a frame follows ``pd.set_option``."""

    def text():
        return repr(pd.DataFrame({"a": range(50)}))

    try:
        found = again(text, lambda: pd.set_option("display.max_rows", 6))
        assert found == text()
    finally:
        pd.reset_option("display.max_rows")


KIND = abc.ABCMeta("Kind", (), {})


def test_virtual_subclass_registered_meanwhile_is_known(worker):
    """``isinstance`` follows ``ABCMeta.register``."""

    def check():
        return isinstance(3, KIND)

    assert again(check, lambda: KIND.register(int)) is True


def test_ordered_reader_on_one_worker_sees_the_write(worker):
    """One worker hands on the object itself: the later reader sees the write."""

    def program():
        a, b = delayed(one)(), delayed(one)()
        return dask.compute(delayed(after)(a, delayed(append)(a)), b)

    with dask.config.set({"stratum.enabled": False}):
        plain = program()
    with dask.config.set({"stratum.enabled": True}):
        assert program() == plain


def test_persisted_list_on_one_worker_shows_what_a_later_task_wrote(worker):
    """The persisted list is the object that the task wrote into."""
    distributed = pytest.importorskip("distributed")

    def program():
        a, b = dask.persist(delayed(one)(), delayed(one)())
        distributed.wait([a, b])
        dask.compute(delayed(append)(a))
        return dask.compute(a, b)

    with dask.config.set({"stratum.enabled": False}):
        plain = program()
    with dask.config.set({"stratum.enabled": True}):
        assert program() == plain
