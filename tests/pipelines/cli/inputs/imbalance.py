"""Classes of very different sizes, and weights for them."""

from pathlib import Path

from tests.pipelines.cli.inputs.case import BACKBONE, FIT, Case, make_photos

LOGISTIC = ("fit-head", *BACKBONE, "--c-grid", "0.01", "--dataset", "photos", "--class-weights")


def uneven(folder: Path) -> None:
    """Two classes of ten images and one of a single image; files of weights, right and wrong."""
    make_photos(folder / "photos", ("red", "blue"))
    make_photos(folder / "photos", ("lonely",), count=1)
    (folder / "weights.csv").write_text("class,weight\nred,1\nblue,2.5\nlonely,10\n")
    (folder / "strange.csv").write_text("red,1\ngreen,2\n")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")


CASES = [
    Case("a class of one image", ((*FIT, "photos"),), uneven, says="1 class of too few images for one to be"),
    Case("weights from a file, for a class of one image too", ((*LOGISTIC, "weights.csv", "--json"),), uneven),
    Case("weights of no such class", ((*LOGISTIC, "strange.csv"),), uneven, statuses=(2,), says="'green', not among"),
    Case("weights in no text", ((*LOGISTIC, "binary.csv"),), uneven, statuses=(2,), says="it is no text"),
    Case("weights by a wrong word", ((*LOGISTIC, "balancd"),), uneven, statuses=(2,), says="none, balanced, or a file"),
    Case(
        "weights for a head that takes none",
        ((*FIT, "photos", "--class-weights", "balanced"),),
        uneven,
        statuses=(2,),
        says="class-weights",
    ),
    Case(
        "a criterion that nothing goes by",
        (("train", "--network", "test_resnet", "--dataset", "digits", "--criterion", "macro_f1"),),
        statuses=(2,),
        says="must come with patience",
    ),
]
