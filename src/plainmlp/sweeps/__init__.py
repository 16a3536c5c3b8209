"""Sweeps: many points, trained and compared as one."""
