"""Prints Newman's report: the details of each failure, and the totals."""

import base64
from typing import Any


def report(run: dict[str, Any]) -> int:
    """Prints the report. Returns the exit status: 1 if a test failed or none ran."""
    answers = {execution["cursor"]["ref"]: execution.get("response", {}) for execution in run["executions"]}
    for failure in run["failures"]:
        folder, request = failure.get("parent", {}).get("name", ""), failure["source"].get("name", "")
        print(f"FAILED: {folder} / {request}")
        print(f"    {failure['error'].get('test', failure['error']['name'])}: {failure['error']['message']}")
        answer = answers.get(failure["cursor"]["ref"], {})
        print(f"    answer: {answer.get('code', 'none')} {_body(answer)[:500]}")
    stats, timings = run["stats"], run["timings"]
    seconds = (timings["completed"] - timings["started"]) / 1000
    requests, tests = stats["requests"]["total"], stats["assertions"]["total"]
    print(f"Newman: {requests} requests, {tests} tests, {len(run['failures'])} failures, {seconds:.0f} s.")
    return 1 if run["failures"] or not tests else 0


def _body(answer: dict[str, Any]) -> str:
    stream = answer.get("stream", {})
    data = stream.get("data", b"") if isinstance(stream, dict) else b""
    return (
        bytes(data).decode(errors="replace")
        if isinstance(data, list)
        else base64.b64decode(data).decode(errors="replace")
    )
