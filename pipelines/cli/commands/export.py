"""`pipeline export`: a run as one graph for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.errors import unknown
from extract.runtime.formats import size
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command

if TYPE_CHECKING:
    from pipelines.predict.export import Exported

FORMATS = {"onnx": "model.onnx", "torch": "model.pt2", "timm": "timm"}  # and the name of what is written


@command("export")
@click.option("--run", "run_name", required=True, metavar="ID", help="The run, or the start of its name.")
@click.option("--format", "kind", default="onnx", show_default=True, metavar="|".join(FORMATS), help="File format.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write, a folder for timm.  [default: model.onnx, model.pt2 or timm beside the record]",
)
@click.option("--calibrated", is_flag=True, help="Probabilities at the temperature fitted on validation images.")
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help="The weights file, if it was moved.")
@shared.taking("workspace", "device", "threads")
def export_command(
    run: shared.Invocation, run_name: str, kind: str, output: Path | None, calibrated: bool, weights: Path | None
) -> None:
    """Write a run for other programs: as ONNX, as a program of torch, or as a folder that timm loads.

    It is checked on real images before it is written. ONNX and torch are one graph from uint8 pixels to probabilities:
    images come as [N, 3, height, width]: at the size of digits, CIFAR-10 or CIFAR-100, else resized and cut to
    the network's. Classes and preprocessing are in the file. Beside it stand a README and, for ONNX, a script that
    classifies image files with onnxruntime, numpy and Pillow alone.
    """
    if kind not in FORMATS:
        raise unknown("format", name=kind, known=FORMATS)
    from pipelines.predict import classify, export
    from pipelines.workspace import records, writable

    ends = Path(FORMATS[kind]).suffix
    if output is not None and (ends or not output.exists()):  # a folder that is there is refused by the format timm
        writable.check("output", output, stream=False, kinds=(ends,) if ends else ())
    one, record = classify.classifier(run_name, context=run.context(), weights=weights)
    path = output or records.folder(run.workspace, record.run) / FORMATS[kind]
    written = export.export(one, path, run=record.run, kind=kind, calibrated=calibrated)
    answer = {"run": record.run, "format": kind, "calibrated": calibrated, **_values(written)}
    run.reporter.result(answer, _text(written))


def _values(written: "Exported") -> dict[str, object]:
    return {
        "path": str(written.path),
        "file_bytes": written.file_bytes,
        "input": list(written.input_shape),
        "class_names": list(written.class_names),
        "largest_difference": written.largest_difference,
        "difference_from_predict": written.from_predict,
        "other_classes": written.other_classes,
        "compared_images": written.compared_images,
        "beside": [str(path) for path in written.beside],
    }


def _text(written: "Exported") -> list[str]:
    shape = " x ".join(map(str, written.input_shape))
    return [
        ", ".join(map(str, (written.path, *written.beside))),
        f"{size(written.file_bytes)}; images uint8 {shape} -> {len(written.class_names)} probabilities",
        f"at most {written.largest_difference:.1g} from torch in float32, {written.from_predict:.1g} from predict "
        f"on {written.compared_images} real images, {written.other_classes} of which get another class",
    ]
