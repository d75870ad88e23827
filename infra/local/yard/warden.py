"""Runs one command in a session of its own and sees that nothing of it outlives the yard.

Started as a program by the yard, which keeps the other end of its standard input: when that ends,
however the yard ended, everything the command started is killed, also what made itself a session
of its own: it still carries the build's id in its environment. Imports little, for a quick start.
"""

import os
import select
import signal
import sys

#: Where the command reports. A small number: some shells know descriptors of one digit only.
REPORT = 9
MARK = "CODEBUILD_BUILD_ID"


def main(argv: list[str]) -> int:
    """The exit code of the command, or 128 + the signal that ended it.

    `argv` is the descriptor that the command's REPORT leads to, and the command.
    """
    report, *argv = argv
    if int(report) != REPORT:
        os.set_inheritable(int(report), False)
    null = os.open(os.devnull, os.O_RDONLY)
    actions = [
        (os.POSIX_SPAWN_DUP2, null, 0),
        (os.POSIX_SPAWN_DUP2, int(report), REPORT),
    ]
    session = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions, setsid=True)
    handle = os.pidfd_open(session)
    ended, _, _ = select.select([handle, 0], [], [])
    if handle not in ended:
        _kill_all(session)
    _, status = os.waitpid(session, 0)
    _kill_all(session)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _kill_all(session: int) -> None:
    """Kills until nothing is left: a process may start another while we look."""
    while pids := _members(session):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _members(session: int) -> list[int]:
    mark = f"{MARK}={os.environ.get(MARK, '')}".encode()
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib takes longer to import than this runs
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:  # noqa: PTH123
                words = file.read().rpartition(")")[2].split()
            # A zombie cannot be killed again; its parent will collect it.
            if words[0] == "Z":
                continue
            if int(words[3]) == session:
                found.append(int(name))
                continue
            with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                if mark in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
