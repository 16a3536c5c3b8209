"""How conf/ and overrides become a checked configuration, and what is said of a mistake in them."""
