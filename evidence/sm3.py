"""SM3 (GB/T 32905) from libgcrypt, or from Python's OpenSSL where that is not there.

OpenSSL 3 has SM3 in plain C on x86-64; libgcrypt has it in vector instructions, and takes about
three fifths of the time. Neither is trusted: a library counts only if it digests the standard's
own example rightly.
"""

from __future__ import annotations

import ctypes
import hashlib
import weakref
from collections.abc import Callable
from typing import Protocol, Self

Buffer = bytes | bytearray | memoryview


class RunningSm3(Protocol):
    """A running SM3, of the form that hashlib's have; update() leaves Python's lock alone."""

    def update(self, data: Buffer, /) -> None: ...

    def copy(self) -> Self: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...


# GB/T 32905-2016, appendix A.1.
_EXAMPLE = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
# From gcrypt.h, whose interface has been the same since libgcrypt 1.9 brought SM3.
_DISABLE_SECMEM, _INITIALIZATION_FINISHED = 37, 38
_SM3 = 326


def _libgcrypt() -> ctypes.CDLL:
    """Raises OSError where it is not there."""
    library = ctypes.CDLL("libgcrypt.so.20")
    handle, pointer = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
    library.gcry_check_version.argtypes = [ctypes.c_char_p]
    library.gcry_check_version.restype = ctypes.c_char_p
    library.gcry_md_open.argtypes = [pointer, ctypes.c_int, ctypes.c_uint]
    library.gcry_md_copy.argtypes = [pointer, handle]
    library.gcry_md_write.argtypes = [handle, ctypes.c_void_p, ctypes.c_size_t]
    library.gcry_md_write.restype = None
    library.gcry_md_read.argtypes = [handle, ctypes.c_int]
    library.gcry_md_read.restype = ctypes.c_void_p
    library.gcry_md_close.argtypes = [handle]
    library.gcry_md_close.restype = None
    library.gcry_check_version(None)
    library.gcry_control(_DISABLE_SECMEM, 0)
    library.gcry_control(_INITIALIZATION_FINISHED, 0)
    return library


class _OfLibgcrypt:
    def __init__(self, library: ctypes.CDLL, copied: ctypes.c_void_p | None = None) -> None:
        """Raises OSError where the library does not have it, or not now."""
        self._library = library
        self._handle = ctypes.c_void_p()
        made = ctypes.byref(self._handle)
        refused = (
            library.gcry_md_copy(made, copied) if copied else library.gcry_md_open(made, _SM3, 0)
        )
        if refused:
            raise OSError(f"libgcrypt refuses SM3 ({refused}).")
        weakref.finalize(self, library.gcry_md_close, self._handle).atexit = False

    def update(self, data: Buffer, /) -> None:
        if isinstance(data, bytes):
            self._library.gcry_md_write(self._handle, data, len(data))
            return
        view = memoryview(data).cast("B")
        if view.readonly:
            self.update(bytes(view))
        elif view:
            first = ctypes.byref(ctypes.c_char.from_buffer(view))
            self._library.gcry_md_write(self._handle, first, len(view))

    def copy(self) -> Self:
        return type(self)(self._library, self._handle)

    def digest(self) -> bytes:
        # Reading it ends a digest: a copy is read.
        twin = self.copy()
        return ctypes.string_at(self._library.gcry_md_read(twin._handle, _SM3), 32)

    def hexdigest(self) -> str:
        return self.digest().hex()


def _from_libgcrypt() -> Callable[[], RunningSm3]:
    library = _libgcrypt()
    return lambda: _OfLibgcrypt(library)


def _from_openssl() -> Callable[[], RunningSm3]:
    return lambda: hashlib.new("sm3")


def _first_right(
    *sources: Callable[[], Callable[[], RunningSm3]],
) -> Callable[[], RunningSm3] | None:
    """The first that is there and digests rightly."""
    for source in sources:
        try:
            found = source()
            example = found()
            example.update(b"abc")
            if example.hexdigest() == _EXAMPLE:
                return found
        except (OSError, ValueError, AttributeError):
            continue
    return None


_found = _first_right(_from_libgcrypt, _from_openssl)
SM3 = _found is not None


def new_sm3() -> RunningSm3:
    """A new digest. Raises ValueError where there is none (`SM3` is false)."""
    if _found is None:
        raise ValueError("This system has no SM3.")
    return _found()
