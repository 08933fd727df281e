"""A run as one HTML page that needs no network: the commands ``report`` and ``neurons``.

The files, in the order in which to read them:

1. ``command``       what the two commands do
2. ``sections``      the parts of the page that tell of the training: numbers, curves, samples, options
3. ``chart``         curves as SVG
4. ``connectivity``  how far back a model looks, by gradients; its section
5. ``neurons``       what each unit does while the model reads; its section
6. ``page``          sections as a page, from the files beside: ``page.html``, ``page.css`` and the scripts
"""
