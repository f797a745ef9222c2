// Checks the dashboards named on the command line against Grafana's own types, as the npm package @grafana/schema has them: the
// dashboard, its panels, and of each panel the options and field settings of its type. Prints each fault, and ends with 1 if there is one.
import { readFileSync } from "node:fs";
import { typeFaults } from "./type-faults.mjs";

const panelTypes = "@grafana/schema/dist/esm/raw/composable";
const known = { bargauge: "BarGauge", heatmap: "Heatmap", stat: "Stat", table: "Table", timeseries: "TimeSeries" };

// Grafana's types have enumerations, whose values a file has as texts.
const source = [
  `import type { Dashboard, GraphFieldConfig, Panel, RowPanel } from "@grafana/schema";`,
  `type Written<T> = T extends string ? \`\${T}\` : T extends (infer E)[] ? Written<E>[] : T extends object ? { [K in keyof T]: Written<T[K]> } : T;`,
];
// What stands in each line of the source, to say where a fault is.
const places = [undefined, undefined];

for (const file of process.argv.slice(2)) {
  const add = (what, type, value) => {
    places.push(`${file}: ${what}`);
    source.push(`export const value${places.length}: Written<${type}> = ${JSON.stringify(value)};`);
  };
  const { panels, ...dashboard } = JSON.parse(readFileSync(file, "utf8"));
  add("the dashboard", "Dashboard", dashboard);
  for (const panel of panels) {
    const name = `the panel "${panel.title}"`;
    if (panel.type === "row") {
      add(name, "RowPanel", panel);
      continue;
    }
    const type = known[panel.type];
    if (!type) throw new Error(`${file}: ${name} is of the type ${panel.type}, of which this check knows nothing`);
    // Of the data source's own members of a target the package says nothing; `tests/tests/dashboards.rs` runs each query.
    const { options, targets, ...rest } = panel;
    add(name, "Panel", rest);
    add(`the options of ${name}`, `Partial<import("${panelTypes}/${panel.type}/panelcfg/x/${type}PanelCfg_types.gen").Options>`, options);
    if (panel.type === "timeseries") add(`the field settings of ${name}`, "GraphFieldConfig", panel.fieldConfig.defaults.custom);
  }
}

const faults = typeFaults(source.join("\n"));
faults.forEach(({ line, message }) => console.error(`${places[line]}: ${message}`));
process.exit(faults.length === 0 ? 0 : 1);
