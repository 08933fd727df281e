"""The commands ``report`` and ``neurons``; the former is also what ``train`` ends with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demos.lm import log
from demos.lm.commands import readable
from demos.lm.corpus import read
from demos.lm.files import learned, model_in, read_checkpoint
from demos.lm.folder import Folder, check_output, find
from demos.lm.options import Neurons, Report
from demos.lm.progress import say
from demos.lm.report import connectivity, neurons, page, sections
from demos.lm.settings import OptionError, values

NEURONS = 10_000  # characters that are coloured in a report; the command `neurons` has more


def report(given: Mapping[str, Any]) -> int:
    """Write the page of a run."""
    options = values(Report, given)
    folder = Folder(Path(options.run))
    output = Path(options.output) if options.output else folder.report
    write(folder, output)
    say("report", output)
    return 0


def write(folder: Folder, output: Path) -> None:
    """Write the page of the run in ``folder``: its best model, and what its log tells."""
    file = read_checkpoint(find(str(folder.path), best=True))
    check_output(output, file.path, file.options.text)
    corpus, model = learned(file, file.options), model_in(file)
    records = list(log.read(folder.log))
    story = sections.Story(file.options, corpus, model, file.header["iteration"], records)
    made = [sections.numbers(story), sections.curves(story), sections.samples(story), sections.ladder(story)]
    if len(corpus.validation) > 1:
        part = f"the validation part of {corpus.name}"
        made.append(neurons.section(model, corpus.validation[:NEURONS], part))
    if len(corpus.validation) > 2:
        made.append(connectivity.section(model, corpus.validation))
    made.append(sections.configuration(story))
    o, V = file.options, len(corpus.vocabulary)
    size = sum(parameter.size for parameter in model.parameters())
    about = (
        f"{o.cell.upper()}, {o.layers} x {o.units} units, {size:,} parameters, after {story.iteration:,} iterations. "
        f"{len(corpus.characters):,} {story.unit}s of text, {V} distinct."
    )
    page.write(output, f"char_lm: {corpus.name}", about, made)


def show_neurons(given: Mapping[str, Any]) -> int:
    """Write a page with a text that is coloured by what the units do."""
    options = values(Neurons, given)
    path = find(options.checkpoint, best=True)
    file = read_checkpoint(path)
    model, trained = model_in(file), file.options
    if options.text:
        content, name = read(options.text, options.encoding or trained.encoding, trained.bytes), Path(options.text).name
        content = readable(model.vocabulary, content[: options.length], trained, options.unknown)
        ids = model.vocabulary.encode(content)
    else:
        corpus = learned(file, trained)
        ids, name = corpus.validation[: options.length], f"the validation part of {corpus.name}"
    if not len(ids):
        raise OptionError("text: there is no character in it")
    output = Path(options.output) if options.output else path.with_name("neurons.html")
    check_output(output, path, options.text or trained.text)
    about = f"{trained.cell.upper()}, {trained.layers} x {trained.units} units: {path.name}"
    page.write(output, f"Neurons: {name}", about, [neurons.section(model, ids, name)])
    say("neurons", output)
    return 0
