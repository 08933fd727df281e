"""Update rules: SGD, RMSprop, Adagrad, Adam and AdamW, with the formulas and the defaults of PyTorch.

In the formulas p are the parameters, g their gradients, t = 1, 2, ... the step; all operations are elementwise. With
``weight_decay`` (λ), g stands for g + λ p, except in AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_rnn.optim.base import Optimizer
from tinygrad_rnn.tensor import Array, Tensor


class SGD(Optimizer):
    """Gradient descent with momentum μ and dampening τ.

        v ← μ v + (1 - τ) g     in the first step v ← g
        p ← p - lr v            with ``nesterov``  p ← p - lr (g + μ v)

    Polyak 1964; in this form Sutskever, Martens, Dahl, Hinton 2013, equations 1-2, and 3-4 for ``nesterov``, with the
    learning rate taken out of v, so that a change of it acts at once.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([ 0.8, -1.6])
    >>> SGD([w], lr=0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9)

    Raises ValueError for ``nesterov`` without momentum or with dampening, which it is not defined for.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        self.momentum = self._number("momentum", momentum)
        self.dampening = self._number("dampening", dampening)
        self.nesterov = nesterov
        if nesterov and (not momentum or dampening):
            raise ValueError(
                f"SGD: nesterov=True needs momentum > 0 and dampening = 0, got momentum={momentum}, "
                f"dampening={dampening}"
            )
        super().__init__(parameters, lr, weight_decay=weight_decay, state=["momentum_buffer"] if momentum else [])

    def _update(self, p: Array, g: Array, s: Array) -> None:
        g = self._with_penalty(p, g)
        if not self.momentum:
            np.multiply(g, self.lr, out=s)
        else:
            v = self.state["momentum_buffer"]
            if self.steps == 1:
                np.copyto(v, g)
            else:
                v *= self.momentum
                v += np.multiply(g, 1 - self.dampening, out=s) if self.dampening else g
            if self.nesterov:
                np.multiply(v, self.momentum, out=s)
                s += g
                s *= self.lr
            else:
                np.multiply(v, self.lr, out=s)
        p -= s


class RMSprop(Optimizer):
    """Gradients divided by a running root mean square, with decay α.

        v ← α v + (1 - α) g²
        a ← α a + (1 - α) g                         if ``centered``, else a = 0
        u ← momentum u + g / (√(v - a²) + eps)
        p ← p - lr u

    Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning"; ``centered`` is Graves 2013
    (arXiv:1308.0850), equations 38-41, but with eps outside the root. v - a² is a variance: where rounding makes it
    negative, it counts as 0.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6)
    array([ 0.8, -1.8])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        self.alpha = self._number("alpha", alpha, below=1)
        self.eps = self._number("eps", eps)
        self.momentum = self._number("momentum", momentum)
        self.centered = centered
        state = ["square_avg", *["grad_avg"] * centered, *["momentum_buffer"] * bool(momentum)]
        super().__init__(parameters, lr, weight_decay=weight_decay, state=state)

    def _update(self, p: Array, g: Array, s: Array) -> None:
        g = self._with_penalty(p, g)
        v = self.state["square_avg"]
        np.square(g, out=s)
        s *= 1 - self.alpha
        v *= self.alpha
        v += s
        if self.centered:
            a = self.state["grad_avg"]
            np.multiply(g, 1 - self.alpha, out=s)
            a *= self.alpha
            a += s
            np.square(a, out=s)
            np.subtract(v, s, out=s)
            np.maximum(s, 0, out=s)
            np.sqrt(s, out=s)
        else:
            np.sqrt(v, out=s)
        s += self.eps
        np.divide(g, s, out=s)
        if self.momentum:
            u = self.state["momentum_buffer"]
            u *= self.momentum
            u += s
            np.multiply(u, self.lr, out=s)
        else:
            s *= self.lr
        p -= s


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares so far.

        v ← v + g²                                  v starts at ``initial_accumulator_value``
        p ← p - lr / (1 + (t - 1) lr_decay) · g / (√v + eps)

    Duchi, Hazan, Singer 2011, the diagonal form of their figure 1.

    >>> w = Tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6)
    array([ 2.5, -1.5])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-2,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        self.lr_decay = self._number("lr_decay", lr_decay)
        self.eps = self._number("eps", eps)
        initial = self._number("initial_accumulator_value", initial_accumulator_value)
        super().__init__(parameters, lr, weight_decay=weight_decay, state=["sum"])
        self.state["sum"].fill(initial)

    def _update(self, p: Array, g: Array, s: Array) -> None:
        g = self._with_penalty(p, g)
        v = self.state["sum"]
        np.square(g, out=s)
        v += s
        np.sqrt(v, out=s)
        s += self.eps
        np.divide(g, s, out=s)
        s *= self.lr / (1 + (self.steps - 1) * self.lr_decay)
        p -= s


class Adam(Optimizer):
    """Running mean of the gradient divided by the root of that of its square, both corrected for starting at zero.

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        p ← p - lr m̂ / (√v̂ + eps)                   m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

    Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1. The state is m / (1 - β₁) and v / (1 - β₂), plain discounted
    sums, and the constant factors are applied together at the end: two passes over the buffers fewer.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            raise ValueError(f"{type(self).__name__}: betas is a pair of numbers, got {betas!r}") from None
        self.betas = self._number("betas[0]", beta1, below=1), self._number("betas[1]", beta2, below=1)
        self.eps = self._number("eps", eps)
        super().__init__(parameters, lr, weight_decay=weight_decay, state=["grad_sum", "square_sum"])

    def _update(self, p: Array, g: Array, s: Array) -> None:
        self._descend(p, self._with_penalty(p, g), s)

    def _descend(self, p: Array, g: Array, s: Array) -> None:
        m, v = self.state["grad_sum"], self.state["square_sum"]
        (beta1, beta2), t = self.betas, self.steps
        m *= beta1
        m += g
        np.square(g, out=s)
        v *= beta2
        v += s
        mean = (1 - beta1) / (1 - beta1**t)  # m̂ = mean * m
        root = math.sqrt((1 - beta2) / (1 - beta2**t))  # √v̂ = root * √v
        np.sqrt(v, out=s)
        s += self.eps / root
        np.divide(m, s, out=s)
        s *= self.lr * mean / root
        p -= s


class AdamW(Adam):
    """Adam whose weight decay λ acts on the parameters directly, instead of passing through m and v.

        p ← p - lr λ p,  then the step of Adam

    Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6)
    array([ 0.85, -1.8 ])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _update(self, p: Array, g: Array, s: Array) -> None:
        p *= 1 - self.lr * self.weight_decay
        self._descend(p, g, s)
