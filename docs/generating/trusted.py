"""Tables on classes of very different sizes, and on what predictions say of themselves."""

from generating.files import Json, read
from generating.markdown import table

SIDES = {"folds": "all", "validation": "validation"}


def imbalance() -> str:
    """Show heads on a long-tailed CIFAR-10 without and with class weights."""
    found = read("imbalance")[-1]
    first, last = found["counts"][0], found["counts"][-1]
    columns = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "as_trained": "accuracy as trained"}
    rows = [
        [*name.split(", "), *(f"{100 * one[key]:.1f} %" for key in columns), f"{100 * one['recalls'][-1]:.1f} %"]
        for name, one in found["heads"].items()
    ]
    lead = (
        f"CIFAR-10 with {first:,} training images of the first class down to {last} of the last, features of "
        f"{found['backbone']}, all test images; accuracy as trained is that on images in the training proportions "
        "(`python -m benchmarks.imbalance`):\n\n"
    )
    return lead + table(["head", "weights", *columns.values(), "recall of the rarest class"], rows)


def trust() -> str:
    """Show the coverage of prediction sets and how well the unseen is told from the seen."""
    found = read("trust")[-1]
    covered = {name: one for name, one in found["coverage"].items() if name != "accuracy"}
    rows = [
        [
            f"{100 * float(name):g} %",
            f"{100 * one['covered']:.2f} %",
            *(" to ".join(f"{100 * end:.2f} %" for end in one[f"{of}_interval"]) for of in ("binomial", "sampling")),
            f"{one['mean_size']:.2f}",
            f"{100 * one['empty']:.1f} %",
        ]
        for name, one in covered.items()
    ]
    lead = (
        f"Logistic head on {found['backbone']} features of CIFAR-10, its 10,000 test images, "
        f"{100 * found['coverage']['accuracy']:.2f} % accurate; where 95 % of such measurements lie by the "
        "sampling of test images, and by that of the training images too (`python -m benchmarks.trust`):\n\n"
    )
    header = ["asked for", "covered", "by test images", "and training images", "classes in a set", "empty sets"]
    names = {"seen_called_unlike": "seen images called unlike", "unseen_called_unlike": "unseen images called unlike"}
    unlike = [
        [name, f"{one['auroc']:.4f}", *(f"{100 * one[key]:.1f} %" for key in names)]
        for name, one in found["unlike"].items()
    ]
    more = [_splits(found["splits"]), table(["seen against unseen", "AUROC", *names.values()], unlike)]
    return "\n".join([lead + table(header, rows), *more])


def _splits(found: Json) -> str:
    """Show coverage over many splits of the training images, by folds of them and by validation images alone."""
    rows = [
        [f"{int(rows):,}", f"{100 * float(name):g} %", *(cell for side in SIDES for cell in _cells(one[side]))]
        for rows, of in found.items()
        for name, one in of.items()
        if isinstance(one, dict)
    ]
    counts = " and ".join(f"{of['splits']} draws of {int(rows):,} training images" for rows, of in found.items())
    lead = (
        f"Means over {counts}, with 95 % intervals of the means, and deviations over the draws, in points, measured "
        "and by the beta distribution; by all training images, and by the tenth of them that is for validation:\n\n"
    )
    columns = [name for side in SIDES.values() for name in (f"by {side} images", "deviation", "by theory")]
    return lead + table(["training images", "asked for", *columns], rows)


def _cells(one: Json) -> list[str]:
    low, high = (100 * end for end in one["interval"])
    deviations = (f"{100 * one[key]:.2f}" for key in ("deviation", "deviation by theory"))
    return [f"{100 * one['mean']:.2f} ({low:.2f} to {high:.2f})", *deviations]
