"""The classifier of a run of a whole network."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from torch import nn

from extract.backbones.transforms import Preprocessing
from extract.data.images import Files, Pixels
from extract.errors import InvalidInputError
from extract.features.embed import source
from extract.features.layout import block_ranges
from extract.runtime.devices import automatic_batch_size
from finetune.architectures import networks
from finetune.augmentation.batches import NormalizePixels
from pipelines.predict.classify import Classifier, Outputs
from pipelines.training import inference, network_io
from pipelines.workspace import records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord

QUICK_ROWS = 32  # few enough for any memory: counting what a network needs takes longer than a few images


def load(record: DoneRecord, *, context: Context, weights: Path | None, exact: bool | None) -> "WholeClassifier":
    """The classifier of a network's `record`; `CorruptFileError` where its files are not whole."""
    if weights is not None:
        raise InvalidInputError(
            f"weights must be left out for a trained network, which has its own; got {str(weights)!r}."
        )
    return WholeClassifier(record, records.folder(context.workspace, record.run), context=context, exact=exact)


class WholeClassifier(Classifier):
    """Reads images as the run's data were read, and asks the kept network."""

    def __init__(self, record: DoneRecord, folder: Path, *, context: Context, exact: bool | None) -> None:
        self._sidecar, self._network = network_io.sidecar(folder), network_io.network(folder)
        super().__init__(record, self._sidecar.class_names, context=context, exact=exact)

    @property
    def preprocessing(self) -> Preprocessing:
        return self._sidecar.preprocessing

    def _outputs(
        self,
        images: Pixels | Files,
        preprocessing: Preprocessing,
        *,
        names: tuple[str, ...] = (),
        stepped: Callable[[int], None] = lambda _: None,
        compiles: bool = True,
        quick: bool = False,
    ) -> Outputs:
        read, device = source(images, preprocessing), self.context.device
        rows = min(automatic_batch_size(device, preprocessing.image_size[0]), QUICK_ROWS)
        if not quick:
            recipe_options = self.record.key.get("recipe_options", {})
            rows = inference.batch_size(self._network, preprocessing, device=device, recipe_options=recipe_options)
        logits = inference.logits(
            self._network,
            read.batches(block_ranges(len(images), rows)),
            rows=rows,
            preprocessing=preprocessing,
            device=device,
            resize=read.resize,
            fill=not quick,
            stepped=stepped,
        )
        return Outputs(logits)

    def _module(self, height: int, width: int) -> nn.Module:
        given = self.preprocessing
        resize = nn.Identity() if (height, width) == given.image_size else self._resize(height, width)
        normalize, network = NormalizePixels((given.mean, given.std)), self._network.float().cpu()
        return nn.Sequential(OrderedDict(resize=resize, normalize=normalize, network=network))

    def _whole(self) -> tuple[nn.Module, str]:
        return self._network.float().cpu(), networks.resolve(self._sidecar.network).timm_name or self._sidecar.network
