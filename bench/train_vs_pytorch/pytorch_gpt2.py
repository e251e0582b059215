"""The peer: the same GPT-2, batch, micro-batch and optimizer in one process of eager PyTorch.

Prints one JSON object: tokens per second over the timed steps, the last loss, peak memory. Eager at its best: fused
attention, fused AdamW, flattened cross-entropy.
"""

import argparse
import json
import math
import resource
import time
import tomllib

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expansion, self.contraction = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):  # (B, T, C)
        batch, tokens, width = x.shape
        q, k, v = self.qkv(self.ln_1(x)).split(width, dim=2)
        q, k, v = (t.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2) for t in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, D)
        x = x + self.projection(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.contraction(F.gelu(self.expansion(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, model, vocabulary):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, model["width"])
        self.wpe = nn.Embedding(model["context"], model["width"])
        self.blocks = nn.ModuleList(Block(model["width"], model["heads"]) for _ in range(model["layers"]))
        self.ln_f = nn.LayerNorm(model["width"])
        self.apply(self.initialise)
        for block in self.blocks:
            for layer in (block.projection, block.contraction):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * model["layers"]))

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(self, tokens):  # (B, T) -> (B, T, V)
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    with open(chosen.config, "rb") as file:
        job = tomllib.load(file)
    model_config, train = job["model"], job["train"]
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(1)
    text = torch.frombuffer(bytearray(open(job["data"]["path"], "rb").read()), dtype=torch.uint8).long()
    context, batch, micro = model_config["context"], train["global_batch"], train["micro_batch"]
    windows = (len(text) - 1) // context
    order = torch.randperm(windows)
    model = Gpt2(model_config, 256)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=train["lr"], betas=(0.9, 0.95), eps=1e-8, fused=True)
    began = time.perf_counter()
    for step in range(chosen.steps):
        if step == chosen.warm_up:
            began = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = train["lr"] * min(1.0, (step + 1) / max(train.get("warmup_steps", 1), 1))
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for first in range(0, batch, micro):
            begins = order[(step * batch + first + torch.arange(micro)) % windows] * context
            rows = text[begins[:, None] + torch.arange(context + 1)]
            logits = model(rows[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum") / (batch * context)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.get("clip", 1.0))
        optimizer.step()
    seconds = time.perf_counter() - began
    tokens = (chosen.steps - chosen.warm_up) * batch * context
    print(json.dumps({"tokens_per_second": tokens / seconds, "loss": total, "torch": torch.__version__,
                      "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
