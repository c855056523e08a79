"""Names that mean the same in every library, and on objects of unknown type."""

from __future__ import annotations

from stratum_dask.optimizations.purity.contracts import Seed
from stratum_dask.optimizations.purity.filecontracts import (
    Maps,
    OnlyWithout,
    Opens,
    Reads,
)
from stratum_dask.optimizations.purity.known import reasons
from stratum_dask.optimizations.purity.seedcontracts import Either, Resampled
from stratum_dask.optimizations.purity.textcontracts import (
    Parameters,
    Shows,
    Spoken,
    Texts,
)
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import MERGE

__all__ = ["LEAVES", "METHODS"]

_READS = words("""
    read_csv read_table read_fwf read_parquet read_feather read_orc read_json
    read_excel read_html read_xml read_pickle read_hdf read_sas read_spss read_stata
    read_ipc read_avro read_ndjson scan_csv scan_parquet scan_ipc scan_ndjson
    loadtxt genfromtxt fromfile load_npz loadmat mmread read_schema open_csv
""")
_WRITERS = words("""
    save savez savez_compressed savetxt savemat mmwrite save_npz write_table
    write_csv write_feather write_parquet write_dataset write_ipc write_excel
    write_json write_ndjson write_database write_delta sink_parquet sink_csv
    sink_ipc to_pickle to_excel to_hdf to_feather to_stata to_gbq to_clipboard
    tofile savefig save_model store_chunk load_store_chunk _write_csv
    write_partition to_sql output_stream dump_svmlight_file hardlink_to symlink_to
    link_to touch unlink rmdir mkdir write_text write_bytes lchmod chmod
""")
_TEXT = "to_csv to_json to_html to_latex to_markdown to_string to_xml to_parquet to_orc"
_TEXT_PARAMS = ("path_or_buf", "path", "buf", "path_or_buffer")
_SETTINGS = "set_option reset_option seterr seterrcall set_printoptions set_config"

_ENGINES = words("""
    Sobol Halton LatinHypercube PoissonDisk MultinomialQMC MultivariateNormalQMC
""")

_TIMES = words("""
    Timestamp to_datetime DatetimeIndex Period PeriodIndex date_range bdate_range
    period_range interval_range
""")

_OPENERS = words("FileIO GzipFile BZ2File LZMAFile OSFile memory_map open_input")
_OPTIONS = "get_option get_printoptions get_config geterr get_backend describe_option"
_PATHS = "absolute resolve expanduser cwd samefile readlink owner is_symlink is_mount"

LEAVES: dict[str, reasons.Rule] = {
    **{name: Reads(name) for name in _READS},
    **{name: Opens(name) for name in _OPENERS},
    "memmap": Maps("memmap"),
    "open_memmap": Maps("open_memmap", position=1),
    **dict.fromkeys((*_OPTIONS.split(), *_PATHS.split()), reasons.LOOKS),
    **dict.fromkeys(("read_sql", "read_sql_query", "read_sql_table"), reasons.OUTSIDE),
    **dict.fromkeys(("read_gbq", "read_clipboard", "read_database"), reasons.OUTSIDE),
    **dict.fromkeys(_WRITERS, reasons.WRITES),
    **dict.fromkeys(_SETTINGS.split(), reasons.STATE),
    **{name: OnlyWithout(name, _TEXT_PARAMS) for name in _TEXT.split()},
    **dict.fromkeys(_TIMES, reasons.NOW),
    "sample": Seed("sample()"),
    "samples": Seed("samples()", "seed", 1),
    "resample": Resampled("resample()"),
    **{name: Either(f"{name}()", ("rng", "seed")) for name in _ENGINES},
    "rvs": Seed("rvs()"),
    **dict.fromkeys(["now", "today", "utcnow", "local_now"], reasons.CLOCK),
    "urlopen": reasons.OUTSIDE,
    "fromtimestamp": reasons.LOOKS,
    "seed": reasons.RANDOM,
    "set_random_seed": reasons.RANDOM,
    **dict.fromkeys(
        ["compute", "persist", "get_worker", "get_client"], reasons.CLUSTER
    ),
}
"""Names that mean the same wherever a known library has them."""

METHODS: dict[str, reasons.Rule] = {
    **{k: v for k, v in LEAVES.items() if k not in ("seed", "compute")},
    "open": Opens("open()", 0),
    **dict.fromkeys(("dump", "info"), reasons.WRITES),
    **dict.fromkeys(("hist", "boxplot"), reasons.STATE),
    **dict.fromkeys(("stat", "astimezone", "is_fifo", "is_socket"), reasons.LOOKS),
    **dict.fromkeys(
        ["read_text", "read_bytes", "iterdir", "is_file", "is_dir"], reasons.LOOKS
    ),
    **dict.fromkeys(["exists", "glob", "rglob", "lstat"], reasons.LOOKS),
    **dict.fromkeys(
        ["execute", "executemany", "executescript", "commit"], reasons.OUTSIDE
    ),
    **dict.fromkeys(["sendall", "recv", "connect", "urlopen"], reasons.OUTSIDE),
    "plot": reasons.STATE,
    "query": Texts("query"),
    "eval": Texts("eval"),
    "set_params": Parameters("set_params"),
    **{name: Shows(name) for name in ("format", "__format__")},
    "random_state": MERGE,
}
"""Names judged on objects whose type is not known."""

METHODS.update(
    {
        name: Spoken(f"{name}()", frozenset(METHODS))
        for name in ("agg", "aggregate", "transform", "apply")
    }
)
