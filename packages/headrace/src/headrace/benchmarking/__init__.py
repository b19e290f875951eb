"""`headrace bench`: the speed of an endpoint under a planned load.

    apis.py      the APIs                        prompts.py  the requests
    load.py      sends them: closed, open loop   series.py   runs one after another
    meter.py     measures responses: sample.py   run.py      a run, as data
    summary.py   the figures of a run            compare.py  the difference of two runs
    report.py, page.py, plots.py, plot.py        runs as text, JSON, HTML

Only `load.py` waits; everything else computes figures from recorded times. It uses the decoders of this
package and nothing of the server.
"""

from headrace.benchmarking.compare import compare
from headrace.benchmarking.load import bench
from headrace.benchmarking.run import Progress, Run, Settings
from headrace.benchmarking.sample import Sample
from headrace.benchmarking.series import Target, added_delays, bench_series
from headrace.benchmarking.summary import Slo, Summary, summarize

__all__ = [
    "Progress",
    "Run",
    "Sample",
    "Settings",
    "Slo",
    "Summary",
    "Target",
    "added_delays",
    "bench",
    "bench_series",
    "compare",
    "summarize",
]
