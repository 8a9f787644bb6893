"""modelmark: ownership watermarks for neural networks, and evidence a third party can check."""

__version__ = "0.1.0"
