"""Portability: short runs of the whole chain on several processors, and what each part of them came to."""
