"""Finding out without a key whether a model is marked."""
