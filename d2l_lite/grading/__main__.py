"""`python -m d2l_lite.grading`: grade notebooks from the command line."""

import sys

from d2l_lite.grading.cli import main

if __name__ == "__main__":
    sys.exit(main())
