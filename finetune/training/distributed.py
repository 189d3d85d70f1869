"""One training in several processes, by torch's own DistributedDataParallel; alone, everything here is nothing.

Every process holds all images and makes its own slice of every batch from the same draws. BatchNorm averages over
all slices on GPUs (SyncBatchNorm); on a CPU, where torch has none, each process normalizes by its own slice.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from finetune.training.mail import Mail
from heads.neural.optimize import Totals

_mail: list[Mail] = []  # of the group that this process is in


def world_count() -> int:
    """The number of processes that train together; 1 where no process group was formed."""
    return distributed.get_world_size() if _joined() else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return distributed.get_rank() if _joined() else 0


def synchronized(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with SyncBatchNorm in place of BatchNorm where several processes train it on GPUs."""
    if world_count() == 1 or device.type == "cpu":
        return network
    return convert_sync_batchnorm(network)  # torch's own would lose the activation inside timm's BatchNormAct2d


def wrap(network: nn.Module) -> nn.Module:
    """`network`, its gradients averaged over the processes where there are several."""
    if world_count() == 1:
        return network
    device = next(network.parameters()).device
    return DistributedDataParallel(network, device_ids=None if device.type == "cpu" else [device.index])


def add_up(totals: Totals) -> Totals:
    """The totals of an epoch over all processes."""
    if world_count() == 1:
        return totals
    names = sorted(totals.sums)
    device = totals.sums[names[0]].device
    values = torch.stack(
        [*(totals.sums[name].double() for name in names), torch.tensor(float(totals.row_count)).to(device)]
    )
    distributed.all_reduce(values)
    return Totals(totals.step, int(values[-1]), dict(zip(names, values[:-1], strict=True)))


def any_says(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is True in any of the processes."""
    if world_count() == 1:
        return flag
    value = torch.tensor(float(flag), device=device)
    distributed.all_reduce(value)
    return bool(value > 0)


def from_first(value: Any) -> Any:
    """The first process' `value`, in all of them."""
    if world_count() == 1:
        return value
    if _mail:
        return _mail[-1].from_first(value)
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


@contextlib.contextmanager
def messages_through(mail: Mail) -> Iterator[None]:
    """Inside, messages of the first process to the others go through `mail`."""
    _mail.append(mail)
    try:
        yield
    finally:
        _mail.remove(mail)


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()
