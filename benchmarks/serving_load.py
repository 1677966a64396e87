"""Fifty clients at once for a minute, and what a plugin adds to a request of LiteLLM.

    python -m benchmarks.serving_load --seconds 60 --clients 50
    python -m benchmarks.serving_load --litellm 1000
    python -m benchmarks.serving_load --minilm 100

The first starts `bandits serve` with a journal on this machine's disk and prints requests, errors,
quantiles of the time of a response, and the server's memory at a quarter of the time and at its
end; the exit code is 1 where any request failed. The second sends mock requests through LiteLLM's
own router, with and without the plugin in pairs, on one core, with an encoder that takes no time,
and prints the difference beside one wait for this disk; no network is used. The third times MiniLM.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from bandits import LinTS

N_FEATURES = 32
WARM_UP = 30  # pairs that are not counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--litellm", type=int, default=0, help="requests through LiteLLM instead")
    parser.add_argument("--minilm", type=int, default=0, help="texts to encode with it instead")
    given = parser.parse_args()
    if given.minilm:
        time_minilm(given.minilm)
        return
    if given.litellm:
        asyncio.run(compare_latencies(given.litellm))
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(load(Path(folder), given.seconds, given.clients))


def load(folder: Path, seconds: float, n_clients: int) -> int:
    rng = np.random.default_rng(0)
    router = LinTS(arms=("small", "large"), random_state=0)
    router.fit(rng.normal(size=(20, N_FEATURES)), rng.random((20, 2))).save(folder / "router.npz")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "router.npz", "--journal", "live", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-m", "bandits", *words], cwd=folder)
    try:
        return asyncio.run(clients(server.pid, port, seconds, n_clients))
    finally:
        server.terminate()
        server.wait()


async def clients(pid: int, port: int, seconds: float, n_clients: int) -> int:
    import httpx

    times: list[float] = []
    seen: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=n_clients)
    address = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=30) as http:
        await until_up(http)
        end = time.monotonic() + seconds

        async def client(number: int) -> None:
            rng = np.random.default_rng(number)
            while time.monotonic() < end:
                x = rng.normal(size=N_FEATURES).tolist()
                routed = await timed(http, "/route", {"features": x}, times, seen)
                if routed is not None:
                    told = {"request_id": routed["request_id"], "quality": float(rng.random())}
                    await timed(http, "/outcome", told, times, seen)

        working = asyncio.gather(*(client(number) for number in range(n_clients)))
        await asyncio.sleep(seconds / 4)
        early = resident(pid)
        await working
        late = resident(pid)
    errors = sum(number for what, number in seen.items() if what != "200")
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1000
    print(f"{len(times)} responses, {len(times) / seconds:.0f}/s, {errors} errors {dict(seen)}")
    print(f"time of a response: median {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"memory: {early:.1f} MiB after a quarter of the time, {late:.1f} MiB at its end")
    return int(errors > 0)


async def until_up(http: Any) -> None:
    import httpx

    for _ in range(300):
        try:
            await http.get("/health")
            return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise RuntimeError("the server has not started")


async def timed(http: Any, path: str, body: Any, times: list[float], seen: Counter[str]) -> Any:
    import httpx

    began = time.perf_counter()
    try:
        response = await http.post(path, json=body)
    except httpx.TransportError as error:
        seen[type(error).__name__] += 1
        return None
    times.append(time.perf_counter() - began)
    seen[str(response.status_code)] += 1
    return response.json() if response.status_code == 200 else None


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Lengths:
    """An encoder that takes no time."""

    def transform(self, texts: list[str]) -> np.ndarray:
        """Return features of texts."""
        return np.array([[1.0] + [len(text) / 250] * (N_FEATURES - 1) for text in texts])


async def compare_latencies(n_requests: int) -> None:
    """Print what the plugin adds, paired, on one core, and what one wait for the disk takes."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import litellm

    from bandits.live import LiveRouter
    from bandits.serving import LiteLLMPlugin, RoutingService

    router = LinTS(arms=("small", "large"), random_state=0)
    deployments = [
        {
            "model_name": "auto",
            "model_info": {"id": name},
            "litellm_params": {"model": f"openai/{name}", "api_key": "none", "mock_response": name},
        }
        for name in ("small", "large")
    ]
    gateway = litellm.Router(model_list=deployments)
    taken: dict[str, list[float]] = {"with": [], "without": [], "fsync": []}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        live = LiveRouter.cold(router, N_FEATURES, has_cost=False, journal=folder)
        service = RoutingService(live, encoder=Lengths())
        plugin = LiteLLMPlugin(service, model_group="auto")
        with open(Path(folder) / "probe", "ab", buffering=0) as probe:
            for number in range(n_requests + WARM_UP):
                messages = [{"role": "user", "content": "word " * (1 + number % 50)}]
                for which in ("with", "without") if number % 2 else ("without", "with"):
                    litellm.callbacks = [plugin] if which == "with" else []
                    began = time.perf_counter()
                    await gateway.acompletion("auto", messages=messages)
                    taken[which].append(time.perf_counter() - began)
                    await asyncio.sleep(0.01)  # what LiteLLM does after its answer ends here
                probe.write(b"x" * 500)
                began = time.perf_counter()
                os.fsync(probe.fileno())
                taken["fsync"].append(time.perf_counter() - began)
        service.close()
    if plugin.failures:
        sys.exit(f"{plugin.failures} requests were not routed")
    times = {name: 1000 * np.array(values[WARM_UP:]) for name, values in taken.items()}
    times["added (paired)"] = times["with"] - times["without"]
    print(f"{n_requests} pairs on one core, encoding apart, each decision on the disk; ms:")
    for name, values in times.items():
        print(f"{name:>15}: median {np.median(values):6.2f}  p95 {np.quantile(values, 0.95):6.2f}")


def time_minilm(n_texts: int) -> None:
    """Print what encoding one prompt with MiniLM takes on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from metarouter.encoding import MiniLMEncoder

    encoder = MiniLMEncoder().fit(["a first text loads the model"])
    for n_words in (10, 100):
        times = []
        for number in range(n_texts):
            text = " ".join(f"word{number} {k}" for k in range(n_words))
            began = time.perf_counter()
            encoder.transform([text])
            times.append(1000 * (time.perf_counter() - began))
        p50, p95 = np.quantile(times, [0.5, 0.95])
        print(f"MiniLM, prompt of {n_words} words: median {p50:.1f} ms, p95 {p95:.1f} ms")


if __name__ == "__main__":
    main()
