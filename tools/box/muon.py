"""Muon (Jordan et al. 2024): momentum whose update, for a matrix, is replaced by the nearest semi-orthogonal one, found by a few
Newton-Schulz steps. Weights shrink a little at each step: without that, and at a higher rate, the matrices of q and k grew until
attention was all or nothing, and the model never learnt to copy a number."""
import torch

from precision import fast_dtype


def orthogonal(g, steps=5):
    """g (n, rows, cols), n matrices at once"""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if tall else g).to(fast_dtype())
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        y = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(y, y, y, beta=b, alpha=c), x, beta=a)
    return (x.transpose(1, 2) if tall else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.95, weight_decay=0.05):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            for shape, params in alike.items():
                grads = torch.stack([p.grad for p in params])
                for p, g in zip(params, grads):
                    m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    m.lerp_(g, 1 - group["momentum"])
                    g.lerp_(m, group["momentum"])
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(params, orthogonal(grads)):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)
