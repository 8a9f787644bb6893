"""Transformers: what their weights are to each other, found by names and sizes, and the same function with other weights.

Code that cannot be traced, and files whose code nobody has, still name their weights by a handful of conventions (``names``).
From these follows all that can be changed for nothing: the order of heads, of hidden units and of the residual stream, the basis
in which a head or the stream is written, and what LayerNorm throws away (``heads``, ``units``, ``stream``). Loads without torch.
"""
