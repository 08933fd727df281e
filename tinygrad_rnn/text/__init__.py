"""Text as a sequence of characters: vocabulary, batches, perplexity, sampling, and the baseline of counting.

Reading order: `vocabulary`, `corpus`, `perplexity`, `sampling`, `ngram`. Everything here works on NumPy
arrays and knows nothing of tensors; a model enters `generate` as a function.
"""

from tinygrad_rnn.ops.loss import IGNORE
from tinygrad_rnn.text.corpus import Batches, evaluation_batches, read_text, split
from tinygrad_rnn.text.errors import TextError, UnknownCharacterError
from tinygrad_rnn.text.ngram import witten_bell
from tinygrad_rnn.text.perplexity import Score, bits, perplexity
from tinygrad_rnn.text.sampling import distribution, draw, generate
from tinygrad_rnn.text.vocabulary import Vocabulary

__all__ = [
    "IGNORE",
    "Batches",
    "Score",
    "TextError",
    "UnknownCharacterError",
    "Vocabulary",
    "bits",
    "distribution",
    "draw",
    "evaluation_batches",
    "generate",
    "perplexity",
    "read_text",
    "split",
    "witten_bell",
]
