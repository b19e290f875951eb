"""Muon for the matrices of the layers, AdamW for everything else."""

import torch
from torch import Tensor, nn


def orthogonalise(gradient: Tensor) -> Tensor:
    """Newton–Schulz iteration of Muon (Jordan et al., 2024), batched over the first axis."""
    x = gradient.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Optimizer:
    """One `step(scale)`; `scale` multiplies both learning rates."""

    def __init__(self, model: nn.Module, muon_lr: float = 0.02, adam_lr: float = 3e-3) -> None:
        self.muon_lr, self.adam_lr = muon_lr, adam_lr
        self.steps = 0
        self.groups: dict[torch.Size, list[nn.Parameter]] = {}
        others = []
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2 and "embedding" not in name and "router" not in name:
                self.groups.setdefault(parameter.shape[-2:], []).append(parameter)
            else:
                others.append(parameter)
        self.momentum = {p: torch.zeros_like(p) for group in self.groups.values() for p in group}
        self.others = others
        self.adam = torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)

    @torch.no_grad()
    def step(self, scale: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * scale
        torch.nn.utils.clip_grad_norm_(self.others, 1.0)
        self.adam.step()
        for shape, parameters in self.groups.items():
            self._muon(shape, parameters, self.muon_lr * scale)
        self.steps += 1

    def _muon(self, shape: torch.Size, parameters: list[nn.Parameter], lr: float) -> None:
        beta = min(0.95, 0.85 + 0.1 * self.steps / 300)
        updates = []
        for p in parameters:
            self.momentum[p].lerp_(p.grad, 1 - beta)
            updates.append(torch.lerp(p.grad, self.momentum[p], beta).view(-1, *shape))
        stacked = orthogonalise(torch.cat(updates))
        lr_here = lr * max(1.0, shape[0] / shape[1]) ** 0.5
        at = 0
        for p, update in zip(parameters, updates, strict=True):
            part = stacked[at : at + len(update)].view_as(p)
            p.mul_(1 - 0.01 * lr).add_(part, alpha=-lr_here)
            at += len(update)
