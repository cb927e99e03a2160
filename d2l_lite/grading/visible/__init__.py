"""Visible cases of each exercise set, generated from `exercises/source`."""
