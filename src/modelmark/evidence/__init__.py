"""What a measurement says: exact tails, scores, evidence of one key and of several, tests that may stop early."""
