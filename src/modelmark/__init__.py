"""modelmark: ownership watermarks for neural networks, and evidence a third party can check."""
