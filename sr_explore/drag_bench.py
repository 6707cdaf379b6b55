"""How long a drag of the pruning slider takes on this machine: `make bench`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sr_explore.devices import device_name, pick_device
from sr_explore.exploring import PruningRequest, PruningSession
from sr_explore.images import read_sample

PHOTO = "dogs"
RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class DragTime:
    """Seconds from a request to its answer; `limit_s` is what a person should wait at most, None where that is open."""

    what: str
    seconds: float
    limit_s: float | None = None

    def __str__(self) -> str:
        limit = "" if self.limit_s is None else f"   (at most {self.limit_s:g} s)"
        return f"{self.what:<44}{self.seconds:7.2f} s{limit}"


def drag_times(network: str = "rfdn-x4", photo: str = PHOTO, device: str = "auto") -> Iterator[DragTime]:
    """Drag the slider as a person would, and time every answer, the shared work before it apart.

    Args:
        network: a shipped name, or a file.
        photo: a sample's name; it serves as reference, so the network gets it at 192 × 128 px for ×4.
        device: as in `Upscaler`.

    Raises:
        UserError: if one of them does not exist.
    """
    on_gpu = pick_device(device).type == "cuda"
    session, seconds = _timed(lambda: PruningSession(network, read_sample(photo), is_reference=True, device=device))
    yield DragTime("loading", seconds)
    yield DragTime("what all answers share", _timed(session.prepare)[1])
    for name, reconstruct, limit in [("pruned", False, 1.0), ("pruned and reconstructed", True, 3.0)]:
        for ratio in RATIOS:
            request = PruningRequest(ratio, reconstruct=reconstruct)
            if ratio != PruningRequest().ratio or reconstruct:  # `prepare` has asked for that one already
                what = f"{name}, ratio {ratio:g}"
                yield DragTime(what, _timed(lambda r=request: session.answer(r))[1], 0.3 if on_gpu else limit)
    yield DragTime("asked before", _timed(lambda: session.answer(PruningRequest(RATIOS[0])))[1], 0.3)


def _timed(work: Callable):
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def main(network: str = "rfdn-x4") -> None:
    """Print all times of a network."""
    print(f"{network} on {device_name(pick_device())}, sample photo {PHOTO} at 192 × 128 px")
    for measured in drag_times(network):
        print(measured)


if __name__ == "__main__":
    main()
