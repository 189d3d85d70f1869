"""Heads on raw images: the backbone is found again."""

ONE_C = ("--c-grid", "0.01")


def test_a_weights_file_is_found_again_or_named_and_must_be_the_same(pipeline, digit_files, tmp_path):
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    mine, other, moved = (tmp_path / f"{name}.safetensors" for name in ("mine", "other", "moved"))
    for path in (mine, other):
        save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), path)
    words = ("--backbone", "test_resnet", "--weights", mine, "--dataset", "digits", "--image-size", 32)
    answer = pipeline("fit-head", *words, *ONE_C, "--json").json
    ask = ("predict", "--run", answer["run"], digit_files[0], "--json")
    first = pipeline(*ask)
    assert first.status == 0, first.err
    mine.rename(moved)
    lost = pipeline(*ask)
    assert lost.status == 2
    assert "--weights" in lost.json["error"]
    assert pipeline(*ask, "--weights", moved).json["images"] == first.json["images"]
    wrong = pipeline(*ask, "--weights", other)
    assert wrong.status == 2
    assert "weights must be those" in wrong.json["error"]
