"""`headrace check --verify`: how well a model calls tools, for comparing two deployments of the same model.

samples.py, samples.jsonl   requests, and which tools should be called
outcome.py                  what an answer shows: its calls, whether they obey their schemas
run.py                      samples → endpoint → outcomes
figures.py, report.py       counts and F1; the report as text and as JSON
"""

from headrace.checking.verify.run import VerifyRun, verify
from headrace.checking.verify.samples import SHIPPED, Sample, read_samples

__all__ = ["SHIPPED", "Sample", "VerifyRun", "read_samples", "verify"]
