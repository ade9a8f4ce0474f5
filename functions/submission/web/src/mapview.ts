// A map on a canvas: hillshade below, a layer above, moved by mouse, touch and keys.
import { Cog, Level } from "./tiff";
import { cog, tileNow, tiles } from "./source";
import { palette } from "./palettes";
import { h } from "./dom";

/** What maps side by side share: the part that is seen, and the cell that is marked. */
export class View extends EventTarget {
  /** Centre in cells of the full resolution, and CSS pixels per cell; 0 before the first map. */
  x = 0;
  y = 0;
  zoom = 0;
  mark: [number, number] | null = null;

  moved() {
    this.dispatchEvent(new Event("move"));
  }
  marked(col: number, row: number) {
    this.mark = [col, row];
    this.dispatchEvent(new Event("mark"));
    this.moved();
  }
}

export interface Look {
  url: string;
  palette: string;
  from: number;
  to: number;
  opacity: number;
  /** Slope and aspect in degrees, for the hillshade. */
  relief: { slope: string; aspect: string } | null;
  label: string;
}

const MOST_PICTURES = 300;
const SUN_AZIMUTH = (315 * Math.PI) / 180;
const SUN_HEIGHT = (45 * Math.PI) / 180;

/** 0 to 255 for a cell, light from the north-west (Horn 1981); slope and aspect in degrees, aspect clockwise from north. */
export function shade(slope: number, aspect: number): number {
  const s = (slope * Math.PI) / 180;
  const a = Number.isNaN(aspect) ? 0 : (aspect * Math.PI) / 180;
  const v = Math.sin(SUN_HEIGHT) * Math.cos(s) + Math.cos(SUN_HEIGHT) * Math.sin(s) * Math.cos(SUN_AZIMUTH - a);
  return Math.max(0, Math.min(255, 255 * v));
}

export class MapView {
  readonly canvas: HTMLCanvasElement;
  readonly element: HTMLElement;
  private look: Look | null = null;
  private image: Cog | null = null;
  private pictures = new Map<string, HTMLCanvasElement>();
  private frame = 0;
  private busy = 0;
  private fingers = new Map<number, { x: number; y: number }>();
  private dragged = false;
  private failed = "";
  private closed = new AbortController();

  constructor(private view: View) {
    this.canvas = h("canvas", {
      class: "map",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "map",
      "aria-label": "Map",
      "aria-describedby": "map-keys",
    });
    const button = (text: string, label: string, f: () => void) => h("button", { type: "button", "aria-label": label, title: label, onclick: f }, text);
    this.element = h(
      "div",
      { class: "mapbox" },
      this.canvas,
      h("div", { class: "zoom" }, button("+", "Zoom in", () => this.zoomBy(2)), button("−", "Zoom out", () => this.zoomBy(0.5)), button("⤢", "Show the whole map", () => this.fit())),
    );
    const on = { signal: this.closed.signal };
    view.addEventListener("move", () => this.draw(), on);
    this.canvas.addEventListener("pointerdown", (e) => this.down(e), on);
    this.canvas.addEventListener("pointermove", (e) => this.move(e), on);
    this.canvas.addEventListener("pointerup", (e) => this.up(e), on);
    this.canvas.addEventListener("pointercancel", (e) => this.fingers.delete(e.pointerId), on);
    this.canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false, ...on });
    this.canvas.addEventListener("keydown", (e) => this.key(e), on);
    const seen = new ResizeObserver(() => {
      this.fitOnce();
      this.draw();
    });
    seen.observe(this.canvas);
    this.closed.signal.addEventListener("abort", () => seen.disconnect());
  }

  close() {
    this.closed.abort();
    cancelAnimationFrame(this.frame);
  }

  async show(look: Look) {
    this.look = look;
    this.canvas.setAttribute("aria-label", `Map: ${look.label}`);
    try {
      const image = await cog(look.url);
      if (this.look !== look) return;
      this.image = image;
      this.failed = "";
      this.fitOnce();
    } catch (e) {
      this.failed = `${look.label}: ${(e as Error).message}`;
    }
    this.draw();
  }

  private fitOnce() {
    if (this.view.zoom === 0 && this.image && this.canvas.clientWidth > 0) this.fit();
  }

  fit() {
    if (!this.image) return;
    const { width, height } = this.image;
    this.view.x = width / 2;
    this.view.y = height / 2;
    this.view.zoom = Math.min(this.canvas.clientWidth / width, this.canvas.clientHeight / height) * 0.96;
    this.view.moved();
  }

  private zoomBy(factor: number, px = this.canvas.clientWidth / 2, py = this.canvas.clientHeight / 2) {
    if (!this.image) return;
    const v = this.view;
    const least = (Math.min(this.canvas.clientWidth / this.image.width, this.canvas.clientHeight / this.image.height) || 1) * 0.4;
    const zoom = Math.max(least, Math.min(64, v.zoom * factor));
    const dx = px - this.canvas.clientWidth / 2;
    const dy = py - this.canvas.clientHeight / 2;
    this.pan(dx / v.zoom - dx / zoom, dy / v.zoom - dy / zoom, zoom);
  }

  private pan(dx: number, dy: number, zoom = this.view.zoom) {
    const v = this.view;
    if (!this.image) return;
    v.x = Math.max(0, Math.min(this.image.width, v.x + dx));
    v.y = Math.max(0, Math.min(this.image.height, v.y + dy));
    v.zoom = zoom;
    v.moved();
  }

  private cell(px: number, py: number): [number, number] {
    const v = this.view;
    return [Math.floor(v.x + (px - this.canvas.clientWidth / 2) / v.zoom), Math.floor(v.y + (py - this.canvas.clientHeight / 2) / v.zoom)];
  }

  private mark(col: number, row: number) {
    if (!this.image) return;
    this.view.marked(Math.max(0, Math.min(this.image.width - 1, col)), Math.max(0, Math.min(this.image.height - 1, row)));
  }

  private down(e: PointerEvent) {
    if (e.button !== 0) return;
    this.canvas.setPointerCapture(e.pointerId);
    if (this.fingers.size === 0) this.dragged = false;
    this.fingers.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
  }

  private move(e: PointerEvent) {
    const last = this.fingers.get(e.pointerId);
    if (!last) return;
    const now = { x: e.offsetX, y: e.offsetY };
    if (this.fingers.size === 2) {
      const other = [...this.fingers.entries()].find(([id]) => id !== e.pointerId)![1];
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const after = Math.hypot(now.x - other.x, now.y - other.y);
      if (before > 0) this.zoomBy(after / before, (now.x + other.x) / 2, (now.y + other.y) / 2);
      this.dragged = true;
    } else if (this.dragged || Math.hypot(now.x - last.x, now.y - last.y) > 3) {
      this.dragged = true;
      this.pan((last.x - now.x) / this.view.zoom, (last.y - now.y) / this.view.zoom);
    } else return;
    this.fingers.set(e.pointerId, now);
  }

  private up(e: PointerEvent) {
    if (!this.fingers.delete(e.pointerId) || this.dragged) return;
    const [col, row] = this.cell(e.offsetX, e.offsetY);
    if (this.image && col >= 0 && row >= 0 && col < this.image.width && row < this.image.height) this.mark(col, row);
  }

  private wheel(e: WheelEvent) {
    e.preventDefault();
    this.zoomBy(Math.exp(-Math.max(-120, Math.min(120, e.deltaY)) / 300), e.offsetX, e.offsetY);
  }

  private key(e: KeyboardEvent) {
    if (!this.image || e.ctrlKey || e.metaKey || e.altKey) return;
    const by = e.shiftKey ? 10 : 1;
    const steps: Record<string, [number, number]> = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const step = steps[e.key];
    if (step) {
      const [col, row] = this.view.mark ?? [Math.floor(this.view.x) - step[0], Math.floor(this.view.y) - step[1]];
      this.mark(col + step[0], row + step[1]);
      this.follow();
    } else if (e.key === "+" || e.key === "=") this.zoomBy(2);
    else if (e.key === "-") this.zoomBy(0.5);
    else if (e.key === "0") this.fit();
    else if (e.key === "Enter") this.mark(Math.floor(this.view.x), Math.floor(this.view.y));
    else return;
    e.preventDefault();
  }

  /** Keeps the marked cell in sight. */
  private follow() {
    const [col, row] = this.view.mark!;
    const v = this.view;
    const w = this.canvas.clientWidth / v.zoom / 2;
    const hgt = this.canvas.clientHeight / v.zoom / 2;
    if (Math.abs(col - v.x) > w * 0.9 || Math.abs(row - v.y) > hgt * 0.9) this.pan(col - v.x, row - v.y);
  }

  private draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  private paint() {
    const c = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    const w = Math.round(c.clientWidth * ratio);
    const hgt = Math.round(c.clientHeight * ratio);
    if (c.width !== w || c.height !== hgt) {
      c.width = w;
      c.height = hgt;
    }
    const g = c.getContext("2d")!;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, w, hgt);
    if (this.failed) {
      g.font = `${14 * ratio}px system-ui, sans-serif`;
      g.fillStyle = getComputedStyle(c).color;
      g.fillText(this.failed, 16 * ratio, 32 * ratio);
      return;
    }
    const { image, look, view } = this;
    if (!image || !look || view.zoom === 0) return;
    const scale = view.zoom * ratio;
    // The coarsest level that still has a cell for every pixel.
    let at = 0;
    while (at + 1 < image.levels.length && factor(image, at + 1) * scale <= 1.01) at++;
    const f = factor(image, at);
    const l = image.levels[at];
    g.setTransform(scale, 0, 0, scale, w / 2 - view.x * scale, hgt / 2 - view.y * scale);
    g.save();
    g.beginPath();
    g.rect(0, 0, image.width, image.height);
    g.clip();
    const x0 = view.x - w / 2 / scale;
    const y0 = view.y - hgt / 2 / scale;
    const span = (from: number, size: number, tile: number, n: number) => [Math.max(0, Math.floor(from / f / tile)), Math.min(n - 1, Math.floor((from + size) / f / tile))];
    const [tx0, tx1] = span(x0, w / scale, l.tileWidth, l.across);
    const [ty0, ty1] = span(y0, hgt / scale, l.tileHeight, l.down);
    const indices: number[] = [];
    for (let ty = ty0; ty <= ty1; ty++) for (let tx = tx0; tx <= tx1; tx++) indices.push(ty * l.across + tx);
    g.imageSmoothingEnabled = scale * f < 1;
    let waiting = false;
    const missing: Record<string, number[]> = {};
    const need = (url: string, i: number) => {
      const t = tileNow(url, at, i);
      if (!t) (missing[url] ??= []).push(i);
      return t;
    };
    const put = (picture: HTMLCanvasElement, i: number) => {
      const tx = i % l.across;
      const ty = Math.floor(i / l.across);
      g.drawImage(picture, tx * l.tileWidth * f, ty * l.tileHeight * f, l.tileWidth * f, l.tileHeight * f);
    };
    if (look.relief) {
      for (const i of indices) {
        const key = `relief ${look.relief.slope} ${at} ${i}`;
        let p = this.pictures.get(key);
        if (!p) {
          const slope = need(look.relief.slope, i);
          const aspect = need(look.relief.aspect, i);
          if (!slope || !aspect) continue;
          p = this.keep(key, reliefPicture(l, slope, aspect));
        }
        put(p, i);
      }
    }
    g.globalAlpha = look.opacity;
    for (const i of indices) {
      const key = `${look.url} ${at} ${i} ${look.palette} ${look.from} ${look.to}`;
      let p = this.pictures.get(key);
      if (!p) {
        const t = need(look.url, i);
        if (!t) continue;
        p = this.keep(key, layerPicture(l, t, look));
      }
      put(p, i);
    }
    g.globalAlpha = 1;
    g.restore();
    for (const [url, list] of Object.entries(missing)) {
      waiting = true;
      this.busy++;
      tiles(url, at, list)
        .catch((e: Error) => {
          if (url === look.url) this.failed = e.message;
          else if (this.look) this.look.relief = null; // a map without relief is better than none
        })
        .finally(() => {
          this.busy--;
          this.draw();
        });
    }
    this.element.classList.toggle("busy", waiting || this.busy > 0);
    c.dataset.drawn = waiting || this.busy > 0 ? "" : `${look.url} ${look.palette} ${look.from} ${look.to}`;
    if (view.mark) this.cross(g, ratio, scale, w, hgt);
    this.bar(g, ratio, hgt);
  }

  private cross(g: CanvasRenderingContext2D, ratio: number, scale: number, w: number, hgt: number) {
    const [col, row] = this.view.mark!;
    g.setTransform(1, 0, 0, 1, 0, 0);
    const x = (col + 0.5 - this.view.x) * scale + w / 2;
    const y = (row + 0.5 - this.view.y) * scale + hgt / 2;
    const r = Math.max(7 * ratio, scale / 2 + 2 * ratio);
    for (const [width, colour] of [
      [4, "#ffffffcc"],
      [2, "#111111"],
    ] as const) {
      g.lineWidth = width * ratio;
      g.strokeStyle = colour;
      g.beginPath();
      g.arc(x, y, r, 0, 7);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        g.moveTo(x + dx * r, y + dy * r);
        g.lineTo(x + dx * (r + 8 * ratio), y + dy * (r + 8 * ratio));
      }
      g.stroke();
    }
  }

  /** A scale bar where the map has metres. */
  private bar(g: CanvasRenderingContext2D, ratio: number, hgt: number) {
    const t = this.image!.transform;
    if (!t || Math.abs(t[1]) < 0.05) return; // degrees
    const perPixel = Math.abs(t[1]) / this.view.zoom;
    const wanted = 110 * perPixel;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const length = power * (wanted / power >= 5 ? 5 : wanted / power >= 2 ? 2 : 1);
    const px = (length / perPixel) * ratio;
    const text = length >= 1000 ? `${length / 1000} km` : `${length} m`;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    g.fillStyle = "#ffffffd9";
    g.fillRect(8 * ratio, hgt - 30 * ratio, px + 16 * ratio, 22 * ratio);
    g.fillStyle = "#111";
    g.fillText(text, 16 * ratio, hgt - 18 * ratio);
    g.fillRect(16 * ratio, hgt - 14 * ratio, px, 2 * ratio);
  }

  private keep(key: string, p: HTMLCanvasElement): HTMLCanvasElement {
    this.pictures.set(key, p);
    if (this.pictures.size > MOST_PICTURES) this.pictures.delete(this.pictures.keys().next().value!);
    return p;
  }
}

/** How many cells of the full resolution a cell of a level covers: overviews halve. */
function factor(c: Cog, level: number): number {
  return 2 ** Math.round(Math.log2(c.width / c.levels[level].width));
}

function picture(l: Level, colour: (i: number, out: Uint8ClampedArray, at: number) => void): HTMLCanvasElement {
  const p = document.createElement("canvas");
  p.width = l.tileWidth;
  p.height = l.tileHeight;
  const g = p.getContext("2d")!;
  const data = g.createImageData(l.tileWidth, l.tileHeight);
  for (let i = 0, n = l.tileWidth * l.tileHeight; i < n; i++) colour(i, data.data, 4 * i);
  g.putImageData(data, 0, 0);
  return p;
}

function layerPicture(l: Level, t: Float32Array, look: Look): HTMLCanvasElement {
  const colours = palette(look.palette);
  const scale = look.to > look.from ? 255 / (look.to - look.from) : 0;
  return picture(l, (i, out, at) => {
    const v = t[i];
    if (v !== v) return;
    const k = 3 * (scale === 0 ? 128 : Math.max(0, Math.min(255, Math.round((v - look.from) * scale))));
    out[at] = colours[k];
    out[at + 1] = colours[k + 1];
    out[at + 2] = colours[k + 2];
    out[at + 3] = 255;
  });
}

function reliefPicture(l: Level, slope: Float32Array, aspect: Float32Array): HTMLCanvasElement {
  return picture(l, (i, out, at) => {
    if (slope[i] !== slope[i]) return;
    const v = shade(slope[i], aspect[i]);
    out[at] = out[at + 1] = out[at + 2] = v;
    out[at + 3] = 255;
  });
}
