"""What the tests of fitted heads share: the words that make one in a moment, and its answer."""

UNTRAINED = ("--backbone", "test_resnet", "--weights", "untrained")
TINY = (*UNTRAINED, "--dataset", "digits", "--image-size", "16")
DIGITS = (*TINY, "--subset", "300")


def fit(pipeline, *words) -> dict:
    """The answer of `fit-head` on few digits."""
    ended = pipeline("fit-head", *DIGITS, *words, "--json")
    assert ended.status == 0, ended.err
    return ended.json
