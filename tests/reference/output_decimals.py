"""Records single-precision numbers as NumPy prints them: tests/data/output_decimals.csv.

Run from the repository root with NumPy 2: python3 tests/reference/output_decimals.py
"""

import numpy as np

rng = np.random.default_rng(20241120)
singles = [0.0, 1.0, -1.0, 0.1, 1e-4, 9.999e-5, 1e-5, 1e15, 1e16, 16777216.0, 3.4028235e38,
           1.1754944e-38, 1e-45, 123456.79, 0.3333333, 100.0, 1e10, -2.5e-8, 9.5367432e-07]
singles += list(rng.standard_normal(200) * 10)
singles += list(10.0 ** rng.uniform(-44, 38, 200) * rng.choice([-1, 1], 200))
with open("tests/data/output_decimals.csv", "w", encoding="ascii", newline="\n") as out:
    out.write("bits,numpy\n")
    for value in np.array(singles, np.float32):
        out.write(f"{value.view(np.uint32):08x},{value!s}\n")
