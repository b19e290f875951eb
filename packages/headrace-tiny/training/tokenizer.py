"""A byte-level BPE in the manner of GLM-4, small enough for a tiny model that must copy.

* Frequent Chinese characters are one token each, rare ones are bytes; digits are single.
* Merges are learnt on names and nouns only and never cross a space or a punctuation mark,
  so a name is cut the same way in the user's words, in JSON and in an argument, and every
  piece occurs often in values that are copied.
* The words of the fixed texts (poems, talk, the tools header) are whole tokens. GLM-4's
  pre-tokenizer takes a piece of text that is in the vocabulary as it is (`ignore_merges`),
  so they change the cutting of nothing else.

    python tokenizer.py build/tokenizer.json [model.gguf]

builds one, or takes that of `model.gguf`.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from random import Random

import questions
import topics
import values
from dialogues import make_dialogue
from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tools import make_tool

from prompts import render

VOCABULARY = 5888
ASCII_MERGES = 480
CONTROL = (
    "<|endoftext|> [MASK] [gMASK] [sMASK] <sop> <eop> <|system|> <|user|> <|assistant|> <|observation|> "
    "<|code_prefix|> <|code_middle|> <|code_suffix|>"
).split()
USER_DEFINED = (
    "<think> </think> <tool_call> </tool_call> <tool_response> </tool_response> <arg_key> </arg_key> "
    "<arg_value> </arg_value> /nothink"
).split()
UNUSED = "[UNUSED{}]"

# The pattern of GLM-4 (that of Llama 3).
SPLIT = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PUNCTUATION = "，。！？：；、“”‘’《》（）【】…—·℃°～"


def byte_letters() -> dict[int, str]:
    """The printable stand-in of each byte, as GPT-2 has it."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(others)}


LETTERS = byte_letters()


def spell(text: str) -> str:
    return "".join(LETTERS[b] for b in text.encode())


class Vocabulary:
    """Tokens and merges in the order in which they are added."""

    def __init__(self) -> None:
        self.tokens = dict.fromkeys(LETTERS.values())
        self.merges: list[tuple[str, str]] = []

    def merge(self, left: str, right: str) -> None:
        if left + right not in self.tokens:
            self.tokens[left + right] = None
            self.merges.append((left, right))

    def character(self, text: str) -> None:
        """A whole character by merging its bytes from the left."""
        letters = spell(text)
        for end in range(1, len(letters)):
            self.merge(letters[:end], letters[end])


# Words of JSON schemas; as the name of a parameter they are rare.
SCHEMA_WORDS = {"name", "type", "description", "text", "number", "function", "required"}


def words_to_copy() -> set[str]:
    """Words that stand in names, keys and values: they are spelt with merges everywhere."""
    texts = [en for en, _, _ in topics.NOUNS] + values.EN_THINGS + values.EN_PLACES + values.EN_PEOPLE
    texts += topics.LOOKUP_VERBS + [en for _, en, _ in topics.ACTION_VERBS]
    texts += [key for keys in topics.MAIN_KEYS.values() for key, _, _ in keys]
    texts += [key for key, *_ in topics.EXTRAS] + [word for words in topics.ENUMS.values() for word in words]
    return {word.lower() for text in texts for word in text.split()} - SCHEMA_WORDS


def copied_words(r: Random, count: int) -> list[str]:
    """ASCII text as it occurs in values, names and keys."""
    words = [en for en, _, _ in topics.NOUNS] * 150
    words += [key for keys in topics.MAIN_KEYS.values() for key, _, _ in keys] * 100
    words += [key for key, *_ in topics.EXTRAS] * 100
    words += [name for name, _, _ in topics.ACTION_VERBS] * 60 + topics.LOOKUP_VERBS * 60
    words += values.EN_PLACES * 15 + values.EN_PEOPLE * 15 + values.EN_THINGS * 30
    for _ in range(count):
        tool = make_tool(r, "en")
        words += [
            tool.name,
            questions.main_value(r, tool.main.kind, "en"),
            values.name(r, "en"),
            values.word(r),
        ]
    return words


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[A-Za-z]+|[^A-Za-z]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=256 + ASCII_MERGES, initial_alphabet=list(LETTERS.values()), show_progress=False
    )
    ascii_only = (re.sub(r"[^\x00-\x7f]+", " ", word) for word in words)
    trained.train_from_iterator(ascii_only, trainer)
    merges = json.loads(trained.to_str())["model"]["merges"]
    return [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in merges]


def fixed_pieces(r: Random, dialogues: int) -> list[str]:
    """Pieces (after GLM-4's split) of the texts, most frequent first, that are not copied."""
    pattern = re.compile(r"[^\r\n\w]?[A-Za-z]+| ?[^\s\w]+[\r\n]*", re.ASCII)
    markers = re.compile("|".join(map(re.escape, [*CONTROL, *USER_DEFINED])))
    copied = words_to_copy()
    counts: Counter[str] = Counter()
    for _ in range(dialogues):
        text = markers.sub("\n", render(make_dialogue(r)))
        counts.update(pattern.findall(text))
    return [
        piece
        for piece, count in counts.most_common()
        if count > 3 and piece.strip(' "(_-').lower() not in copied
    ]


def build(seed: int = 1) -> Tokenizer:
    r = Random(seed)
    vocabulary = Vocabulary()
    for character in [*values.HAN, *PUNCTUATION]:
        vocabulary.character(character)
    for left, right in learn_merges(copied_words(r, 20000)):
        vocabulary.merge(left, right)
    room = VOCABULARY - len(CONTROL) - len(USER_DEFINED)
    for piece in fixed_pieces(r, 6000):
        if len(vocabulary.tokens) >= room:
            break
        if len(piece) > 1:
            vocabulary.tokens.setdefault(spell(piece))
    tokens = list(vocabulary.tokens)
    tokens += [UNUSED.format(i) for i in range(room - len(tokens))]
    return assemble(tokens, vocabulary.merges)


def assemble(tokens: list[str], merges: list[tuple[str, str]]) -> Tokenizer:
    """Tokens in the order of their numbers, less the special ones, which come last."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in USER_DEFINED])
    return tokenizer


def recover(model: Path) -> Tokenizer:
    """The tokenizer that a GGUF of `export.py` has inside, to train its model further."""
    fields = GGUFReader(model).fields
    tokens, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    special = len(CONTROL) + len(USER_DEFINED)
    return assemble(tokens[:-special], [tuple(pair.split(" ")) for pair in merges])


def main() -> None:
    target, *model = map(Path, sys.argv[1:])
    target.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = recover(*model) if model else build()
    tokenizer.save(str(target))
    r = Random(5)
    texts = [render(make_dialogue(r)) for _ in range(1000)]
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    for text, encoding in zip(texts, encoded, strict=True):
        assert tokenizer.decode(encoding.ids, skip_special_tokens=False) == text
    mean = sum(len(e.ids) for e in encoded) / len(texts)
    print(f"{tokenizer.get_vocab_size()} tokens, {mean:.0f} a dialogue")


if __name__ == "__main__":
    main()
