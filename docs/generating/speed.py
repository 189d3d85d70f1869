"""Tables of results: seconds, rates, and estimates of them."""

import numpy as np

from generating.files import Json, machine, read
from generating.markdown import number, percent, table

# Of large extractions: numbers of an embedding by network, and an example of a price.
WIDTHS = {"resnet50": 2048, "tf_efficientnet_lite0": 1280}
CORE_HOUR_DOLLARS = 0.05
LABEL_AND_ID_BYTES, BLOCK_ROWS = 8 + 40, 512


def extraction() -> str:
    """Compare extraction speed and fidelity with a plain loop and OpenVINO."""
    rows = []
    for file in reversed(read("extraction")):
        for name, one in file["results"].items():
            cosine, setting = one.get("cosine", {}), one.get("setting", {})
            rows.append(
                [
                    *(
                        machine(file),
                        name,
                        number(one["images_per_second"]["ours"], 1),
                        setting.get("ours", "compiled"),
                    ),
                    *(number(one["ratios"].get(f"ours/{side}"), 2) for side in ("plain", "openvino")),
                    percent(_of_matrix_product(one), 0),
                    *(number(cosine.get(side), 5) for side in ("ours", "openvino", "openvino in bfloat16")),
                ]
            )
    header = ["machine", "network", "images a second", "engine", "/ plain loop", "/ OpenVINO", "of a matrix product"]
    return table([*header, "lowest cosine", "OpenVINO's", "its bfloat16's"], rows)


def _of_matrix_product(row: Json) -> float | None:
    rate = row.get("matrix_product_flops_per_second")
    return rate and row["images_per_second"]["ours"] * row["flops_per_image"] / rate


def scale() -> str:
    """Compute hours, cost and bytes of large extractions from the rates of the fastest machine that was measured."""
    header = ["network", "images", "images a second", "hours", "dollars", "feature file"]
    rows = []
    file = max(read("extraction"), key=lambda file: min(_rate(file, name) for name in WIDTHS))
    for name, width in WIDTHS.items():
        rate = _rate(file, name)
        for power in (6, 8, 9):
            hours = 10**power / rate / 3600
            size = 10**power * (2 * width + LABEL_AND_ID_BYTES + 4 / BLOCK_ROWS)
            cost = hours * file["hardware"]["core_count"] * CORE_HOUR_DOLLARS
            found = (number(hours, 1), number(cost, 1), f"{size / 1e9:,.0f} GB")
            rows.append([f"`{name}`", f"10^{power}", number(rate, 0), *found])
    return table(header, rows)


def _rate(file: Json, name: str) -> float:
    return file["results"].get(name, {"images_per_second": {"ours": 0.0}})["images_per_second"]["ours"]


def photos() -> str:
    """Compare the extraction of large photographs with a plain loop."""
    return table(
        ["machine", "network", "MB each", "plain loop, images a second", "here", "ratio", "ratio of seconds of a core"],
        [
            [
                *(machine(file), name, number(one["mean_bytes"] / 1e6, 1)),
                *(number(one["images_per_second"][side], 1) for side in ("plain", "ours")),
                number(one["ours/plain"], 2),
                number(one["core_seconds_per_photo"]["plain"] / one["core_seconds_per_photo"]["ours"], 2),
            ]
            for file in reversed(read("photos"))
            for name, one in file["results"].items()
        ],
    )


def photos_fidelity() -> str:
    """Tell how far features and levels of photographs at a reduced scale are from those decoded whole."""
    return table(
        ["input", "photographs", "lowest cosine", "mean difference of levels", "largest"],
        [
            [
                *(f"{side} pixels", f"{one['photographs']} x {kind}", number(one["lowest_cosine"], 5)),
                *(number(one["mean_levels"], 2), number(one["most_levels"])),
            ]
            for side, kinds in read("photos")[-1]["fidelity"].items()
            for kind, one in kinds.items()
        ],
    )


def listing() -> str:
    """Tell what listing, digest and plan of many files take."""
    return table(
        ["machine", "files", "classes", "workspace", "seconds", "of a core", "memory, MiB"],
        [
            [
                *(machine(file), f"{file['files']:,}", file["classes"], state),
                *(number(one[key], 1) for key in ("seconds", "core_seconds")),
                number(one["memory_bytes"] / 2**20),
            ]
            for file in reversed(read("listing"))
            for state, one in file["results"].items()
        ],
    )


def training() -> str:
    """Compare training speed with a plain loop, and the step with its floors."""
    header = ["machine", "network", "plain loop", "images a second", "/ plain loop"]
    rows = []
    for file in reversed(read("training")):
        for name, one in file["results"].items():
            engine = one.get("engine", "eager")
            rates = [number(one["images_per_second"][side], 1) for side in ("plain", engine)]
            ratio = number(one[f"{engine}/plain"], 2)
            floors = [
                percent(one[f"{kind}_floor_seconds"] / one["step_seconds"], 0) if f"{kind}_floor_seconds" in one else ""
                for kind in ("arithmetic", "memory")
            ]
            rows.append([machine(file), name, *rates, ratio, *floors])
    return table([*header, "arithmetic floor / step", "memory floor / step"], rows)


def muon() -> str:
    """Compare a step of Muon with that of torch's optimizer, and both with float64."""
    rows = [
        [
            machine(file),
            name,
            number(one["torch"]["seconds"], 3),
            number(one["ours"]["seconds"], 3),
            number(one["torch/ours"], 1),
            *(percent(one[side]["worst_error"], 2) for side in ("torch", "ours")),
        ]
        for file in read("muon")
        for name, one in file["results"].items()
    ]
    return table(["machine", "network", "torch, s", "ours, s", "torch / ours", "torch's error", "ours"], rows)


def estimates() -> str:
    """Compare the newest estimates of commands with what they took."""
    return table(
        ["command", "estimate, s", "by", "took, s", "error"],
        [
            [name, number(one["estimate"], 1), ", ".join(one["basis"]), number(one["outcome"], 1), error]
            for file in read("estimates")[-1:]
            for name, one in file["commands"].items()
            for error in [percent(one["error"], 0)]
        ],
    )


def estimate_errors() -> str:
    """State the median and the worst error of the newest estimates in a sentence."""
    return "".join(
        f"Over {len(file['commands'])} commands ({machine(file)}), the median error is "
        f"{percent(file['median error'], 0)} and the worst {percent(file['worst error'], 0)} ({file['worst']}).\n"
        for file in read("estimates")[-1:]
    )


def many_rows() -> str:
    """Show seconds and memory of a logistic head on more and more training images."""
    found = read("many-rows")[-1]
    rows = [
        [
            f"{int(rows):,}",
            *(number(one[f"{name}seconds"], 0) for name in ("", "search_", "fit_", "evaluation_")),
            *(f"{one[name] / 1e9:.1f}" for name in ("peak_bytes", "beside_the_file_bytes")),
            number(one["times_the_features"], 1),
        ]
        for rows, one in found["results"].items()
    ]
    seconds = ["seconds", "of these search", "refit", "scores and folds"]
    memory = ["peak, GB", "without the mapped file", "times the float16 features"]
    return table(["training images", *seconds, *memory], rows)


def path_speed() -> str:
    """Compare the logistic path with as many fits of scikit-learn, for the C that both fit to the end."""
    rows = []
    newest = {file["results"]["path"]["rows"]: file for file in read("heads") if "path" in file["results"]}
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
                *(number(rows_), limit, count, measured, number(ours, 1), number(single), number(double)),
                *(f"{single / ours:.1f} and {double / ours:.1f}", f"{file['date']}, {file['threads']} threads"),
            ]
            for rows_, limit, count, measured, ours, single, double, file in rows
        ],
    )


def search_speed() -> str:
    """Compare the default search of the logistic head, refit included, with one fit of scikit-learn."""
    rows = [
        [
            number(one["rows"]),
            one["values_of_C"],
            number(min(one["ours_seconds"]), 1),
            number(min(one["scikit_learn_one_fit_seconds"]), 1),
            number(one["ours_over_one_fit"], 2),
            f"{machine(file)}, {file['date']}",
        ]
        for file in read("heads")
        if (one := file["results"].get("search"))
    ]
    return table(["rows", "values of C", "search and refit, s", "one fit, s", "ratio", "on"], rows)


def _interpolated(points: list[Json], count: int) -> float:
    """Sum scikit-learn's seconds over the first `count` of 45 values of C, linear over log C between those measured."""
    grid = np.linspace(-6, 5, 45)[:count]
    return float(np.interp(grid, np.log10([p["C"] for p in points]), [p["seconds"] for p in points]).sum())
