"""Loads the main maps of the newest job of each collection as programs of the STAC community do: catalogue.py URL ITEM."""

import sys

import odc.stac
import pystac
import rasterio

url, alone = sys.argv[1:3]
for collection, bands in {
    "sol": ["total_sun_sum", "flat_total_sun_sum", "hours_sun_sum", "slope_dec"],
    "eemt": ["total_sun_sum", "EEMT_Topo_2020", "EEMT_Trad_2020"],
}.items():
    items = list(pystac.ItemCollection.from_file(f"{url}/stac/collections/{collection}/items"))
    if len(items) != 1:
        sys.exit(f"{collection}: {len(items)} items")
    cube = odc.stac.load(items, bands=bands)
    for band in bands:
        with rasterio.open(items[0].assets[band].href) as src:
            want = src.read(1, masked=True).mean()
            if items[0].assets[band].media_type is None or src.driver != "GTiff":
                sys.exit(f"{band} of {collection} is {items[0].assets[band]}")
        got = float(cube[band].mean())
        if abs(got - want) > 1e-4 * abs(want):
            sys.exit(f"{band} of {collection}: mean {got}, in the file {want}")
    root = pystac.Catalog.from_file(f"{url}/stac/catalog.json")
    if collection not in [c.id for c in root.get_children()]:
        sys.exit(f"the catalogue does not lead to {collection}")

# The item of a run on this machine stands by itself.
item = pystac.Item.from_file(alone)
if item.get_root() is not None or item.links and any(link.rel in ("root", "parent", "collection") for link in item.links):
    sys.exit(f"the item of a run links to {[link.href for link in item.links]}")
cube = odc.stac.load([item], bands=["total_sun_sum"])
if not float(cube.total_sun_sum.mean()) > 0:
    sys.exit("the map of a run is empty")
