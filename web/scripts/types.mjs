// src/api/schema.d.ts from the API's own description, which the gateway's code makes without a running platform.
// OPENAPI names a document to use instead (a file or an address); PYTHON the interpreter of the repository.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));
const target = new URL("../src/api/schema.d.ts", import.meta.url);
const program =
  "import json; from gateway.contract import DESCRIPTORS, read_contract; from gateway.openapi import document; " +
  "print(json.dumps(document(read_contract(DESCRIPTORS.read_bytes()))))";

function described() {
  const printed = execFileSync(process.env.PYTHON ?? ".venv/bin/python", ["-c", program], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(printed.toString());
}

const source = process.env.OPENAPI ? new URL(process.env.OPENAPI, import.meta.url) : described();
writeFileSync(target, astToString(await openapiTS(source)));
