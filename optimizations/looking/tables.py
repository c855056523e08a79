"""Attributes, methods and functions that only look at plain arrays and frames.

All lists are closed: what is not on them may do anything. Nothing is asked of their
results, which may be what was given, or look into it.
"""

from __future__ import annotations

from stratum_dask.optimizations.purity.words import words

__all__ = ["ATTRIBUTES", "AT_MOST", "METHODS", "NUMPY", "PANDAS", "PUTTING", "WRITING"]

ATTRIBUTES = frozenset(
    words("""
    shape size ndim dtype dtypes nbytes itemsize T real imag empty columns index
    values name loc iloc at iat str dt hasnans is_unique
    is_monotonic_increasing is_monotonic_decreasing
    year month day hour minute second microsecond nanosecond date time weekday
    dayofweek day_of_week dayofyear day_of_year quarter days seconds days_in_month
    is_month_start is_month_end is_quarter_start is_quarter_end is_year_start
    is_year_end is_leap_year start stop step
    """)
)
"""Attributes that are no methods: looking at them changes nothing."""

METHODS = frozenset(
    words("""
    sum mean std var sem min max prod product any all count nunique median quantile
    argmin argmax idxmin idxmax cumsum cumprod cummin cummax diff dot corr cov
    corrwith skew kurt kurtosis ptp describe value_counts isin isna notna isnull
    notnull between rank tolist to_list copy memory_usage equals autocorr trace
    searchsorted argsort nonzero item tobytes first_valid_index last_valid_index
    duplicated mode nlargest nsmallest
    astype drop assign rename fillna dropna replace reset_index set_index sort_values
    sort_index head tail sample filter groupby rolling expanding ewm resample merge
    join get reindex clip abs round shift pct_change ffill bfill where mask
    select_dtypes stack unstack melt explode transpose to_numpy to_frame to_series
    unique factorize drop_duplicates take truncate add_prefix add_suffix
    convert_dtypes infer_objects sub mul div truediv floordiv mod pow radd rsub rmul
    rdiv eq ne lt le gt ge combine_first align squeeze reshape ravel flatten swapaxes
    diagonal repeat compress keys items values to_dict iterrows itertuples size first
    last nth cumcount ngroup get_group xs droplevel swaplevel get_level_values
    strip lstrip rstrip startswith endswith lower upper title capitalize casefold
    swapcase center ljust rjust zfill isdigit isalpha isalnum isupper islower
    isspace isnumeric isdecimal encode decode format splitlines removeprefix
    removesuffix translate hex bit_length as_integer_ratio is_integer isoformat
    strftime total_seconds timestamp union intersection difference
    symmetric_difference issubset issuperset isdisjoint split rsplit contains match
    fullmatch extract extractall findall find rfind index rindex len cat slice
    slice_replace pad wrap get_dummies normalize floor ceil day_name month_name
    """)
)
"""Methods that write into nothing, unless they are told to."""

WRITING = frozenset(
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

NUMPY = frozenset(
    words("""
    sum prod mean std var min max amin amax ptp nansum nanprod nanmean nanstd nanvar
    nanmin nanmax nanmedian nanquantile nanpercentile median any all argmin argmax
    nanargmin nanargmax dot vdot inner outer cumsum cumprod diff concatenate stack
    vstack hstack dstack column_stack argsort sort lexsort unique bincount allclose
    array_equal isclose quantile percentile count_nonzero zeros zeros_like ones
    ones_like full full_like empty empty_like eye identity arange linspace logspace
    geomspace interp digitize searchsorted isin corrcoef cov histogram clip copy
    where nonzero argwhere flatnonzero tile repeat cross kron gradient trapezoid
    convolve correlate average meshgrid polyfit polyval shape ndim size isscalar
    linalg.norm linalg.solve linalg.inv linalg.pinv linalg.det linalg.eig linalg.eigh
    linalg.eigvals linalg.eigvalsh linalg.svd linalg.qr linalg.lstsq
    linalg.matrix_rank linalg.cholesky fft.fft fft.ifft fft.rfft fft.irfft fft.fftfreq
    fft.rfftfreq setdiff1d union1d intersect1d around round
    asarray array ascontiguousarray asfortranarray atleast_1d atleast_2d atleast_3d
    ravel reshape transpose squeeze expand_dims swapaxes moveaxis rollaxis flip
    fliplr flipud rot90 diag diagonal broadcast_to split array_split hsplit vsplit
    real imag triu tril
    """)
)
PANDAS = frozenset(
    words("""
    DataFrame Series concat merge get_dummies cut qcut isna notna isnull notnull
    to_datetime to_numeric to_timedelta melt factorize unique Timestamp Timedelta
    date_range
    """)
)

AT_MOST = {
    **dict.fromkeys(
        words("""
        sum mean std var min max prod product any all argmin argmax cumsum cumprod dot
        round take compress ptp rename copy rank
        """),
        1,
    ),
    **dict.fromkeys(words("clip get replace where mask fillna between"), 2),
}
"""How many positional arguments stand before one that is written into."""
