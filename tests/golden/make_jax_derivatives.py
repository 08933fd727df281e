"""Make jax_derivatives.npz: first, second and third derivatives of losses of an RNN, an LSTM and a GRU, by JAX.

Made with JAX 0.10.2, NumPy 2.4.6 and Python 3.11.7. Run from the root of the repository, in an environment with JAX:

    python -m tests.golden.make_jax_derivatives

The loss is Σ w · h over all steps, plus that of the squares of the last h: a scalar that no derivative leaves alone.
`third` is the derivative of the Hessian-vector product H v along v.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from tests.golden.store import Case, draw, save

T, B, F, H = 5, 2, 3, 2  # time steps, batch, features, hidden units
Tree = dict[str, Any]
jax.config.update("jax_enable_x64", val=True)


def gates(p: Tree, x: Any, h: Any) -> tuple[Any, Any]:
    """What input and state contribute to the gates."""
    return x @ p["weight_ih_l0"].T + p["bias_ih_l0"], h @ p["weight_hh_l0"].T + p["bias_hh_l0"]


def rnn(p: Tree, x: Any, state: Any) -> Any:
    """One step of an RNN."""
    a, b = gates(p, x, state[0])
    return (jnp.tanh(a + b),)


def lstm(p: Tree, x: Any, state: Any) -> Any:
    """One step of an LSTM."""
    a, b = gates(p, x, state[0])
    i, f, g, o = jnp.split(a + b, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(p: Tree, x: Any, state: Any) -> Any:
    """One step of a GRU, with the reset after the product."""
    a, b = gates(p, x, state[0])
    (ar, az, an), (br, bz, bn) = jnp.split(a, 3, -1), jnp.split(b, 3, -1)
    z = jax.nn.sigmoid(az + bz)
    return ((1 - z) * jnp.tanh(an + jax.nn.sigmoid(ar + br) * bn) + z * state[0],)


CELLS: dict[str, tuple[Callable[..., Any], int, int]] = {"RNN": (rnn, 1, 1), "LSTM": (lstm, 4, 2), "GRU": (gru, 3, 1)}


def case(kind: str, random: np.random.Generator) -> Case:
    """Differentiate the loss of one kind at a random point, along a random direction v."""
    cell, blocks, states = CELLS[kind]
    shapes: dict[str, tuple[int, ...]] = {"weight_ih_l0": (blocks * H, F), "weight_hh_l0": (blocks * H, H)}
    shapes |= dict.fromkeys(("bias_ih_l0", "bias_hh_l0"), (blocks * H,))
    p, v = ({name: draw(random, *shape) for name, shape in shapes.items()} for _ in range(2))
    x, w = draw(random, T, B, F, scale=2.0), draw(random, T, B, H)

    def loss(p: Tree) -> Any:
        state, total = (jnp.zeros((B, H)),) * states, jnp.zeros(())
        for t in range(T):
            state = cell(p, x[t], state)
            total += (w[t] * state[0]).sum()
        return total + (state[0] ** 2).sum()

    def product(p: Tree) -> Any:
        return jax.jvp(jax.grad(loss), (p,), (v,))[1]

    value, slope = jax.jvp(loss, (p,), (v,))
    arrays = {"input": x, "weights": w, "loss": value, "slope": slope}
    results = {"grad": jax.grad(loss)(p), "hvp": product(p), "third": jax.jvp(product, (p,), (v,))[1]}
    for key, tree in {"param": p, "direction": v, **results}.items():
        arrays |= {f"{key}/{name}": tree[name] for name in p}
    second = jax.hessian(loss)(p)
    arrays |= {f"hessian/{a}/{b}": second[a][b] for a in p for b in p}
    return Case(kind.lower(), {"kind": kind}, {key: np.asarray(a, np.float64) for key, a in arrays.items()})


if __name__ == "__main__":
    save("jax_derivatives", [case(kind, np.random.default_rng(i)) for i, kind in enumerate(CELLS)], [jax])
