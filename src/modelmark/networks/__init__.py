"""What is inside a network: layers by their path, the filters they hold, and what they receive."""
