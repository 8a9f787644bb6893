"""Suspects: what can be asked of one (``base``), where in it to look (``places``), and one file per kind of suspect."""
