// What a page of TypeScript reads of the answers: it is compiled only, against the types made of the definition.
import type { components, paths } from "./api";

type Job = components["schemas"]["suiteJob"];
type Examined = paths["/api/check"]["post"]["responses"]["200"]["content"]["application/json"];
type Statistics = paths["/jobs/{jobID}/statistics"]["get"]["responses"]["200"]["content"]["application/json"];
type Values = paths["/jobs/{jobID}/value"]["get"]["responses"]["200"]["content"]["application/json"];
type Status = paths["/jobs/{jobID}"]["get"]["responses"]["200"]["content"]["application/json"];
type Item = paths["/stac/collections/{collection}/items"]["get"]["responses"]["200"]["content"]["application/geo+json"]["features"][number];

export function line(j: Job): string {
  const linke: number | number[] | null = j.parameters.linke_value;
  return `${j.id} ${j.status} ${j.progress} % of ${j.dem_filename}, ${j.parameters.step} min, T_L ${linke}, ${j.estimated_completion ?? "no time"}`;
}
export const size = (e: Examined): number => e.width * e.height * e.cell_size_m[0] * e.cell_size_m[1] * (1 - e.nodata.share);
export const spread = (s: Statistics): number => (s.p98 - s.p2) / s.std + s.histogram.length * s.valid;
export const place = (v: Values): string => `${v.lon} ${v.lat}: ${v.values.map((x) => `${x.value} ${x.unit} at ${x.col}, ${x.row}`)}`;
export const ended = (s: Status): boolean => s.status === "successful" || s.status === "failed" || s.status === "dismissed";
export const maps = (i: Item): string[] => Object.values(i.assets).filter((a) => a.roles?.includes("data")).map((a) => a.href);
// @ts-expect-error: a field that is not answered is not there
export const none = (j: Job) => j.nothing;
