"""Train the model, data-parallel over processes of one thread each.

    python train.py build/tokenizer.json build/data build/model --steps 4800

Writes `build/model.pt`. One thread a process, because OpenMP's threads wait for each
other by spinning and collapse as soon as another program uses a core. The learning rate
is constant, then falls to zero; `--minutes` ends the schedule early on a slow machine.
"""

import argparse
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from dataset import STAGES, Corpus
from model import Config, Model, load
from optimizer import Optimizer
from tokenizers import Tokenizer
from torch.nn import functional as F  # noqa: N812

IGNORE = -100
# Every new matrix shape costs a kernel: the number of learnt positions is rounded up.
POSITIONS = 256


def rate(progress: float, hold: float) -> float:
    """Constant until `hold` of the schedule, then linear to (nearly) zero."""
    return 1.0 if progress < hold else max(0.01, (1 - progress) / (1 - hold))


def loss_of(model: Model, ids: np.ndarray, mask: np.ndarray) -> tuple[torch.Tensor, float]:
    """Weighted mean of the cross entropy, and next-token accuracy."""
    at = np.flatnonzero(mask[:, 1:].ravel())
    at = at + at // (ids.shape[1] - 1)
    padded = -len(at) % POSITIONS
    targets = np.concatenate((ids.ravel()[at + 1], np.full(padded, IGNORE)))
    at = np.concatenate((at, np.zeros(padded, at.dtype)))
    y = torch.from_numpy(targets)
    weights = torch.from_numpy(
        np.where(targets == IGNORE, 0, mask.ravel()[np.minimum(at + 1, mask.size - 1)])
    ).float()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.logits(model.hidden(torch.from_numpy(ids)).flatten(0, 1)[torch.from_numpy(at)])
    losses = F.cross_entropy(logits.float(), y, ignore_index=IGNORE, reduction="none")
    loss = (losses * weights).sum() / weights.sum().clamp(min=1)
    right = (logits.detach().argmax(-1) == y).sum().item()
    return loss, right / max(1, len(at) - padded)


class Gradients:
    """All gradients in one flat buffer, averaged over the ranks with a few figures beside them."""

    def __init__(self, model: Model, figures: int) -> None:
        self.parameters = list(model.parameters())
        size = sum(p.numel() for p in self.parameters)
        self.flat = torch.zeros(size + figures)
        at = 0
        for p in self.parameters:
            p.grad = self.flat[at : at + p.numel()].view_as(p)
            at += p.numel()
        self.figures = self.flat[at:]

    def average(self, *figures: float) -> list[float]:
        self.figures.copy_(torch.tensor(figures))
        dist.all_reduce(self.flat)
        self.flat /= dist.get_world_size()
        return self.figures.tolist()

    def clear(self) -> None:
        self.flat.zero_()


class Curriculum:
    """The stages one after another; `next` gives this rank's batch for a progress from 0 to 1."""

    def __init__(self, folder: Path, tokens: int, rank: int, ranks: int, seed: int) -> None:
        self.folder, self.tokens, self.rank, self.ranks, self.seed = folder, tokens, rank, ranks, seed
        self.ends = np.cumsum([stage.share for stage in STAGES])
        self.stage = -1
        self.queue: list[tuple[int, np.ndarray]] = []

    def next(self, progress: float) -> tuple[np.ndarray, np.ndarray]:
        stage = min(int(np.searchsorted(self.ends, progress, side="right")), len(STAGES) - 1)
        if stage != self.stage:
            self.stage, self.queue = stage, []
            self.corpus = Corpus(self.folder / f"{STAGES[stage].name}.npz")
        if not self.queue:
            self.seed += 1
            self.queue = self.corpus.batches(self.tokens, self.seed)[self.rank :: self.ranks]
        return self.corpus.collate(*self.queue.pop())


def save(model: Model, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save({"config": asdict(model.config), "weights": model.state_dict()}, temporary)
    temporary.rename(path)


class Trainer:
    """One rank: its model, its batches, and the schedule that all ranks share."""

    def __init__(self, rank: int, options: argparse.Namespace) -> None:
        self.rank, self.options = rank, options
        self.model = Model(Config(vocab=Tokenizer.from_file(options.tokenizer).get_vocab_size()))
        if options.init:
            load(self.model, Path(options.init))
        self.optimizer = Optimizer(self.model, options.muon_lr, options.adam_lr)
        self.gradients = Gradients(self.model, figures=3)
        self.curriculum = Curriculum(Path(options.data), options.tokens, rank, options.ranks, options.seed)
        self.target = Path(options.target).with_suffix(".pt")
        self.began = time.monotonic()
        self.progress = options.start
        self.tokens = 0

    def step(self, number: int) -> tuple[float, float, float]:
        """One update; gives the mean loss, the accuracy and the minutes since the start."""
        options = self.options
        figures = np.zeros(2)
        for _ in range(options.batches):
            ids, mask = self.curriculum.next(self.progress)
            loss, accuracy = loss_of(self.model, ids, mask)
            (loss / options.batches).backward()
            self.tokens += ids.size * options.ranks
            figures += np.array((loss.item(), accuracy)) / options.batches
        minutes = (time.monotonic() - self.began) / 60
        loss, accuracy, minutes = self.gradients.average(*figures, minutes)
        self.optimizer.step(min(1.0, number / options.warm_up) * rate(self.progress, options.hold))
        self.gradients.clear()
        done = max(number / options.steps, minutes / options.minutes)
        self.progress = options.start + (1 - options.start) * done
        return loss, accuracy, minutes

    def run(self) -> None:
        recent: list[tuple[float, float]] = []
        saved = 0.0
        number = 0
        while self.progress < 1:
            number += 1
            *figures, minutes = self.step(number)
            recent.append(tuple(figures))
            if self.rank != 0:
                continue
            if number % 50 == 0 or self.progress >= 1:
                loss, accuracy = np.mean(recent[-50:], axis=0)
                stage = STAGES[self.curriculum.stage].name
                print(
                    f"step {number} {minutes:.1f} min {self.tokens / 1e6:.2f} M tokens, stage {stage}: "
                    f"loss {loss:.4f} accuracy {accuracy:.4f}",
                    flush=True,
                )
            if minutes - saved > self.options.save_every or self.progress >= 1:
                save(self.model, self.target)
                saved = minutes


def work(rank: int, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    address = f"tcp://127.0.0.1:{options.port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=options.ranks)
    Trainer(rank, options).run()
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("tokenizer", "data", "target"):
        parser.add_argument(name)
    parser.add_argument("--steps", type=int, default=4800)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--tokens", type=int, default=1536, help="of a batch, padding included")
    parser.add_argument(
        "--batches", type=int, default=2, help="a step and rank; each has its own length of dialogue"
    )
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=60, help="steps before the full rate")
    parser.add_argument("--hold", type=float, default=0.6, help="share of the schedule before the rate falls")
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=3e-3)
    parser.add_argument("--init", help="a checkpoint (.pt) or an exported model (.gguf) to continue from")
    parser.add_argument("--start", type=float, default=0.0, help="where in the schedule to begin")
    parser.add_argument("--save-every", type=float, default=5.0, help="minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=29511)
    options = parser.parse_args()
    # Large buffers stay with the process instead of being mapped anew each step (3 to 10 % faster).
    os.environ |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "OMP_NUM_THREADS": "1"}
    torch.multiprocessing.spawn(work, args=(options,), nprocs=options.ranks)


if __name__ == "__main__":
    main()
