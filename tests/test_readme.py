"""What the README shows works as shown."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_python_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_linked_files_exist():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    missing = [t for t in targets if not (Path(__file__).parent.parent / t).exists()]
    assert not missing
