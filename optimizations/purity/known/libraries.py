"""Whole libraries and packages, by the beginning of a dotted name."""

from __future__ import annotations

from stratum_dask.optimizations.purity.known import reasons
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import MERGE

__all__ = ["LIBRARIES"]

LIBRARIES: dict[str, reasons.Rule] = {
    "random": reasons.RANDOM,
    "numpy.random": reasons.RANDOM,
    "uuid": reasons.UNIQUE,
    "secrets": reasons.UNIQUE,
    "tempfile": reasons.UNIQUE,
    "time": reasons.CLOCK,
    "os": reasons.WRITES,
    "os.path": MERGE,
    "os.environ": reasons.LOOKS,
    "sys": reasons.STATE,
    "logging": reasons.WRITES,
    "shutil": reasons.WRITES,
    "builtins": MERGE,
    "pathlib": MERGE,
    "numpy.testing": MERGE,
    "pandas.io": MERGE,
    "pandas.testing": MERGE,
    "pandas.plotting": reasons.WRITES,
    **dict.fromkeys(
        (f"pyarrow.{name}" for name in words("fs _fs _s3fs _gcsfs _hdfs _azurefs")),
        reasons.OUTSIDE,
    ),
    **dict.fromkeys(
        (f"pyarrow.{name}" for name in words("flight _flight jvm cuda _cuda")),
        reasons.OUTSIDE,
    ),
    "skrub.datasets": reasons.FETCHES,
    "scipy.datasets": reasons.FETCHES,
    "sklearn.datasets": MERGE,
    "dask.bytes": reasons.PARTS,
    "dask.dataframe.io": reasons.PARTS,
    "dask.dataframe.dask_expr.io": reasons.PARTS,
    "dask.array.random": MERGE,
    "dask.dataframe.dask_expr.diagnostics": reasons.CLUSTER,
    "distributed": reasons.CLUSTER,
    "matplotlib": reasons.STATE,
    "seaborn": reasons.STATE,
    **dict.fromkeys(
        words("""
        socket ssl select selectors asyncio subprocess multiprocessing requests
        httpx aiohttp urllib urllib3 http ftplib smtplib imaplib poplib telnetlib
        xmlrpc sqlite3 sqlalchemy psycopg psycopg2 pymysql pymongo redis boto3
        botocore s3fs gcsfs fsspec partd dbm shelve webbrowser mmap fcntl pty
        """),
        reasons.OUTSIDE,
    ),
    **dict.fromkeys(
        words("""
        threading concurrent queue signal sched contextvars _contextvars
        """),
        reasons.LOCKS,
    ),
    **dict.fromkeys(
        words("""
        gc atexit faulthandler tracemalloc ctypes weakref
        """),
        reasons.STATE,
    ),
    **dict.fromkeys(
        words("""
        inspect runpy code importlib pdb bdb imp
        """),
        reasons.HIDDEN,
    ),
    **dict.fromkeys(
        words("""
        platform getpass pwd locale resource glob
        """),
        reasons.LOOKS,
    ),
    **dict.fromkeys(
        words("""
        math cmath operator functools itertools collections re json string
        statistics copy decimal fractions datetime numbers bisect heapq array struct
        textwrap unicodedata hashlib hmac zlib gzip bz2 lzma base64 binascii
        calendar enum dataclasses typing types abc contextlib csv difflib pickle
        copyreg pprint io html colorsys keyword graphlib zoneinfo ast token tokenize
        traceback warnings ipaddress codecs _codecs _struct _bisect _heapq _csv _sre
        _decimal _hashlib __future__ _collections_abc typing_extensions reprlib
        stringprep numpy pandas scipy sklearn pyarrow polars toolz dask dask_ml
        dask_glm dask_expr lightgbm xgboost catboost category_encoders skrub
        statsmodels cloudpickle joblib patsy pytz dateutil sparse numba llvmlite
        narwhals threadpoolctl packaging six networkx
        """),
        MERGE,
    ),
}
