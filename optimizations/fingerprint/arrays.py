"""numpy arrays, scalars and dtypes, and scipy's sparse matrices.

Content is hashed where it lies. What a program can see of an array besides its
elements counts as well: dtype to the byte order, memory layout, whether it may be
written to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.fingerprint.sharing import Kind, Memory
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.verdict import Refused

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KINDS", "address", "content", "dtype_bytes", "memory", "rows", "update"]

_CHUNK = 1 << 20
"""So many bytes at most are copied at a time, where copying is needed."""
_RAW_KINDS = "biufcmMSU"


def dtype_bytes(encoder: Encoder, dtype: Any) -> bytes:
    """Encoding of a numpy dtype: all that tells it from others."""
    import numpy as np

    if dtype.kind == "T":
        missing = [dtype.na_object] if hasattr(dtype, "na_object") else []
        return b"T" + encoder.value((missing, dtype.coerce))
    if dtype.kind not in _RAW_KINDS + "VO" or dtype.num < 0:
        raise Refused(
            f"the numpy dtype {dtype.name!r} is not known",
            "convert it to one of numpy's own dtypes",
        )
    parts: list[object] = [dtype.str, dtype.char, dtype.itemsize, dtype.alignment]
    if dtype.metadata:  # an empty one is left by unpickling dates
        parts.append(dict(dtype.metadata))
    own = getattr(np, dtype.type.__name__, None) is dtype.type
    head = b"d" + encoder.value(tuple(parts))
    head += b"n" if own else b"t" + encoder.value(dtype.type)
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return head + b"s" + encoder.value(shape) + dtype_bytes(encoder, base)
    if dtype.names is None:
        return head
    head += b"f%d:" % len(dtype.names) + encoder.value(dtype.isalignedstruct)
    for name in dtype.names:
        field, *place = dtype.fields[name]
        head += encoder.value((name, *place)) + dtype_bytes(encoder, field)
    return encoder.short(head)


def content(encoder: Encoder, array: np.ndarray[Any, Any]) -> bytes:
    """Encoding of the elements, given that dtype and shape are told elsewhere."""
    dtype = array.dtype
    if dtype.kind == "O":
        return encoder.series(b"[", array.size, array.flat)
    if dtype.kind == "T":
        return encoder.series(b"[", array.size, (x for x in array.flat))
    if dtype.names is not None and (dtype.hasobject or _is_padded(dtype)):
        # Field by field: what lies between them is left over from before.
        return b"".join([content(encoder, array[name]) for name in dtype.names])
    if dtype.hasobject:
        return encoder.series(b"[", array.size, array.flat)
    hasher = encoder.hasher()
    update(hasher, array)
    return hasher.digest()  # type: ignore[no-any-return]


def _is_padded(dtype: Any) -> bool:
    fields = [dtype.fields[name][0] for name in dtype.names]
    used = sum(f.itemsize for f in fields)
    return used != dtype.itemsize or any(
        f.names is not None and _is_padded(f) for f in fields
    )


def update(hasher: Any, array: np.ndarray[Any, Any]) -> None:
    """Feed the bytes of the elements, in memory order if it has no gaps."""
    import numpy as np

    if array.size == 0 or array.itemsize == 0:
        return
    if array.flags.f_contiguous:
        array = array.T
    if array.flags.c_contiguous:
        hasher.update(array.reshape(-1).view(np.uint8))
        return
    chunks = np.nditer(  # type: ignore[call-overload]
        array,
        flags=["external_loop", "buffered"],
        op_flags=[["readonly", "contig"]],
        order="C",
        buffersize=max(1, _CHUNK // array.itemsize),
    )
    for chunk in chunks:
        hasher.update(chunk.view(np.uint8))


def rows(encoder: Encoder, block: np.ndarray[Any, Any]) -> list[bytes]:
    """The digest of each row of a 2-D array, read in the order of its memory."""
    import numpy as np

    hashers = [encoder.hasher() for _ in range(len(block))]
    if block.shape[1] == 0 or block.strides[1] == block.itemsize or len(block) == 1:
        for hasher, row in zip(hashers, block, strict=True):
            update(hasher, row)
    else:
        step = max(1, _CHUNK // (block.itemsize * len(block)))
        for start in range(0, block.shape[1], step):
            part = np.ascontiguousarray(block[:, start : start + step])
            for hasher, row in zip(hashers, part.view(np.uint8), strict=True):
                hasher.update(row)
    return [hasher.digest() for hasher in hashers]


def memory(array: np.ndarray[Any, Any]) -> Memory:
    """The memory that ``array`` looks into, through all views."""
    import numpy as np

    start = address(array)
    found: Any = array
    while isinstance(found, np.ndarray) and found.base is not None:
        array, found = found, found.base
    if type(found) is memoryview:
        found = found.obj
    if not isinstance(found, np.ndarray):
        try:
            memoryview(found).release()
        except (TypeError, ValueError):
            # A compiled object may own several pieces of memory.
            return Memory(("at", address(array)), found, start)
    return Memory(~id(found), found, start)


def address(array: np.ndarray[Any, Any]) -> int:
    """Where the first element lies."""
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


def _array(encoder: Encoder, array: np.ndarray[Any, Any]) -> bytes:
    import numpy as np

    plain = array.view(np.ndarray) if type(array) is not np.ndarray else array
    encoder.mention(memory(plain))
    flags = plain.flags
    layout = (
        flags.c_contiguous,
        flags.f_contiguous,
        flags.aligned,
        flags.writeable,
        None if flags.c_contiguous or flags.f_contiguous else plain.strides,
    )
    head = encoder.value((plain.shape, layout)) + dtype_bytes(encoder, plain.dtype)
    return encoder.short(head + content(encoder, plain))


def _memmap(encoder: Encoder, array: Any) -> bytes:
    # What is written to a map of mode "r+" goes to that very file.
    file = None if array.mode in ("r", "c", None) else str(array.filename)
    return encoder.value((array.mode, file)) + _array(encoder, array)


def _masked(encoder: Encoder, array: Any) -> bytes:
    import numpy as np

    mask = array.mask
    state = (array.fill_value, array.hardmask, array._optinfo, mask is np.ma.nomask)
    parts = [encoder.value(state), _array(encoder, array.data)]
    if mask is not np.ma.nomask:
        parts.append(_array(encoder, mask))
    return b"".join(parts)


def _scalar(encoder: Encoder, scalar: Any) -> bytes:
    import numpy as np

    array = np.asarray(scalar)
    return dtype_bytes(encoder, array.dtype) + content(encoder, array)


def _sparse(*names: str) -> Kind:
    def encode(encoder: Encoder, matrix: Any) -> bytes:
        found = (matrix.shape, *[getattr(matrix, n) for n in names])
        return encoder.value(found)

    return Kind(encode, heavy=True, covered=_SPARSE)


_SPARSE = frozenset(
    {
        "_shape",
        "data",
        "indices",
        "indptr",
        "coords",
        "row",
        "col",
        "offsets",
        "rows",
        "_dict",
        "maxprint",
        "dtype",
        # Cached answers, there once somebody asked.
        "_has_canonical_format",
        "_has_sorted_indices",
    }
)

KINDS: dict[str, Kind] = {
    "numpy:dtype": Kind(dtype_bytes, mutable=False),
    "numpy:generic": Kind(_scalar, mutable=False),
    "numpy.ma:MaskedArray": Kind(
        _masked,
        heavy=True,
        covered=frozenset(
            {
                "_basedict",
                "_fill_value",
                "_hardmask",
                "_mask",
                "_optinfo",
                "_sharedmask",
            }
        ),
    ),
    "numpy:memmap": Kind(
        _memmap, heavy=True, covered=frozenset({"_mmap", "filename", "offset", "mode"})
    ),
    "numpy:ndarray": Kind(_array, heavy=True),
    "scipy.sparse:csr_matrix": _sparse("data", "indices", "indptr"),
    "scipy.sparse:csr_array": _sparse("data", "indices", "indptr"),
    "scipy.sparse:csc_matrix": _sparse("data", "indices", "indptr"),
    "scipy.sparse:csc_array": _sparse("data", "indices", "indptr"),
    "scipy.sparse:bsr_matrix": _sparse("data", "indices", "indptr"),
    "scipy.sparse:bsr_array": _sparse("data", "indices", "indptr"),
    "scipy.sparse:coo_matrix": _sparse("data", "row", "col", "has_canonical_format"),
    "scipy.sparse:coo_array": _sparse("data", "coords", "has_canonical_format"),
    "scipy.sparse:dia_matrix": _sparse("data", "offsets"),
    "scipy.sparse:dia_array": _sparse("data", "offsets"),
    "scipy.sparse:dok_matrix": _sparse("_dict", "dtype"),
    "scipy.sparse:dok_array": _sparse("_dict", "dtype"),
    "scipy.sparse:lil_matrix": _sparse("rows", "data"),
    "scipy.sparse:lil_array": _sparse("rows", "data"),
}
"""``module:qualname`` -> how its instances are encoded."""
