"""The child process in which the embedded model's server runs; started by `server.py`.

It is run by its path and imports nothing of lift_sys, so that it starts fast and works wherever the
parent does. Contract with the parent: one JSON object of settings as the only argument; one line of
JSON, `{"address": "http://127.0.0.1:PORT"}`, on standard output when the model is loaded; everything
else goes to standard error; it ends when its standard input does.
"""

import json
import os
import signal
import sys
import threading
import time
from importlib import import_module
from typing import Any

_PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Load the model, serve it, and end with the parent."""
    # Ctrl-C reaches the whole process group. The parent decides when the model stops: its nodes
    # may still want an answer while they are being cancelled.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    threading.Thread(target=_end_with_input, daemon=True).start()
    announcements = os.dup(1)
    os.dup2(2, 1)  # what C code prints must not look like our announcement
    server = _start(json.loads(sys.argv[1]))
    line = json.dumps({"address": server.listening_address}) + "\n"
    os.write(announcements, line.encode())
    os.close(announcements)
    # The input stays open if the parent's own forks hold a copy of the pipe, so look at the parent
    # too. (Windows has no reparenting: there the number never changes.)
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(0)


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)  # at once: the library's own shutdown would wait for answers that nobody reads


def _start(settings: dict[str, Any]) -> Any:
    xllamacpp = import_module("xllamacpp")  # 106 MB of library, in this process only
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # the system gives a free one; no other process can take it in between
    # The server divides its context among its slots; ours is what each request may use.
    params.n_ctx = settings["context_tokens"] * settings["parallel"]
    params.n_parallel = settings["parallel"]
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    if settings["chat_template"] is not None:
        params.chat_template = settings["chat_template"]
    params.warmup = False
    params.offline = True
    params.ui = False
    params.endpoint_slots = False  # it would show anybody on this machine the prompts
    params.cors_origins = ""  # and no web page may ask
    params.cache_ram_mib = 0  # of finished prompts, 8 GB by default; each slot keeps its own prefix
    params.verbosity = 2  # errors and warnings; a line per request would fill the disk
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
