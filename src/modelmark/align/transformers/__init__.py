"""A transformer in its host's coordinates, from weights alone: no network is built, no input is shown.

First the *frame*, the order, basis and size of the residual stream: tables of tokens, positions and patches and the head have a
side that a thief cannot move, and say it. In that frame heads are matched by the products of their queries and keys, and of what
they read and write, which no change of basis moves; hidden units by their weights. All depends on suspect and host alone.
"""
