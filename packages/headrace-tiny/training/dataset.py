"""Dialogues as token ids with the weight of each token in the loss: the assistant's turns are learnt.

    python dataset.py build/tokenizer.json build/data

writes one file per stage of the curriculum.
"""

import re
import sys
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from random import Random

import numpy as np
import values
from dialogues import Dialogue, make_dialogue
from structured import make_structured
from tokenizers import Encoding, Tokenizer

from prompts import render

Array = np.ndarray
BUCKETS = (64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024)


@dataclass(frozen=True)
class Stage:
    """`share` of the training; `brief` leaves the constant part of the tools prompt out."""

    name: str
    share: float
    tokens: int
    brief: bool
    rounds: tuple[int, ...]
    tool_share: float
    longest: int
    drills: float
    structured: float = 0.36


STAGES = (
    Stage("copy", 0.20, 9_000_000, True, (1,), 0.62, 320, 0.3),
    Stage("brief", 0.45, 13_000_000, True, (1, 1, 2, 3), 0.48, 512, 0.38),
    Stage("full", 0.35, 13_000_000, False, (1, 1, 2), 0.48, 768, 0.34),
)


NAME_WEIGHT, ARGUMENT_WEIGHT = 6, 2
GIVEN = re.compile("\ue000(.*?)\ue001", re.DOTALL)
BEGINNING = re.compile(r'(.*<\|assistant\|>\n<think>[^<]*</think>\n)(<tool_call>|\{"?)', re.DOTALL)
PUNCTUATION = re.compile(r'["{}\[\]:,]+')
RECUT = 0.3
STRUCTURE_WEIGHT = 3


def unmark(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and where the parts between them are, which are not learnt."""
    parts = GIVEN.split(text)
    ends = np.cumsum([len(part) for part in parts])
    return "".join(parts), [(int(ends[at - 1]), int(ends[at])) for at in range(1, len(parts), 2)]


def recut(r: Random, tokenizer: Tokenizer, encoding: Encoding, weights: Array) -> tuple[Array, Array]:
    """Ids and weights of an answer with a structure.

    Punctuation decides where a value ends, so it counts more. Some is cut in another way, as by a grammar
    that forbids the usual token.
    """
    numbers: list[int] = []
    counted: list[int] = []
    following = [*weights[1:].tolist(), 1]
    for piece, number, weight, after in zip(
        encoding.tokens, encoding.ids, weights.tolist(), following, strict=True
    ):
        if not weight or not PUNCTUATION.fullmatch(piece):
            numbers.append(number)
            counted.append(weight)
            continue
        parts = [piece]
        if len(piece) > 1 and r.random() < RECUT:
            at = r.randint(1, len(piece) - 1)
            parts = [
                x
                for half in (piece[:at], piece[at:])
                for x in ([half] if tokenizer.token_to_id(half) else half)
            ]
        numbers += map(tokenizer.token_to_id, parts)
        # Before a name that the grammar writes, a comma is the grammar's decision; the end is the model's.
        counted += [1 if "," in piece and not after else STRUCTURE_WEIGHT] * len(parts)
    return np.array(numbers, np.uint16), np.array(counted, np.uint8)


def supervise(encoding: Encoding, names: list[str], text: str, given: list[tuple[int, int]]) -> Array:
    """The weight of each token in the loss: 0 for what the model is given, more where it decides.

    Learnt is what stands after `<|assistant|>` up to the next role token, less an empty
    `<think></think>`. The name of a tool is one decision in forty tokens: it counts four times.
    """
    tokens = encoding.tokens
    weights = np.zeros(len(tokens), np.uint8)
    inside, weight = False, 1
    for at, piece in enumerate(tokens):
        if piece in ("</arg_key>", "</arg_value>"):
            weight = 1
        if inside:
            weights[at] = weight
        if piece == "<|assistant|>":
            inside = True
        elif piece in ("<|user|>", "<|observation|>"):
            # A request right after a call is for drills only: no model should end a call so.
            if piece == "<|user|>" and tokens[at - 1] == "</tool_call>":
                weights[at] = 0
            inside = False
        elif piece == "</think>" and tokens[at - 1] == "<think>":
            # "\n<think></think>" is three tokens.
            weights[at - 2 : at + 1] = 0
        elif piece in ("<arg_key>", "<arg_value>"):
            weight = ARGUMENT_WEIGHT
    starts = np.array([start for start, _ in encoding.offsets])
    for name in names:
        for match in re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            first, last = np.searchsorted(starts, (match.start(), match.end()))
            part = weights[first:last]
            part[part == 1] = NAME_WEIGHT
    for start, end in given:
        first, last = np.searchsorted(starts, (start, end))
        weights[first:last] = 0
    return weights


def to_text(dialogue: Dialogue, *, brief: bool) -> str:
    text = render(dialogue, brief=brief)
    return BEGINNING.sub("\\1\ue000\\2\ue001", text, count=1) if dialogue.forced else text


def build(job: tuple[str, Stage, int, int]) -> tuple[Array, Array, Array]:
    """-> (ids, mask, lengths), the dialogues one after another."""
    path, stage, seed, tokens = job
    tokenizer = Tokenizer.from_file(path)
    values.PIECES[:] = sorted(piece for piece in tokenizer.get_vocab() if re.fullmatch("[a-z]{2,6}", piece))
    r = Random(seed)
    ids: list[Array] = []
    masks: list[Array] = []
    total = 0
    while total < tokens:
        for _ in range(500):
            is_structured = r.random() < stage.structured
            dialogue = (
                make_structured(r, rounds=stage.rounds)
                if is_structured
                else make_dialogue(r, tool_share=stage.tool_share, rounds=stage.rounds, drills=stage.drills)
            )
            text, given = unmark(to_text(dialogue, brief=stage.brief))
            encoding = tokenizer.encode(text, add_special_tokens=False)
            names = [tool["function"]["name"] for tool in dialogue.tools]
            weights = supervise(encoding, names, text, given)
            numbers = np.array(encoding.ids, np.uint16)
            if is_structured:
                numbers, weights = recut(r, tokenizer, encoding, weights)
            if len(numbers) <= stage.longest:
                ids.append(numbers)
                masks.append(weights)
                total += len(numbers)
    return np.concatenate(ids), np.concatenate(masks), np.array([len(i) for i in ids], np.int32)


class Corpus:
    """One stage from its file; `batches` cuts it into equal shapes."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as stored:
            self.ids, self.mask, self.lengths = (stored[k] for k in ("ids", "mask", "lengths"))
        self.starts = np.concatenate(([0], np.cumsum(self.lengths)))

    def batches(self, tokens: int, seed: int) -> list[tuple[int, Array]]:
        """Pairs of a padded length and the numbers of dialogues: about equal in tokens, shuffled."""
        r = np.random.default_rng(seed)
        found = []
        low = 0
        for bucket in BUCKETS:
            members = np.flatnonzero((self.lengths > low) & (self.lengths <= bucket))
            r.shuffle(members)
            low = bucket
            rows = max(1, tokens // bucket)
            whole = len(members) // rows
            found += [(bucket, group) for group in members[: whole * rows].reshape(whole, rows)]
        r.shuffle(found)
        return found

    def collate(self, bucket: int, members: Array) -> tuple[Array, Array]:
        """Ids and mask, padded with zeros."""
        ids = np.zeros((len(members), bucket), np.int64)
        mask = np.zeros((len(members), bucket), np.uint8)
        for row, member in enumerate(members):
            size, start = self.lengths[member], self.starts[member]
            ids[row, :size] = self.ids[start : start + size]
            mask[row, :size] = self.mask[start : start + size]
        return ids, mask


def main() -> None:
    tokenizer, target = sys.argv[1], Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    parts = 2
    for number, stage in enumerate(STAGES):
        jobs = [(tokenizer, stage, 100 * number + part + 10, stage.tokens // parts) for part in range(parts)]
        with Pool(parts) as pool:
            built = pool.map(build, jobs)
        ids, mask, lengths = (np.concatenate(column) for column in zip(*built, strict=True))
        np.savez(target / f"{stage.name}.npz", ids=ids, mask=mask, lengths=lengths)
        print(
            f"{stage.name}: {len(lengths)} dialogues, {len(ids)} tokens, {int((mask > 0).sum())} learnt",
            flush=True,
        )


if __name__ == "__main__":
    main()
