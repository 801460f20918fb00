from __future__ import annotations

import sys

from runflowd.cli import main

sys.exit(main())
