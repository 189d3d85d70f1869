"""Variables that a cluster leaves behind, and odd environments."""

from tests.pipelines.cli.inputs.case import TRAIN, Case

MARKS = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29999"}
WHOLE = {**MARKS, "TORCHELASTIC_RUN_ID": "left"}

CASES = [
    Case("RANK alone beside a listing", (("runs", "--json"),), environment={"RANK": "1"}, says='"count": 0'),
    Case("all marks beside a listing", (("runs", "--json"),), environment=WHOLE, says='"count": 0'),
    Case("RANK that is no number beside doctor", (("doctor", "--json"),), environment={"RANK": "abc"}),
    Case("all marks and a word for RANK beside doctor", (("doctor", "--json"),), environment={**WHOLE, "RANK": "abc"}),
    Case(
        "half of the marks beside a training",
        (("train", *TRAIN, "--json"), ("train", *TRAIN, "--json")),
        environment=MARKS,
        says='"cached": true',
    ),
    Case(
        "all marks and a word for RANK beside a training",
        (("train", *TRAIN, "--json"),),
        environment={**WHOLE, "RANK": "abc"},
        statuses=(2,),
        says="RANK must be a whole number; got 'abc'",
    ),
]
