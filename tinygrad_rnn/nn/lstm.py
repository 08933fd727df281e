"""Long short-term memory: the cell that everyone means, what the literature varies in it, and the cell of 1997."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.cells import Cell, State
from tinygrad_rnn.nn.init import Seed, generator
from tinygrad_rnn.nn.module import positive
from tinygrad_rnn.nn.norm import LayerNorm
from tinygrad_rnn.ops import linear, sigmoid, split, tanh
from tinygrad_rnn.tensor import Tensor


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i, f, g, o = the four blocks of W_ih x + b_ih + W_hh h + b_hh
    c' = σ(f) c + σ(i) tanh(g)
    h' = σ(o) tanh(c')

    Options, which combine freely:
    ``forget_bias``  a number: the forget gate's block of b_ih starts as this and that of b_hh at 0. At 1 the cell at
                     first keeps what it has. Gers et al. 2000; Jozefowicz, Zaremba, Sutskever 2015.
    ``peephole``     the gates see the cell state: i and f get p_i c and p_f c added, o gets p_o c'. Gers and
                     Schmidhuber 2000; here as in Greff et al. 2015 (arXiv:1503.04069), section 2.
                     ``weight_peephole`` [3, H] has the rows i, f, o.
    ``coupled``      one gate for both: σ(f) is replaced by 1 - σ(i), and the blocks are i, g, o (the rows of
                     weight_peephole i, o). Greff et al. 2015, CIFG.
    ``layer_norm``   LN(W_ih x) + LN(W_hh h) + b_ih + b_hh, and h' = σ(o) tanh(LN(c')). Ba, Kiros, Hinton 2016
                     (arXiv:1607.06450), supplementary material; b_ih and b_hh are the biases of the first two.
    ``proj_size``    P: the output is h' = W_hr (σ(o) tanh(c')), ``weight_hr`` [P, H], and weight_hh is [4H, P].
                     Sak et al. 2014 (arXiv:1402.1128).

    >>> h, c = LSTMCell(3, 5, proj_size=2)(np.zeros((7, 3), np.float32))
    >>> h.shape, c.shape
    ((7, 2), (7, 5))
    >>> LSTMCell(3, 5, coupled=True)
    LSTMCell(weight_ih[15, 3], weight_hh[15, 5], bias_ih[15], bias_hh[15], coupled=True)

    Raises ValueError for a proj_size that is not below hidden_size, and for a forget_bias without biases.
    """

    _shown: ClassVar = {"coupled": False, "proj_size": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        forget_bias: float | None = None,
        peephole: bool = False,
        coupled: bool = False,
        layer_norm: bool = False,
        proj_size: int = 0,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        positive(hidden_size, "hidden_size", self)
        if positive(proj_size, "proj_size", self, least=0) >= hidden_size:
            raise ValueError(f"LSTMCell: proj_size is in 0..hidden_size - 1 = {hidden_size - 1}, not {proj_size}")
        rng = generator(rng)
        self.proj_size = proj_size
        self.coupled = coupled
        self.gates = 3 if coupled else 4
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng)
        self.weight_hr = self.drawn((proj_size, hidden_size), dtype, rng) if proj_size else None
        self.weight_peephole = self.drawn((self.gates - 1, hidden_size), dtype, rng) if peephole else None
        rows = self.gates * hidden_size
        self.norm_ih = LayerNorm(rows, bias=False, dtype=dtype) if layer_norm else None
        self.norm_hh = LayerNorm(rows, bias=False, dtype=dtype) if layer_norm else None
        self.norm_c = LayerNorm(hidden_size, dtype=dtype) if layer_norm else None
        if forget_bias is not None:
            self.set_forget_bias(forget_bias)

    def set_forget_bias(self, value: float) -> None:
        """Start with a forget gate of σ(value): through i where it is 1 - σ(i)."""
        if not isinstance(value, Real):
            raise TypeError(f"LSTMCell: forget_bias is a number, not {value!r}")
        if self.bias_ih is None or self.bias_hh is None:
            raise ValueError("LSTMCell: forget_bias needs biases, but bias=False")
        H = self.hidden_size
        block = slice(0, H) if self.coupled else slice(H, 2 * H)
        for bias, start in ((self.bias_ih, -value if self.coupled else value), (self.bias_hh, 0.0)):
            new = bias.data.copy()
            new[block] = start
            bias.data = new

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h and c: (P or H, H)."""
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """W_ih x + b_ih + b_hh, or LN(W_ih x) + b_ih + b_hh."""
        if self.norm_ih is None:
            return super().project(x)
        a, bias = self.norm_ih(linear(self.checked(x), self.weight_ih, None)), self.bias
        return (a if bias is None else a + bias,)

    def step(self, state: State, a: Tensor) -> State:
        """(h, c) and ``a`` [B, 4H] to (h', c')."""
        h, c = state
        i, f, g, o = self.preactivations(h, c, a)
        i = sigmoid(i)
        f = 1 - i if f is None else sigmoid(f)
        c = f * c + i * tanh(g)
        return self.output(o, c), c

    def preactivations(self, h: Tensor, c: Tensor, a: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """The blocks i, f (None if coupled), g, o of W_hh h + ``a``."""
        a = linear(h, self.weight_hh, a) if self.norm_hh is None else self.norm_hh(linear(h, self.weight_hh)) + a
        if self.coupled:
            i, g, o = split(a, 3, axis=-1)
            f = None
        else:
            i, f, g, o = split(a, 4, axis=-1)
        if self.weight_peephole is not None:
            i = i + self.weight_peephole[0] * c
            f = None if f is None else f + self.weight_peephole[1] * c
        return i, f, g, o

    def output(self, o: Tensor, c: Tensor) -> Tensor:
        """h' from the block o and c'."""
        if self.weight_peephole is not None:
            o = o + self.weight_peephole[-1] * c
        h = sigmoid(o) * tanh(c if self.norm_c is None else self.norm_c(c))
        return h if self.weight_hr is None else linear(h, self.weight_hr)


class LSTM1997Cell(Cell):
    """The cell of Hochreiter and Schmidhuber 1997: no forget gate, so c keeps all that was ever let in.

    i, g, o = the three blocks of W_ih x + b_ih + W_hh h + b_hh
    c' = c + σ(i) (4 σ(g) - 2)             squashed to [-2, 2]
    h' = σ(o) (2 σ(c') - 1)                squashed to [-1, 1]

    Each memory block has one cell; the gradient is that of all paths, where they cut those through the gates.
    ``nn.Recurrent([nn.LSTM1997Cell(F, H)])`` is a layer of it.

    >>> h, c = LSTM1997Cell(3, 5)(np.zeros((7, 3), np.float32))
    >>> h.shape, c.shape
    ((7, 5), (7, 5))
    """

    gates = 3

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h and c."""
        return (self.hidden_size, self.hidden_size)

    def step(self, state: State, a: Tensor) -> State:
        """(h, c) and ``a`` [B, 3H] to (h', c')."""
        h, c = state
        i, g, o = split(linear(h, self.weight_hh, a), 3, axis=-1)
        c = c + sigmoid(i) * (4 * sigmoid(g) - 2)
        return sigmoid(o) * (2 * sigmoid(c) - 1), c
