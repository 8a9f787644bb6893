"""A secret and what follows from it: commitments, the draw of a message, and how a secret is kept in a file."""
