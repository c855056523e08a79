"""Objects that have no fingerprint, whatever they hold, and why."""

from __future__ import annotations

from stratum_dask.optimizations.fingerprint.classes import match
from stratum_dask.optimizations.verdict import Refused

__all__ = ["refusal"]

_RANDOM = "is a live random generator: its state changes with use", "pass a seed"
_LOCK = "is for one process at one time", "make it inside the task"
_RUNNING = "is something under way, not a value", "pass its result"
_HANDLE = "is an open handle: what it gives changes with use", "open it in the task"
_FRAME = "is a piece of running or compiled code", "pass a function"
_CONTEXT = "depends on who looks at it", "pass what it holds"
_REFERENCE = "refers to an object without keeping it", "pass the object itself"
_POINTER = "points into memory that has no type Python knows", "pass an array"
_ITERATOR = "is an iterator: reading it consumes it", "pass a list"

_REFUSED: dict[str, tuple[str, str]] = {
    "random:Random": _RANDOM,
    "numpy.random:Generator": _RANDOM,
    "numpy.random:RandomState": _RANDOM,
    "numpy.random:BitGenerator": _RANDOM,
    "torch:Generator": _RANDOM,
    "_io:_IOBase": _HANDLE,
    "socket:socket": _HANDLE,
    "mmap:mmap": _HANDLE,
    "sqlite3:Connection": _HANDLE,
    "pyarrow:NativeFile": _HANDLE,
    "_thread:LockType": _LOCK,
    "_thread:RLock": _LOCK,
    "_thread:_local": _LOCK,
    "threading:local": _LOCK,
    "threading:Thread": _LOCK,
    "threading:Condition": _LOCK,
    "threading:Event": _LOCK,
    "threading:Semaphore": _LOCK,
    "threading:Barrier": _LOCK,
    "queue:SimpleQueue": _LOCK,
    "multiprocessing.process:BaseProcess": _LOCK,
    "subprocess:Popen": _LOCK,
    "asyncio:Future": _RUNNING,
    "_asyncio:Future": _RUNNING,
    "concurrent.futures:Future": _RUNNING,
    "concurrent.futures:Executor": _RUNNING,
    "distributed:Future": _RUNNING,
    "distributed:Client": _RUNNING,
    "distributed:Actor": _RUNNING,
    "types:CoroutineType": _RUNNING,
    "types:AsyncGeneratorType": _RUNNING,
    "types:FrameType": _FRAME,
    "types:TracebackType": _FRAME,
    "types:CodeType": _FRAME,
    "types:CellType": _FRAME,
    "contextvars:ContextVar": _CONTEXT,
    "contextvars:Context": _CONTEXT,
    "contextvars:Token": _CONTEXT,
    "weakref:ReferenceType": _REFERENCE,
    "weakref:ProxyType": _REFERENCE,
    "weakref:CallableProxyType": _REFERENCE,
    "_ctypes:_SimpleCData": _POINTER,
    "_ctypes:_Pointer": _POINTER,
    "_ctypes:Structure": _POINTER,
    "_ctypes:Union": _POINTER,
    "_ctypes:Array": _POINTER,
    "_ctypes:CFuncPtr": _POINTER,
    "ctypes:CDLL": _POINTER,
}


def refusal(cls: type) -> Refused | None:
    """Why objects of ``cls`` are refused, if they always are.

    Examples
    --------
    >>> import random
    >>> refusal(random.Random).reason
    'a random.Random is a live random generator: its state changes with use'
    >>> refusal(int)
    """
    found = match(cls, _REFUSED)
    if found is not None:
        reason, remedy = found[1]
    elif any("__next__" in base.__dict__ for base in cls.__mro__):
        reason, remedy = _ITERATOR
    else:
        return None
    return Refused(f"a {cls.__module__}.{cls.__qualname__} {reason}", remedy)
