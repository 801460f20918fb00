"""What became of items that were bought one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runflowd.api.errors import ApiError, Permanent
from runflowd.pipeline.track.answers import answer_of

if TYPE_CHECKING:
    from runflowd.api.client import Runflow
    from runflowd.api.values import Item as Answer
    from runflowd.api.values import Run
    from runflowd.store.items import Item


class RunsRead(NamedTuple):
    """Answers of runs that ended, why others are not to be found, and the error that broke the reading off."""

    results: list[tuple[Item, Answer]]
    lost: list[str]
    error: ApiError | None


async def read_runs(api: Runflow, waiting: list[Item]) -> RunsRead:
    """Read the runs of these items until an error that concerns them all."""
    results: list[tuple[Item, Answer]] = []
    lost: list[str] = []
    for item in waiting:
        try:
            run = await _run_of(api, item)
        except Permanent as error:  # one run's trouble is not the others'
            lost.append(str(error))
            continue
        except ApiError as error:
            return RunsRead(results, lost, error)
        if run is None:
            lost.append("no run at the service carries its reference")
        elif run.status.ended:
            results.append((item, answer_of(item, run)))
    return RunsRead(results, lost, None)


async def _run_of(api: Runflow, item: Item) -> Run | None:
    """The run of an item; searched by its reference when a lost answer kept its id from us."""
    if item.run_id:
        return await api.run(item.run_id)
    return next(iter(await api.find_runs(item.client_ref)), None)
