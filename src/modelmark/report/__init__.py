"""Reports of audits, computed from their JSON lines alone: one HTML page, plain text, or JSON; no torch."""
