"""Writes the grid of Linke turbidity that package turbidity embeds.

It reads LinkeTurbidities.h5 of pvlib python (tested with 0.11.1 and 0.11.2, whose files are the same): 2160 x 4320 cells of
5 arc minutes from 90 N and 180 W, twelve months, each value 20 times the turbidity. Needs h5py and numpy:

    python3 internal/gen/grid.py --source LinkeTurbidities.h5
"""

import argparse
import gzip
import hashlib

import h5py
import numpy

PER_DEGREE = 12  # cells of the source
SOURCE_SHA256 = "34c7e4c0bf865416ecbbfc32b0c3e9b56039a6aadff6997cc3c9ccae8c63e931"

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source", required=True, help="LinkeTurbidities.h5")
parser.add_argument("--out", default="linke.gz", help="file to write")
parser.add_argument("--degrees", type=float, default=1.5, help="side of a cell")
args = parser.parse_args()

with open(args.source, "rb") as f:
    if hashlib.sha256(f.read()).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"{args.source}: not the file that the grid was made of")
with h5py.File(args.source) as f:
    fine = f["LinkeTurbidity"][:].astype(numpy.float64)

n = round(args.degrees * PER_DEGREE)
rows, cols, months = fine.shape
coarse = fine.reshape(rows // n, n, cols // n, n, months).mean(axis=(1, 3))
values = numpy.rint(coarse).clip(20, 160).astype(numpy.uint8)  # turbidity 1 to 8
values = numpy.moveaxis(values, 2, 0)  # month, row, column

# The first of a row as it is, each other less its western neighbour: half the size when packed.
steps = values.copy()
steps[:, :, 1:] = values[:, :, 1:] - values[:, :, :-1]
with open(args.out, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", compresslevel=9, mtime=0) as z:
    z.write(steps.tobytes())
print(f"{args.out}: {values.shape}, turbidity {values.min() / 20} to {values.max() / 20}, {(coarse < 20).sum()} values below 1 raised")
