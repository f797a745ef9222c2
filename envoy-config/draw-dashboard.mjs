// Draws a dashboard of grafana/ as SVG, from the results that a Prometheus gives for the queries in its file. It stands in for
// Grafana where there is none: titles, queries, units, thresholds and places are the file's, the looks are not Grafana's.
//
//   node draw-dashboard.mjs grafana/overview.json http://127.0.0.1:9090 START END STEP NAME=VALUE... > overview.svg
//
// START and END are seconds since 1970, STEP is in seconds. The values are those of variables, such as `job=sidecars`; without one it
// is what it is when the dashboard opens. `__rate_interval` (in Grafana four times the scrape interval or more) is needed.
import { readFileSync } from "node:fs";
import * as echarts from "echarts";

const [file, prometheus, start, end, step, ...chosen] = process.argv.slice(2);
const dashboard = JSON.parse(readFileSync(file, "utf8"));

const COLUMN = 50, ROW = 32, GAP = 8, TITLE = 26;
const COLOURS = { green: "#3a8a3e", orange: "#d9730d", red: "#c4162a" };
const FONT = "Helvetica, Arial, sans-serif";

const values = { __range: `${end - start}s` };
for (const { name, includeAll, allValue, current } of dashboard.templating.list) {
  values[name] = includeAll ? allValue : current?.value;
}
Object.assign(values, Object.fromEntries(chosen.map((pair) => pair.split("=", 2))));
const written = (text) => text.replace(/\$\{(\w+)\}|\$(\w+)/g, (whole, a, b) => values[a ?? b] ?? whole);

const UNITS = { reqps: "req/s", cps: "/s", ms: "ms", short: "" };
function shown(value, unit) {
  if (unit === "percentunit") return `${+(value * 100).toFixed(1)} %`;
  if (unit === "ms" && value >= 1000) return `${+(value / 1000).toPrecision(3)} s`;
  return `${+value.toPrecision(3)} ${UNITS[unit] ?? unit}`.trim();
}

async function range(expr) {
  const query = new URLSearchParams({ query: written(expr), start, end, step });
  const answer = await (await fetch(`${prometheus}/api/v1/query_range?${query}`)).json();
  if (answer.status !== "success") throw new Error(`${expr}: ${answer.error}`);
  return answer.data.result;
}

// The series of all targets: a name by the target's legend, and [milliseconds, number] pairs.
async function series(panel) {
  const all = [];
  for (const { expr, legendFormat } of panel.targets) {
    for (const { metric, values } of await range(expr)) {
      const name = legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? "").trim();
      const points = values.map(([time, value]) => [time * 1000, Number.isNaN(+value) ? null : +value]);
      all.push({ name: name || "-", points });
    }
  }
  // Those that never were anything only fill the legend.
  return all.filter(({ points }) => points.some(([, value]) => value)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function chart(width, height, option) {
  const canvas = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  canvas.setOption({ animation: false, textStyle: { fontFamily: FONT }, ...option });
  const svg = canvas.renderToSVGString();
  canvas.dispose();
  return svg;
}

// How many lines of text the names take, with a colour before each.
function legendLines(names, width) {
  let [lines, used] = [1, 0];
  for (const name of names) {
    const needed = 32 + name.length * 6.4;
    if (used + needed > width) [lines, used] = [lines + 1, 0];
    used += needed;
  }
  return lines;
}

const time = { type: "time", min: start * 1000, max: end * 1000, splitNumber: 5 };

function timeSeries({ fieldConfig: { defaults } }, all, width, height) {
  const { stacking, fillOpacity } = defaults.custom;
  // What is stacked needs a value at each time.
  const times = [];
  for (let at = +start; at <= +end; at += +step) times.push(at * 1000);
  const whole = (points) => {
    const known = new Map(points);
    return times.map((at) => [at, known.get(at) ?? 0]);
  };
  return chart(width, height, {
    useUTC: true,
    grid: { left: 62, right: 14, top: 8, bottom: 26 + 20 * legendLines(all.map(({ name }) => name), width) },
    legend: { type: "plain", bottom: 0, left: 4, itemWidth: 14, itemHeight: 3, icon: "rect", itemGap: 12, textStyle: { fontSize: 10.5 } },
    xAxis: { ...time, axisLabel: { fontSize: 10, hideOverlap: true, formatter: "{HH}:{mm}:{ss}" } },
    yAxis: { type: "value", min: defaults.min, splitNumber: 4, axisLabel: { fontSize: 10, formatter: (value) => shown(value, defaults.unit) } },
    series: all.map(({ name, points }) => ({
      name, type: "line", symbol: "none", lineStyle: { width: 1.3 },
      ...(stacking ? { stack: stacking.group, data: whole(points) } : { data: points }),
      ...(fillOpacity ? { areaStyle: { opacity: fillOpacity / 100 } } : {}),
    })),
  });
}

function stat({ fieldConfig: { defaults } }, all, width, height) {
  const points = all[0]?.points ?? [];
  const value = points.findLast(([, value]) => value !== null)?.[1] ?? 0;
  const step = defaults.thresholds.steps.findLast(({ value: from }) => from === null || value >= from);
  const colour = COLOURS[step.color];
  const hidden = { show: false };
  const line = chart(width, height, {
    grid: { left: 0, right: 0, top: height * 0.55, bottom: 0 },
    xAxis: { ...time, ...hidden },
    yAxis: { type: "value", min: 0, ...hidden },
    series: [{ type: "line", symbol: "none", data: points, lineStyle: { width: 1, color: colour }, areaStyle: { color: colour, opacity: 0.15 } }],
  });
  return `${line}<text x="${width / 2}" y="${height * 0.5}" text-anchor="middle" font-size="25" fill="${colour}">${shown(value, defaults.unit)}</text>`;
}

const DRAWN = { stat, timeseries: timeSeries };
const escaped = (text) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

const parts = [];
for (const panel of dashboard.panels) {
  if (!DRAWN[panel.type]) throw new Error(`${file}: the panel "${panel.title}" is of the type ${panel.type}, which is not drawn here`);
  const { x, y, w, h } = panel.gridPos;
  const [width, height] = [w * COLUMN - GAP, h * ROW - GAP];
  const inner = DRAWN[panel.type](panel, await series(panel), width, height - TITLE);
  parts.push(
    `<g transform="translate(${x * COLUMN + GAP / 2},${y * ROW + GAP / 2})">` +
      `<rect width="${width}" height="${height}" rx="3" fill="#fff" stroke="#d8d9da"/>` +
      `<text x="8" y="18" font-size="12.5" font-weight="bold" fill="#24292e">${escaped(panel.title)}</text>` +
      `<g transform="translate(0,${TITLE})">${inner}</g></g>`,
  );
}
const height = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h)) * ROW;
process.stdout.write(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${24 * COLUMN} ${height}" font-family="${FONT}">` +
    `<rect width="100%" height="100%" fill="#f4f5f5"/>${parts.join("\n")}</svg>\n`,
);
