"""The parts of ``demos/char_lm.py``, one idea a file, in the order in which to read them.

1. ``model``      the network: an embedding, recurrent layers, a linear map to logits
2. ``corpus``     a file as characters; its three parts; what a prompt and a sample look like to people
3. ``training``   one step, and the ``Trainer``: all that a training is at one iteration
4. ``divergence`` where numbers stopped being finite
5. ``scoring``    nats per character of a text, in three units
6. ``sampling``   new characters
7. ``files``      a Trainer as a checkpoint and back
8. ``folder``     the folder of a run
9. ``log``        a run as JSON lines
10. ``progress``  a run at the console
11. ``consoles``  what a console lacks: characters, or somebody who reads
12. ``ranks``     several processes that train together
13. ``run``       the loop around the Trainer: the command ``train``
14. ``commands``  ``sample`` and ``evaluate``
15. ``report``     a run as a page to look at: ``report`` and ``neurons``; a folder, whose ``__init__.py`` goes on
16. ``interchange`` the model for other programs, in PyTorch's names or ONNX: ``export``
17. ``sweep``      many models, side by side: ``sweep``
18. ``options``   every option of every command, with default, unit and limits
19. ``settings``  such a list of options as command line, TOML file and checked values
20. ``paths``     names of files that the locale can't spell

A new command is a class of options, a function that takes them, and a line in ``demos/char_lm.py``.
"""
