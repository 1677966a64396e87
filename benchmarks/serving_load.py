"""Fifty clients at once for a minute, and what a plugin adds to a request of LiteLLM.

    python -m benchmarks.serving_load --seconds 60 --clients 50
    python -m benchmarks.serving_load --litellm 1000

The first starts `bandits serve` with a journal on this machine's disk and prints requests, errors,
quantiles of the time of a response, and the server's memory at a quarter of the time and at its
end; the exit code is 1 where any request failed. The second sends mock requests through LiteLLM's
own router, with and without the plugin in turn, and prints the medians; no network is used.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--litellm", type=int, default=0, help="requests through LiteLLM instead")
    given = parser.parse_args()
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


async def compare_latencies(n_requests: int) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    from bandits.live import LiveRouter
    from bandits.serving import LiteLLMPlugin, RoutingService
    from metarouter.encoding import TfidfEncoder

    texts = [f"how to {verb} a {noun}" for verb in ("mend", "paint") for noun in ("car", "house")]
    encoder = TfidfEncoder(4, random_state=0).fit(texts)
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
    with tempfile.TemporaryDirectory() as folder:
        live = LiveRouter.cold(router, encoder.n_components_, has_cost=False, journal=folder)
        service = RoutingService(live, encoder=encoder)
        plugin = LiteLLMPlugin(service, model_group="auto")
        taken: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * n_requests):
            with_plugin = bool(number % 2)
            litellm.callbacks = [plugin] if with_plugin else []
            began = time.perf_counter()
            messages = [{"role": "user", "content": texts[number % 4]}]
            await gateway.acompletion("auto", messages=messages)
            taken[with_plugin].append(time.perf_counter() - began)
        service.close()
    medians = {which: 1000 * float(np.median(times)) for which, times in taken.items()}
    print(
        f"median of {n_requests}: {medians[True]:.2f} ms with the plugin (TF-IDF, fsync), "
        f"{medians[False]:.2f} ms without: {medians[True] - medians[False]:.2f} ms added"
    )
    if plugin.failures:
        sys.exit(f"{plugin.failures} requests were not routed")


if __name__ == "__main__":
    main()
