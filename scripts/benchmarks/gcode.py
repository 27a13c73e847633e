"""How fast files are read: every line for the index, or what the slicer says."""

from pathlib import Path
import resource

from custom_components.printfarm import gcode as reader
from custom_components.printfarm.farm.worker import CpuWorker
from scripts.devhome import ROOT

from .measure import Figure, repeated, stopwatch

VASE = ROOT / "tests" / "fixtures" / "gcode" / "vase.gcode"
SIZE = 100 * 1000**2


async def run(folder: Path) -> list[Figure]:
    """Analyse a 100 MB file as the farm does, and look at it quickly."""
    path = repeated(VASE, folder / "large.gcode", SIZE)
    megabytes = path.stat().st_size / 1000**2
    with stopwatch() as full:
        report = await CpuWorker().analyse(path, path.name, folder / "work")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    with stopwatch() as quick:
        reader.quick(path, path.name)
    index_path = report.plates[0].index
    assert index_path is not None
    index = reader.LayerIndex.load(index_path)
    looks = 10_000
    with stopwatch() as at:
        for number in range(looks):
            index.at(number * path.stat().st_size // looks)
    return [
        Figure(
            "full analysis, in a process of its own", megabytes / full.seconds, "MB/s"
        ),
        Figure("its memory at most", most, "MB"),
        Figure("quick look", quick.seconds * 1000, "ms"),
        Figure("where in the print is this byte", at.seconds / looks * 1e6, "µs"),
    ]
