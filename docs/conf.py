"""Sphinx: `make docs` builds these pages into site/."""

from celeriac.version import __version__

project = "celeriac"
author = "The celeriac authors"
copyright = "2026, the celeriac authors"  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"celeriac {__version__}"
html_show_sphinx = False
html_copy_source = False
