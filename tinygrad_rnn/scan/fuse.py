"""x"""
from typing import Any
def fuse(book: Any, ends: Any) -> None:
    """Nothing."""
