// Whether data fits types that a published package declares, found with the TypeScript compiler: a member that the types do not
// have is an error, as one of the wrong type is.
//
// typeFaults(source) returns { line, message } for each fault in a TypeScript file that exists only here, beside this one so that
// imports are found.
import { fileURLToPath } from "node:url";
import ts from "typescript";

export function typeFaults(source) {
  const name = fileURLToPath(new URL("./data.ts", import.meta.url));
  const options = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === name || fileExists(path);
  host.getSourceFile = (path, ...rest) =>
    path === name ? ts.createSourceFile(path, source, options.target) : getSourceFile(path, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => ({
    line: file.getLineAndCharacterOfPosition(start).line,
    message: ts.flattenDiagnosticMessageText(messageText, " "),
  }));
}
