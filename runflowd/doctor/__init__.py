"""`runflowd doctor`: everything the daemon rests on, examined; for each finding where, what it means and the remedy.

A look (`look_at_*`) asks the machine or the service and may block; what it saw is judged by a plain
function (`judge_*`) of values. Every look has a thread and a deadline of its own (`probing`).
"""

from __future__ import annotations

from runflowd.doctor.examining import examine
from runflowd.doctor.findings import Finding, Level
from runflowd.doctor.probing import Probe
from runflowd.doctor.target import Target, case_of

__all__ = ["Finding", "Level", "Probe", "Target", "case_of", "examine"]
