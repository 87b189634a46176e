"""`python -m harness`."""

import sys

try:
    from harness.cli import main
except ModuleNotFoundError as error:
    if (error.name or "harness").partition(".")[0] == "harness":
        raise
    print(
        f"{error.name} is not installed: run pip install -r requirements-dev.txt "
        "in the project's folder",
        file=sys.stderr,
    )
    raise SystemExit(3) from None

raise SystemExit(main())
