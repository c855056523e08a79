"""Long tables of names, as text."""

from __future__ import annotations

__all__ = ["words"]


def words(text: str) -> tuple[str, ...]:
    """Cut a text into its words.

    Examples
    --------
    >>> words("append extend insert")
    ('append', 'extend', 'insert')
    """
    return tuple(text.split())
