// What is published: the files, the names, and that nothing in them is what a page should not have.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as sdk from "../../web/sdk/parley.js";

const FOLDER = fileURLToPath(new URL("../../web/sdk/", import.meta.url));
const read = (name) => readFileSync(`${FOLDER}${name}`, "utf8");
const SOURCES = ["parley.js", "example.js", ...readdirSync(`${FOLDER}src`).map((name) => `src/${name}`)];
const manifest = JSON.parse(read("package.json"));

const hasNpm = (() => {
  try {
    execFileSync("npm", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

test("npm pack, offline, packs the sources, the types, the example, the licence, and nothing else", { skip: !hasNpm }, () => {
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--offline"], { cwd: FOLDER, stdio: ["ignore", "pipe", "ignore"] }));
  assert.deepEqual(packed.files.map(({ path }) => path).sort(), ["LICENSE", "README.md", "example.html", "package.json", "parley.d.ts", ...SOURCES].sort());
});

test("it has no dependencies, and its entry and types are there", () => {
  for (const name of ["dependencies", "devDependencies", "peerDependencies", "scripts"]) assert.equal(manifest[name], undefined);
  const { types, default: entry } = manifest.exports["."];
  assert.ok(read(types).includes("export class Parley"));
  assert.ok(read(entry).includes("export class Parley"));
});

test("the licence is the repository's", () => {
  assert.equal(read("LICENSE"), readFileSync(new URL("../../LICENSE", import.meta.url), "utf8"));
});

test("the types name every export, and every method and property of the classes", () => {
  const types = read("parley.d.ts");
  for (const [name, value] of Object.entries(sdk)) {
    const [, declared] = types.match(new RegExp(`export class ${name}\\b[^{]*\\{([\\s\\S]*?)\\n\\}`)) ?? [];
    assert.ok(declared, `${name} is not declared`);
    const internal = { Timeline: ["open", "refresh", "take", "takePending", "skip"] }[name] ?? [];
    for (const member of Object.getOwnPropertyNames(value.prototype)) {
      if (internal.includes(member)) continue;
      assert.match(declared, new RegExp(`\\b${member}\\b`), `${name}.${member}`);
    }
  }
});

test("the example is at most thirty lines, its script lies beside it", () => {
  const lines = (name) => read(name).trimEnd().split("\n").length;
  assert.ok(lines("example.html") + lines("example.js") <= 30);
  assert.doesNotMatch(read("example.html"), /<script(?![^>]*src=)|style=|\son\w+=/);
});

describe("no source", () => {
  for (const name of SOURCES) {
    test(`${name} imports from elsewhere, evaluates, writes to the console, or touches markup`, () => {
      const source = read(name);
      for (const [, from] of source.matchAll(/from "([^"]+)"/g)) assert.match(from, /^\.\.?\//);
      assert.doesNotMatch(source, /\beval\(|new Function|console\.|innerHTML|document\.write|debugger/);
    });
  }
});
