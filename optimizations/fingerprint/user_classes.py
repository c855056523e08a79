"""Classes of the user's own as bytes: what they are made of, not where they stand."""

from __future__ import annotations

import abc
import enum
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.verdict import Refused

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.references import Scope

__all__ = ["encode_class"]

# Where a class stands, what tools read, and what Python derives from the rest.
_SKIPPED = {
    *("__module__", "__doc__", "__dict__", "__weakref__", "__annotations__"),
    *("__qualname__", "__firstlineno__", "__static_attributes__", "__orig_bases__"),
    *("__parameters__", "__type_params__", "__abstractmethods__", "_abc_impl"),
    *("__annotate__", "__annotations_cache__", "__annotate_func__"),
    *("__dataclass_fields__", "__dataclass_params__", "__classcell__"),
    "__slotnames__",  # what pickling an object leaves in its class
}
# Descriptors that Python makes from __slots__ and from C structures.
_DERIVED = (types.MemberDescriptorType, types.GetSetDescriptorType)
_ENUM_OWN = {
    *("_member_names_", "_member_map_", "_value2member_map_", "_member_type_"),
    *("_use_args_", "_new_member_", "_value_repr_", "_unhashable_values_"),
    *("_hashable_values_", "_unhashable_values_map_", "_generate_next_value_"),
    *("_sort_order_", "_boundary_", "_flag_mask_", "_singles_mask_", "_all_bits_"),
    *("_inverted_", "_use_args_", "__new__", "_missing_"),
}


def encode_class(cls: type, scope: Scope) -> bytes:
    """Encode a class by its name, bases, metaclass and attributes.

    Type hints enter by the names they are given to, docstrings not at all.
    """
    parts = [b"class", scope.spell(cls.__name__), scope.spell(type(cls))]
    parts += (b"%d:" % len(cls.__bases__), *map(scope.spell, cls.__bases__))
    attributes = {
        name: value
        for name, value in vars(cls).items()
        if name not in _SKIPPED and not isinstance(value, _DERIVED)
    }
    if isinstance(cls, enum.EnumMeta):
        parts.append(_members(cls, attributes, scope))
    parts.append(_fields(cls, scope))
    annotated = vars(cls).get("__annotations__", {})
    if not isinstance(annotated, Mapping):
        annotated = {}  # a class of C, where it is a descriptor
    parts.append(scope.spell(tuple(annotated)))
    parts.append(scope.pairs(attributes.items()))
    if isinstance(cls, abc.ABCMeta):
        parts.append(_registered(cls, scope))
    return b"".join(parts)


def _registered(cls: abc.ABCMeta, scope: Scope) -> bytes:
    """Encode the classes that were registered with an abstract one."""
    dump = getattr(abc, "_get_dump", None)  # what its own debugging help shows
    if dump is None:
        raise Refused(f"whether classes are registered with {cls.__name__} is hidden")
    found = [scope.spell(ref()) for ref in dump(cls)[0] if ref() is not None]
    return b"%d:" % len(found) + b"".join(sorted(found))


def _members(cls: enum.EnumMeta, attributes: dict[str, Any], scope: Scope) -> bytes:
    """Encode members by their values; drop from the attributes what repeats them."""
    own = vars(cls)
    members: dict[str, Any] = dict(cls.__members__)
    user = {k: own[k] for k in ("__new_member__", "_missing_") if k in own}
    for name in (*members, *_ENUM_OWN, *user):
        attributes.pop(name, None)
    # Up to 3.12 members hide behind properties of their own names.
    parts = [b"enum%d:" % len(members)]
    for name, member in members.items():
        parts += (scope.spell(name), scope.spell(member._value_))
    return b"".join(parts) + scope.pairs(user.items())


def _fields(cls: type, scope: Scope) -> bytes:
    """Encode a dataclass's parameters and fields, without the types of these."""
    own = vars(cls)
    if "__dataclass_fields__" not in own:
        return b"-"
    parts = [b"dataclass", scope.spell(repr(own["__dataclass_params__"]))]
    for name, field in own["__dataclass_fields__"].items():
        parts += (scope.spell(name), scope.spell(str(field._field_type)))
        for part in ("init", "repr", "hash", "compare", "kw_only"):
            parts.append(scope.spell(getattr(field, part)))
        for part in ("default", "default_factory"):
            given = getattr(field, part)
            missing = type(given).__name__ == "_MISSING_TYPE"
            parts.append(b"missing" if missing else scope.spell(given))
        parts.append(scope.spell(dict(field.metadata)))
    return b"".join(parts)
