"""The gated recurrent unit, in each of the forms that go by this name."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.cells import Cell, one_of
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.norm import LayerNorm
from tinygrad_rnn.ops import concatenate, linear, sigmoid, split, tanh
from tinygrad_rnn.tensor import Tensor


class GRUCell(Cell):
    """The gated recurrent unit of Cho et al. 2014 (arXiv:1406.1078), by default in PyTorch's form.

    r = σ(W_ir x + b_ir + W_hr h + b_hr)
    z = σ(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))       reset="after" the product with W_hn
        tanh(W_in x + b_in + W_hn (r h) + b_hn)       reset="before" it
    h' = (1 - z) n + z h                              update="keep": z is how much of the old state is kept
         (1 - z) h + z n                              update="replace": z is how much of it is replaced

    | reset  | update  | whose form                                                                   |
    |--------|---------|------------------------------------------------------------------------------|
    | after  | keep    | PyTorch, cuDNN, ONNX with linear_before_reset=1, Keras with reset_after=True |
    | before | keep    | ONNX with linear_before_reset=0, Keras with reset_after=False                |
    | before | replace | Chung et al. 2014 (arXiv:1412.3555), section 3.2; char-rnn                  |

    The blocks of the weights are r, z, n. With ``layer_norm`` each of the products W_ih x and W_hh h is normalised,
    its blocks r and z together and n by itself: Ba, Kiros, Hinton 2016 (arXiv:1607.06450), supplementary material.

    >>> GRUCell(3, 5, reset="before", update="replace")(np.zeros((7, 3), np.float32)).shape
    (7, 5)
    >>> GRUCell(3, 5, reset="before")
    GRUCell(weight_ih[15, 3], weight_hh[15, 5], bias_ih[15], bias_hh[15], reset='before')
    """

    gates = 3
    _shown: ClassVar = {"reset": "after", "update": "keep"}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: Literal["after", "before"] = "after",
        update: Literal["keep", "replace"] = "keep",
        layer_norm: bool = False,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng)
        self.reset = one_of(reset, ("after", "before"), "reset", self)
        self.update = one_of(update, ("keep", "replace"), "update", self)
        self.blocks = [2 * hidden_size, hidden_size]  # r and z, n
        self.norm_ih = self.norms(dtype) if layer_norm else None
        self.norm_hh = self.norms(dtype) if layer_norm else None

    def norms(self, dtype: npt.DTypeLike) -> list[LayerNorm]:
        """The normalisations of the blocks r, z and n."""
        return [LayerNorm(size, bias=False, dtype=dtype) for size in self.blocks]

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """W_ih x + b_ih; with reset="before" + b_hh too, else that stays with the step, where r acts on it."""
        bias = self.bias_ih if self.reset == "after" else self.bias
        if self.norm_ih is None:
            return (linear(self.checked(x), self.weight_ih, bias),)
        rz, n = split(linear(self.checked(x), self.weight_ih, None), self.blocks, axis=-1)
        a = concatenate(self.norm_ih[0](rz), self.norm_ih[1](n), axis=-1)
        return (a if bias is None else a + bias,)

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        """``h`` [B, H] and ``a`` [B, 3H] to h' [B, H]."""
        z, n = self.reset_after(h, a) if self.reset == "after" else self.reset_before(h, a)
        return n + z * (h - n) if self.update == "keep" else h + z * (n - h)

    def reset_after(self, h: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """z and n: one product for all three blocks, then the reset."""
        rz, n = split(a, self.blocks, axis=-1)
        if self.norm_hh is None:
            hidden_rz, hidden_n = split(linear(h, self.weight_hh, self.bias_hh), self.blocks, axis=-1)
        else:
            hidden_rz, hidden_n = split(linear(h, self.weight_hh), self.blocks, axis=-1)
            hidden_rz, hidden_n = self.norm_hh[0](hidden_rz), self.norm_hh[1](hidden_n)
            if self.bias_hh is not None:
                bias_rz, bias_n = split(self.bias_hh, self.blocks)
                hidden_rz, hidden_n = hidden_rz + bias_rz, hidden_n + bias_n
        r, z = split(sigmoid(rz + hidden_rz), 2, axis=-1)
        return z, tanh(n + r * hidden_n)

    def reset_before(self, h: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """z and n: the blocks r and z first, because the product for n takes r h."""
        rz, n = split(a, self.blocks, axis=-1)
        weight_rz, weight_n = split(self.weight_hh, self.blocks)
        if self.norm_hh is None:
            r, z = split(sigmoid(linear(h, weight_rz, rz)), 2, axis=-1)
            return z, tanh(linear(r * h, weight_n, n))
        r, z = split(sigmoid(self.norm_hh[0](linear(h, weight_rz)) + rz), 2, axis=-1)
        return z, tanh(self.norm_hh[1](linear(r * h, weight_n)) + n)
