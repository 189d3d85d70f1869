"""The tensors of a weights file, whoever saved it: which set of them is taken, and under which names.

Nothing in a file is executed. Torch files are read with `weights_only=True`; an inert stand-in takes the place of the
harmless objects that lie beside the tensors (`HARMLESS`), so that not even those classes are called.
"""

import re
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from extract.backbones import weights_preprocessing
from extract.backbones.harmless import HARMLESS
from extract.backbones.weights import split
from extract.backbones.weights_preprocessing import KnownPreprocessing
from extract.decoding import file_kinds
from extract.errors import CorruptFileError, InvalidInputError

Content = Mapping[Any, Any]  # objects of a file by name
AVERAGED = ("state_dict_ema", "model_ema", "ema", "ema_state_dict", "ema_model", "params_ema")
PLAIN = (
    *("state_dict", "model", "model_state_dict", "model_state", "net", "network", "weights", "params", "shadow"),
    "module",
)
WRAPPERS = re.compile(r"^(_orig_mod\.|module\.)+")  # of torch.compile and DataParallel, in either order
DEEPEST = 16  # mappings in one another that are looked into: one may hold itself
DAMAGES = (
    *(RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, OverflowError, struct.error, zipfile.BadZipFile),
)
HARMLESS_MAPPINGS = (
    *("collections.defaultdict", "builtins.dict"),
    *(
        f"{package}.AttributeDict"
        for package in (
            *("pytorch_lightning.utilities.parsing", "lightning.pytorch.utilities.parsing"),
            *("lightning_fabric.utilities.data", "lightning.fabric.utilities.data"),
        )
    ),
    *("easydict.EasyDict", "yacs.config.CfgNode", "addict.addict.Dict", "mmengine.config.config.ConfigDict"),
)


class Companion(dict):
    """The inert stand-in of an object beside the tensors: keeps its named state, does nothing."""

    def __new__(cls, *_: object, **__: object) -> "Companion":
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__  # type: ignore[assignment]

    def __setstate__(self, state: object) -> None:
        if isinstance(state, Mapping):
            self.update(state)


class CompanionMapping:
    """The same for what is a dictionary of some kind, whose items torch sets in its own kinds only."""

    def __new__(cls, *_: object, **__: object) -> OrderedDict[object, object]:  # type: ignore[misc]
        return OrderedDict()


@dataclass(frozen=True)
class Checkpoint:
    """The `tensors` by name that were taken from a file, what it says of its preprocessing, and what to tell a user.

    `origin` is the file as it was named.
    """

    origin: str
    tensors: dict[str, Tensor]
    preprocessing: KnownPreprocessing
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return split(self.origin)[0].name


def read(source: str | Path) -> Checkpoint:
    """The tensors of a weights file: "FILE", or "FILE#SET" to take another set of them than the usual one.

    Usual is what timm takes: averaged weights (EMA) where there are some, then "state_dict", "model", "net" and their
    like, then the file itself. SET may also be a prefix of the names. Raises `CorruptFileError`, which says what the
    file is, and `InvalidInputError` where there is no such set or two names would become one.
    """
    path, chosen = split(str(source))
    content, metadata = _content(path)
    where, found = _chosen(content, chosen, path=path) if chosen else _usual(content, path=path)
    tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    notices = _set_notices(content, where, path=path) if not chosen else ()
    tensors, wrapped = _unwrapped(tensors, path=path)
    if wrapped:
        notices = (*notices, f"{path.name}: {wrapped} is left out of the tensors' names")
    beside = {key: one for key, one in content.items() if isinstance(key, str) and not isinstance(one, Tensor)}
    return Checkpoint(str(source), tensors, weights_preprocessing.within({**metadata, **beside}), notices)


def _content(path: Path) -> tuple[Content, Content]:
    kind, remedy = file_kinds.kind(path)
    if kind == file_kinds.SAFETENSORS:
        return _safetensors(path)
    if kind != file_kinds.TORCH:
        raise CorruptFileError(f"weights must be a safetensors or torch file; got {str(path)!r}, {kind}. {remedy}.")
    content = _torch(path)
    if not isinstance(content, Mapping):
        raise _holds_none(path, f"which holds a {type(content).__name__}")
    return content, {}


def _safetensors(path: Path) -> tuple[Content, Content]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _torch(path: Path) -> object:
    import pickle

    import torch

    stand_ins: Any = [(Companion, name) for name in HARMLESS] + [(CompanionMapping, name) for name in HARMLESS_MAPPINGS]
    try:
        with path.open("rb") as file, torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that it reads all the same
            return torch.load(file, map_location="cpu", weights_only=True)  # of a path, torch would go by the name
    except pickle.UnpicklingError as error:  # of more than tensors: it names the first class or function it calls for
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"which calls for {named.group(1)}" if named else "a pickle of something else"
        raise CorruptFileError(
            f"weights must be tensors by name; got {str(path)!r}, {what}. Nothing but tensors is taken from a file: "
            "save torch.save(network.state_dict(), FILE)."
        ) from error
    except DAMAGES as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CorruptFileError:
    reason = re.sub(r"[^\x20-\x7e]+", " ", (str(error) or type(error).__name__).splitlines()[0])[:120].rstrip(". ")
    return CorruptFileError(f"weights must be a whole file; got {str(path)!r}: {reason}. {file_kinds.AGAIN}.")


def _holds_none(path: Path, what: str) -> CorruptFileError:
    return CorruptFileError(
        f"weights must be a file of named tensors; got {str(path)!r}, {what}. "
        "Save torch.save(network.state_dict(), FILE)."
    )


def _usual(content: Content, *, path: Path) -> tuple[str, Content]:
    found = _deepest(content)
    if found is not None:
        return found
    sets = list(_sets(content))
    if not sets:
        raise _holds_none(path, "which holds none")
    raise InvalidInputError(
        f"weights must be one set of tensors; got {str(path)!r}, which holds {_listed(sets)}. "
        f"Choose with --weights {path.name}#{sets[0]}."
    )


def _deepest(content: Content, where: str = "") -> tuple[str, Content] | None:
    """(place, tensors): averaged ones before others, what is wrapped before what lies beside it."""
    for key in (*AVERAGED, *PLAIN) if where.count(".") < DEEPEST else ():
        inner = content.get(key)
        if isinstance(inner, Mapping):
            found = _deepest(inner, f"{where}.{key}" if where else key)
            if found is not None:
                return found
    return (where, content) if _has_tensors(content) else None


def _chosen(content: Content, chosen: str, *, path: Path) -> tuple[str, Content]:
    """What lies under `chosen`: keys of the file, then a prefix of the tensors' names."""
    node, rest = content, chosen
    while rest:
        inner = [key for key in map(str, node) if (f"{rest}.").startswith(f"{key}.")]
        key = next((key for key in inner if isinstance(node.get(key), Mapping)), None)
        if key is None:
            break
        node, rest = node[key], rest[len(key) + 1 :]
    prefix = f"{rest}." if rest else ""
    if not _has_tensors(node) and (deeper := _deepest(node)) is not None:
        node = deeper[1]
    found = {str(name)[len(prefix) :]: value for name, value in node.items() if str(name).startswith(prefix)}
    if not _has_tensors(found):
        raise InvalidInputError(
            f"set of weights must be one that the file holds; got {chosen!r} for {str(path)!r}, which holds "
            f"{_listed(list(_sets(content))) or 'one set only'}. Leave # and what follows out for the usual one."
        )
    return chosen, found


def _sets(content: Content, where: str = "") -> Iterator[str]:
    for key, inner in content.items():
        if isinstance(key, str) and isinstance(inner, Mapping):
            place = f"{where}.{key}" if where else key
            if _has_tensors(inner):
                yield place
            elif where.count(".") < 2:
                yield from _sets(inner, place)


def _has_tensors(content: Content) -> bool:
    return any(isinstance(value, Tensor) for value in content.values())


def _set_notices(content: Content, where: str, *, path: Path) -> tuple[str, ...]:
    others = [place for place in _sets(content) if place != where and place.split(".")[-1] in (*AVERAGED, *PLAIN)]
    averaged = any(part in AVERAGED for part in where.split("."))
    if not others and not averaged:
        return ()
    kind = " (averaged weights, EMA, as timm takes them)" if averaged else ""
    other = f"; --weights {path.name}#{others[0]} takes the others" if others else ""
    return (f"{path.name}: {where} is taken{kind}{other}",)


def _unwrapped(tensors: dict[str, Tensor], *, path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors without what wrappers put before their names, and the first of those prefixes."""
    found: dict[str, Tensor] = {}
    before: dict[str, str] = {}
    prefix = ""
    for name, tensor in tensors.items():
        bare = WRAPPERS.sub("", name)
        if bare in found:
            one, other = sorted((name, before[bare]), key=len, reverse=True)
            raise InvalidInputError(
                f"weights must have one tensor of each name; got {str(path)!r} with {one!r} and {other!r}. "
                f"Choose with --weights {path.name}#{one.removesuffix(bare).rstrip('.')}."
            )
        found[bare], before[bare] = tensor, name
        prefix = prefix or name.removesuffix(bare)
    return found, prefix


def _listed(names: list[str], count: int = 4) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
