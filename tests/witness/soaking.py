"""Clients with random work for a soak: ADDRESS SECONDS SEED CLIENTS [PAUSE].

A process of `tests/test_soak.py` and of `benchmarks/soak.py`: clients that submit
pipelines, check results, forget some and cancel some. It prints how many it checked.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

import dask
import numpy as np
from distributed import Client

delayed = dask.delayed


def make(n, size):
    time.sleep(0.01)
    return np.full(size, n, dtype="int64")


def scale(x, by):
    return x * by


def fill(x, by):
    x += by
    return x


def head(x, n):
    return x[:n]


def join(x, y):
    return x + y


def total(x):
    return int(x.sum())


class Program:
    """A random pipeline, and what it gives where everybody has objects of his own."""

    def __init__(self, dice):
        self.dice = dice
        self.size = dice.choice([10_000, 100_000, 500_000])
        task, self.value = self.step(dice.randint(1, 4))
        self.task = delayed(total)(task)
        self.value = self.value * self.length

    def step(self, depth):
        dice = self.dice
        if depth == 0:
            n = dice.randint(0, 5)
            self.length = self.size
            return delayed(make)(n, self.size), n
        x, value = self.step(depth - 1)
        by = dice.randint(1, 3)
        kind = dice.choice(["scale", "fill", "fill", "join"])
        if kind == "scale":
            return delayed(scale)(x, by), value * by
        if kind == "fill":
            return delayed(fill)(x, by), value + by
        return delayed(join)(delayed(scale)(x, by), delayed(scale)(x, 2)), value * (
            by + 2
        )


async def lives(client, dice, end, done, pause):
    kept = []
    while time.time() < end:
        await asyncio.sleep(pause * dice.random() * 2)
        programs = [Program(dice) for _ in range(dice.randint(1, 3))]
        made = client.compute([p.task for p in programs])
        fate = dice.random()
        if fate < 0.1:
            continue
        if fate < 0.2:
            await client.cancel(made, force=dice.random() < 0.5)
            continue
        kept.append((programs, made))
        if len(kept) < 3:
            continue
        programs, made = kept.pop(0)
        for program, future in zip(programs, made, strict=True):
            found = await future
            assert found == program.value, (found, program.value)
            done.append(found)


async def main(address, seconds, seed, count, pause):
    end, done = time.time() + seconds, []
    clients = [
        await Client(address, asynchronous=True, set_as_default=False)
        for _ in range(count)
    ]
    await asyncio.gather(
        *(
            lives(client, random.Random(f"{seed} {i}"), end, done, pause)
            for i, client in enumerate(clients)
        )
    )
    for client in clients:
        await client.close()
    sys.stdout.write(json.dumps(len(done)) + "\n")


if __name__ == "__main__":
    address, seconds, seed, count = sys.argv[1:5]
    pause = float(sys.argv[5]) if len(sys.argv) > 5 else 0.0
    asyncio.run(main(address, float(seconds), int(seed), int(count), pause))
