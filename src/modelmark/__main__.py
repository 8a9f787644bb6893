"""``python -m modelmark``."""

from modelmark.cli import main

main()
