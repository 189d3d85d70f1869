"""Tables of results: what was reached, how sure it is, and what was tried to break it."""

from generating.files import Json, machine, read, runs_of
from generating.markdown import interval, number, percent, table, written

WHOLE: Json = {"dataset": "cifar10", "classes": None}  # with all its classes


def given(options: Json) -> str:
    """Write a run's options as they were chosen; what was left at its default is not there."""
    shown = {name: value for name, value in options.items() if value is not None and name not in ("tta", "solver")}
    return ", ".join(f"{name} {written(value)}" for name, value in shown.items())


def heads() -> str:
    """Compare the heads on all of CIFAR-10, the best test accuracy first."""
    runs = sorted(runs_of(kind="head", **WHOLE, subset=None), key=lambda run: -run["test_accuracy"])
    header = ["head", "options", "validation", "test", "95 % interval", "both views", "log loss", "search, s", "fit, s"]
    return table(
        [*header, "MB", "machine"],
        [
            [
                run["name"].replace(f" on {run['architecture']}", ""),
                given(run["options"]) or "defaults",
                *(percent(run["validation_accuracy"]), percent(run["test_accuracy"]), interval(run)),
                *(percent(run["test_tta_accuracy"]), number(run["log_loss"], 3)),
                *(number(run["search_seconds"]), number(run["fit_seconds"]), number(run["bytes"] / 1e6, 1)),
                run["machine"],
            ]
            for run in runs
        ],
    )


def scratch() -> str:
    """Compare the networks trained from scratch on all of CIFAR-10, the best test accuracy first."""
    runs = sorted(runs_of(mode="scratch", **WHOLE, subset=None), key=lambda run: -run["test_accuracy"])
    return table(
        ["network", "options", "seed", "parameters", "minutes", "test", "95 % interval", "views averaged", "machine"],
        [
            [
                run["name"].replace(" from scratch", ""),
                given({name: value for name, value in run["options"].items() if name != "recipe"}),
                *(run["seed"], number(run["parameters"]), number(run["fit_seconds"] / 60)),
                *(percent(run["test_accuracy"]), interval(run), percent(run["test_tta_accuracy"]), run["machine"]),
            ]
            for run in runs
        ],
    )


def lab(dataset: str) -> str:
    """Compare the heads and networks of a lab's data set, the best test accuracy first."""
    runs = sorted(runs_of(dataset=dataset), key=lambda run: -run["test_accuracy"])
    return table(
        ["run", "pixels", "seed", "parameters", "minutes", "validation", "test", "95 % interval", "views averaged"],
        [
            [
                *(run["name"], run["image_size"], run["seed"], number(run["parameters"])),
                number(((run["search_seconds"] or 0) + (run["fit_seconds"] or 0)) / 60, 1),
                *(percent(run["validation_accuracy"]), percent(run["test_accuracy"]), interval(run)),
                percent(run["test_tta_accuracy"]),
            ]
            for run in runs
        ],
    )


def finetuning() -> str:
    """Compare fine-tuning with the frozen head on 5,000 training images of CIFAR-10."""
    runs = sorted(runs_of(**WHOLE, subset=5000), key=lambda run: -run["test_accuracy"])
    return table(
        ["run", "clip norm", "test", "95 % interval", "extraction, s", "search and fit, s"],
        [
            [
                *(run["name"], number(run["options"].get("clip_norm"), 0)),
                *(percent(run["test_accuracy"]), interval(run), number(run["extraction_seconds"])),
                number((run["search_seconds"] or 0) + (run["fit_seconds"] or 0)),
            ]
            for run in runs
        ],
    )


def path_errors() -> str:
    """State how far the path's validation losses are from the exact fit's."""
    return table(
        ["training rows", "chosen C", "search, s", "largest error, converged points", "largest error, rough points"],
        [
            [
                *(number(one["kept_rows"]), f"{one['chosen_C']:.4g}", number(one["search_seconds"], 1)),
                *(f"{one[f'greatest_error_of_{kind}']:.1e}" for kind in ("converged", "rough_and_measured")),
            ]
            for file in read("path")
            for one in file["results"].values()
        ],
    )


def rounding() -> str:
    """State how near bfloat16 features are to float32 features."""
    return table(
        ["machine", "images", "rows", "lowest cosine", "median cosine", "not above 0.999"],
        [
            [
                machine(file) + (" (simulated)" if one["bfloat16_simulated"] else ""),
                *(split, number(cosine["rows"]), number(cosine["lowest"], 5), number(cosine["median"], 5)),
                cosine["not_above_0.999"],
            ]
            for file in reversed(read("rounding"))
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
                number(one["images"]),
                "validation images" if one["chosen_by_validation"] else "test images",
                f"{one['runs']} runs" if "runs" in one else "rows of {} and {} seeds".format(*one["seeds_of_rows"]),
                percent(one["excludes_zero"], 1),
            ]
            for file in read("equal-runs")
            for one in file["results"]
        ],
    )


def importance() -> str:
    """State how seldom shares of importance mislead where no option matters."""
    return table(
        ["trials", "options", "sampler", "searches", "shares shown", "right"],
        [
            [one["trials"], one["options"], one["sampler"], file["repetitions"], one["shown"], one["right"]]
            for file in read("importance")
            for one in file["searches"]
        ],
    )


def ablation() -> str:
    """State how seldom an ablation shows what is not there, and how often it finds what is."""
    file = read("ablation")[-1]
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


def minicifar_ablation() -> str:
    """Show what each change of the lab's base does to its validation accuracy."""
    found = read("minicifar-ablation")[-1]
    base = [f"base: {found['base']}", percent(found["accuracy"]), "", "", ""]
    rows = [
        [
            one["name"],
            percent(one["accuracy"]),
            f"{100 * one['difference']:+.2f}",
            " to ".join(f"{100 * end:+.2f}" for end in one["interval"]),
            one["verdict"],
        ]
        for one in found["rows"]
    ]
    return table(["change", "validation", "difference, points", "95 % interval", "verdict"], [base, *rows])


def robustness() -> str:
    """Count what was done to the program and its files, and the faults that this showed."""
    kills, damage, full, orientation = (read(kind)[-1] for kind in ("kills", "damage", "full-disk", "orientation"))
    return table(
        ["what was done", "how often", "faults"],
        [
            ["commands killed and started again", number(kills["kills"]), len(kills["problems"])],
            ["files damaged, then read by commands", number(damage["damages"]), len(damage["problems"])],
            ["disks of different sizes filled by commands", number(full["filled"]), len(full["problems"])],
            [
                "images of all orientations and formats decoded",
                number(orientation["decodings"]),
                orientation["decodings"] - orientation["upright"],
            ],
        ],
    )
