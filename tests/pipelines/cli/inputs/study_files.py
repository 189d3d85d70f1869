"""Study files as people write them."""

from tests.pipelines.cli.inputs.case import Case

CASES = [
    Case(
        "an empty study",
        (("run", "empty.yaml", "--dry-run", "--json"),),
        lambda folder: (folder / "empty.yaml").write_text(""),
        statuses=(2,),
        says="empty.yaml",
    ),
]
