"""The embedded model in the forms that real servers need, with the same weights.

    python convert.py MODEL.gguf DIRECTORY

Writes `DIRECTORY/hf`, a directory as from Hugging Face, and `DIRECTORY/f32.gguf`: both have every weight as
float32, so that vLLM (`--dtype float32`) and llama.cpp compute the same. Runs in the environment of
`make peers`, which has gguf, numpy, safetensors and tokenizers.
"""

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

# The split of `tokenizer.ggml.pre = glm4`, which is that of Llama 3.
SPLIT = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GLOBAL = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
IN_LAYER = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
    "ffn_up_shexp": "mlp.shared_experts.up_proj",
    "ffn_down_shexp": "mlp.shared_experts.down_proj",
}
EXPERTS = {"ffn_gate_exps": "gate_proj", "ffn_up_exps": "up_proj", "ffn_down_exps": "down_proj"}
CONTROL = int(gguf.TokenType.CONTROL)


def arrays(reader: gguf.GGUFReader) -> dict[str, np.ndarray]:
    """Return every tensor as float32, by its name in the GGUF file."""
    return {
        tensor.name: np.ascontiguousarray(
            gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32
        ).reshape([int(size) for size in reversed(tensor.shape)])  # GGUF lists the fastest dimension first
        for tensor in reader.tensors
    }


def renamed(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors by their names in `Glm4MoeForCausalLM`."""
    found: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if name in GLOBAL:
            found[GLOBAL[name]] = array
            continue
        _, index, part, kind = name.split(".")
        layer = f"model.layers.{index}"
        if part in EXPERTS:
            for number, matrix in enumerate(array):
                found[f"{layer}.mlp.experts.{number}.{EXPERTS[part]}.weight"] = np.ascontiguousarray(matrix)
        elif part == "exp_probs_b":
            found[f"{layer}.mlp.gate.e_score_correction_bias"] = array
        else:
            found[f"{layer}.{IN_LAYER[part]}.{kind}"] = array
    found.setdefault("lm_head.weight", found["model.embed_tokens.weight"].copy())  # tied in the GGUF file
    return found


def tokenizer(tokens: list[str], types: list[int], merges: list[str]) -> Tokenizer:
    """Return the tokenizer; the special tokens are the last ones of the vocabulary."""
    special = (CONTROL, int(gguf.TokenType.USER_DEFINED))
    first = next(id for id, kind in enumerate(types) if kind in special)
    made = Tokenizer(
        models.BPE(
            vocab={token: id for id, token in enumerate(tokens[:first])},
            merges=[tuple(pair.split(" ")) for pair in merges],
            ignore_merges=True,
        )
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens[first:], types[first:], strict=True):
        made.add_tokens([AddedToken(token, special=kind == CONTROL, normalized=False)])
    assert all(made.token_to_id(token) == id for id, token in enumerate(tokens))
    return made


def configuration(of: dict[str, Any], vocabulary: dict[str, Any], ends: list[int]) -> dict[str, Any]:
    """Return config.json, from the metadata of the model and of its vocabulary."""
    rotary = of["rope.dimension_count"] / of["attention.key_length"]
    rope = {"rope_type": "default", "rope_theta": of["rope.freq_base"], "partial_rotary_factor": rotary}
    return {
        "architectures": ["Glm4MoeForCausalLM"],
        "model_type": "glm4_moe",
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "vocab_size": len(vocabulary["tokens"]),
        "hidden_size": of["embedding_length"],
        "intermediate_size": of["feed_forward_length"],
        "num_hidden_layers": of["block_count"],
        "num_attention_heads": of["attention.head_count"],
        "num_key_value_heads": of["attention.head_count_kv"],
        "head_dim": of["attention.key_length"],
        "partial_rotary_factor": rotary,
        "rope_theta": of["rope.freq_base"],
        "rope_parameters": rope,
        "max_position_embeddings": of["context_length"],
        "rms_norm_eps": of["attention.layer_norm_rms_epsilon"],
        "first_k_dense_replace": of["leading_dense_block_count"],
        "n_routed_experts": of["expert_count"],
        "num_experts_per_tok": of["expert_used_count"],
        "n_shared_experts": of["expert_shared_count"],
        "moe_intermediate_size": of["expert_feed_forward_length"],
        "norm_topk_prob": bool(of["expert_weights_norm"]),
        "routed_scaling_factor": of["expert_weights_scale"],
        "n_group": 1,
        "topk_group": 1,
        "num_nextn_predict_layers": 0,
        "use_qk_norm": True,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "eos_token_id": ends,
        "pad_token_id": vocabulary["padding_token_id"],
    }


def write_hf(reader: gguf.GGUFReader, weights: dict[str, np.ndarray], target: Path) -> None:
    """Write the directory for vLLM and SGLang."""
    target.mkdir(parents=True, exist_ok=True)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    of = {name.removeprefix("glm4moe."): value for name, value in fields.items()}
    vocabulary = {name.removeprefix("tokenizer.ggml."): value for name, value in fields.items()}
    tokens, types = vocabulary["tokens"], vocabulary["token_type"]
    ends = [vocabulary[key] for key in ("eos_token_id", "eot_token_id", "eom_token_id") if key in vocabulary]
    end, padding = tokens[vocabulary["eos_token_id"]], vocabulary["padding_token_id"]
    files = {
        "config.json": configuration(of, vocabulary, ends),
        # As in GLM-4.6's repository: the ends of a turn, and the model's own sampling.
        "generation_config.json": {
            "do_sample": True,
            "eos_token_id": ends,
            "pad_token_id": padding,
            "temperature": 1.0,
            "top_p": 0.95,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": of["context_length"],
            "clean_up_tokenization_spaces": False,
            "eos_token": end,
            "pad_token": end,
            "additional_special_tokens": [
                token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL
            ],
        },
    }
    for name, content in files.items():
        (target / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    tokenizer(tokens, types, vocabulary["merges"]).save(str(target / "tokenizer.json"))
    (target / "chat_template.jinja").write_text(fields["tokenizer.chat_template"])
    save_file(renamed(weights), target / "model.safetensors", metadata={"format": "pt"})


def write_f32(reader: gguf.GGUFReader, weights: dict[str, np.ndarray], target: Path) -> None:
    """Write the GGUF file for llama.cpp."""
    writer = gguf.GGUFWriter(target, "glm4moe")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kind, of_items = field.types[0], field.types[-1]
            is_array = kind == gguf.GGUFValueType.ARRAY
            writer.add_key_value(name, field.contents(), kind, of_items if is_array else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for name, array in weights.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    source, directory = map(Path, sys.argv[1:])
    opened = gguf.GGUFReader(source)
    tensors = arrays(opened)
    write_hf(opened, tensors, directory / "hf")
    write_f32(opened, tensors, directory / "f32.gguf")
