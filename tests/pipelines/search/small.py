"""What the tests of searches share: the data set, as options and as words, and what is searched there."""

SMALL = {
    "backbone": "test_resnet",
    "weights": "untrained",
    "dataset": "digits",
    "image_size": 32,
    "subset": 300,
    "test_subset": 100,
}
WORDS = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)]
SPACE = {"C": {"low": 1e-5, "high": 1e3, "log": True}}
