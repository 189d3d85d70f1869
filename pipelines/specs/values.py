"""Checks of single values that every spec shares."""

from typing import Any

from extract.errors import InvalidInputError, unknown


def one_of(thing: str, name: str, known: tuple[str, ...]) -> None:
    """Raises `InvalidInputError` with the nearest names unless `name` is among `known`."""
    if name not in known:
        raise unknown(thing, name=name, known=known)


def at_least_one(thing: str, value: int | None) -> None:
    """Raises `InvalidInputError` for a count below 1; None passes."""
    if value is not None and value < 1:
        raise InvalidInputError(f"{thing} must be at least 1; got {value}.")


def primitive(name: str, value: Any) -> Any:
    """A value as text in the type that it looks like: none, true, false, a number, a list (with commas), or text.

    What is no text comes back as it is.
    """
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    if "," in value:
        return [primitive(name, part.strip()) for part in value.split(",") if part.strip()]
    words = {"none": None, "true": True, "false": False}
    if value.lower() in words:
        return words[value.lower()]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def several(name: str, value: Any) -> list:
    """One value or several (a list, or text with commas between), each as `primitive` makes it."""
    found = primitive(name, value)
    return found if isinstance(found, list) else [found]


def numbers(name: str, value: Any) -> list[float]:
    """One number or several (a list, or text with commas between) as floats."""
    return _numbers(name, value, kind=float, example="1e-4,1e-3")


def whole_numbers(name: str, value: Any) -> list[int]:
    """One whole number or several (a list, or text with commas between) as ints."""
    return _numbers(name, value, kind=int, example="1,5,10")


def sizes(name: str, value: Any) -> list[int | list[int]]:
    """Widths of hidden layers: commas between networks, x between the layers of one ("256,512x128")."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    found: list[int | list[int]] = []
    for part in parts:
        layers = part.split("x") if isinstance(part, str) else part
        several = isinstance(layers, list | tuple) and len(layers) > 1
        widths = _numbers(name, layers, kind=int, example="256,512x128")
        found.append(widths if several else widths[0])
    return found


def _numbers(name: str, value: Any, *, kind: type, example: str) -> list:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    try:
        found = [kind(part) for part in parts if isinstance(part, str) or kind(part) == part]
    except (TypeError, ValueError):
        found = []
    if not found or len(found) < len(parts) or any(isinstance(part, bool) for part in parts):
        raise InvalidInputError(
            f"{name.replace('_', '-')} must be {'whole ' if kind is int else ''}numbers with commas between, "
            f"like {example}; got {value!r}."
        )
    return found
