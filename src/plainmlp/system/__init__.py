"""What everything stands on: errors and their words, files written whole, digests, exit codes, locks."""
