"""A suspect behind an address: what is sent (``templates``, ``body``), how (``client``), what comes back (``reply``).

``endpoint`` puts them together, ``journal`` writes every answer down before the next query goes out. Loads without torch.
"""
