// uPlot in a component: made anew when its data, size, theme or language change. It must never be the only way to a number.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { language, theme } from "./state.js";
import { number } from "./text.js";
import { tick, zone } from "./time.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const palette = (at) => color(`--series-${(at % 8) + 1}`);

// The width that there is for an element.
export function useWidth(ref) {
  const [width, set] = useState(0);
  useLayoutEffect(() => {
    const look = () => set(Math.floor(ref.current?.clientWidth || 0));
    look();
    const watch = new ResizeObserver(look);
    if (ref.current) watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

const axis = (more) => ({
  stroke: color("--quiet"), font: "11px system-ui, sans-serif", grid: { stroke: color("--grid"), width: 1 },
  ticks: { stroke: color("--grid"), width: 1, size: 4 }, ...more,
});

// Counts are whole numbers, and so are the lines behind them.
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

// Axes of time and of counts.
export const axes = (step) => [
  axis({ size: 26, space: step >= 86400 ? 90 : 110, values: (_, at) => at.map((s) => tick(s, step)) }),
  axis({ size: 56, incrs: WHOLE, values: (_, at) => at.map((n) => (n >= 10000 ? `${number(n / 1000)}k` : number(n))) }),
];

// `make(width)` gives options and data; `deps` say when they are others.
export function Plot({ make, deps, height = 180, label, onMake }) {
  const box = useRef(null), width = useWidth(box);
  useEffect(() => {
    if (!width || !box.current) return undefined;
    const made = make();
    if (!made) return undefined;
    const tz = zone() === "utc" ? (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC") : (s) => new Date(s * 1000);
    const plot = new uPlot({ width, height, tzDate: tz, legend: { show: false }, cursor: { y: false }, ...made.options }, made.data, box.current);
    // Who cannot see the picture has its table and its label.
    plot.root.setAttribute("aria-hidden", "true");
    onMake?.(plot);
    return () => { onMake?.(null); plot.destroy(); };
  }, [width, theme(), language(), zone(), ...deps]);
  return html`<div class="plot" ref=${box} role=${label ? "img" : undefined} aria-label=${label}></div>`;
}

export const line = (label, at) => ({ label, stroke: palette(at), width: 1.5, points: { show: false } });
export const bars = (label, stroke) => ({ label, stroke, fill: stroke, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.86, 100], align: 1 }) });
export { color };
