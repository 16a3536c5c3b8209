"""What everything stands on: errors and their words, commands and how they end, processes and their locks."""
