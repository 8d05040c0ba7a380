"""The two sides of a wire: Celery's and celeriac's workers and clients, each a process of its own."""

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import pytest

import celeriac
from tests.interop.wire import PREFIX, Wire

Side = Literal["celery", "celeriac"]

PROJECT = Path(__file__).parent / "project"
#: Seconds that anything may take on a slow, busy machine.
PATIENCE = 60.0


def wait_until(condition: Callable[[], Any], what: str, *, patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is truthy, and return it."""
    deadline = time.monotonic() + patience
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {patience:g} s in vain for: {what}")
        time.sleep(0.02)
    return answer


class Interpreters:
    """Which Python has which package."""

    def __init__(self, peer: str) -> None:
        self._paths: dict[Side, str] = {"celery": peer, "celeriac": sys.executable}

    def command(self, side: Side) -> list[str]:
        return [self._paths[side]]

    def environment(self, side: Side, wire: Wire, settings: dict[str, Any]) -> dict[str, str]:
        """Return the environment of a process of that side: nothing of this machine's own settings."""
        others = ("CELERI", "CELERY", "DJANGO_", "INTEROP_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        kept.pop("PYTHONPATH", None)
        places = [str(PROJECT)] + ([str(Path(celeriac.__file__).parents[1])] if side == "celeriac" else [])
        return kept | {
            "PYTHONPATH": os.pathsep.join(places),
            "PYTHONUNBUFFERED": "1",
            # Celery runs as root with pickle only when told so.
            "C_FORCE_ROOT": "1",
            "INTEROP_SIDE": side,
            "INTEROP_SETTINGS": json.dumps(wire.all_settings() | settings),
        }


class Worker:
    """A worker of one side, started; ``wait_ready`` says when it takes tasks."""

    def __init__(
        self,
        interpreters: Interpreters,
        side: Side,
        wire: Wire,
        directory: Path,
        *,
        queues: Iterable[str],
        name: str,
        concurrency: int = 2,
        options: Iterable[str] = (),
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.side = side
        self.log_path = directory / f"{name}.log"
        self._log = self.log_path.open("wb")
        of_celery = ["--without-mingle", "--without-gossip"] if side == "celery" else []
        # Two runs at once must not own mailboxes of one name.
        self.name = f"{name}@{PREFIX}"
        self.process = subprocess.Popen(
            [
                *interpreters.command(side),
                *("-m", side, "-A", "work", "worker", "-n", self.name, "-l", "INFO"),
                *("-c", str(concurrency), "-Q", ",".join(queues), *of_celery, *options),
            ],
            cwd=directory,
            env=interpreters.environment(side, wire, settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_ready(self) -> "Worker":
        ready = {"celery": " ready.", "celeriac": "is ready"}[self.side]
        wait_until(lambda: ready in self.log or self.process.poll() is not None, f"{self.name} to be ready")
        assert self.process.poll() is None, self.log
        return self

    def begin_to_stop(self) -> None:
        """Ask it to finish; ``stop`` waits. Celery's is killed: how it ends takes seconds and is nothing to us."""
        if self.process.poll() is not None:
            return
        if self.side == "celery":
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill its main process, which can then say nothing to anybody; on celeriac's side the node."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it; whatever does not end in order is killed."""
        self.begin_to_stop()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._log.close()


class Flower:
    """Celery's monitor, on a port of this machine."""

    def __init__(self, interpreters: Interpreters, wire: Wire, directory: Path) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"
        self._log = (directory / f"{wire.name}-flower.log").open("wb")
        self._process = subprocess.Popen(
            [
                *interpreters.command("celery"),
                *("-m", "celery", "-A", "work", "flower", "--address=127.0.0.1", f"--port={port}"),
            ],
            cwd=directory,
            env=interpreters.environment("celery", wire, {}),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


class Client:
    """A producer of one side, which also reads results. Each method is a function of ``project/client.py``."""

    def __init__(
        self, interpreters: Interpreters, side: Side, wire: Wire, settings: dict[str, Any] | None = None
    ) -> None:
        self.side = side
        self._process = subprocess.Popen(
            [*interpreters.command(side), str(PROJECT / "client.py")],
            env=interpreters.environment(side, wire, settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """Publish a task of ``work``; return its id."""
        task_id: str = self._ask("send", task=f"work.{task}", args=args, **options)
        return task_id

    def send_many(self, task: str, calls: list[tuple[Any, ...]], **options: Any) -> list[str]:
        ids: list[str] = self._ask("send_many", task=f"work.{task}", calls=calls, **options)
        return ids

    def send_chain(self, *calls: tuple[str, tuple[Any, ...], str]) -> list[str]:
        ids: list[str] = self._ask("send_chain", calls=[(f"work.{task}", args, queue) for task, args, queue in calls])
        return ids

    def send_chord(self, *calls: tuple[str, tuple[Any, ...]], body: str, queue: str) -> str:
        header = [(f"work.{task}", args) for task, args in calls]
        task_id: str = self._ask("send_chord", calls=header, body=f"work.{body}", queue=queue)
        return task_id

    def result(self, task_id: str, timeout: float = 30) -> dict[str, Any]:
        """Wait for a task; return what its result says."""
        document: dict[str, Any] = self._ask("result", task_id=task_id, timeout=timeout)
        return document

    def value(self, task_id: str) -> Any:
        """Wait for a task that succeeds; return its value."""
        document = self.result(task_id)
        assert document["state"] == "SUCCESS", document
        return document["value"]

    def state(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("state", task_id=task_id)
        return found

    def sweep(self, prefix: str, queues: list[str]) -> None:
        """Delete queues, and keys with this prefix; only Celery's client can."""
        self._ask("sweep", prefix=prefix, queues=queues)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, function: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((function, arguments), self._process.stdin)
        self._process.stdin.flush()
        well, answer = pickle.load(self._process.stdout)
        assert well, answer
        return answer
