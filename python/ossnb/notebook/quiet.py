"""The look of small print beside an answer. It has texts of models, files and servers in it, in which a front
end would look for formulas: a formula can be a link, and prices are none."""

from ..page.output import QUIET

NO_FORMULAS = 'class="tex2jax_ignore mathjax_ignore"'  # of an element; MathJax passes over it
QUIETLY = f'style="{QUIET}" {NO_FORMULAS}'
