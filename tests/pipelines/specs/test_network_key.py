"""The key of a network: what makes another run."""

from extract.data.datasets import Located
from pipelines.specs import NetworkKey, NetworkSpec, resolve_network


def key(tmp_path, **given) -> NetworkKey:
    spec = NetworkSpec.of(**{"recipe": "standard", "validation": "0.1", "precision": "float32", **given})
    return resolve_network(spec, located=Located("digits", "0" * 64, None), device="cpu", workspace=tmp_path)


def test_a_key_comes_back_from_its_text(tmp_path):
    one = key(tmp_path, mixup=0.2, width=0.5)
    assert NetworkKey.from_text(one.text()) == one


def test_several_processes_are_another_run_unless_nothing_is_trained(tmp_path):
    def together(count, **given):
        spec = NetworkSpec.of(validation="0.1", **given)
        located = Located("digits", "0" * 64, None)
        return resolve_network(spec, located=located, device="cpu", workspace=tmp_path, processes=count)

    alone, two, frozen = together(1), together(2), {"mode": "frozen", "weights": "untrained"}
    assert "processes" not in alone.as_dict()
    assert two.as_dict() == {**alone.as_dict(), "processes": 2}
    assert NetworkKey.from_text(two.text()) == two
    assert len({alone.run(), two.run(), together(3).run()}) == 3
    assert together(1, **frozen).run() == together(2, **frozen).run()
