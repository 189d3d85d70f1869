"""Classes of a data set to use or to leave out, as people name them: names, numbers, CIFAR-100's superclasses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from extract.errors import InvalidInputError, unknown

SUPERCLASS = "superclass:"
Superclasses = Callable[[], Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class ClassChoice:
    """Classes to use (None for all; a comma list, or names), and those of them to leave out (None, or a comma list)."""

    used: str | tuple[str, ...] | None = None
    excluded: str | None = None

    def of(self, names: tuple[str, ...], superclasses: Superclasses) -> tuple[str, ...]:
        """The class `names` that are used, in their order. `superclasses()` gives the classes of each.

        Raises `InvalidInputError` for a class that there is not and where fewer than two are left.
        """
        if isinstance(self.used, str):
            used = _named(self.used, names, superclasses, option="--classes")
        else:
            used = set(names if self.used is None else self.used).intersection(names)
        if self.excluded is not None:
            used -= _named(self.excluded, names, superclasses, option="--exclude-classes")
        if len(used) < 2:
            left = ", ".join(sorted(used)) or "none"
            raise InvalidInputError(
                f"at least two classes must be left to tell apart; got {left}. Check --classes and --exclude-classes."
            )
        return tuple(name for name in names if name in used)


def _named(text: str, names: tuple[str, ...], superclasses: Superclasses, *, option: str) -> set[str]:
    found: set[str] = set()
    for word in (one.strip() for one in text.split(",")):
        if word in names:
            found.add(word)
        elif word.isdecimal() and int(word) < len(names):
            found.add(names[int(word)])
        elif word.startswith(SUPERCLASS):
            groups = superclasses()
            group = word.removeprefix(SUPERCLASS)
            if not groups:
                raise InvalidInputError(
                    f"{option} must name classes of the data set, of which only CIFAR-100's have superclasses; "
                    f"got {word!r}. Name its classes."
                )
            if group not in groups:
                raise unknown("superclass", name=group, known=groups)
            found.update(groups[group])
        else:
            raise unknown(f"class of {option}", name=word, known=names, remedy="Numbers count from 0.")
    return found
