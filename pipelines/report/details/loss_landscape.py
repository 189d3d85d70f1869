"""The loss around one trained network, computed on request and kept beside the workspace's other results."""

from collections.abc import Callable
from pathlib import Path

import altair as alt

from extract.data.images import ImageSet, stratified_rows
from extract.errors import CorruptFileError, InvalidInputError
from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure, Section
from pipelines.report.study.images import Images
from pipelines.report.study.results import Result, number
from pipelines.report.study.study import Study
from pipelines.workspace import naming, records, stored
from pipelines.workspace.answer_shapes import LossLandscape

SIDE, REACH, IMAGES = 13, 1.0, 256
CEILING = 6.0  # times the loss at the network: what lies above is drawn as that, or the valley would have no color left


def section(study: Study, images: Images, *, run: str, progress: Callable[[int, int, str], None]) -> Section:
    """The loss landscape around the network of `run`, which may be the beginning of a run's name.

    Raises InvalidInputError where the run is no trained network of this report, or its images are not at hand.
    """
    result = _result(study, run)
    path = study.workspace / "landscapes" / f"{result.run}-{SIDE}-{IMAGES}.json"
    found = _kept(path, result.run) or _computed(study, images, result, path, progress)
    return Section(
        "loss-landscape",
        "Loss landscape",
        f"The mean loss of {IMAGES} images of the training split, validation images included, on one plane through the "
        "weights: two random directions, each filter as long as the network's own (Li et al., 2018). The cross is the "
        "network. Other directions give other pictures, and nothing here measures how easy training is.",
        [_figure(result, found)],
    )


def _result(study: Study, run: str) -> Result:
    name = records.resolve(study.workspace, run)
    found = next((one for one in study.results if one.run == name), None)
    if found is None or found.kind != "network":
        what = "failed, broken or left out" if found is None else "a head on frozen features"
        raise InvalidInputError(
            f"--loss-landscape must name a trained network; got {name}, which is {what}. Name another run."
        )
    return found


def _kept(path: Path, run: str) -> LossLandscape | None:
    """The loss landscape of `run` that was computed before, unless its file is not as it was written."""
    try:
        found = stored.read(path, LossLandscape, thing="loss landscape", remedy="It is computed again.")
    except CorruptFileError:
        return None
    return found if found["run"] == run else None


def _computed(
    study: Study, images: Images, result: Result, path: Path, progress: Callable[[int, int, str], None]
) -> LossLandscape:
    from finetune.analysis.loss_landscape import loss_landscape
    from pipelines.training import network_io, pixels

    split = images.train_split(result)
    if split is None:
        raise InvalidInputError(
            f"images of {result.dataset['name']} must be at hand for --loss-landscape; got none of the recorded "
            "digest. Name their place with --data-dir or --images."
        )
    folder = records.folder(study.workspace, result.run)
    preprocessing = network_io.sidecar(folder).preprocessing
    sample = split.take(stratified_rows(split.labels, min(IMAGES, len(split)), seed=0))
    loaded = pixels.load(
        ImageSet(str(result.dataset["name"]), result.class_names, {"train": sample}),
        preprocessing,
        progress=lambda done, total: progress(done, total, "images"),
    )
    found = loss_landscape(
        network_io.network(folder),
        loaded.splits["train"],
        normalization=(preprocessing.mean, preprocessing.std),
        resize=loaded.resize,
        side=SIDE,
        reach=REACH,
        progress=lambda done, total: progress(done, total, "points of the loss landscape"),
    )
    values: LossLandscape = {"run": result.run, "steps": list(found.steps), "loss": [list(row) for row in found.loss]}
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.write(path, values)
    return values


def _figure(result: Result, found: LossLandscape) -> Figure:
    steps, half = found["steps"], (found["steps"][1] - found["steps"][0]) / 2
    middle = number(found["loss"][SIDE // 2][SIDE // 2]) or 0.0
    top = CEILING * max(middle, 0.3)
    values = [
        {
            "left": across - half,
            "right": across + half,
            "bottom": along - half,
            "top": along + half,
            "loss": top if (loss := number(found["loss"][i][j])) is None else min(loss, top),
            "shown": "not finite" if loss is None else f"{loss:.4g}",
        }
        for i, across in enumerate(steps)
        for j, along in enumerate(steps)
    ]
    edge = [steps[0] - half, steps[-1] + half]
    base = alt.Chart(theme.data(values)).mark_rect(stroke=None)
    cells = base.encode(
        x=theme.x("left", "first direction, filter norms", domain=edge, grid=False),
        x2=alt.X2(field="right"),
        y=theme.y("bottom", "second direction, filter norms", domain=edge, grid=False),
        y2=alt.Y2(field="top"),
        color=alt.Color(
            field="loss",
            type="quantitative",
            scale=alt.Scale(scheme="cividis", reverse=True),
            legend=alt.Legend(title="loss, nats", gradientLength=180),
        ),
        tooltip=theme.tip(("shown", "Loss, nats")),
    )
    cross = alt.Chart(theme.data([{"left": 0, "bottom": 0}])).mark_point(
        shape="cross", size=90, filled=True, color=theme.VERMILLION
    )
    chart = alt.layer(
        cells, cross.encode(x=alt.X(field="left", type="quantitative"), y=alt.Y(field="bottom", type="quantitative"))
    )
    caption = f"Loss {middle:.3g} at the network; above {top:.3g} the color stays the same."
    data = naming.data([result.record])
    return Figure(f"loss-landscape-{result.run}", f"Around {result.short}", caption, chart, shape="square", data=data)
