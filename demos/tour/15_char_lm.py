# %% [markdown]
# # 15. A model of characters
#
# A **language model** says after each character how probable each next one is. Trained on names, one a line, it learns
# how names sound; asked what comes next, again and again, it makes new ones. All its parts were in the files before.

# %%
import numpy as np

from demos.console import DATA
from tinygrad_rnn import Tensor, cross_entropy, nn, no_grad, optim
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text import Batches, Score, Vocabulary, evaluation_batches, generate, read_text, split, witten_bell

names = read_text(DATA / "names.txt")[:60_000]
V = len(vocabulary := Vocabulary.from_text(names))
training, validation, _ = split(vocabulary.encode(names), (0.9, 0.1, 0.0))
embedding, recurrent, head = nn.Embedding(V, 32, rng=0), nn.GRU(32, 64, unroll=False, rng=1), nn.Linear(64, V, rng=2)


def model(ids: Array, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """From ids [T, B] and a state to the logits [T, B, V] of the characters after each, and the state after them."""
    outputs, state = recurrent(embedding(ids), state)
    return head(outputs), state


# %% [markdown]
# ## How good is it?
#
# Ask it about text that it did not learn from. The loss is -log p of each character that really came, in nats.
# **Perplexity** is exp of the mean: at 8 it is as unsure as about a fair choice among 8. Whoever knows nothing has V =
# 27. The numbers to beat come from counting: which characters followed the last 0, 1, 2 or 3 in training.


# %%
def perplexity() -> float:
    """Per character, on the validation text."""
    score, state = Score(), None
    with no_grad():
        for inputs, targets in evaluation_batches(validation, steps=100, batch_size=1):
            logits, state = model(inputs, state)
            score.add(cross_entropy(logits, targets, reduction="sum").item(), targets.size)
    return score.perplexity


print("by counting:", *np.exp(witten_bell(training, validation, vocabulary_size=V, order=4)).round(1))
# → by counting: 15.6 10.6 8.3 7.8

# %% [markdown]
# ## Learning
#
# 32 streams of text are read side by side, in windows of 25 characters (file 12). The gradient is clipped (file 10).

# %%
optimizer = optim.Adam([*embedding.parameters(), *recurrent.parameters(), *head.parameters()], lr=1e-2)
batches, state = Batches(training, steps=25, batch_size=32), None
for step in range(301):
    if step in {0, 100, 300}:
        print(f"step {step}: perplexity {perplexity():.1f}")
    inputs, targets = next(batches)
    optimizer.zero_grad()
    logits, state = model(inputs, nn.detach(state))
    cross_entropy(logits, targets).backward()
    optim.clip_grad_norm(optimizer, 1.0)
    optimizer.step()
# → step 0: perplexity …
# → step 100: perplexity …
# → step 300: perplexity …

# %% [markdown]
# ## Writing
#
# Draw a character by its probability, and feed it back. The logits are divided by a **temperature** before: below 1,
# what is probable becomes more so. At 0 the most probable one is always taken, and the text ends in a loop. (On one
# machine, perplexity fell from 27.1 to 7.8 and 6.2, and what was written at 1.0 began macarue, mor, saraya.)


# %%
def following(index: int, state: Tensor | None) -> tuple[Array, Tensor]:
    """The logits [V] of what comes after a character, and the state after it."""
    with no_grad():
        logits, state = model(np.array([[index]]), state)
    return logits.data[0, 0], state


for t in (0.0, 0.5, 1.0):
    letters = generate(following, None, vocabulary, length=60, temperature=t, rng=np.random.default_rng(0))
    print(f"at {t}:", *"".join(letters).split())
# → at 0.0: …
# → at 0.5: …
# → at 1.0: …

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/15_char_lm.py`, then run `pytest tests/exercises/test_15_char_lm.py`.
# 1. `perplexity(pieces)`: of a text that was scored in pieces of unequal length.
# 2. `drawn(logits, temperature, rng)`: the index of a character, drawn by hand.
#
# This was the last file. The same model, larger and on War and Peace, is `demos/char_lm.py`: `make demo`.
