"""Makes the scripts beside it run the package of their own checkout, also in a clone or a temporary copy of it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
