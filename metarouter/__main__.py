"""``python -m metarouter`` is the command line."""

from __future__ import annotations

from metarouter.cli import main

if __name__ == "__main__":
    main()
