"""The programs that build and check the book."""
