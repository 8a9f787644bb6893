"""Whether two networks have one origin, where nothing was marked: ``order`` tests it, ``units`` says on which weights."""
