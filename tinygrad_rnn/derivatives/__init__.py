"""Derivatives of functions, of any order, in the manner of JAX.

Reading order: `point` (what they share), `reverse` (vjp, grad, value_and_grad), `higher` (jvp, hvp, jacobian, hessian),
`recompute` (checkpoint), `custom` (custom_vjp), `call` (functional_call); `tree` is about nested arguments.
"""

from tinygrad_rnn.derivatives.call import functional_call
from tinygrad_rnn.derivatives.custom import custom_vjp
from tinygrad_rnn.derivatives.higher import hessian, hvp, jacobian, jvp
from tinygrad_rnn.derivatives.recompute import checkpoint
from tinygrad_rnn.derivatives.reverse import grad, value_and_grad, vjp

__all__ = [
    "checkpoint",
    "custom_vjp",
    "functional_call",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]
