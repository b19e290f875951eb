"""The GLM-4.6 architecture (`glm4moe`) in torch: token ids in, logits out.

Grouped-query attention with q/k norm and biases, rotary positions on the first half of
each head (NEOX order), a dense first layer, then layers with a sigmoid router over a few
experts and one shared expert. The tensor names in `gguf_tensors` are those of llama.cpp.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import gguf
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True)
class Config:
    """Sizes; every dimension is a multiple of 32, the block of q8_0."""

    vocab: int = 6144
    width: int = 192
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ff: int = 384
    experts: int = 4
    experts_used: int = 2
    expert_ff: int = 96
    dense_layers: int = 1
    context: int = 4096
    theta: float = 10000.0
    eps: float = 1e-5


class Norm(nn.Module):
    def __init__(self, width: int, eps: float, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), gain))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def frequencies(config: Config) -> Tensor:
    rotated = config.head_dim // 2
    return config.theta ** -(torch.arange(0, rotated, 2).float() / rotated)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = cos.shape[-1]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), -1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.q = nn.Linear(config.width, config.heads * config.head_dim)
        self.k = nn.Linear(config.width, config.kv_heads * config.head_dim)
        self.v = nn.Linear(config.width, config.kv_heads * config.head_dim)
        self.out = nn.Linear(config.heads * config.head_dim, config.width, bias=False)
        self.q_norm = Norm(config.head_dim, config.eps, 1.5)
        self.k_norm = Norm(config.head_dim, config.eps, 1.5)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape
        c = self.config
        q = self.q(x).view(batch, length, c.heads, c.head_dim).transpose(1, 2)
        k = self.k(x).view(batch, length, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.v(x).view(batch, length, c.kv_heads, c.head_dim).transpose(1, 2)
        q = rotate(self.q_norm(q), cos, sin)
        k = rotate(self.k_norm(k), cos, sin)
        group = c.heads // c.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, length, -1))

    @torch.no_grad()
    def look_back(self) -> None:
        """Let the heads of the first KV group start by reading the tokens 1, 2, … before.

        Copying needs a head that knows the previous token and one that uses it
        (an induction circuit). A constant key and a query whose two fastest
        frequencies are turned by `distance` give the first of them at once.
        """
        size = self.config.head_dim
        speeds = frequencies(self.config)
        fast = [i for i, f in enumerate(speeds.tolist()) if f > 0.1][:4]
        half = len(speeds)
        self.k.weight[:size] *= 0.1
        for i in fast:
            self.k.bias[i] = 2.0
        for head in range(self.config.heads // self.config.kv_heads):
            at = head * size
            self.q.weight[at : at + size] *= 0.1
            for i in fast:
                angle = (head + 1) * float(speeds[i])
                self.q.bias[at + i] = 2.0 * math.cos(angle)
                self.q.bias[at + half + i] = -2.0 * math.sin(angle)


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    """All experts are computed and masked: fixed shapes are faster than gathering here."""

    BALANCE = 2e-3

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        count, width, hidden = config.experts, config.width, config.expert_ff
        self.router = nn.Linear(width, count, bias=False)
        self.register_buffer("bias", torch.zeros(count))
        self.shared = FeedForward(width, hidden)
        self.gate = nn.Parameter(torch.randn(count, hidden, width) * width**-0.5)
        self.up = nn.Parameter(torch.randn(count, hidden, width) * width**-0.5)
        self.down = nn.Parameter(torch.zeros(count, width, hidden))

    def weights(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            scores = torch.sigmoid(x.float() @ self.router.weight.t())
        # The bias chooses the experts but does not weigh them.
        chosen = (scores.detach() + self.bias).topk(self.config.experts_used, -1).indices
        mask = torch.zeros_like(scores).scatter_(1, chosen, 1.0)
        if self.training:
            load = mask.sum(0)
            self.bias += self.BALANCE * (load.mean() - load).sign()
        scores = scores * mask
        return scores / (scores.sum(-1, keepdim=True) + 1e-20)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        weights = self.weights(flat)
        gate = torch.cat((self.gate.flatten(0, 1), self.shared.gate.weight))
        up = torch.cat((self.up.flatten(0, 1), self.shared.up.weight))
        down = torch.cat((self.down.permute(1, 0, 2).flatten(1), self.shared.down.weight), 1)
        hidden = F.silu(F.linear(flat, gate)) * F.linear(flat, up)
        width = self.config.expert_ff
        scale = F.pad(weights, (0, 1), value=1.0).to(hidden.dtype)
        hidden = hidden.view(-1, self.config.experts + 1, width) * scale[:, :, None]
        return F.linear(hidden.flatten(1), down).view(x.shape)


class Layer(nn.Module):
    def __init__(self, config: Config, index: int) -> None:
        super().__init__()
        self.attention_norm = Norm(config.width, config.eps)
        self.attention = Attention(config)
        self.ffn_norm = Norm(config.width, config.eps)
        dense = index < config.dense_layers
        self.ffn = FeedForward(config.width, config.ff) if dense else Experts(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin)
        return x + self.ffn(self.ffn_norm(x))


class Model(nn.Module):
    """`hidden(ids)` gives the last layer's states, `logits(states)` scores the vocabulary."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab, config.width)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.layers))
        self.norm = Norm(config.width, config.eps)
        angles = torch.outer(torch.arange(config.context).float(), frequencies(config))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        nn.init.normal_(self.embedding.weight, 0, 0.05)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, module.weight.shape[1] ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for layer in self.layers:
            nn.init.zeros_(layer.attention.out.weight)
            ffn = layer.ffn if isinstance(layer.ffn, FeedForward) else layer.ffn.shared
            nn.init.zeros_(ffn.down.weight)
        self.layers[0].attention.look_back()

    def hidden(self, ids: Tensor) -> Tensor:
        dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else self.embedding.weight.dtype
        x = self.embedding(ids).to(dtype)
        cos, sin = (t[: ids.shape[1]].to(dtype) for t in (self.cos, self.sin))
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)

    def logits(self, states: Tensor) -> Tensor:
        return F.linear(states, self.embedding.weight.to(states.dtype))


def gguf_tensors(model: Model) -> dict[str, Tensor]:
    """The weights under llama.cpp's names."""
    tensors = {"token_embd.weight": model.embedding.weight, "output_norm.weight": model.norm.weight}
    for index, layer in enumerate(model.layers):
        attention, ffn, named = layer.attention, layer.ffn, {}
        for letter in "qkv":
            linear = getattr(attention, letter)
            named |= {f"attn_{letter}.weight": linear.weight, f"attn_{letter}.bias": linear.bias}
        named |= {
            "attn_norm.weight": layer.attention_norm.weight,
            "attn_output.weight": attention.out.weight,
            "attn_q_norm.weight": attention.q_norm.weight,
            "attn_k_norm.weight": attention.k_norm.weight,
            "post_attention_norm.weight": layer.ffn_norm.weight,
        }
        if isinstance(ffn, FeedForward):
            named |= {f"ffn_{k}.weight": getattr(ffn, k).weight for k in ("gate", "up", "down")}
        else:
            named |= {"ffn_gate_inp.weight": ffn.router.weight, "exp_probs_b.bias": ffn.bias}
            named |= {f"ffn_{k}_exps.weight": getattr(ffn, k) for k in ("gate", "up", "down")}
            named |= {f"ffn_{k}_shexp.weight": getattr(ffn.shared, k).weight for k in ("gate", "up", "down")}
        tensors |= {f"blk.{index}.{name}": tensor for name, tensor in named.items()}
    return {name: tensor.detach().float() for name, tensor in tensors.items()}


def load_gguf(model: Model, path: Path) -> None:
    """The inverse, into a model of the same sizes; q8_0 costs a little precision."""
    stored = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}
    # The tensors share the memory of the weights.
    for name, tensor in gguf_tensors(model).items():
        tensor.copy_(torch.tensor(stored[name]).view_as(tensor))


def load(model: Model, path: Path) -> None:
    """Read the weights of a checkpoint (.pt) or of an exported model (.gguf)."""
    if path.suffix == ".gguf":
        load_gguf(model, path)
    else:
        model.load_state_dict(torch.load(path)["weights"])
