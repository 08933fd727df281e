"""The parts of ``demos/char_lm.py``, one idea a file, in the order in which to read them.

1. ``model``      the network: an embedding, recurrent layers, a linear map to logits
2. ``corpus``     a file as characters; its three parts; what a prompt and a sample look like to people
3. ``training``   one step, and the ``Trainer``: all that a training is at one iteration
4. ``divergence`` where numbers stopped being finite
5. ``scoring``    nats per character of a text, in three units
6. ``sampling``   new characters
7. ``files``      a Trainer as a checkpoint and back; the folder of a run
8. ``log``        a run as JSON lines
9. ``progress``   a run at the console
10. ``consoles``  characters that a console lacks
11. ``ranks``     several processes that train together
12. ``run``       the loop around the Trainer: the command ``train``
13. ``commands``  ``sample`` and ``evaluate``
14. ``report``     a run as a page to look at: ``report`` and ``neurons``; a folder, whose ``__init__.py`` goes on
15. ``interchange`` the model for other programs, in PyTorch's names or ONNX: ``export``
16. ``sweep``      many models, side by side: ``sweep``
17. ``options``   every option of every command, with default, unit and limits
18. ``settings``  such a list of options as command line, TOML file and checked values
19. ``paths``     names of files that the locale can't spell

A new command is a class of options, a function that takes them, and a line in ``demos/char_lm.py``.
"""
