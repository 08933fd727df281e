"""Optimizers, gradient clipping and learning-rate schedules, on one flat buffer of parameters.

Reading order: `flat`, `base`, `optimizers`, `clipping`, `schedules`. A training step reads

    optimizer.zero_grad()
    loss = ...
    loss.backward()
    clip_grad_norm(optimizer, 5.0)
    optimizer.lr = schedule(step)
    optimizer.step()
"""

from tinygrad_rnn.optim.base import Optimizer
from tinygrad_rnn.optim.clipping import clip_grad_norm, clip_grad_value
from tinygrad_rnn.optim.flat import FlatParameters
from tinygrad_rnn.optim.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from tinygrad_rnn.optim.schedules import CosineDecay, ExponentialDecay, Schedule, StepDecay, WarmUp

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineDecay",
    "ExponentialDecay",
    "FlatParameters",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "clip_grad_norm",
    "clip_grad_value",
]
