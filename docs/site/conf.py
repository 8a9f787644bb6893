"""How Sphinx builds the site: no font, script or style from elsewhere, and every link between pages must lead somewhere."""

from pathlib import Path

import modelmark

project = "modelmark"
author = "The modelmark authors"
copyright = author
release = modelmark.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
myst_enable_extensions = ["deflist", "html_image"]
# a link to a file that is no page; see staging.py
myst_url_schemes = {"http": None, "https": None, "mailto": None, "tree": {"url": "{{path}}", "classes": ["file"]}}
# blocks that a page shortens with "..." are no JSON
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False

html_theme = "furo"
html_title = "modelmark"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"footer_icons": []}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def setup(app) -> None:
    """Let what a docstring says about its source, and where it departs from it, stand in lines of their own."""
    app.connect("autodoc-process-docstring", lambda *given: _apart(given[-1]))


def _apart(lines: list[str]) -> None:
    for number in range(len(lines) - 1, 0, -1):
        if lines[number].startswith(("Departs:", "Source:")):
            lines.insert(number, "")
