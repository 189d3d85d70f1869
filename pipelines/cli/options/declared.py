"""Options of the command line, generated from the fields that declare them, and listed under headings in `--help`."""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from extract.runtime.options import Option, options_of
from pipelines.specs.spec import Spec

Command = Callable[..., object]
LETTERS = {int: "N", float: "X"}


class HeadedOption(click.Option):
    """An option that help lists under a heading."""

    def __init__(self, words: Sequence[str], *, heading: str = "Options", **settings: Any) -> None:
        super().__init__(words, **settings)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command whose help lists its options under their headings, in the order in which these first occur."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, options in headed(self.get_params(ctx)).items():
            records = [record for one in options if (record := one.get_help_record(ctx)) is not None]
            with formatter.section(heading):
                formatter.write_dl(records)


def headed(parameters: Iterable[click.Parameter]) -> dict[str, list[click.Option]]:
    """The options that help shows, by heading."""
    found: dict[str, list[click.Option]] = {}
    for one in parameters:
        if isinstance(one, click.Option) and not one.hidden:
            found.setdefault(getattr(one, "heading", "Options"), []).append(one)
    return dict(sorted(found.items(), key=lambda item: item[0] == COMMON))


COMMON = "Common options"  # the last heading
command = functools.partial(click.command, cls=HeadedCommand)


def declared(
    *sources: type, only: Collection[str] = (), but: Collection[str] = (), help: Mapping[str, str] | None = None
) -> Callable[[Command], Command]:
    """Adds the options that dataclasses declare; those that are set arrive as one `options: dict`, by name.

    Of an option that several `sources` have, the first declares it, with the choices of all. `only` these are added, or
    all `but` those; `help` replaces that of some.
    """
    found: dict[str, tuple[Option, str]] = {}
    for source in sources:
        for name, (one, text) in _shown(source).items():
            first, shown = found.get(name, (one, text))
            found[name] = replace(first, choices=tuple(dict.fromkeys((*first.choices, *one.choices)))), shown
    names = [name for name in only or found if name in found and name not in {*but, "seed"}]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(**values: object) -> object:
            options = {name: values.pop(name) for name in names}
            return command(options={name: one for name, one in options.items() if one not in (None, ())}, **values)

        decorated: Command = wrapped
        for name in reversed(names):
            one, text = found[name]
            decorated = click_option(one, help=(help or {}).get(name, text))(decorated)
        return decorated

    return decorate


def click_option(one: Option, *, help: str) -> Callable[[Command], Command]:
    """The option as click's; None, or () for one that can be repeated, where it is not set."""
    words = one.flags or ((f"--{one.words}/--no-{one.words}",) if one.kinds == (bool,) else (f"--{one.words}",))
    more: dict[str, Any] = {"metavar": _metavar(one)} if one.kinds != (bool,) else {"is_flag": True}
    return click.option(
        *words,
        one.name,
        cls=HeadedOption,
        heading=one.group or "Options",
        default=None,
        help=help,
        multiple=one.several and not one.separator,
        envvar=one.envvar or None,
        show_envvar=bool(one.envvar),
        **more,
    )


def with_default(one: Option) -> str:
    """The help of an option with its default."""
    plain = one.default is None or isinstance(one.default, bool | tuple)
    shown = one.default_text or ("" if plain else str(one.default))
    return f"{one.help}  [default: {shown}]" if shown else one.help


def _shown(source: type) -> dict[str, tuple[Option, str]]:
    """The options of a dataclass with their help; a default is not shown of those that another option decides."""
    own = options_of(source) if issubclass(source, Spec) else {}
    every = source.declared() if issubclass(source, Spec) else options_of(source)
    return {
        name: (one, with_default(one) if name in own or one.default_text else one.help) for name, one in every.items()
    }


def _metavar(one: Option) -> str:
    return one.metavar or "|".join(one.choices) or LETTERS.get(one.kinds[0], "TEXT")
