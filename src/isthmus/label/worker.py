"""A process that does pieces: `python -m isthmus.label.worker FOLDER`.

It reads `[target, piece]` as a line of JSON from stdin, writes what came of it into the folder,
and answers with a line of JSON. What chemistry programs print goes nowhere. When stdin ends,
because whoever started the process is gone, it ends at once.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Work until stdin ends."""
    answers = _only_channel()
    waiting: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(waiting,), daemon=True).start()

    from isthmus.errors import IsthmusError
    from isthmus.label.folder import Folder, refused_by_disk
    from isthmus.label.piece import Work

    folder = Folder(Path(arguments[0]))
    try:
        plan = folder.begun_with()
        assert plan is not None
        work = Work(plan)
    except (IsthmusError, OSError) as error:
        _say(answers, {"fatal": str(error)})
        return
    _say(answers, {"ready": True})
    while True:
        target, number = json.loads(waiting.get())
        done = work.do((target, number))
        try:
            report = folder.commit((target, number), done)
        except OSError as error:
            named = refused_by_disk(error, folder.path)
            _say(answers, {"disk": [named.errno, named.strerror, str(named.filename)]})
            return
        _say(answers, {"n_frames": report.n_frames})


def _only_channel() -> TextIO:
    """The old stdout; the new one, of C and Fortran too, leads nowhere."""
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return channel


def _listen(waiting: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        waiting.put(line)
    # In the middle of a piece too: nobody waits for it any more.
    os._exit(0)


def _say(channel: TextIO, what: dict[str, Any]) -> None:
    channel.write(json.dumps(what) + "\n")
    channel.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
