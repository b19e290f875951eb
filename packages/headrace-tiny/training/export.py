"""Write a checkpoint as a GGUF with its tokenizer and chat template inside.

    python export.py build/tokenizer.json build/model.pt model.gguf

Of several checkpoints, or models, the mean of their weights is written: one that is named twice counts twice.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from model import Config, Model, gguf_tensors, load
from tokenizers import Tokenizer

from prompts import TEMPLATE

ARCHITECTURE = "glm4moe"


def write_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    """`pre` names GLM-4's split; the types decide what llama.cpp shows of the special tokens."""
    stored = json.loads(tokenizer.to_str())
    tokens = {number: text for text, number in stored["model"]["vocab"].items()}
    types = {
        number: TokenType.UNUSED if text.startswith("[UNUSED") else TokenType.NORMAL
        for number, text in tokens.items()
    }
    for added in stored["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("glm4")
    writer.add_token_list([tokens[i] for i in range(len(tokens))])
    writer.add_token_types([int(types[i]) for i in range(len(tokens))])
    merges = stored["model"]["merges"]
    writer.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in merges])
    number = tokenizer.token_to_id
    writer.add_bos_token_id(number("[gMASK]"))
    for add in (writer.add_eos_token_id, writer.add_pad_token_id, writer.add_unk_token_id):
        add(number("<|endoftext|>"))
    writer.add_eot_token_id(number("<|user|>"))
    writer.add_eom_token_id(number("<|observation|>"))
    # The template writes `[gMASK]<sop>` itself.
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write_config(writer: GGUFWriter, config: Config) -> None:
    writer.add_name("headrace-tiny")
    writer.add_type("model")
    writer.add_license("apache-2.0")
    writer.add_vocab_size(config.vocab)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.ff)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.eps)
    writer.add_rope_freq_base(config.theta)
    writer.add_rope_dimension_count(config.head_dim // 2)
    writer.add_leading_dense_block_count(config.dense_layers)
    writer.add_expert_count(config.experts)
    writer.add_expert_used_count(config.experts_used)
    writer.add_expert_shared_count(1)
    writer.add_expert_feed_forward_length(config.expert_ff)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_weights_norm(True)
    writer.add_expert_weights_scale(1.0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def write_tensors(writer: GGUFWriter, tensors: dict[str, torch.Tensor]) -> None:
    """Matrices as q8_0; vectors and the router as f32."""
    for name, tensor in tensors.items():
        array = np.ascontiguousarray(tensor.numpy())
        if array.ndim >= 2 and "ffn_gate_inp" not in name:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)


def export(tokenizer: Path, checkpoints: list[Path], target: Path) -> None:
    cutter = Tokenizer.from_file(str(tokenizer))
    config = Config(vocab=cutter.get_vocab_size())
    model = Model(config)
    total = {name: torch.zeros_like(weight) for name, weight in model.state_dict().items()}
    for checkpoint in checkpoints:
        load(model, checkpoint)
        for name, weight in model.state_dict().items():
            total[name] += weight / len(checkpoints)
    model.load_state_dict(total)
    temporary = target.with_suffix(".tmp")
    writer = GGUFWriter(temporary, ARCHITECTURE)
    write_config(writer, config)
    write_tokenizer(writer, cutter)
    write_tensors(writer, gguf_tensors(model))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    temporary.rename(target)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    source, *sources, written = map(Path, sys.argv[1:])
    export(source, sources, written)
