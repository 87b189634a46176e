"""Which tests of a project run on which system."""

import sys

# `make bench` measures memory in ways that Linux alone has.
collect_ignore = [] if sys.platform == "linux" else ["test_bench.py"]
