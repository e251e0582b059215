#!/usr/bin/env python3
"""Ray at the exchanges of measurement.hpp: ray_actors.py CASE prints a line of JSON. Fewer of them: they are slow."""

import json
import sys
import time

import numpy
import ray


@ray.remote(num_cpus=0)
class Echo:
    def answer(self, number):
        return number

    def take(self, data):
        return int(data[::4096].sum())


def percentiles(times):
    times = sorted(times)
    return {"p50_us": times[len(times) // 2] * 1e6, "p99_us": times[min(len(times) - 1, int(len(times) * 0.99))] * 1e6}


def request():
    echo = Echo.remote()
    times = []
    for number in range(2200):
        start = time.perf_counter()
        ray.get(echo.answer.remote(number))
        times.append(time.perf_counter() - start)
    times = times[200:]
    return {**percentiles(times), "per_second": len(times) / sum(times)}


def pipelined():
    echo = Echo.remote()
    ray.get([echo.answer.remote(number) for number in range(500)])
    count, ahead, waiting = 10_000, 256, []
    start = time.perf_counter()
    for number in range(count):
        if len(waiting) == ahead:
            _, waiting = ray.wait(waiting, num_returns=1)
        waiting.append(echo.answer.remote(number))
    ray.get(waiting)
    return {"per_second": count / (time.perf_counter() - start)}


def payload(size, count):
    echo = Echo.remote()
    data = numpy.ones(size, dtype=numpy.uint8)
    ray.get([echo.take.remote(data) for _ in range(5)])
    start = time.perf_counter()
    waiting = []
    for _ in range(count):
        if len(waiting) == 12:
            _, waiting = ray.wait(waiting, num_returns=1)
        waiting.append(echo.take.remote(data))
    ray.get(waiting)
    seconds = time.perf_counter() - start
    return {"per_second": count / seconds, "gb_per_second": count * size / seconds / 1e9}


def spawn():
    start = time.perf_counter()
    actors = [Echo.remote() for _ in range(10)]
    ray.get([actor.answer.remote(1) for actor in actors])
    return {"per_second": len(actors) / (time.perf_counter() - start)}


CASES = {
    "request_ipc": request,
    "pipelined_ipc": pipelined,
    "payload_256k_ipc": lambda: payload(256 * 1024, 1000),
    "payload_4m_ipc": lambda: payload(4 * 1024 * 1024, 200),
    "spawn_process": spawn,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print("\n".join(CASES))
        sys.exit(0 if len(sys.argv) == 1 else 2)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print(json.dumps(CASES[sys.argv[1]]()))
    ray.shutdown()
