"""What may be done to deployments that run, and how all come back when the yard starts again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from infra.local.yard.bundles import Bundle, Credentials, PullFailed
from infra.local.yard.errors import Refusal
from infra.local.yard.health import Unhealthy
from infra.local.yard.live import Live
from infra.local.yard.records import ENDED, IN_PROGRESS, Snapshot
from infra.local.yard.rollout import Rollouts
from infra.local.yard.runs import in_thread
from infra.local.yard.slots import Slot, SlotKey, Slots
from infra.local.yard.store import Row

SHUTDOWN_GRACE = 2.5


class Fleet:
    """Everything that runs."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._rollouts = Rollouts(slots)
        self.route = slots.route
        self.lives = slots.lives
        self.log_path = slots.log_path
        self.begin = self._rollouts.begin

    async def cancel(self, deployment_id: str) -> None:
        """Ends a deployment that is still on its way."""
        row = self._slots.row(deployment_id)
        slot = self._slots.slot((row["service_id"], row["environment_id"]))
        is_current = slot.current is not None and slot.current.id == deployment_id
        if row["status"] not in IN_PROGRESS or is_current:
            raise Refusal("Deployment cannot be cancelled: it is not in progress")
        await self._rollouts.give_up(deployment_id, slot)

    async def restart(self, deployment_id: str) -> None:
        """Ends the processes and starts them again under the same id."""
        row = self._slots.row(deployment_id)
        slot = self._slots.slot((row["service_id"], row["environment_id"]))
        if row["status"] in ("REMOVED", "REMOVING", "FAILED", "SKIPPED"):
            raise Refusal("Deployment cannot be restarted: it was removed or never ran")
        live = slot.current
        if deployment_id in slot.pending or (live is not None and live.id != deployment_id):
            raise Refusal("Deployment cannot be restarted: it is not the active one")
        await self._slots.records.status(
            deployment_id, "DEPLOYING", event="restarted", stopped=False
        )
        self._slots.spawn(self._restart(row, slot, live))

    async def stop(self, deployment_id: str) -> None:
        """Ends the processes; the deployment stays, stopped."""
        row = self._slots.row(deployment_id)
        slot = self._slots.slot((row["service_id"], row["environment_id"]))
        live = slot.current
        if live is None or live.id != deployment_id:
            raise Refusal("Deployment cannot be stopped: it is not running")
        async with live.turn:
            if live.phase == "removing":
                raise Refusal("Deployment cannot be stopped: it is not running")
            live.phase = "stopped"
            await live.halt(live.drain_seconds)
            await self._slots.records.status(deployment_id, "SUCCESS", stopped=True)
            await self._slots.records.replicas(deployment_id, live.instances())

    async def remove(self, deployment_id: str) -> None:
        """Ends a deployment for good."""
        row = self._slots.row(deployment_id)
        slot = self._slots.slot((row["service_id"], row["environment_id"]))
        if row["status"] in ("REMOVED", "REMOVING"):
            return
        if deployment_id in slot.pending:
            await self._rollouts.give_up(deployment_id, slot)
            return
        live = slot.current if slot.current and slot.current.id == deployment_id else None
        if live is None:
            await self._slots.records.status(deployment_id, "REMOVED", event="removed")
            return
        slot.current = None
        await self._slots.records.status(deployment_id, "REMOVING")
        self._slots.spawn(self._slots.retire(live))

    async def vacate(self, keys: Iterable[SlotKey]) -> None:
        """Ends everything of services that were deleted."""
        for key in keys:
            slot = self._slots.all.pop(key, None)
            for row in self._slots.store.rows(
                "SELECT * FROM deployments WHERE service_id = ? AND environment_id = ?"
                " AND status NOT IN ('REMOVED', 'FAILED', 'SKIPPED')",
                *key,
            ):
                if slot and row["id"] in slot.pending:
                    await self._rollouts.give_up(row["id"], slot)
                elif slot and slot.current and slot.current.id == row["id"]:
                    await self._slots.records.status(row["id"], "REMOVING")
                    self._slots.spawn(self._slots.retire(slot.current))
                else:
                    await self._slots.records.status(row["id"], "REMOVED", event="removed")

    async def wake(self, live: Live) -> None:
        """A request came for something asleep."""
        if live.phase != "asleep":
            return
        live.phase = "waking"
        self._slots.spawn(self._wake(live))

    async def restore(self) -> None:
        """Brings back what ran when the yard stopped, under the same ids."""
        marks = ",".join("?" * len(IN_PROGRESS))
        rows = self._slots.store.rows(
            "SELECT * FROM deployments WHERE status IN ('SUCCESS', 'SLEEPING', 'REMOVING')"  # noqa: S608
            f" OR status IN ({marks}) ORDER BY seq DESC",
            *IN_PROGRESS,
        )
        await in_thread(self._sweep)
        up: set[SlotKey] = set()
        unfinished: set[SlotKey] = set()
        for row in rows:
            key = (row["service_id"], row["environment_id"])
            if row["status"] in IN_PROGRESS and row["was_live"]:
                # It was being restarted: it ran before, so it is brought back, not deployed anew.
                row_is_up = True
            else:
                row_is_up = row["status"] in ("SUCCESS", "SLEEPING")
            if row["status"] == "REMOVING" or (row_is_up and key in up):
                await self._slots.records.status(row["id"], "REMOVED", event="removed")
            elif row_is_up:
                up.add(key)
                await self._bring_back(row)
            elif key in unfinished or key in up:
                await self._slots.records.status(row["id"], "REMOVED", event="removed")
            else:
                unfinished.add(key)
                self._slots.journal(row["id"], "build").write(
                    "The stand-in was restarted in the middle: beginning this deployment again",
                    "warn",
                )
                self.begin(row["id"])

    def _sweep(self) -> None:
        """Removes the files of deployments that have ended: a kill leaves them behind."""
        for folder in (self._slots.config.data_dir / "apps").glob("*"):
            row = self._slots.records.get(folder.name)
            if row is None or row["status"] in ("REMOVED", "FAILED", "SKIPPED"):
                self._slots.ground.remove(folder)

    async def watch(self) -> None:
        """Puts to sleep what may sleep and had no request for long; runs until cancelled."""
        pause = max(0.05, min(5.0, self._slots.hosting.sleep_after / 10))
        while True:
            await asyncio.sleep(pause)
            moment = asyncio.get_running_loop().time()
            for slot in list(self._slots.all.values()):
                live = slot.current
                if live is None or live.phase != "live" or not live.sleeps or live.inflight:
                    continue
                if (
                    moment - live.last_traffic > self._slots.hosting.sleep_after
                    and not slot.pending
                ):
                    self._slots.spawn(self._fall_asleep(live))

    async def close(self) -> None:
        """Ends every process without a word in the records: all comes back at the next start."""
        self._slots.closing = True
        for task in list(self._slots.tasks):
            task.cancel()
        await asyncio.gather(*self._slots.tasks, return_exceptions=True)
        halts = (
            one.halt(min(SHUTDOWN_GRACE, 1 + one.drain_seconds)) for one in self._slots.lives()
        )
        await asyncio.gather(*halts, return_exceptions=True)
        for journal in self._slots.journals.values():
            journal.close()

    async def _restart(self, row: Row, slot: Slot, live: Live | None) -> None:
        if live is None:
            await self._start_again(row, slot, None)
            return
        async with live.turn:
            if live.phase == "removing":
                return
            live.phase = "starting"
            await live.halt(live.drain_seconds, "RESTARTING")
            await self._start_again(row, slot, live)

    async def _bring_back(self, row: Row) -> None:
        """At the start of the yard."""
        slot = self._slots.slot((row["service_id"], row["environment_id"]))
        if row["stopped"] or row["status"] == "SLEEPING":
            snapshot = Snapshot.of(row)
            try:
                live = self._slots.make_live(row, snapshot, await self._bundle(snapshot))
            except PullFailed as exc:
                await self._broken(row["id"], str(exc))
                return
            live.phase = "stopped" if row["stopped"] else "asleep"
            slot.current = live
            return
        await self._start_again(row, slot, None, wait=False)

    async def _start_again(
        self, row: Row, slot: Slot, live: Live | None, *, wait: bool = True
    ) -> Live | None:
        """Starts a deployment that ran before, with its own files as it left them."""
        if live is None:
            snapshot = Snapshot.of(row)
            try:
                live = self._slots.make_live(row, snapshot, await self._bundle(snapshot))
            except PullFailed as exc:
                await self._broken(row["id"], str(exc))
                return None
        slot.current = live
        try:
            await live.launch()
        except PullFailed as exc:
            live.phase = "crashed"
            await self._broken(live.id, str(exc))
            return None
        rest = self._finish_start(live)
        if wait:
            await rest
        else:
            self._slots.spawn(rest)
        return live

    async def _finish_start(self, live: Live) -> None:
        await live.started()
        if live.health_path:
            try:
                await live.healthy(lambda: None)
            except Unhealthy as exc:
                live.phase = "crashed"
                await live.halt(live.drain_seconds, "CRASHED")
                await self._broken(live.id, f"The health check failed: {exc.reason}")
                return
        live.phase = "live"
        live.last_traffic = asyncio.get_running_loop().time()
        await self._slots.records.status(live.id, "SUCCESS", unless=ENDED, stopped=False)
        self._slots.judge(live)

    async def _broken(self, deployment_id: str, reason: str) -> None:
        self._slots.journal(deployment_id, "deploy").write(reason, "error")
        await self._slots.records.status(
            deployment_id, "CRASHED", event="crashed", unless=("REMOVED",)
        )

    async def _bundle(self, snapshot: Snapshot) -> Bundle:
        return await self._slots.bundles.pull(
            snapshot.image or "", Credentials(snapshot.username, snapshot.password)
        )

    async def _fall_asleep(self, live: Live) -> None:
        async with live.turn:
            if live.phase != "live" or live.inflight:
                return
            live.phase = "dozing"
            await live.halt(max(live.drain_seconds, 1), "STOPPED")
            await self._slots.records.status(live.id, "SLEEPING", event="slept", unless=ENDED)
            # Only now may a request wake it: it must not start while it is being stopped.
            live.phase = "asleep"

    async def _wake(self, live: Live) -> None:
        async with live.turn:
            if live.phase != "waking":
                return
            await live.launch(phase="waking")
            up = await live.arrival(self._slots.hosting.wake_timeout)
            live.phase = "live"
            live.last_traffic = asyncio.get_running_loop().time()
            if up:
                await self._slots.records.status(live.id, "SUCCESS", event="resumed", unless=ENDED)
            else:
                self._slots.judge(live)
