import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { camelCase } from './rename.js';
import { addState } from './states.js';
import {
  copyMechanism,
  isName,
  readJson,
  sorted,
  template,
  UsageError,
  withExport,
  write,
} from './template.js';
import type { RoomManifest } from './template.js';

/** Files of a room that say nothing of the room. */
const sameEverywhere = ['tsconfig.json', 'tsconfig.build.json', 'tsup.config.ts'];

/** A size in kilobytes under which a fresh mechanism's bundle lies well; its author tightens it. */
const freshLimitKB = 50;

/**
 * Creates a room: a package of the house's shape with a first mechanism, copied from the living template. The tools that
 * read every package's README and the table of bundle limits learn of it.
 *
 * @returns the files written, as paths from the root
 * @throws UsageError  a name that is no package's, or that of a package that exists
 */
export function newPackage(root: string, name: string, mechanism: string = name): string[] {
  if (!isName(name)) throw new UsageError(`expected a name in lower case such as linear-attn, got "${name}"`);
  if (!isName(mechanism) || ['internal', 'wasm'].includes(mechanism))
    throw new UsageError(`expected the name of a first mechanism such as gated-delta, got "${mechanism}"`);
  if (existsSync(join(root, 'packages', name))) throw new UsageError(`packages/${name} exists`);

  const folder = `packages/${name}`;
  const model = `packages/${template.room}`;
  const mechanismFiles = copyMechanism(root, { room: name, name: mechanism });
  for (const file of sameEverywhere) cpSync(join(root, model, file), join(root, folder, file));
  write(root, `${folder}/package.json`, manifestOf(readJson(root, `${model}/package.json`), name, mechanism));
  write(root, `${folder}/README.md`, readmeOf(name, mechanism));
  write(root, `${folder}/src/index.ts`, `export * from './${mechanism}/index.js';\n`);

  const readers = 'tooling/readme/package.json';
  const reader = readJson<{ devDependencies: Record<string, string> }>(root, readers);
  const devDependencies = sorted({ ...reader.devDependencies, [`@seq/${name}`]: 'workspace:*' });
  write(root, readers, { ...reader, devDependencies });
  const limits = 'tooling/packed/bundles.json';
  const limit = {
    imports: { [`@seq/${name}/${mechanism}`]: [camelCase(mechanism)] },
    same: [{ [`@seq/${name}`]: [camelCase(mechanism)] }],
    limitKB: freshLimitKB,
  };
  write(root, limits, [...readJson<object[]>(root, limits), limit]);

  const own = [...sameEverywhere, 'package.json', 'README.md', 'src/index.ts'].map(
    (file) => `${folder}/${file}`,
  );
  return [...own, ...mechanismFiles, readers, limits, ...addState(root, { room: name, name: mechanism })];
}

/** The package.json of the room that lends its shape, under another name and with one mechanism. */
function manifestOf(model: RoomManifest, name: string, mechanism: string): RoomManifest {
  const only = (exports: Record<string, unknown>): Record<string, unknown> => ({
    '.': exports['.'],
    './package.json': exports['./package.json'],
  });
  // A new room has no kernels in WebAssembly to compile.
  const { prepare: _prepare, sources: _sources, ...common } = model.scripts;
  const scripts = Object.entries(common).map(([script, command]): [string, string] => [
    script,
    command.replaceAll(`packages/${template.room}/`, `packages/${name}/`),
  ]);
  const bare: RoomManifest = {
    ...model,
    name: `@seq/${name}`,
    description: 'Sequence mechanisms of Seq.',
    scripts: Object.fromEntries(scripts),
    exports: only(model.exports),
    publishConfig: { ...model.publishConfig, exports: only(model.publishConfig.exports) },
  };
  return withExport(bare, mechanism);
}

function readmeOf(name: string, mechanism: string): string {
  const factory = camelCase(mechanism);
  return `# @seq/${name}

Sequence mechanisms that have in common what their state is: say here what it is. Each has a train form (all positions at
once) and an inference form (one step, a state), proven equal.

\`\`\`sh
npm i @seq/${name} @seq/nn @seq/tensor
\`\`\`

\`\`\`ts
import { ${factory} } from '@seq/${name}';
import { key, normal } from '@seq/tensor';

const mixer = ${factory}({ dModel: 16 });
const params = mixer.init(key(0));
const x = normal(key(1), [2, 100, 16]); // [B, T, C]
const y = mixer.forward(params, x); // all positions at once

let state = mixer.initState(2);
let last = x.at(0, 1);
for (let t = 0; t < 100; t++) [last, state] = mixer.step(params, x.at(t, 1), state); // one by one, same result

const difference = last.sub(y.at(-1, 1)).abs().max();
console.log((await difference.item()) < 1e-5);
// → true
\`\`\`

## Mechanisms

<!-- generated:mechanisms -->
<!-- /generated -->

- [\`${factory}\`](src/${mechanism}/README.md): what it remembers, in one line.
`;
}
