"""Reads every field that the service answers with a client that was made of its definition: fields.py URL DEM."""

import io
import sys
import time
import zipfile
from pathlib import Path

from eemt_client import Client
from eemt_client.api.jobs import dismiss, get_file, get_results, get_status
from eemt_client.api.maps import get_catalog, get_collection, get_items, get_statistics, get_tile, get_tile_json, get_value
from eemt_client.api.operation import get_health
from eemt_client.api.processes import execute, get_process, get_processes
from eemt_client.api.suite import clean_up, get_suite_job, get_system_status, get_zip, list_suite_jobs
from eemt_client.api.uploads import check_file, continue_upload, create_upload, upload_offset
from eemt_client.models import ExecuteRequest, ExecuteRequestInputs, ExecuteRequestResponse, Problem, Retention, Submission
from eemt_client.types import File

client = Client(base_url=sys.argv[1], timeout=60.0, raise_on_unexpected_status=True)
dem = Path(sys.argv[2])
problems = []


def want(what, ok, got):
    if not ok:
        problems.append(f"{what}: {got}")


want("health", get_health.sync(client=client).status == "healthy", None)
want("processes", {p.id for p in get_processes.sync(client=client).processes} >= {"sol", "eemt"}, None)
want("inputs", "dem" in get_process.sync("sol", client=client).inputs.additional_properties, None)
system = get_system_status.sync(client=client)
want("system", system.bucket_ok and system.docker_available and system.system_info.cpu_count > 0 and system.compute.ready, system)

with dem.open("rb") as f:
    found = check_file.sync(client=client, body=Submission(dem_file=File(payload=f, file_name="dem.tif")))
want("what the DEM is", (found.width, found.height, found.epsg) == (61, 87, 2193) and len(found.bbox) == 4 and found.cell_size_m == [10, 10], found)
want("its elevations", found.elevation.min_ == 94 and found.nodata.share == 0 and found.spikes.count == 0 and found.estimate.tiles == 1, found)

# An upload in two parts, by tus.
data = dem.read_bytes()
metadata = "filename ZGVtLnRpZg==,note aGVsbG8="
begun = create_upload.sync_detailed(client=client, tus_resumable="1.0.0", upload_length=len(data), upload_metadata=metadata)
name = begun.headers["Location"].rsplit("/", 1)[1]
for at, to in ((0, 1000), (1000, len(data))):
    part = continue_upload.sync_detailed(name, client=client, tus_resumable="1.0.0", upload_offset=at, body=File(payload=io.BytesIO(data[at:to])))
    want("a part", part.status_code == 204, part)
head = upload_offset.sync_detailed(name, client=client, tus_resumable="1.0.0")
want("the upload", head.headers["Upload-Offset"] == str(len(data)) and head.headers["Upload-Metadata"] == metadata, head.headers)

request = ExecuteRequest(inputs=ExecuteRequestInputs.from_dict({"dem": name, "step": 60, "linke_value": 3.5}), response=ExecuteRequestResponse.DOCUMENT)
job = execute.sync("sol", client=client, body=request).job_id
end = time.time() + 120
while (status := get_status.sync(job, client=client)).status in ("accepted", "running") and time.time() < end:
    time.sleep(0.2)
want("the job", status.status == "successful" and status.progress == 100 and status.finished > status.created, status)
results = get_results.sync(job, client=client)
want("results", results["total_sun"]["href"].endswith("total_sun_sum.tif"), results)

shown = get_suite_job.sync(job, client=client)
want("its parameters", shown.parameters.linke_value == 3.5 and shown.parameters.num_threads > 0 and shown.tasks_done == 1, shown)
want("the list", [j.id for j in list_suite_jobs.sync(client=client)] == [job], None)

s = get_statistics.sync(job, client=client)
want("statistics", s.min_ < s.p2 < s.mean < s.p98 < s.max_ and s.std > 0 and s.valid > 0 and sum(s.histogram) > 0 and len(s.histogram_size) == 2 and s.unit and s.description, s)
v = get_value.sync(job, client=client, lon=174.764, lat=-36.8765)
want("a value", v.lon == 174.764 and v.lat == -36.8765 and v.values[0].inside and s.min_ <= v.values[0].value <= s.max_ and v.values[0].col > 0, v)
t = get_tile_json.sync(job, client=client)
want("tiles", t.name and t.ramp and t.max_ == s.max_ and len(t.bounds) == 4 and t.center, t)
tile = get_tile.sync(job, 0, 0, "0.png", client=client)
want("a tile", tile.payload.read(4) == b"\x89PNG", tile)
want("a map", get_file.sync_detailed(job, "slope_dec.tif", client=client).content[:2] in (b"II", b"MM"), None)

want("the catalogue", get_catalog.sync(client=client).type_ == "Catalog", None)
collection = get_collection.sync("sol", client=client)
want("its extent", collection.extent.spatial.bbox[0][0] > 174 and collection.extent.temporal.interval[0][0] is not None, collection.extent)
item = get_items.sync("sol", client=client).features[0]
want("an item", item.id == job and item.properties["proj:code"] == "EPSG:2193" and item.assets["total_sun_sum"].roles == ["data"] and item.assets["total_sun_sum"].bands[0].unit, item)

whole = get_zip.sync_detailed(job, client=client)
want("the archive", zipfile.ZipFile(io.BytesIO(whole.content)).testzip() is None and whole.headers["Content-Length"] == str(len(whole.content)), whole.headers)
rest = get_zip.sync_detailed(job, client=client, range_="bytes=5000-", if_range=whole.headers["ETag"])
want("the rest of it", rest.status_code == 206 and rest.content == whole.content[5000:], rest.headers)

want("a dry cleanup", clean_up.sync(client=client, body=Retention(dry_run=True)).stats.errors == 0, None)
refused = execute.sync("sol", client=client, body=ExecuteRequest(inputs=ExecuteRequestInputs.from_dict({"dem": name, "step": 90})))
want("a refusal", isinstance(refused, Problem) and refused.parameter == "inputs.step" and refused.allowed, refused)
want("dismissed", dismiss.sync(job, client=client).status == "dismissed", None)
want("gone", isinstance(get_status.sync(job, client=client), Problem), None)

if problems:
    sys.exit("\n".join(problems))
