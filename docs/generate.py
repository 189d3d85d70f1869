"""Write the tables of the site: options from click, results from `benchmarks/results`.

    python docs/generate.py    # into docs/_generated, as every build does, and the table of the README

Nothing in a table is copied by hand: a new result file or a changed option appears with the next build.
"""

import collections.abc
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import yaml

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
Json = dict[str, Any]
# Of large extractions: numbers of an embedding by network, and an example of a price.
WIDTHS = {"resnet50": 2048, "tf_efficientnet_lite0": 1280}
CORE_HOUR_DOLLARS = 0.05
LABEL_AND_ID_BYTES, BLOCK_ROWS = 8 + 40, 512


def write(folder: Path) -> None:
    """Write one Markdown file for each table into `folder`, leaving files that would not change."""
    folder.mkdir(exist_ok=True)
    for name, text in {"commands": commands(), **{name: make() for name, make in TABLES.items()}}.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table; cells are shown literally."""
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    if text.startswith("`"):
        return text.replace("|", "\\|")
    for mark in "\\|<*_[":
        text = text.replace(mark, f"\\{mark}")
    return text


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Describe every command with its options; those that many of them take stand in one table at the top."""
    from pipelines.cli.group import pipeline
    from pipelines.cli.options.declared import COMMON, headed

    found = [(name, command, headed(command.params)) for name, command in _commands(pipeline, "pipeline")]
    intro = "A command takes those that act in it; its `--help` lists them."
    parts = [f"## {COMMON}\n\n{intro}\n\n", _option_table(found[0][2][COMMON])]
    for name, command, headings in found:
        parts += [f"\n## {name}\n\n", f"```text\n{_usage(name, command)}\n```\n\n", _prose(command.help or "")]
        for heading, options in headings.items():
            if heading != COMMON:
                parts += [f"{heading}:\n\n" if len(headings) > 2 else "", _option_table(options), "\n"]
    return "".join(parts)


def _commands(group: click.Group, prefix: str) -> Iterable[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        own_options = isinstance(command, click.Group) and not command.invoke_without_command
        if not own_options:
            yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")


def _usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    return " ".join([name, *command.collect_usage_pieces(context)])


def _prose(text: str) -> str:
    paragraphs = [" ".join(part.replace("\b", "").split()) for part in text.split("\n\n")]
    return "".join(f"{_cell(part)}\n\n" for part in paragraphs if part)


def _option_table(options: Sequence[click.Option]) -> str:
    context = click.Context(click.Command("pipeline"))
    rows = []
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            names, text = record
            rows.append([f"`{names}`", text.replace("  [", " [")])
    return table(["option", "meaning"], rows)


def recipes() -> str:
    """Show the options in which the recipes differ."""
    from click.testing import CliRunner

    from pipelines.cli.group import pipeline

    found = json.loads(CliRunner().invoke(pipeline, ["recipes", "--json"]).stdout)["recipes"]
    options = [name for name in next(iter(found.values())) if len({str(one[name]) for one in found.values()}) > 1]
    rows = [[f"`--{name.replace('_', '-')}`", *(_value(one[name]) for one in found.values())] for name in options]
    return table(["option", *(f"`{name}`" for name in found)], rows)


def head_options() -> str:
    """List every option of every head with its default and its meaning."""
    from heads.registry import kinds, options

    rows = [
        [f"`{kind}`", f"`{name}`", one.default_text or _value(one.default), one.help]
        for kind in kinds()
        for name, one in options(kind).items()
    ]
    return table(["head", "option", "default", "meaning"], rows)


# --- the record -------------------------------------------------------------------------------------------------------


def record() -> str:
    """Tabulate the fields of a record by its types, with their meanings from `fields.yaml`."""
    meanings = yaml.safe_load((Path(__file__).parent / "fields.yaml").read_text())
    parts = []
    for paths, fields in record_fields().items():
        titles = {("",): "Fields", ("extraction",): "Fields of an extraction"}
        title = titles.get(paths) or ", ".join(f"`{path}`" for path in paths)
        first = f"{paths[0]}." if paths[0] else ""
        rows = [[f"`{name}`", kind, meanings.get(first + name, "")] for name, kind in fields.items()]
        parts.append(f"\n## {title}\n\n" + table(["field", "type", "meaning"], rows))
    return "".join(parts)


def record_fields() -> dict[tuple[str, ...], dict[str, str]]:
    """Collect {paths of a nested type: {field: its type in words}} of a run, whose path is "", and an extraction."""
    from pipelines.workspace.extractions import Extraction
    from pipelines.workspace.schema import DoneRecord

    kinds: dict[Any, list[str]] = {DoneRecord: [""], Extraction: ["extraction"]}
    found = {}
    for kind in (queue := list(kinds)):
        fields = {name: _bare(hint) for name, hint in typing.get_type_hints(kind).items()}
        for name, hint in fields.items():
            for inner in _records_in(hint):
                if inner not in kinds:
                    queue.append(inner)
                kinds.setdefault(inner, []).append(f"{kinds[kind][0]}.{name}".lstrip("."))
        found[kind] = {name: _in_words(hint) for name, hint in fields.items()}
    return {tuple(kinds[kind]): fields for kind, fields in found.items()}


def _bare(hint: Any) -> Any:
    while typing.get_origin(hint) in (typing.Required, typing.NotRequired, typing.Annotated):
        hint = typing.get_args(hint)[0]
    return hint


def _records_in(hint: Any) -> list[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [one for inner in typing.get_args(hint) for one in _records_in(_bare(inner))]


def _in_words(hint: Any) -> str:
    hint = _bare(hint)
    names = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null", Any: "any"}
    inner = [_in_words(one) for one in typing.get_args(hint) if one is not ...]
    match typing.get_origin(hint):
        case typing.Literal:
            return " or ".join("null" if one is None else f"{one}" for one in typing.get_args(hint))
        case typing.Union | types.UnionType:
            return " or ".join(inner)
        case origin if origin in (list, tuple, collections.abc.Sequence):
            return f"list of {inner[0]}"
        case origin if origin in (dict, collections.abc.Mapping):
            return f"object of {inner[1]}"
        case _:
            return names.get(hint, "object")


# --- results ----------------------------------------------------------------------------------------------------------


def _read(kind: str) -> list[Json]:
    """Read the result files of one benchmark, the oldest first."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{kind}-2*.json"))]


def _runs(**wanted: object) -> list[Json]:
    """Collect the runs with these values, the newest of each (name, seed, options), with their machine."""
    found: dict[str, Json] = {}
    for file in _read("runs"):
        for run in file["runs"]:
            if all(run[key] == value for key, value in wanted.items()):
                same = json.dumps([run["name"], run["seed"], run["options"]], sort_keys=True)
                found[same] = {**run, "machine": _machine(file)}
    return list(found.values())


def _machine(file: Json) -> str:
    hardware = file["hardware"]
    units = {"": "float32", "avx512_bf16": "AVX-512 bf16"}.get(hardware["bf16_units"], hardware["bf16_units"])
    return f"{hardware['core_count']} cores, {units}"


def _percent(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}%}".replace("%", "\u00a0%")


def _interval(run: Mapping[str, float]) -> str:
    return f"{_percent(run['interval_low'])} to {_percent(run['interval_high'])}"


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _given(options: Json) -> str:
    """Write a run's options as they were chosen; what was left at its default is not there."""
    shown = {name: value for name, value in options.items() if value is not None and name not in ("tta", "solver")}
    return ", ".join(f"{name} {_value(value)}" for name, value in shown.items())


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"{len(value)} values" if len(value) > 6 else ", ".join(_value(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def heads() -> str:
    """Compare the heads on all of CIFAR-10, the best test accuracy first."""
    runs = sorted(_runs(kind="head", dataset="cifar10", subset=None), key=lambda run: -run["test_accuracy"])
    header = ["head", "options", "validation", "test", "95 % interval", "both views", "log loss", "search, s", "fit, s"]
    return table(
        [*header, "MB", "machine"],
        [
            [
                run["name"].replace(f" on {run['architecture']}", ""),
                _given(run["options"]) or "defaults",
                *(_percent(run["validation_accuracy"]), _percent(run["test_accuracy"]), _interval(run)),
                *(_percent(run["test_tta_accuracy"]), _number(run["log_loss"], 3)),
                *(_number(run["search_seconds"]), _number(run["fit_seconds"]), _number(run["bytes"] / 1e6, 1)),
                run["machine"],
            ]
            for run in runs
        ],
    )


def scratch() -> str:
    """Compare the networks trained from scratch on all of CIFAR-10, the best test accuracy first."""
    runs = sorted(_runs(mode="scratch", dataset="cifar10", subset=None), key=lambda run: -run["test_accuracy"])
    return table(
        ["network", "options", "seed", "parameters", "minutes", "test", "95 % interval", "views averaged", "machine"],
        [
            [
                run["name"].replace(" from scratch", ""),
                _given({name: value for name, value in run["options"].items() if name != "recipe"}),
                *(run["seed"], _number(run["parameters"]), _number(run["fit_seconds"] / 60)),
                *(_percent(run["test_accuracy"]), _interval(run), _percent(run["test_tta_accuracy"]), run["machine"]),
            ]
            for run in runs
        ],
    )


def finetuning() -> str:
    """Compare fine-tuning with the frozen head on 5,000 training images of CIFAR-10."""
    runs = sorted(_runs(dataset="cifar10", subset=5000), key=lambda run: -run["test_accuracy"])
    return table(
        ["run", "clip norm", "test", "95 % interval", "extraction, s", "search and fit, s"],
        [
            [
                *(run["name"], _number(run["options"].get("clip_norm"), 0)),
                *(_percent(run["test_accuracy"]), _interval(run), _number(run["extraction_seconds"])),
                _number((run["search_seconds"] or 0) + (run["fit_seconds"] or 0)),
            ]
            for run in runs
        ],
    )


def extraction() -> str:
    """Compare extraction speed and fidelity with a plain loop and OpenVINO."""
    rows = []
    for file in reversed(_read("extraction")):
        for name, one in file["results"].items():
            cosine, setting = one.get("cosine", {}), one.get("setting", {})
            rows.append(
                [
                    *(
                        _machine(file),
                        name,
                        _number(one["images_per_second"]["ours"], 1),
                        setting.get("ours", "compiled"),
                    ),
                    *(_number(one["ratios"].get(f"ours/{side}"), 2) for side in ("plain", "openvino")),
                    *(_number(cosine.get(side), 5) for side in ("ours", "openvino", "openvino in bfloat16")),
                ]
            )
    header = ["machine", "network", "images a second", "engine", "/ plain loop", "/ OpenVINO"]
    return table([*header, "lowest cosine", "OpenVINO's", "its bfloat16's"], rows)


def scale() -> str:
    """Compute hours, cost and bytes of large extractions from the measured rates."""
    header = ["network", "images", "images a second", "hours", "dollars", "feature file"]
    rows = []
    for file in _read("extraction")[-1:]:
        cores = file["hardware"]["core_count"]
        for name, width in WIDTHS.items():
            rate = file["results"][name]["images_per_second"]["ours"]
            for power in (6, 8, 9):
                hours = 10**power / rate / 3600
                size = 10**power * (2 * width + LABEL_AND_ID_BYTES + 4 / BLOCK_ROWS)
                cost = hours * cores * CORE_HOUR_DOLLARS
                found = (_number(hours, 1), _number(cost, 1), f"{size / 1e9:,.0f} GB")
                rows.append([f"`{name}`", f"10^{power}", _number(rate, 0), *found])
    return table(header, rows)


def photos() -> str:
    """Compare the extraction of large photographs with a plain loop."""
    return table(
        ["machine", "network", "MB each", "plain loop, images a second", "here", "ratio", "ratio of seconds of a core"],
        [
            [
                *(_machine(file), name, _number(one["mean_bytes"] / 1e6, 1)),
                *(_number(one["images_per_second"][side], 1) for side in ("plain", "ours")),
                _number(one["ours/plain"], 2),
                _number(one["core_seconds_per_photo"]["plain"] / one["core_seconds_per_photo"]["ours"], 2),
            ]
            for file in reversed(_read("photos"))
            for name, one in file["results"].items()
        ],
    )


def photos_fidelity() -> str:
    """Tell how far features and levels of photographs at a reduced scale are from those decoded whole."""
    return table(
        ["input", "photographs", "lowest cosine", "mean difference of levels", "largest"],
        [
            [
                *(f"{side} pixels", f"{one['photographs']} x {kind}", _number(one["lowest_cosine"], 5)),
                *(_number(one["mean_levels"], 2), _number(one["most_levels"])),
            ]
            for side, kinds in _read("photos")[-1]["fidelity"].items()
            for kind, one in kinds.items()
        ],
    )


def listing() -> str:
    """Tell what listing, digest and plan of many files take."""
    return table(
        ["machine", "files", "classes", "workspace", "seconds", "of a core", "memory, MiB"],
        [
            [
                *(_machine(file), f"{file['files']:,}", file["classes"], state),
                *(_number(one[key], 1) for key in ("seconds", "core_seconds")),
                _number(one["memory_bytes"] / 2**20),
            ]
            for file in reversed(_read("listing"))
            for state, one in file["results"].items()
        ],
    )


def training() -> str:
    """Compare training speed with a plain loop, and the step with its floors."""
    header = ["machine", "network", "plain loop", "images a second", "/ plain loop"]
    rows = []
    for file in reversed(_read("training")):
        for name, one in file["results"].items():
            engine = one.get("engine", "eager")
            rates = [_number(one["images_per_second"][side], 1) for side in ("plain", engine)]
            ratio = _number(one[f"{engine}/plain"], 2)
            floors = [
                _percent(one[f"{kind}_floor_seconds"] / one["step_seconds"], 0)
                if f"{kind}_floor_seconds" in one
                else ""
                for kind in ("arithmetic", "memory")
            ]
            rows.append([_machine(file), name, *rates, ratio, *floors])
    return table([*header, "arithmetic floor / step", "memory floor / step"], rows)


def estimates() -> str:
    """Compare the newest estimates of commands with what they took."""
    return table(
        ["command", "estimate, s", "by", "took, s", "error"],
        [
            [name, _number(one["estimate"], 1), ", ".join(one["basis"]), _number(one["outcome"], 1), error]
            for file in _read("estimates")[-1:]
            for name, one in file["commands"].items()
            for error in [_percent(one["error"], 0)]
        ],
    )


def estimate_errors() -> str:
    """State the median and the worst error of the newest estimates in a sentence."""
    return "".join(
        f"Over {len(file['commands'])} commands ({_machine(file)}), the median error is "
        f"{_percent(file['median error'], 0)} and the worst {_percent(file['worst error'], 0)} ({file['worst']}).\n"
        for file in _read("estimates")[-1:]
    )


def path_speed() -> str:
    """Compare the logistic path with as many fits of scikit-learn, for the C that both fit to the end."""
    rows = []
    newest = {file["results"]["path"]["rows"]: file for file in _read("heads")}
    for file in newest.values():
        path = file["results"]["path"]
        for limit, one in path.get("up_to", {}).items():
            theirs = [one["scikit_learn_seconds"][kind] for kind in ("float32", "float64")]
            rows.append([path["rows"], limit, one["values_of_C"], one["measured"], one["ours_seconds"], *theirs, file])
        if "up_to" not in path:
            kinds = [path["scikit_learn"][kind]["measured"] for kind in ("float32", "float64")]
            values = {"1": 25, "10": 29}
            for limit, count in values.items():
                theirs = [_interpolated(points, count) for points in kinds]
                measured = sum(point["C"] <= float(limit) * 1.001 for point in kinds[0])
                rows.append([path["rows"], limit, count, measured, path["ours_seconds"], *theirs, file])
    return table(
        ["rows", "C up to", "values", "of these measured", "ours, s", "float32, s", "float64, s", "times faster", "on"],
        [
            [
                *(_number(rows_), limit, count, measured, _number(ours, 1), _number(single), _number(double)),
                *(f"{single / ours:.1f} and {double / ours:.1f}", f"{file['date']}, {file['threads']} threads"),
            ]
            for rows_, limit, count, measured, ours, single, double, file in rows
        ],
    )


def _interpolated(points: list[Json], count: int) -> float:
    """Sum scikit-learn's seconds over the first `count` of 45 values of C, linear over log C between those measured."""
    grid = np.linspace(-6, 5, 45)[:count]
    return float(np.interp(grid, np.log10([p["C"] for p in points]), [p["seconds"] for p in points]).sum())


def path_errors() -> str:
    """State how far the path's validation losses are from the exact fit's."""
    return table(
        ["training rows", "chosen C", "search, s", "largest error, converged points", "largest error, rough points"],
        [
            [
                *(_number(one["kept_rows"]), f"{one['chosen_C']:.4g}", _number(one["search_seconds"], 1)),
                *(f"{one[f'greatest_error_of_{kind}']:.1e}" for kind in ("converged", "rough_and_measured")),
            ]
            for file in _read("path")
            for one in file["results"].values()
        ],
    )


def rounding() -> str:
    """State how near bfloat16 features are to float32 features."""
    return table(
        ["machine", "images", "rows", "lowest cosine", "median cosine", "not above 0.999"],
        [
            [
                _machine(file) + (" (simulated)" if one["bfloat16_simulated"] else ""),
                *(split, _number(cosine["rows"]), _number(cosine["lowest"], 5), _number(cosine["median"], 5)),
                cosine["not_above_0.999"],
            ]
            for file in reversed(_read("rounding"))
            for one in file["results"].values()
            for split, cosine in one["cosine"].items()
        ],
    )


def equal_runs() -> str:
    """State how often a difference is shown between runs that are equal."""
    return table(
        ["test images", "chosen by", "compared", "a bar excludes zero"],
        [
            [
                _number(one["images"]),
                "validation images" if one["chosen_by_validation"] else "test images",
                f"{one['runs']} runs" if "runs" in one else "rows of {} and {} seeds".format(*one["seeds_of_rows"]),
                _percent(one["excludes_zero"], 1),
            ]
            for file in _read("equal-runs")
            for one in file["results"]
        ],
    )


def importance() -> str:
    """State how seldom shares of importance mislead where no option matters."""
    return table(
        ["trials", "options", "sampler", "searches", "shares shown", "right"],
        [
            [one["trials"], one["options"], one["sampler"], file["repetitions"], one["shown"], one["right"]]
            for file in _read("importance")
            for one in file["searches"]
        ],
    )


def ablation() -> str:
    """State how seldom an ablation shows what is not there, and how often it finds what is."""
    file = _read("ablation")[-1]
    nets, percent = file["networks"], lambda share: f"{100 * share:.0f} %"
    lines = table(
        ["seeds", "changes", "something shown where nothing is", "1 point found", "2 points", "3 points"],
        [
            [
                one["seeds"],
                one["changes"],
                f"{percent(one['shown']['0.5'])}; one change erratic: {percent(one['shown']['2.0'])}",
                *(percent(one["found"][points]) for points in ("1.0", "2.0", "3.0")),
            ]
            for one in file["tables"]
        ],
    )
    return (
        f"Of {file['repetitions']} ablations of a tiny network against itself with other random numbers, "
        f"{nets['seeds']} seeds each, {nets['no_difference_shown']} say *no difference shown*; the greatest difference "
        f"was {100 * nets['greatest_difference']:.1f} points. Simulated, 1,500 validation images a seed:\n\n{lines}"
    )


def robustness() -> str:
    """Count what was done to the program and its files, and the faults that this showed."""
    kills, damage, full, orientation = (_read(kind)[-1] for kind in ("kills", "damage", "full-disk", "orientation"))
    return table(
        ["what was done", "how often", "faults"],
        [
            ["commands killed and started again", _number(kills["kills"]), len(kills["problems"])],
            ["files damaged, then read by commands", _number(damage["damages"]), len(damage["problems"])],
            ["disks of different sizes filled by commands", _number(full["filled"]), len(full["problems"])],
            [
                "images of all orientations and formats decoded",
                _number(orientation["decodings"]),
                orientation["decodings"] - orientation["upright"],
            ],
        ],
    )


README = Path(__file__).resolve().parent.parent / "README.md"
IN_README = {
    "645fb4e009dd": "kernel head, mirrored views",
    "064857617516": "MLP head, mirrored views",
    "b01234c3240a": "logistic head, bfloat16",
    "fbf03fe59f33": "`airbench94` from scratch, bfloat16, one core",
    "2aa617b753d4": "`resnet20` from scratch, one core",
}


def readme() -> str:
    """Return the README with its table of results written anew."""
    runs = {run["run"]: run for file in _read("runs") for run in file["runs"]}
    rows = []
    for name, label in IN_README.items():
        run = runs[name]
        minutes = sum(run[f"{phase}_seconds"] or 0 for phase in ("extraction", "search", "fit")) / 60
        accuracy = (_percent(run["test_accuracy"]), _interval(run), _percent(run["test_tta_accuracy"]))
        rows.append([label, *accuracy, _number(run["bytes"] / 1e6, 1), _number(minutes)])
    text = table(["model", "test", "95 % interval", "views averaged", "MB", "minutes"], rows)
    before, _, rest = README.read_text().partition(_BEGIN)
    return before + _BEGIN + "\n" + text + _END + rest.partition(_END)[2]


# --- the diagram of the packages --------------------------------------------------------------------------------------

DIAGRAM = Path(__file__).resolve().parent / "images" / "architecture.svg"
# A box imports only boxes of its own row and of the rows below it.
LAYERS: dict[str, list[list[str]]] = {
    "pipelines: specs, tasks, records, report": [
        ["cli"],
        ["search", "report", "predict"],
        ["studies"],
        ["tasks"],
        ["training"],
        ["specs", "workspace"],
    ],
    "finetune: images to network to scores": [["analysis", "training"], ["augmentation", "architectures"]],
    "heads: features to head to scores": [["registry, protocol"], ["logistic", "neural", "kernel", "nearest"]],
    "extract: images to features.h5": [["features"], ["backbones"], ["data", "decoding"], ["runtime, errors"]],
}
WIDTH, BOX, GAP, LEFT = 720, 30, 8, 16


def diagram() -> str:
    """Draw the packages and sub-packages as an SVG, the importing ones above."""
    parts, y = [], 0
    for title, rows in LAYERS.items():
        height = 26 + len(rows) * (BOX + GAP) + GAP
        parts.append(f'<rect class="band" x="0" y="{y}" width="{WIDTH}" height="{height}" rx="6"/>')
        parts.append(f'<text class="title" x="{LEFT}" y="{y + 20}">{title}</text>')
        for index, row in enumerate(rows):
            width = (WIDTH - 2 * LEFT - GAP * (len(row) - 1)) / len(row)
            for column, name in enumerate(row):
                x, top = LEFT + column * (width + GAP), y + 30 + index * (BOX + GAP)
                parts.append(f'<rect x="{x:g}" y="{top}" width="{width:g}" height="{BOX}" rx="4"/>')
                parts.append(f'<text x="{x + width / 2:g}" y="{top + 20}" text-anchor="middle">{name}</text>')
        y += height + 22
        if title != list(LAYERS)[-1]:
            parts.append(f'<path d="M{WIDTH / 2:g} {y - 20} v16 m-5 -6 l5 6 l5 -6"/>')
    style = (
        "text{font:14px sans-serif;fill:#1a1a1a}.title{font-weight:bold}rect{fill:#fff;stroke:#5b6b7b}"
        ".band{fill:#eef2f6;stroke:none}path{fill:none;stroke:#1a1a1a;stroke-width:1.5}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - 22}" role="img">'
    label = "<title>Packages: pipelines imports finetune, heads and extract; nothing imports upward</title>"
    return "\n".join([head, label, f"<style>{style}</style>", *parts, "</svg>", ""])


_BEGIN, _END = "<!-- results: written by docs/generate.py -->", "<!-- end of results -->"
TABLES: dict[str, Callable[[], str]] = {
    "record": record,
    "recipes": recipes,
    "head-options": head_options,
    "heads": heads,
    "scratch": scratch,
    "finetuning": finetuning,
    "extraction": extraction,
    "scale": scale,
    "photos": photos,
    "photos-fidelity": photos_fidelity,
    "listing": listing,
    "training": training,
    "estimates": estimates,
    "estimate-errors": estimate_errors,
    "path-speed": path_speed,
    "path-errors": path_errors,
    "rounding": rounding,
    "equal-runs": equal_runs,
    "ablation": ablation,
    "importance": importance,
    "robustness": robustness,
}

if __name__ == "__main__":
    write(Path(__file__).parent / "_generated")
    README.write_text(readme())
    DIAGRAM.write_text(diagram())
