"""A projector for images with random weights, in the form of Gemma 3's: `write_projector.py FILE EMBEDDING_LENGTH`.

What the model sees is meaningless, but llama.cpp computes it: an image of any size becomes four tokens. Runs
in the environment of `make peers`, which has gguf and numpy.
"""

import sys

import gguf
import numpy as np

SIZE, PATCH = 32, 4  # pixels
WIDTH, INNER, HEADS = 32, 64, 2
NUMBERS = {
    "clip.vision.image_size": SIZE,
    "clip.vision.patch_size": PATCH,
    "clip.vision.embedding_length": WIDTH,
    "clip.vision.feed_forward_length": INNER,
    "clip.vision.block_count": 1,
    "clip.vision.attention.head_count": HEADS,
}


def shapes(embedding_length: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor."""
    vectors = dict.fromkeys(("v.patch_embd.bias", "v.post_ln.weight", "v.post_ln.bias"), (WIDTH,))
    for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
        vectors |= {f"v.blk.0.{name}.weight": (WIDTH, WIDTH), f"v.blk.0.{name}.bias": (WIDTH,)}
    for name in ("ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias", "ffn_down.bias"):
        vectors[f"v.blk.0.{name}"] = (WIDTH,)
    return vectors | {
        "v.blk.0.ffn_up.weight": (INNER, WIDTH),
        "v.blk.0.ffn_up.bias": (INNER,),
        "v.blk.0.ffn_down.weight": (WIDTH, INNER),
        "v.patch_embd.weight": (WIDTH, 3, PATCH, PATCH),
        "v.position_embd.weight": ((SIZE // PATCH) ** 2, WIDTH),
        "mm.input_projection.weight": (WIDTH, embedding_length),
        "mm.soft_emb_norm.weight": (WIDTH,),
    }


def main() -> None:
    path, embedding_length = sys.argv[1], int(sys.argv[2])
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    writer.add_string("clip.projector_type", "gemma3")
    for key, number in {**NUMBERS, "clip.vision.projection_dim": embedding_length}.items():
        writer.add_uint32(key, number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.5] * 3)
    writer.add_array("clip.vision.image_std", [0.5] * 3)
    random = np.random.default_rng(0)
    for name, shape in shapes(embedding_length).items():
        writer.add_tensor(name, random.normal(0, 0.1, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
