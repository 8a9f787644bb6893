"""Keys and their marks: made, kept in files, embedded, read and weighed."""
