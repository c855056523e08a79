"""Attributes, methods and functions that only look at plain arrays and frames.

All lists are closed: what is not on them may do anything.
"""

from __future__ import annotations

from stratum_dask.optimizations.purity.words import words

__all__ = [
    "ACCESSORS",
    "ATTRIBUTES",
    "AT_MOST",
    "METHODS_FRESH",
    "METHODS_SHARING",
    "METHODS_WRITING",
    "NUMPY_FRESH",
    "NUMPY_SHARING",
    "PANDAS",
    "PUTTING",
]

ATTRIBUTES = frozenset(
    words("""
    shape size ndim dtype dtypes nbytes itemsize T real imag flat empty columns index
    values name names loc iloc at iat str dt cat hasnans is_unique inferred_type
    is_monotonic_increasing is_monotonic_decreasing nlevels codes categories ordered
    year month day hour minute second microsecond nanosecond date time weekday
    dayofweek day_of_week dayofyear day_of_year quarter days seconds days_in_month
    is_month_start is_month_end is_quarter_start is_quarter_end is_year_start
    is_year_end is_leap_year tz start stop step
    """)
)
"""Attributes that are no methods: looking at them changes nothing."""

ACCESSORS = frozenset(words("loc iloc at iat"))
"""Those through which the object itself is written into."""

METHODS_FRESH = frozenset(
    words("""
    sum mean std var sem min max prod product any all count nunique median quantile
    argmin argmax idxmin idxmax cumsum cumprod cummin cummax diff dot corr cov
    corrwith skew kurt kurtosis mad ptp describe value_counts isin isna notna isnull
    notnull between rank tolist to_list copy memory_usage equals
    autocorr trace searchsorted argsort nonzero item tobytes first_valid_index
    last_valid_index duplicated mode nlargest nsmallest
    strip lstrip rstrip startswith endswith lower upper title capitalize casefold
    swapcase center ljust rjust zfill isdigit isalpha isalnum isupper islower
    isspace isnumeric isdecimal encode decode format splitlines
    removeprefix removesuffix translate hex bit_length as_integer_ratio is_integer
    isoformat strftime total_seconds timestamp union intersection difference
    symmetric_difference issubset issuperset isdisjoint
    """)
)
"""Methods whose result is a new object with memory of its own (but for an index)."""

METHODS_SHARING = frozenset(
    words("""
    astype drop assign rename fillna dropna replace reset_index set_index sort_values
    sort_index head tail sample filter groupby rolling expanding ewm resample merge
    join get reindex clip abs round shift pct_change interpolate ffill
    bfill where mask select_dtypes query stack unstack melt pivot
    pivot_table explode transpose to_numpy to_frame to_series unique factorize
    drop_duplicates take truncate add_prefix add_suffix convert_dtypes infer_objects
    sub mul div truediv floordiv mod pow radd rsub rmul rdiv eq ne lt le gt ge
    combine_first align squeeze apply map agg aggregate transform applymap
    reshape ravel flatten swapaxes diagonal repeat compress
    keys items values to_dict iterrows itertuples size first last nth cumcount ngroup get_group
    split rsplit contains match fullmatch extract extractall findall find rfind
    index rindex len cat slice slice_replace pad wrap get_dummies normalize floor
    ceil day_name month_name isocalendar to_period to_timestamp tz_localize
    tz_convert to_pydatetime xs droplevel swaplevel get_level_values set_axis
    rename_axis nansum tile zip most_common elements
    """)
)
"""Methods that write into nothing, whose result may look into the object."""

METHODS_WRITING = frozenset(
    words("""
    append extend insert add update setdefault appendleft extendleft remove discard
    clear sort reverse pop popitem popleft
    """)
)
"""Methods that write into the object, and only into its outermost layer."""

PUTTING = frozenset(
    words("append extend insert add update setdefault appendleft extendleft")
)
"""Those that put their arguments into it."""

NUMPY_FRESH = frozenset(
    words("""
    sum prod mean std var min max amin amax ptp nansum nanprod nanmean nanstd nanvar
    nanmin nanmax nanmedian nanquantile nanpercentile median any all argmin argmax
    nanargmin nanargmax dot vdot inner outer cumsum cumprod diff concatenate stack
    vstack hstack dstack column_stack argsort sort lexsort unique bincount allclose
    array_equal isclose quantile percentile count_nonzero zeros zeros_like ones
    ones_like full full_like empty empty_like eye identity arange linspace logspace
    geomspace interp digitize searchsorted isin corrcoef cov matmul einsum histogram
    histogram_bin_edges clip copy where nonzero argwhere flatnonzero tile repeat
    cross kron gradient trapezoid convolve correlate average meshgrid polyfit polyval
    take choose select nan_to_num append insert delete roll pad result_type can_cast
    shape ndim size isscalar linalg.norm linalg.solve linalg.inv linalg.pinv
    linalg.det linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh linalg.svd
    linalg.qr linalg.lstsq linalg.matrix_rank linalg.cholesky fft.fft fft.ifft
    fft.rfft fft.irfft fft.fftfreq fft.rfftfreq setdiff1d union1d intersect1d
    triu_indices tril_indices indices bool int8 int16 int32 int64 uint8 uint16 uint32
    uint64 float16 float32 float64 complex64 complex128 datetime64 timedelta64 dtype
    int_ float_ bool_ str_
    """)
)
NUMPY_SHARING = frozenset(
    words("""
    asarray array ascontiguousarray asfortranarray atleast_1d atleast_2d atleast_3d
    ravel reshape transpose squeeze expand_dims swapaxes moveaxis rollaxis flip
    fliplr flipud rot90 diag diagonal broadcast_to split array_split hsplit vsplit
    real imag triu tril around round
    """)
)
PANDAS = frozenset(
    words("""
    DataFrame Series Index concat merge get_dummies cut qcut isna notna isnull notnull
    to_datetime to_numeric to_timedelta crosstab pivot_table melt factorize unique
    Timestamp Timedelta date_range Categorical merge_asof wide_to_long
    """)
)

AT_MOST = {
    **dict.fromkeys(
        words("""
        sum mean std var min max prod product any all argmin argmax cumsum cumprod dot
        round take compress ptp rename
        """),
        1,
    ),
    **dict.fromkeys(words("clip get replace where mask fillna between"), 2),
}
"""How many positional arguments stand before one that is written into."""
