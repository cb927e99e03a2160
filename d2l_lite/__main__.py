"""Fetch every data set into the cache: `python -m d2l_lite`."""

import sys

from d2l_lite.data import fetch_all

if __name__ == "__main__":
    sys.exit(fetch_all())
