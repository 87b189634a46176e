# Owned by fivetran-azfn-template: updates replace this file.
"""`python -m harness`."""

from harness.cli import main

raise SystemExit(main())
