"""Reads the report of a Newman run: failures, answers and totals."""

import base64
from typing import Any

ANSWERS = "Epic Events' API answers"  # name of the first test in after.js


def report(run: dict[str, Any]) -> int:
    """Prints the results of a Newman run. Returns the exit status: 1 if a test failed or no test ran, otherwise 0."""
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


def sentences(run: dict[str, Any]) -> list[str]:
    """Returns the messages of the tests that failed in a Newman run."""
    return [failure["error"]["message"] for failure in run["failures"] if "test" in failure["error"]]


def sent(run: dict[str, Any]) -> list[str]:
    """Returns the names of the requests that Newman sent: the requests whose tests were run."""
    return list(dict.fromkeys(execution["item"]["name"] for execution in run["executions"] if _has_tests(execution)))


def _has_tests(execution: dict[str, Any]) -> bool:
    return any(test["assertion"] == ANSWERS for test in execution.get("assertions", ()))


def _body(answer: dict[str, Any]) -> str:
    stream = answer.get("stream", {})
    data = stream.get("data", b"") if isinstance(stream, dict) else b""
    return (
        bytes(data).decode(errors="replace")
        if isinstance(data, list)
        else base64.b64decode(data).decode(errors="replace")
    )
