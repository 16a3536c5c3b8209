"""Lets the scripts beside it run the package of their own checkout, be it a clone or a temporary copy."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
