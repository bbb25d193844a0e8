"""Start and stop the embedded model: `async with local_model() as endpoint`.

The server is a child process (`serve.py`), so that a crash in its C code, a kill and its log stay
there. Before editing: stopping must work from anywhere at any time (a second cancellation, an
interrupt, half-way through starting), so it is a signal and a short wait, and awaits nothing.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lift_sys.core.extras import validate_installed
from lift_sys.errors import ModelStartError
from lift_sys.llm.cassette.current import cassette_in_use
from lift_sys.llm.local.endpoints import LocalEndpoint, unserved
from lift_sys.llm.local.weights import ModelFile, find_weights, name_of

__all__ = ["local_model"]

# The template inside the file adds a system message of its own, with which this model answers
# nonsense; without it, the capital of France is Paris.
_CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)
_LOG_TAIL = 2000  # characters of the child's log in an error
_READY_POLL_SECONDS = 0.02
_END_SECONDS = 2.0  # it takes 0.02; only a stopped process needs longer, and is killed
_logger = logging.getLogger(__name__)


@asynccontextmanager
async def local_model(
    *,
    parallel: int = 4,
    context_tokens: int = 2048,
    threads: int = 1,
    weights: str | Path | None = None,
    start_timeout: float = 60.0,
) -> AsyncIterator[LocalEndpoint]:
    """Run the embedded model's server for as long as the context is open.

    It listens on a free port of the loopback interface, and ends with the context, also after an
    error, a cancellation or Ctrl-C, and with this process, however that ends. Ready in 1 to 3 s.

    Inside the `use()` of a cassette that only replays none is started, so that a test records with
    the model and replays without it, and without its weights.

    Args:
        parallel: Requests answered at the same time. More slots answer more requests sooner, but
            share the same speed: about 130 tokens/s in all on an idle core.
        context_tokens: What one request may use, prompt and answer together; times `parallel`, at
            23 KB a token, it is memory.
        threads: Cores to use. With more threads than cores that are really free they wait for each
            other, and it becomes ten times slower instead of faster.
        weights: A GGUF file of your own; by default the embedded one (see `find_weights`).
        start_timeout: Seconds to become ready.

    Yields:
        Where it is; give it to `dspy_lm`, `pydantic_ai_model` or any client of the OpenAI protocol.

    Raises:
        ModelNotFoundError: The weights are not on this machine.
        MissingExtraError: The extra `local` is not installed.
        ModelStartError: The server did not become ready; its last log lines are in it.
        ValueError: `parallel`, `context_tokens` or `threads` is below 1.
    """
    for name, value in {
        "parallel": parallel,
        "context_tokens": context_tokens,
        "threads": threads,
    }.items():
        if value < 1:
            raise ValueError(f"{name} must be ≥1, not {value!r}")
    cassette = cassette_in_use()
    if cassette is not None and cassette.only_replays:
        yield unserved(name_of(weights))
        return
    validate_installed("xllamacpp", extra="local", purpose="The embedded model")
    found = find_weights(weights)
    server = _Server(found, parallel=parallel, context_tokens=context_tokens, threads=threads)
    try:
        # Through the loop's own pool, so that a virtual clock holds still meanwhile. If we are
        # cancelled here the thread ends by itself, because `stop` kills what it waits for.
        address = await asyncio.to_thread(server.wait_until_ready, start_timeout)
        yield LocalEndpoint(
            base_url=f"{address}/v1",
            model=found.name,
            pid=server.process.pid,
            parallel=parallel,
            context_tokens=context_tokens,
        )
    finally:
        server.stop()


class _Server:
    """The child process, from its start to its end."""

    def __init__(
        self, weights: ModelFile, *, parallel: int, context_tokens: int, threads: int
    ) -> None:
        settings = {
            "path": str(weights.path),
            "name": weights.name,
            "parallel": parallel,
            "context_tokens": context_tokens,
            "threads": threads,
            "chat_template": _CHAT_TEMPLATE if weights.is_embedded else None,
        }
        # -P keeps the script's folder, with our module names in it, out of the child's sys.path.
        script = str(Path(__file__).with_name("serve.py"))
        self._was_ready = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in `stop`
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", script, json.dumps(settings)],
                stdin=subprocess.PIPE,  # its end tells the child that we are gone
                stdout=subprocess.PIPE,
                stderr=self._log,
            )
        except BaseException:
            self._log.close()
            raise

    def wait_until_ready(self, timeout: float) -> str:
        """Block until the server answers over HTTP, and return its address without a path."""
        deadline = time.monotonic() + timeout
        late = threading.Timer(timeout, self.process.kill)
        late.daemon = True
        late.start()
        try:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            if line:
                address: str = json.loads(line)["address"]
                while self.process.poll() is None:
                    if _is_healthy(address):
                        self._was_ready = True
                        return address
                    time.sleep(_READY_POLL_SECONDS)
            code = self.process.wait()
        finally:
            late.cancel()
        if time.monotonic() >= deadline:
            raise ModelStartError(
                reason=f"it was not ready after {timeout:g} s", log=self._log_tail()
            )
        raise ModelStartError(reason=f"its process ended with code {code}", log=self._log_tail())

    def stop(self) -> None:
        """End the process and wait for it; nothing that it holds is worth a slower way."""
        # Not SIGKILL at first: the code then tells our end from another one, which could not be
        # asked for before, because a dying process closes its sockets before it is dead.
        self.process.terminate()
        try:
            try:
                code = self.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                code = -signal.SIGTERM
            if self._was_ready and os.name == "posix" and code != -signal.SIGTERM:
                _logger.warning(
                    "the embedded model's server ended by itself, with code %d; it wrote last: %s",
                    code,
                    self._log_tail() or "nothing",
                )
        finally:
            for pipe in (self.process.stdin, self.process.stdout, self._log):
                if pipe is not None:
                    pipe.close()

    def _log_tail(self) -> str:
        # Only once the child is dead: both sides share one position in the file.
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-_LOG_TAIL:].strip()


def _is_healthy(address: str) -> bool:
    # A proxy that the user has set for the outside world must not be asked for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/health", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
