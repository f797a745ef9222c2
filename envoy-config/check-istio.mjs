// Checks Istio resources against Istio's own schemas, as the npm package @kubernetes-models/istio has them.
//
// On standard input: a JSON array of { file, resource }. Prints each fault, and ends with 1 if there is one.
// Two checks each: the schema's validator (types, enumerations, patterns), which overlooks unknown fields, and
// the package's TypeScript declarations, by which a field that Istio does not know is an error.
import { readFileSync } from "node:fs";
import { WasmPlugin } from "@kubernetes-models/istio/extensions.istio.io/v1alpha1";
import { EnvoyFilter } from "@kubernetes-models/istio/networking.istio.io/v1alpha3";
import { Telemetry } from "@kubernetes-models/istio/telemetry.istio.io/v1";
import { typeFaults } from "./type-faults.mjs";

const models = {
  WasmPlugin: { model: WasmPlugin, module: "@kubernetes-models/istio/extensions.istio.io/v1alpha1" },
  EnvoyFilter: { model: EnvoyFilter, module: "@kubernetes-models/istio/networking.istio.io/v1alpha3" },
  Telemetry: { model: Telemetry, module: "@kubernetes-models/istio/telemetry.istio.io/v1" },
};

let faults = 0;
for (const { file, resource } of JSON.parse(readFileSync(0, "utf8"))) {
  const known = models[resource.kind];
  const found = [];
  if (!known) {
    found.push(`the package has no schema for ${resource.kind}`);
  } else {
    try {
      new known.model(resource).validate();
    } catch (error) {
      found.push(error.message);
    }
    found.push(
      ...typeFaults(
        `import type { I${resource.kind} } from "${known.module}";\n` +
          `import type { TypeMeta } from "@kubernetes-models/base";\n` +
          `export const resource: I${resource.kind} & TypeMeta = ${JSON.stringify(resource)};\n`,
      ).map(({ message }) => message),
    );
  }
  faults += found.length;
  found.forEach((fault) => console.error(`${file}: ${fault}`));
}
process.exit(faults === 0 ? 0 : 1);
