"""The published form of the log (c2sp.org/tlog-tiles): tiles of 256 hashes, bundles of entries.

A tile at level L holds hashes of full subtrees of 256**L leaves. A partial tile `N.p/W` holds
the first W hashes; the full one supersedes it. Tiles never change.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence

from evidence.custody import merkle
from evidence.errors import LogForked, NotFound
from evidence.storage.port import ListedTileStore, TileStore

WIDTH = 256
HASH_BYTES = 32
_LENGTH = struct.Struct(">H")
_LONGEST_PATH = 60
_PATH = re.compile(
    r"(?P<level>[0-9]|[1-5][0-9]|6[0-3]|entries)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?",
    re.ASCII,
)


def tile_path(level: int | str, index: int, width: int) -> str:
    """`tile/L/N` or `tile/L/N.p/W`; N in three-digit groups, all but the last begun with x."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{suffix}"


def width_of(level: int, index: int, size: int) -> int:
    """How many hashes the tile has in a tree of `size` leaves; 0 or less where it has none."""
    return min(WIDTH, (size >> 8 * level) - WIDTH * index)


def within(level: int | None, index: int, width: int, size: int) -> bool:
    """Whether a tree of `size` leaves has that tile (level None: bundle), now or when smaller."""
    return width <= width_of(level or 0, index, size)


def parse_path(path: str) -> tuple[int | None, int, int]:
    """Level (None for entries), index and width of what follows `tile/`; one spelling each.

    Raises NotFound for anything else.
    """
    found = _PATH.fullmatch(path)
    if not found or len(path) > _LONGEST_PATH:
        raise NotFound()
    index = int(found["index"].replace("x", "").replace("/", ""))
    width = int(found["width"] or WIDTH)
    if tile_path(found["level"], index, width) != f"tile/{path}":
        raise NotFound()
    return None if found["level"] == "entries" else int(found["level"]), index, width


def tiles_of(size: int) -> Iterator[str]:
    """The paths of all that a tree of `size` leaves is read from: full tiles and bundles, and
    those at its end. Narrower ones, of when it was smaller, are not among them.
    """
    level = 0
    while count := size >> 8 * level:
        for index in range((count + WIDTH - 1) // WIDTH):
            width = width_of(level, index, size)
            yield tile_path(level, index, width)
            if level == 0:
                yield tile_path("entries", index, width)
        level += 1


def pack_entries(entries: Sequence[bytes]) -> bytes:
    return b"".join(_LENGTH.pack(len(e)) + e for e in entries)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises LogForked where the bundle is torn."""
    entries, at = [], 0
    while at < len(bundle):
        if at + 2 > len(bundle):
            raise LogForked("A bundle of entries is torn.")
        (length,) = _LENGTH.unpack_from(bundle, at)
        entry = bundle[at + 2 : at + 2 + length]
        if len(entry) != length:
            raise LogForked("A bundle of entries is torn.")
        entries.append(entry)
        at += 2 + length
    return entries


class TileReader:
    """The hashes of the tree of `size` leaves, out of tiles; each tile is read once."""

    def __init__(self, tiles: TileStore, size: int) -> None:
        self.size = size
        self._tiles = tiles
        self._read: dict[tuple[int, int], bytes] = {}

    def tile(self, level: int, index: int) -> bytes:
        """Raises LogForked where a tile that the tree needs is missing or has another length."""
        key = (level, index)
        if key not in self._read:
            width = width_of(level, index, self.size)
            path = tile_path(level, index, width)
            content = self._tiles.tile(path)
            if content is None or len(content) != width * HASH_BYTES:
                raise LogForked(f"{path} is missing or has another length.")
            self._read[key] = content
        return self._read[key]

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the full subtree of 2**level leaves number `index`."""
        tile_level, height = divmod(level, 8)
        first = index << height
        content = self.tile(tile_level, first // WIDTH)
        begin = first % WIDTH
        hashes = [
            content[i * HASH_BYTES : (i + 1) * HASH_BYTES] for i in range(begin, begin + 2**height)
        ]
        return merkle.root_of(hashes)

    def root(self) -> bytes:
        return merkle.root(self.subtree, self.size)

    def inclusion(self, index: int) -> list[bytes]:
        return merkle.inclusion_proof(self.subtree, index, self.size)

    def consistency(self, old: int) -> list[bytes]:
        return merkle.consistency_proof(self.subtree, old, self.size)

    def entries(self, index: int) -> list[bytes]:
        """The entries of bundle `index`."""
        width = width_of(0, index, self.size)
        path = tile_path("entries", index, width)
        content = self._tiles.tile(path)
        entries = [] if content is None else unpack_entries(content)
        if len(entries) != width:
            raise LogForked(f"{path} is missing or has another length.")
        return entries


class _Grown:
    """A TileStore of what is being added, over what is there."""

    def __init__(self, below: TileStore) -> None:
        self._below = below
        self.added: dict[str, bytes] = {}

    def put_tile(self, path: str, content: bytes) -> None:
        self.added[path] = content

    def tile(self, path: str) -> bytes | None:
        return self.added.get(path) or self._below.tile(path)


def reaches_beyond(tiles: ListedTileStore, size: int) -> bool:
    """Whether a tile stands there of a tree that has more than `size` leaves.

    However such a tree grew, a batch of it left a wider tile where leaf `size` has its place.
    """
    index, width = divmod(size, WIDTH)
    wider = {tile_path(0, index, w) for w in range(width + 1, WIDTH + 1)}
    return any(path in wider for path in tiles.tiles(tile_path(0, index, WIDTH)))


def grow(tiles: TileStore, old: int, entries: Sequence[bytes]) -> tuple[dict[str, bytes], bytes]:
    """The tiles and bundles that `entries` add behind `old` leaves, by path, and the new root.

    The same arguments give the same bytes, so that a batch can be finished again after a crash.
    """
    grown = _Grown(tiles)
    before, size = TileReader(tiles, old), old + len(entries)
    _add_bundles(grown, before, old, entries)
    fresh = [merkle.leaf_hash(e) for e in entries]
    level, begin = 0, old
    while fresh:
        carried = _add_level(grown, before, level, begin, fresh)
        begin, fresh, level = begin // WIDTH, carried, level + 1
    return grown.added, TileReader(grown, size).root()


def _add_bundles(grown: _Grown, before: TileReader, old: int, entries: Sequence[bytes]) -> None:
    index, inside = divmod(old, WIDTH)
    kept = before.entries(index) if inside else []
    # The root vouches for the tile, and the tile for the bundle that is carried on.
    if inside and b"".join(map(merkle.leaf_hash, kept)) != before.tile(0, index):
        raise LogForked("A bundle holds other entries than its tile.")
    waiting = kept + list(entries)
    for offset in range(0, len(waiting), WIDTH):
        bundle = waiting[offset : offset + WIDTH]
        path = tile_path("entries", index + offset // WIDTH, len(bundle))
        grown.put_tile(path, pack_entries(bundle))


def _add_level(
    grown: _Grown, before: TileReader, level: int, begin: int, fresh: Sequence[bytes]
) -> list[bytes]:
    """Add `fresh` hashes from position `begin` of a level; the hashes of the tiles that filled."""
    index, inside = divmod(begin, WIDTH)
    content = (before.tile(level, index) if inside else b"") + b"".join(fresh)
    carried = []
    for offset in range(0, len(content), WIDTH * HASH_BYTES):
        tile = content[offset : offset + WIDTH * HASH_BYTES]
        width = len(tile) // HASH_BYTES
        grown.put_tile(tile_path(level, index, width), tile)
        if width == WIDTH:
            hashes = [tile[i : i + HASH_BYTES] for i in range(0, len(tile), HASH_BYTES)]
            carried.append(merkle.root_of(hashes))
        index += 1
    return carried
