"""The model in the box: a Llama (Touvron et al. 2023) small enough to be trained on a CPU. RMSNorm before each block, rotary
positions in halves as Hugging Face has them, grouped-query attention, SwiGLU, the output tied to the embedding; or, for the
reward model, a scalar head in its place."""
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab_size: int = 2048
    hidden_size: int = 256
    intermediate_size: int = 512
    num_hidden_layers: int = 5
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    max_position_embeddings: int = 512
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    @property
    def head_dim(self):
        return self.hidden_size // self.num_attention_heads

    def json(self):
        return asdict(self)


class RMSNorm(nn.Module):
    def __init__(self, n, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight, self.eps)


def rope_table(cfg):
    """cos, sin (positions, head_dim / 2)"""
    half = cfg.head_dim // 2
    inv_freq = cfg.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(cfg.max_position_embeddings, dtype=torch.float64)[:, None] * inv_freq
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """x (batch, heads, T, head_dim); cos, sin broadcast to (batch, 1, T, head_dim / 2)"""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def attend(q, k, v, seen):
    """softmax(q k' / sqrt(head_dim)) v. q (batch, heads, T, head_dim), k, v (batch, kv_heads, S, head_dim); seen: which of S a
    position sees, (batch, 1, T, S), or None: itself and those before it, T = S. In bfloat16 written out: the backward pass of
    PyTorch's own takes a third of a step there, where it is the faster one in float32, and leaves out what nobody sees."""
    if v.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, seen, is_causal=seen is None, enable_gqa=True)
    b, heads, t, d = q.shape
    kv, s = k.shape[1:3]
    if seen is None:
        seen = torch.ones(t, s, dtype=torch.bool, device=q.device).tril()
    q, k = q.to(v.dtype), k.to(v.dtype)
    scores = (q.reshape(b, kv, heads // kv * t, d) @ k.transpose(-1, -2)).view(b, heads, t, s)
    p = torch.softmax((scores.float() * d ** -0.5).masked_fill(~seen, -torch.inf), -1).to(v.dtype)
    return (p.view(b, kv, heads // kv * t, s) @ v).view(b, heads, t, d)


def together(x, *layers):
    """What the layers make of x, side by side: one product in place of two or three narrow ones."""
    return F.linear(x, torch.cat([layer.weight for layer in layers]))


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        n, kv = cfg.hidden_size, cfg.num_key_value_heads * cfg.head_dim
        self.input_layernorm = RMSNorm(n, cfg.rms_norm_eps)
        self.q_proj = nn.Linear(n, n, bias=False)
        self.k_proj = nn.Linear(n, kv, bias=False)
        self.v_proj = nn.Linear(n, kv, bias=False)
        self.o_proj = nn.Linear(n, n, bias=False)
        self.post_attention_layernorm = RMSNorm(n, cfg.rms_norm_eps)
        self.gate_proj = nn.Linear(n, cfg.intermediate_size, bias=False)
        self.up_proj = nn.Linear(n, cfg.intermediate_size, bias=False)
        self.down_proj = nn.Linear(cfg.intermediate_size, n, bias=False)

    def forward(self, x, cos, sin, mask, cache=None, wanted=None):
        """x (batch, T, hidden_size); wanted: (batch, T), the rows that are asked for: (rows, hidden_size)"""
        b, t, n = x.shape
        heads, kv, d = self.cfg.num_attention_heads, self.cfg.num_key_value_heads, self.cfg.head_dim
        h = self.input_layernorm(x)
        qkv = together(h, self.q_proj, self.k_proj, self.v_proj).view(b, t, heads + 2 * kv, d).transpose(1, 2)
        qk, v = qkv.split((heads + kv, kv), 1)
        q, k = rotate(qk, cos, sin).split((heads, kv), 1)
        if cache is not None:
            if cache:
                k, v = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2)
            cache[:] = [k, v]
        a = attend(q, k, v, mask).transpose(1, 2).reshape(b, t, n)
        if wanted is not None:
            x, a = x[wanted], a[wanted]
        x = x + self.o_proj(a)
        gate, up = together(self.post_attention_layernorm(x), self.gate_proj, self.up_proj).chunk(2, -1)
        return x + self.down_proj(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, cfg, reward=False):
        super().__init__()
        self.cfg = cfg
        self.embed_tokens = nn.Embedding(cfg.vocab_size, cfg.hidden_size)
        self.layers = nn.ModuleList(Block(cfg) for _ in range(cfg.num_hidden_layers))
        self.norm = RMSNorm(cfg.hidden_size, cfg.rms_norm_eps)
        self.score = nn.Linear(cfg.hidden_size, 1, bias=False) if reward else None
        cos, sin = rope_table(cfg)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else 0.5 * p.shape[1] ** -0.5
                nn.init.normal_(p, std=std)
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    nn.init.zeros_(p)

    def hidden(self, ids, positions=None, mask=None, caches=None, depth=None, states=None, wanted=None):
        """ids (batch, T) -> the residual stream after the last norm (batch, T, hidden_size); depth: of so many blocks alone;
        states: a list to which the same after every block is added; wanted: (batch, T), the rows of the last block that are asked
        for, the others are not computed: (rows, hidden_size)"""
        if positions is None:
            cos, sin = self.cos[None, None, :ids.shape[1]], self.sin[None, None, :ids.shape[1]]
        else:
            cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        x = self.embed_tokens(ids)
        layers = self.layers[:depth]
        for i, layer in enumerate(layers):
            x = layer(x, cos, sin, mask, None if caches is None else caches[i], wanted if i + 1 == len(layers) else None)
            if states is not None:
                states.append(self.norm(x))
        return self.norm(x)

    def forward(self, ids):
        """Logits (batch, T, vocab_size), or scores (batch, T)"""
        h = self.hidden(ids)
        return self.score(h).squeeze(-1) if self.score is not None else F.linear(h, self.embed_tokens.weight)


@torch.no_grad()
def generate(model, prompts, n_new, end, temperature=0.0, generator=None):
    """Continues each prompt (a list of token lists) until `end`; returns the new tokens, without `end`. Prompts are padded on
    the left so that they end together."""
    n, width = len(prompts), max(map(len, prompts))
    n_new = min(n_new, model.cfg.max_position_embeddings - width)
    ids = torch.zeros(n, width, dtype=torch.long)
    start = torch.tensor([width - len(p) for p in prompts])
    for i, p in enumerate(prompts):
        ids[i, width - len(p):] = torch.tensor(p)
    column = torch.arange(width)
    positions = (column[None] - start[:, None]).clamp(min=0)
    mask = (column[None, :, None] >= column[None, None, :]) & (column[None, None, :] >= start[:, None, None])
    mask |= torch.eye(width, dtype=torch.bool)  # a padded row attends to itself: no row is empty
    caches = [[] for _ in model.layers]
    h = model.hidden(ids, positions, mask[:, None], caches)[:, -1]
    out, rows = [[] for _ in prompts], torch.arange(n)  # rows: which prompts are not at their end yet
    for step in range(n_new):
        logits = F.linear(h, model.embed_tokens.weight).float()
        if temperature > 0:
            token = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)[:, 0]
        else:
            token = logits.argmax(-1)
        going = token != end
        rows, start, token = rows[going], start[going], token[going]
        for i, t in zip(rows.tolist(), token.tolist()):
            out[i].append(t)
        if len(rows) == 0 or step + 1 == n_new:
            break
        if not bool(going.all()):
            caches = [[x[going] for x in cache] for cache in caches]
        positions = (width + step - start)[:, None]
        seen = torch.arange(width + step + 1)[None] >= start[:, None]
        h = model.hidden(token[:, None], positions, seen[:, None, None], caches)[:, -1]
    return out
