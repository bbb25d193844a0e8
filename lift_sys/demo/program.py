"""The demo as one call: read the packages, start the model, audit, measure the speed-up.

The engine's own estimate (time of all steps over time of the run) flatters here: requests that
share a core wait for each other inside the model. So some packages are audited one request at a
time first, and the time per request is compared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_sys.core.usage import Usage
from lift_sys.demo.license_audit import Audit, Services, audit_graph, clients_for
from lift_sys.demo.packages import Package, installed_packages
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.core.ports import Observer
    from lift_sys.durability.stores.base import DatabaseStore

#: Most servers of the model, one for each core, of 300 MB each.
MOST_SERVERS = 2
#: Requests under way at a time for each server; more share the same core and gain nothing.
PARALLEL_PER_SERVER = 2
#: Packages that are audited one request at a time, to compare with.
BASELINE_PACKAGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """What the demo found.

    Attributes:
        audit: The final state.
        parallel: Requests under way at a time.
        servers: Servers of the model, each on a core.
        usage: Calls and tokens of the parallel run.
        elapsed: Seconds of the parallel run, in this process.
        baseline_seconds: Seconds per request, one at a time.
        estimated_speed_up: The engine's estimate, see the module's text.
        weak_votes: Votes in which no licence had more than half.
        went_on: Whether other processes did a part of it: of one that was killed nobody knows how
            long it took, so no time of the whole is known.
    """

    audit: Audit
    parallel: int
    servers: int
    usage: Usage
    elapsed: float
    baseline_seconds: float
    estimated_speed_up: float
    weak_votes: int
    went_on: bool = False

    @property
    def checked(self) -> list[Package]:
        """Packages that declare a licence and were given a verdict."""
        known = [package for package in self.audit.packages if package.declared is not None]
        return [package for package in known if package.name in self.audit.families]

    @property
    def right(self) -> int:
        """How many verdicts are what the package declares."""
        families = self.audit.families
        return sum(families[package.name] == package.declared for package in self.checked)

    @property
    def agreement(self) -> float:
        """Mean share of the winner among the votes that were cast, over all packages."""
        shares = []
        for name, votes in self.audit.votes.items():
            cast = [vote for vote in votes if vote is not None]
            shares.append(cast.count(self.audit.families[name]) / len(cast))
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def speed_up(self) -> float:
        """Time per request one at a time, over that in parallel."""
        parallel_seconds = self.elapsed / max(1, self.usage.calls)
        return self.baseline_seconds / parallel_seconds if self.elapsed else 0.0


async def audit_installed(
    limit: int = 12,
    *,
    on_event: Observer | None = None,
    say: Callable[[str], None] = lambda _: None,
    store: DatabaseStore | None = None,
    execution_id: str | None = None,
) -> DemoReport:
    """Audit `limit` installed packages on the embedded model.

    Args:
        limit: Packages; about 4 requests each.
        on_event: Observer of the parallel run.
        say: Is told what happens next, in a sentence.
        store: Keeps the run; one of the same name goes on.
        execution_id: The run's name.

    Raises:
        UsageError: No installed package carries a licence text.
        ModelNotFoundError: The weights are not on this machine.
        MissingExtraError: An extra is not installed.
    """
    from lift_sys.llm.local import local_model

    packages = installed_packages(limit)
    if not packages:
        raise UsageError("No installed package carries a licence text; there is nothing to audit.")
    servers = min(MOST_SERVERS, os.cpu_count() or 1)
    parallel = servers * PARALLEL_PER_SERVER
    say(f"Starting the embedded model (SmolLM2, 135 million parameters), {servers} times...")
    async with AsyncExitStack() as stack:
        clients = [
            clients_for(await stack.enter_async_context(local_model())) for _ in range(servers)
        ]
        everywhere = Services(tuple(clients))
        say("Warming up...")  # or the first requests would pay for prompts that others find cached
        await audit_graph(parallel).run(state=Audit(packages=packages[:servers]), deps=everywhere)
        few = packages[-BASELINE_PACKAGES:]  # not those whose prompts the servers have just seen
        say(f"Auditing {len(few)} packages one request at a time, to compare with...")
        began = time.perf_counter()
        alone = await audit_graph(1).run(state=Audit(packages=few), deps=Services((clients[0],)))
        baseline = (time.perf_counter() - began) / max(1, alone.usage.total.calls)
        say(f"Auditing {len(packages)} packages, {parallel} requests at a time...")
        result = await audit_graph(parallel).run(
            state=Audit(packages=packages),
            deps=everywhere,
            on_event=on_event,
            store=store,
            execution_id=execution_id,
        )
    went_on = store is not None and (await store.load(result.execution_id))[0].takeovers > 0
    return DemoReport(
        audit=result.state,
        parallel=parallel,
        servers=servers,
        usage=result.usage.total,
        elapsed=result.elapsed,
        baseline_seconds=baseline,
        estimated_speed_up=result.statistics["estimated_speedup"],
        weak_votes=sum(2 * len(vote.classes[0]) <= vote.cast for vote in result.votes.values()),
        went_on=went_on,
    )
