"""The signed documents of a dispute: what a field may hold, how each is signed, and what each says."""
