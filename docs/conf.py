"""How Sphinx builds the site; `make docs` runs it on the pages that tools/build_docs.py gathers."""

from ossnb import __version__

project = "ossnb"
copyright = "the ossnb authors, Apache-2.0"
version = release = __version__
html_title = f"ossnb {__version__}"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
root_doc = "docs/index"
html_theme = "furo"
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "monokai"

# The docstrings mark code by one backtick, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True}
# The one way to make these is another function: `load`, `ask`, `inspect`. Their __init__ is not for callers.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Notebooks are executed for the site, on the embedded model. Scripts of widgets would come from elsewhere, so
# a view is its picture here.
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_ipywidgets_js = {}
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]
