"""Names that tell that something outside is read or written, in any library.

A library that is known to be pure as a whole is so but for these. The tables name
the exceptions; what is in neither is believed to do what its name says.
"""

from __future__ import annotations

import functools
import re

from stratum_dask.optimizations.purity.contracts import Given
from stratum_dask.optimizations.purity.filecontracts import Only, OnlyWithout, Reads
from stratum_dask.optimizations.purity.known import reasons
from stratum_dask.optimizations.purity.words import words

__all__ = ["touching"]

_READ_FIRST = frozenset(words("read load open scan"))
_READ_LAST = frozenset(words("file dataset reader scanner unpickler fragment"))
_WRITE_FIRST = frozenset(
    words("write save dump download upload delete rm connect export sink")
)
_WRITE_LAST = frozenset(words("writer store pickler backend"))
_FETCH_FIRST = frozenset(words("fetch"))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Names that say so and mean something else.
_HARMLESS = frozenset(
    words("""
    load_iris load_wine load_digits load_diabetes load_breast_cancer load_linnerud
    load_sample_image load_sample_images export_text dump_llvm make_dataset
    """)
)

_SAYS_NOTHING: dict[str, reasons.Rule] = {
    **dict.fromkeys(
        words("""
        get_handle file_exists check_parent_directory whosmat mminfo matfile_version
        loadarff hb_read readsav fromregex input_stream transcoding_input_stream
        get_rdataset file_digest disk_used get_data_from_filepath
        DatasetFactory FileSystemDatasetFactory DataSource
        """),
        reasons.LOOKS,
    ),
    **dict.fromkeys(
        words("""
        hb_write new_file new_stream create_memory_map copy_files make_memmap
        show_versions show_config show_runtime show_options print_exc print_stack
        print_exception print_tb reveal_type setfirstweekday guid mkdirp
        register_store_backend to_iceberg set_memory_pool set_cpu_count
        set_io_thread_count set_timezone_db_path log_memory_allocations clear_cache
        clear_data_home reset_cached_controller Memory check_memory StoreBackendBase
        TemporaryResourcesManager MemmappingPool parallel_config parallel_backend
        pprint pp prmonth pryear prweek
        """),
        reasons.WRITES,
    ),
    **dict.fromkeys(
        words("""
        tabular_pipeline tabular_learner svds eigsh eigs onenormest
        clarkson_woodruff_transform PermutationMethod MonteCarloMethod BootstrapMethod
        """),
        reasons.UNSEEDED,
    ),
    "TableVectorizer": Given("TableVectorizer", "high_cardinality", "StringEncoder"),
    "random": reasons.RANDOM,
    "call_function": reasons.HIDDEN,
    **{
        name: Only(name, "disp", (False, 0), reasons.WRITES, by_default=False)
        for name in words("fmin fmin_powell fmin_cg fmin_bfgs fmin_ncg")
    },
    **{
        name: Only(name, "input", ("content",), reasons.LOOKS)
        for name in words("CountVectorizer TfidfVectorizer HashingVectorizer")
    },
    "export_graphviz": OnlyWithout("export_graphviz", ("out_file",)),
    "ODR": OnlyWithout("ODR", ("errfile", "rptfile")),
}


@functools.lru_cache(maxsize=4096)
def touching(leaf: str) -> reasons.Rule | None:
    """What the last part of a dotted name says of the outside; None if nothing.

    Examples
    --------
    >>> touching("ParquetFile").loose.role.name, touching("write_metadata").role.name
    ('BATCH', 'REFUSE')
    >>> touching("load_iris"), touching("loads"), touching("opening"), touching("mean")
    (None, None, None, None)
    >>> touching("ReadOptions") is None
    True
    """
    said = _SAYS_NOTHING.get(leaf)
    if said is not None:
        return said
    if leaf in _HARMLESS or leaf.startswith("_"):
        return None
    parts = [word.lower() for word in _WORD.findall(leaf)]
    if not parts:
        return None
    first, last = parts[0], parts[-1]
    if leaf[0].isupper():  # a class: what it is comes last
        first = ""
    if first in _WRITE_FIRST or last in _WRITE_LAST:
        return reasons.WRITES
    if first in _FETCH_FIRST:
        return reasons.FETCHES
    if first in _READ_FIRST or last in _READ_LAST:
        return Reads(leaf)
    return None
