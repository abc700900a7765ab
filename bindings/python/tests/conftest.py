# SPDX-License-Identifier: Apache-2.0
"""What was skipped is printed in the form that `make test` collects."""


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("skipped", []):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"skipped: {report.nodeid}: {why.removeprefix('Skipped: ')}")
