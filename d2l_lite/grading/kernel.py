"""Functions of the C library that Python does not offer."""

import ctypes
import os
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """Return what a function of the C library returns.

    Args:
        name: Name of the function.
        *arguments: Its arguments: integers, bytes or None.

    Returns:
        The result.

    Raises:
        OSError: The result was negative; the message names the function.
    """
    words = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    result = int(getattr(_libc, name)(*words))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
