"""When a claim was there: timestamps, deposits, and the order of events."""
