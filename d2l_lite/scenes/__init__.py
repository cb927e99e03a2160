"""The browser side of the explorables, kept as package data."""
