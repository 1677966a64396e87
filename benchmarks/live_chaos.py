"""Minutes of chaos: every outcome is learned once, and none is lost, whatever happens.

    python -m benchmarks.live_chaos --minutes 10 --out DIR

Nine threads share one live router: seven clients, whose feedback comes out of order, twice, late,
never, or contradicts what was told before, an administrator, who adds and removes arms and writes
checkpoints, and a reader. Every few seconds the process is killed (SIGKILL), now and then before it
is ready or while it writes; some kills leave half a line behind, as a write that was cut short
does. The next process resumes from the folder.

In the end the posterior is compared with two that are worked out by hand, with numpy alone: from
what the clients were told, and from the journals, read as plain JSON, event by event. Counts are
printed and written to DIR/report.md, beside the folder of the live router; the exit code is 1 where
anything was lost or doubled. The threads rest between their calls (--pause), so that half a core is
enough.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from bandits.live import LiveCounts, LiveRouter
from benchmarks._chaos_check import Journals, Memory
from benchmarks._chaos_verdict import Verdict
from metarouter.utils.files import write_text

ROOT = Path(__file__).parents[1]


class Chaos:
    """A service that is started and killed, again and again.

    Parameters
    ----------
    place : Path
        Folder, which must not hold an earlier run.
    pause : float
        Seconds that every thread rests between two calls.
    seed : int
    """

    def __init__(self, place: Path, *, pause: float, seed: int = 0) -> None:
        self.service, self.memory = place / "service", place / "memory"
        self.memory.mkdir(parents=True)
        self.pause, self.moods = pause, random.Random(seed)
        self.seen: Counter[str] = Counter(
            {"kills": 0, "kills before it was ready": 0, "kills within a checkpoint": 0}
        )

    def run(self, seconds: float, uptime: float) -> LiveCounts:
        """Kill every `uptime` seconds, more or less; return the counts of the last process."""
        began = time.monotonic()
        while time.monotonic() - began < seconds - uptime:
            self.live_and_die(self.moods.uniform(0.0, 2.0 * uptime))
        return self.live_to_the_end(max(1.0, seconds - (time.monotonic() - began)))

    def live_and_die(self, uptime: float) -> None:
        """Start the service and kill it: later, before it is ready, or within a checkpoint."""
        process = self._start(1e6)
        mood = self.seen["kills"] % 5
        if mood == 4:
            self.seen["kills before it was ready"] += 1
            uptime %= 1.0
        elif process.stdout.readline() != "ready\n":
            raise RuntimeError(process.stderr.read())
        time.sleep(uptime)
        if mood == 2:
            self._wait_for_a_checkpoint()
        process.kill()
        _, errors = process.communicate()
        if process.returncode != -9:
            raise RuntimeError(errors)
        self.seen["kills"] += 1
        self._look_at_the_remains()

    def _wait_for_a_checkpoint(self) -> None:
        for _ in range(5000):
            if any(self.service.glob(".writing-*")):
                return
            time.sleep(0.001)

    def live_to_the_end(self, seconds: float) -> LiveCounts:
        """Let the service stop by itself; return its counts."""
        process = self._start(seconds)
        said, errors = process.communicate(timeout=seconds + 120)
        if process.returncode:
            raise RuntimeError(errors)
        return LiveCounts(**json.loads(said.splitlines()[-1]))

    def _start(self, seconds: float) -> subprocess.Popen[str]:
        module = [sys.executable, "-m", "benchmarks._chaos_service"]
        words = [self.service, self.memory, self.seen["kills"], seconds, self.pause]
        return subprocess.Popen(
            [*module, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def _look_at_the_remains(self) -> None:
        journals = sorted(self.service.glob("journal-*.jsonl"))
        unfinished = list(self.service.glob(".writing-*"))
        self.seen["kills within a checkpoint"] += bool(
            unfinished or len(list(self.service.glob("router-*.npz"))) > 1
        )
        if journals and self.moods.random() < 0.5:
            lines = journals[-1].read_bytes().splitlines(keepends=True)
            if lines and lines[-1].endswith(b"\n"):
                with open(journals[-1], "ab") as file:
                    file.write(lines[-1][: self.moods.randrange(1, len(lines[-1]))])
                self.seen["torn lines"] += 1


def judged(chaos: Chaos, counts: LiveCounts) -> Verdict:
    """Resume once more, and ask the witnesses."""
    with LiveRouter.resume(chaos.service) as service:
        service.learn()
        router, resumed = service.router, service.counts
    return Verdict(
        router, counts, resumed, Memory(chaos.memory), Journals(chaos.service), chaos.seen
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--uptime", type=float, default=12.0, help="seconds between kills, on average"
    )
    parser.add_argument("--pause", type=float, default=0.02, help="seconds that threads rest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder without an earlier run")
    given = parser.parse_args()
    if (given.out / "service").exists():
        parser.error(f"{given.out} holds an earlier run: name another folder")
    chaos = Chaos(given.out, pause=given.pause, seed=given.seed)
    verdict = judged(chaos, chaos.run(60 * given.minutes, given.uptime))
    report = f"{given.minutes:g} minutes of chaos\n\n{verdict.to_markdown()}\n"
    write_text(given.out / "report.md", report)
    print(report, end="")
    sys.exit(1 if verdict.faults() else 0)


if __name__ == "__main__":
    main()
