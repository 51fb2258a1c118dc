"""In: nearbank itself and the tests' data. Out: Markdown for the documentation. Decides nothing and keeps nothing.

A page of ``docs/`` may hold two things that this package fills in when the site is built: a line ``{{ module.function }}``, which
becomes what that function returns, and a fenced block of language ``run``, whose commands are run and shown with their output.
Whole folders of pages (devices, commands, API reference) are made from what there is.
"""

from sitegen.render import pages, render

__all__ = ["pages", "render"]
