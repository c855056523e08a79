"""Single functions and classes that are not like the rest of their library."""

from __future__ import annotations

from stratum_dask.optimizations.purity.contracts import Seed
from stratum_dask.optimizations.purity.filecontracts import Maps, Opens, Reads
from stratum_dask.optimizations.purity.known import reasons
from stratum_dask.optimizations.purity.known.leaves import METHODS
from stratum_dask.optimizations.purity.known.traits import MUTATORS
from stratum_dask.optimizations.purity.textcontracts import Names, Shows, Texts
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import MERGE

__all__ = ["BUILTINS", "EXACT"]

_OPENS = """
    gzip bz2 lzma codecs pathlib.Path pathlib._local.Path pathlib._abc.PathBase
"""

# Tasks of Dask's own that write: to a disk that a shuffle goes by, to the user's files.
_DASK_WRITES = """
    bag.core.partition bag.core._to_textfiles_chunk bag.avro._write_avro_part
    dataframe.io.hdf._pd_to_hdf dataframe.io.json.write_json_partition
    dataframe.io.sql._to_sql_chunk
    dataframe.dask_expr._shuffle.DiskShuffle._shuffle_group
    dataframe.io.parquet.core.ToParquetFunctionWrapper
"""

EXACT: dict[str, reasons.Rule] = {
    "builtins.open": Opens("open"),
    "io.open": Opens("open"),
    **{f"{home}.open": Opens(f"{home}.open") for home in words(_OPENS)},
    "dask.config.get": reasons.LOOKS,
    "io.StringIO": MERGE,
    "io.BytesIO": MERGE,
    "io.TextIOWrapper": MERGE,
    "random.Random": Seed("random.Random()", "x", 0),
    "numpy.random.default_rng": Seed("default_rng()", "seed", 0),
    "numpy.random.Generator": MERGE,
    "numpy.random.SeedSequence": Seed("SeedSequence()", "entropy", 0),
    **{
        f"numpy.random.{name}": Seed(f"{name}()", "seed", 0)
        for name in ["RandomState", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]
    },
    "os.getenv": reasons.LOOKS,
    "os.environ": reasons.LOOKS,
    "os.fspath": MERGE,
    "os.PathLike": MERGE,
    "os.sep": MERGE,
    "os.linesep": MERGE,
    "os.listdir": reasons.LOOKS,
    "os.scandir": reasons.LOOKS,
    "os.walk": reasons.LOOKS,
    "os.stat": reasons.LOOKS,
    "os.getcwd": reasons.LOOKS,
    "os.cpu_count": reasons.LOOKS,
    "os.getpid": reasons.IDENTITY,
    "os.getppid": reasons.IDENTITY,
    "os.urandom": reasons.UNIQUE,
    "time.sleep": MERGE,
    "time.strptime": MERGE,
    "time.struct_time": MERGE,
    "uuid.UUID": MERGE,
    "uuid.uuid3": MERGE,
    "uuid.uuid5": MERGE,
    "uuid.NAMESPACE_DNS": MERGE,
    "sys.maxsize": MERGE,
    "sys.float_info": MERGE,
    "sys.getsizeof": MERGE,
    "sys.intern": MERGE,
    "sys.version_info": MERGE,
    "sys.byteorder": MERGE,
    "sys.platform": MERGE,
    "urllib.parse": MERGE,
    "json.dump": reasons.WRITES,
    "pickle.dump": reasons.WRITES,
    "pickle.load": Reads("pickle.load"),
    "pickle.loads": reasons.BRINGS,
    "cloudpickle.loads": reasons.BRINGS,
    "json.load": Reads("json.load"),
    "joblib.dump": reasons.WRITES,
    "joblib.load": Maps("joblib.load", "mmap_mode", 1, None),
    "joblib.numpy_pickle.load": Maps("joblib.load", "mmap_mode", 1, None),
    "csv.writer": MERGE,
    "pandas.option_context": MERGE,
    "numpy.datetime64": reasons.NOW,
    "numpy.load": Maps("numpy.load", "mmap_mode", 1, None),
    "numpy.lib._npyio_impl.load": Maps("numpy.load", "mmap_mode", 1, None),
    "pathlib.Path.home": reasons.LOOKS,
    "pathlib.Path.cwd": reasons.LOOKS,
    **{
        f"pathlib{part}.Path.{name}": reasons.WRITES
        for part in ("", "._local")
        for name in ("rename", "replace")
    },
    "functools.cache": MERGE,
    "functools.lru_cache": MERGE,
    "traceback.format_exc": MERGE,
    "warnings.warn": MERGE,
    "contextlib.redirect_stdout": reasons.STATE,
    "contextlib.redirect_stderr": reasons.STATE,
    "contextlib.chdir": reasons.STATE,
    "scipy.stats.bootstrap": Seed("scipy.stats.bootstrap", "rng"),
    "scipy.stats.permutation_test": Seed("scipy.stats.permutation_test", "rng"),
    "scipy.stats.monte_carlo_test": Seed("scipy.stats.monte_carlo_test", "rng"),
    "scipy.optimize.differential_evolution": Seed("differential_evolution", "rng"),
    "scipy.optimize.dual_annealing": Seed("dual_annealing", "rng"),
    "scipy.optimize.basinhopping": Seed("basinhopping", "rng"),
    "scipy.sparse.random": Seed("scipy.sparse.random", "random_state"),
    "scipy.sparse.rand": Seed("scipy.sparse.rand", "random_state"),
    "scipy.sparse.random_array": Seed("scipy.sparse.random_array", "rng"),
    "scipy.cluster.vq.kmeans": Seed("scipy kmeans", "rng"),
    "scipy.cluster.vq.kmeans2": Seed("scipy kmeans2", "rng"),
    "operator.methodcaller": Names("methodcaller", frozenset(METHODS) | MUTATORS),
    "operator.attrgetter": Names("attrgetter", frozenset(METHODS)),
    **{
        f"pandas.{home}DataFrame.{name}": Texts(f"DataFrame.{name}", 1)
        for home in ("", "core.frame.")
        for name in ("query", "eval")
    },
    "pandas.eval": Texts("pandas.eval", 0, "written"),
    "pandas.core.computation.eval.eval": Texts("pandas.eval", 0, "written"),
    "dask.utils.random_state_data": Seed("random_state_data()", "random_state", 1),
    "dask.base.compute": reasons.CLUSTER,
    "dask.base.persist": reasons.CLUSTER,
    "dask.dataframe.shuffle.maybe_buffered_partd": reasons.UNIQUE,
    **{f"dask.{name}": reasons.WRITES for name in words(_DASK_WRITES)},
}

BUILTINS: dict[str, reasons.Rule] = {
    **dict.fromkeys(("print", "input", "breakpoint", "help"), reasons.WRITES),
    **dict.fromkeys(
        ("eval", "exec", "compile", "__import__", "globals"), reasons.HIDDEN
    ),
    "id": reasons.IDENTITY,
    **{name: Shows(name) for name in ("str", "repr", "ascii", "format", "hash")},
}
