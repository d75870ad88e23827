"""S3Catalogue: the search index in S3, read from a copy that each process keeps on its disk.

`marketplace/index.json` names one base file and the segments of changes since. A change writes a
segment of a few kilobytes; a reader that asks again a few seconds later applies it to its own copy.
When there are many segments they are folded into a new base. Readers that have seen them already
load nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import client, translated
from chalicelib.domain.search import Entry, SearchPage, SearchQuery, Withdrawn
from chalicelib.errors import NotFound, PlatformError, Unavailable
from chalicelib.telemetry import logger
from chalicelib.values import frozen

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from chalicelib.adapters.search_index import SearchIndex

FORMAT = 6
"""Raise it when files written by older code cannot serve newer code; the index is then rebuilt."""
FOLDER = "marketplace/"
STATE = f"{FOLDER}index.json"
FOLD_AT = 48
"""So many segments are folded into a new base."""
LOOK_SECONDS = 5.0
_TRIES = 12
_SILENT = "The marketplace's index did not answer. Try again in a moment."


@frozen
class State:
    """What the index consists of. `folded`: how many segments of this generation the base holds;
    `segments`: those after it, in order."""

    generation: str
    base: str
    folded: int = 0
    segments: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    """What nothing refers to since the last fold; removed with the next one."""
    format: int = FORMAT

    @property
    def sequence(self) -> int:
        return self.folded + len(self.segments)


class S3Catalogue:
    def __init__(
        self,
        bucket: str,
        *,
        look_seconds: float = LOOK_SECONDS,
        fold_at: int = FOLD_AT,
        left_after: timedelta = timedelta(hours=1),
    ) -> None:
        self._bucket = bucket
        self._look_seconds = look_seconds
        self._fold_at = fold_at
        self._left_after = left_after
        self._index: SearchIndex | None = None
        self._generation = ""
        self._sequence = 0
        self._etag = ""
        self._looked_at = float("-inf")

    def search(self, query: SearchQuery) -> SearchPage:
        try:
            if time.monotonic() - self._looked_at >= self._look_seconds:
                self._look()
            if self._index is None:
                return SearchPage((), {"category": {}, "runtime": {}}, 0, True, None)
            return self._index.search(query)
        except damages() as error:
            # A copy that cannot be read is given up, and fetched again with the next search.
            logger.exception("the search index cannot be read")
            self._index, self._generation, self._etag = None, "", ""
            self._looked_at = float("-inf")
            raise Unavailable("The search index could not be read. Try again later.") from error

    def search_among(self, entries: Sequence[Entry], query: SearchQuery) -> SearchPage:
        index = _opener().create(":memory:", entries)
        try:
            return index.search(query)
        finally:
            index.close()

    def is_ready(self) -> bool:
        state, _ = self._state()
        return state is not None and state.format == FORMAT

    def feed(self, entries: Sequence[Entry | Withdrawn]) -> bool:
        body = _codec().dump_json(list(entries))
        key = f"{FOLDER}segments/{time.time_ns():x}-{_random()}.json"
        for _ in range(_TRIES):
            state, etag = self._state()
            if state is None or state.format != FORMAT:
                return False
            self._put(key, body)
            following = replace(state, segments=(*state.segments, key))
            if len(following.segments) >= self._fold_at:
                following = self._fold(following)
            if self._replace(following, etag):
                return True
            if following.base != state.base:
                self._delete(following.base)  # somebody else was faster
        raise Unavailable("Many changes at once; this one is taken up again in a moment.")

    def rebuild(self, entries: Iterable[Entry]) -> None:
        generation = f"{time.time_ns():x}-{_random()}"
        base = f"{FOLDER}bases/{generation}.sqlite"
        with tempfile.TemporaryDirectory(prefix="slipway-index-") as folder:
            path = Path(folder) / "base"
            _opener().create(path, entries).close()
            self._upload(path, base)
        for _ in range(_TRIES):
            state, etag = self._state()
            old = (state.base, *state.segments, *state.retired) if state else ()
            if self._replace(State(generation, base, retired=old), etag):
                return
        raise Unavailable("Many changes at once; the index is made again in a moment.")

    def stale(self, entries: Sequence[Entry]) -> list[Entry]:
        self._look()
        return list(entries) if self._index is None else self._index.stale(entries)

    def held(self, after: str, limit: int) -> list[tuple[str, str]]:
        self._look()
        return [] if self._index is None else self._index.held(after, limit)

    # --- reading --------------------------------------------------------------------------

    def _look(self) -> None:
        """Takes up what has changed. What cannot be read now is read later: an index that is a
        little old is better than none."""
        self._looked_at = time.monotonic()
        try:
            state, etag = self._state(self._etag)
            if state is not None and etag != self._etag and state.format == FORMAT:
                self._take_up(state)
                self._etag = etag
        except PlatformError as error:
            if self._index is None:
                raise
            logger.warning("the search index stays as it is", extra={"detail": error.detail})

    def _take_up(self, state: State) -> None:
        if state.generation != self._generation or self._sequence < state.folded:
            fresh = self._load(state.base)
            if self._index is not None:
                self._index.close()
            self._index, self._sequence = fresh, state.folded
            self._generation = state.generation
        index = self._index
        if index is None:
            raise AssertionError("an index was just loaded")
        for key in state.segments[self._sequence - state.folded :]:
            index.apply(_codec().validate_json(self._get(key)))
            self._sequence += 1

    def _load(self, base: str) -> SearchIndex:
        with tempfile.NamedTemporaryFile(prefix="slipway-index-") as file:
            with translated(_SILENT):
                body = client("s3").get_object(Bucket=self._bucket, Key=base)["Body"]
                for chunk in body.iter_chunks(1 << 20):
                    file.write(chunk)
            file.flush()
            # The file loses its name here, and lives on until it is closed.
            return _opener()(file.name)

    def _state(self, etag: str = "") -> tuple[State | None, str]:
        """The present state and its tag; with a tag, (None, tag) while nothing has changed."""
        conditions = {"IfNoneMatch": etag} if etag else {}
        try:
            with translated(_SILENT):
                answer = client("s3").get_object(Bucket=self._bucket, Key=STATE, **conditions)
                found = json.loads(answer["Body"].read())
        except Unavailable as error:
            code = _code(error)
            if code in ("304", "NotModified"):
                return None, etag
            if code in ("404", "NoSuchKey"):
                return None, ""
            raise
        found = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        return State(**found), str(answer["ETag"])

    def _get(self, key: str) -> bytes:
        try:
            with translated(_SILENT):
                return bytes(client("s3").get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except Unavailable as error:
            if _code(error) in ("404", "NoSuchKey"):
                raise NotFound(f"{key} is gone.") from error
            raise

    # --- writing --------------------------------------------------------------------------

    def _fold(self, state: State) -> State:
        """A new base that holds the segments too; what it replaces is removed a fold later."""
        for key in state.retired:
            self._delete(key)
        self._tidy(state)
        base = f"{FOLDER}bases/{state.generation}-{state.sequence}-{_random()}.sqlite"
        with tempfile.TemporaryDirectory(prefix="slipway-index-") as folder:
            path = Path(folder) / "base"
            path.write_bytes(self._get(state.base))
            index = _opener()(path)
            for key in state.segments:
                index.apply(_codec().validate_json(self._get(key)))
            index.close()
            self._upload(path, base)
        return replace(
            state,
            base=base,
            folded=state.sequence,
            segments=(),
            retired=(state.base, *state.segments),
        )

    def _tidy(self, state: State) -> None:
        """Removes what failed attempts to write have left; what is being written now is younger
        than any of them may last."""
        now, after = datetime.now(UTC), ""
        named = {state.base, *state.segments, *state.retired}
        while True:
            with translated(_SILENT):
                answer = client("s3").list_objects_v2(
                    Bucket=self._bucket, Prefix=FOLDER, StartAfter=after or FOLDER
                )
            for item in answer.get("Contents", []):
                after = item["Key"]
                old = now - item["LastModified"] > self._left_after
                if old and after != STATE and after not in named:
                    self._delete(after)
            if not answer.get("IsTruncated"):
                return

    def _replace(self, state: State, etag: str) -> bool:
        """Puts the state in place of the one with this tag; False when there is another by now."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            self._put(STATE, json.dumps(vars(state)).encode(), **condition)
        except Unavailable as error:
            if _code(error) in ("412", "409", "PreconditionFailed", "ConditionalRequestConflict"):
                return False
            raise
        return True

    def _put(self, key: str, body: bytes, **conditions: Any) -> None:
        with translated(_SILENT):
            client("s3").put_object(Bucket=self._bucket, Key=key, Body=body, **conditions)

    def _delete(self, key: str) -> None:
        with translated(_SILENT):
            client("s3").delete_object(Bucket=self._bucket, Key=key)

    def _upload(self, path: Path, key: str) -> None:
        with path.open("rb") as file, translated(_SILENT):
            client("s3").put_object(Bucket=self._bucket, Key=key, Body=file)


@cache
def _codec() -> TypeAdapter[list[Entry | Withdrawn]]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - built when a segment is met

    return TypeAdapter(list[Entry | Withdrawn])


def damages() -> tuple[type[Exception], ...]:
    """What is raised for a file that is damaged or none of ours."""
    import zlib  # noqa: PLC0415 - as below
    from sqlite3 import Error  # noqa: PLC0415 - as below

    return LookupError, ValueError, TypeError, Error, zlib.error


def _opener() -> type[SearchIndex]:
    # SQLite is for those who search and those who index; all other requests do without.
    from chalicelib.adapters.search_index import SearchIndex  # noqa: PLC0415

    return SearchIndex


def _random() -> str:
    from secrets import token_hex  # noqa: PLC0415 - only writers need it

    return token_hex(4)


def _code(error: Unavailable) -> str:
    response = getattr(error.__cause__, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
