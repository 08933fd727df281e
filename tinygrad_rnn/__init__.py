"""A minimal reverse-mode autograd engine on NumPy, with recurrent layers on top.

``from tinygrad_rnn import *`` leaves out the operations that are named like Python's own: sum, max, min, abs, pow.
"""

import builtins

from tinygrad_rnn import ops
from tinygrad_rnn.backward import gradients
from tinygrad_rnn.derivatives import custom_vjp, functional_call, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_rnn.gradcheck import GradcheckError, gradcheck, gradgradcheck
from tinygrad_rnn.op import no_grad, op
from tinygrad_rnn.ops import *  # noqa: F403  every operation, under its own name
from tinygrad_rnn.tensor import Tensor, registry

__version__ = "0.1.0"
__all__ = ["GradcheckError", "Tensor", "gradcheck", "gradgradcheck", "gradients", "no_grad", "op", "registry"]
__all__ += ["custom_vjp", "functional_call", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
__all__ += [name for name in ops.__all__ if not hasattr(builtins, name)]
