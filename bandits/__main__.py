"""``python -m bandits`` is the command line that is installed as ``bandits``."""

from __future__ import annotations

from bandits.cli import main

if __name__ == "__main__":
    main()
