"""build/bench/results.json: what was measured last, of workloads and of curves, each with its commit."""

import json
import os
import platform
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def commit():
    found = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20}


def save(path, parts):
    """What was not measured this time stays; a curve that was replaces the one of its name."""
    results = {"commit": commit(), "machine": machine(), "runs": 0, "workloads": [], "peers": [], "ceilings": [], "curves": []}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            results.update(json.load(file))
    names = {curve["name"] for curve in parts.get("curves", [])}
    kept = [curve for curve in results["curves"] if curve["name"] not in names]
    results.update(parts)
    results["curves"] = sorted(kept + parts.get("curves", []), key=lambda curve: curve["name"])
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
