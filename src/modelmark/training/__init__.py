"""The only training loop, what it is fed, the hooks through which marks and attacks act on it, and embedding."""
