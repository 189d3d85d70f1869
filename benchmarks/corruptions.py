"""Ways to damage a file: its content -> another, by chance; `another` gives the content of some other file."""

import re
from collections.abc import Callable
from random import Random

FOREIGN = (b"{}", b"5\n", b"", b"\x89PNG\r\n\x1a\n" + bytes(64), b"key: value\n", bytes(4096))
Another = Callable[[], bytes]


def _bit(content: bytes, chance: Random, another: Another) -> bytes:
    found = bytearray(content)
    if found:
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _digit(content: bytes, chance: Random, another: Another) -> bytes:
    places = [match.start() for match in re.finditer(rb"\d", content[:200_000])]
    if not places:
        return _bit(content, chance, another)
    found, place = bytearray(content), chance.choice(places)
    found[place] = chance.choice([one for one in b"0123456789" if one != found[place]])
    return bytes(found)


def _cut(content: bytes, chance: Random, another: Another) -> bytes:
    return content[: chance.randrange(len(content))] if content else b""


def _zeros(content: bytes, chance: Random, another: Another) -> bytes:
    start = chance.randrange(len(content)) if content else 0
    stop = min(start + chance.randint(1, 512), len(content))
    return content[:start] + bytes(stop - start) + content[stop:]


def _foreign(content: bytes, chance: Random, another: Another) -> bytes:
    """A file of another kind, one of the same kind, or something else altogether."""
    return chance.choice([*FOREIGN, another(), another()])


HOW: dict[str, Callable[[bytes, Random, Another], bytes]] = {
    "one bit": _bit,
    "one digit": _digit,
    "a truncation": _cut,
    "zeros": _zeros,
    "a foreign file": _foreign,
}
