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
parser.add_argument("--altitude", help="Altitude.h5 of pvlib, where land is told from sea: how far the means are from the source")
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

if args.altitude:
    with h5py.File(args.altitude) as f:
        stored = f["Altitude"][:]
    # Metres are 28 times the number less 450; 255 stands for the sea, and heights below it are no use here.
    land = (stored != 255) & (stored != 0)
    metres = numpy.where(land, stored * 28.0 - 450, 0).clip(0)
    mean_metres = metres.reshape(rows // n, n, cols // n, n).mean(axis=(1, 3))[None]

    def sample(grid, y, x):
        """Bilinear values of [month, row, column] at fractional rows and columns of cells of the source."""
        y, x = ((y + 0.5) / n - 0.5)[:, None], ((x + 0.5) / n - 0.5)[None]
        i, j = numpy.floor(y).astype(int), numpy.floor(x).astype(int)
        fy, fx = y - i, x - j
        above, below = i.clip(0, grid.shape[1] - 1), (i + 1).clip(0, grid.shape[1] - 1)
        left, right = j % grid.shape[2], (j + 1) % grid.shape[2]
        north = grid[:, above, left] * (1 - fx) + grid[:, above, right] * fx
        south = grid[:, below, left] * (1 - fx) + grid[:, below, right] * fx
        return north * (1 - fy) + south * fy

    every = 3  # of the cells of the source, in both directions
    y, x = numpy.arange(0, rows, every), numpy.arange(0, cols, every)
    on = land[::every, ::every]
    have = sample(values / 20, y, x)[:, on]
    want = numpy.moveaxis(fine[::every, ::every], 2, 0)[:, on] / 20
    higher = metres[::every, ::every][on] - sample(mean_metres, y, x)[0][on]

    def off(scale):
        return have * numpy.exp(-higher / scale) - want

    best = min(range(5000, 60000, 500), key=lambda scale: (off(scale) ** 2).mean())
    print(f"over land: {numpy.sqrt((off(numpy.inf) ** 2).mean()):.3f} RMS, 99 of 100 within {numpy.percentile(abs(off(numpy.inf)), 99):.2f}")
    for scale in (8434.5, best):
        print(f"corrected for elevation by exp(-dz/{scale} m): {numpy.sqrt((off(scale) ** 2).mean()):.3f} RMS")
