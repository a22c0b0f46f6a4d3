// Compiles the kernels of a package, wasm/*.as with wasm/index.as at the head, into src/wasm/modules.ts: one module for
// engines with SIMD and with relaxed SIMD. Each wasm/NAME/index.as makes a module of its own, the export NAME, for programs
// that use nothing else. Started in the package's folder. Does nothing when sources, compiler and flags are those of the
// file that is there.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { withRoom } from './room.mjs';

const core = dirname(fileURLToPath(import.meta.url));
const folder = join(process.cwd(), 'wasm');
const own = folder === core;
const target = join(process.cwd(), 'src', 'wasm', 'modules.ts');

/** Constants of the core lie from 1024 on, those of all others from 4096 on: see memory.as. */
const places = { core: [1024, 4096], guest: [4096, 8192] };
const flags = [
  ...['-O3s', '--runtime', 'stub', '--noAssert'],
  // The import of a shared memory; where there are no threads, one byte makes it that of an ordinary one.
  ...[
    '--importMemory',
    '--sharedMemory',
    '--maximumMemory',
    '65536',
    '--enable',
    'simd,threads,relaxed-simd',
  ],
];

const sourcesIn = (place) =>
  readdirSync(place, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.as'))
    .sort()
    .map((name) => join(place, name));
/** What modules.ts exports, by the file at its head. */
const heads = Object.fromEntries([
  ['builds', 'index'],
  ...readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'index.as')))
    .map((name) => [name, `${name}/index`]),
]);
const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
const hash = createHash('sha256').update(`${version} ${JSON.stringify(flags)}`);
for (const part of ['build.mjs', 'compile.mjs', 'room.mjs']) hash.update(readFileSync(join(core, part)));
for (const file of new Set([...sourcesIn(core), ...sourcesIn(folder)])) {
  hash.update(relative(core, file)).update(readFileSync(file));
}
const stamp = `// Made from wasm/*.as, ${hash.digest('hex')}`;

if (!existsSync(target) || !readFileSync(target, 'utf8').startsWith(`${stamp}\n`)) {
  const lines = [stamp];
  for (const [name, head] of Object.entries(heads)) {
    const place = own && head === 'index' ? places.core : places.guest;
    const { bytes, text } = await compile([`${head}.ts`, ...flags, '--memoryBase', `${place[0]}`]);
    const count = text.match(/relaxed_n?madd/g)?.length ?? 0;
    // Every Node can load the plain build; the other has the same constants.
    check(withRoom(bytes, count, true), place);
    lines.push(`export const ${name}: string =`, `  '${packed(withRoom(bytes, count))}';`);
  }
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${lines.join('\n')}\n`);
}

/**
 * Bytes as letters, as `load.ts` reads them: the 86 that are most frequent in modules are one letter, the others two. gzip
 * makes less of it than of bytes in hexadecimal, and no tool must escape anything in it.
 */
function packed(bytes) {
  const letters = Array.from({ length: 92 }, (_, i) => String.fromCharCode(35 + i)).filter(
    (letter) => !"$'\\`".includes(letter),
  );
  const frequent = [
    [64, 65],
    [0, 37],
    [252, 253],
    [132, 133],
    [106, 116],
    [120, 128],
    [92, 92],
    [0, 255],
  ];
  const order = new Set(
    frequent.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)),
  );
  const codes = new Map([...order].map((byte, code) => [byte, code]));
  return Array.from(bytes, (byte) => {
    const code = codes.get(byte);
    return code < 86 ? letters[code] : letters[85 + Math.floor(code / 86)] + letters[code % 86];
  }).join('');
}

function compile(args) {
  return new Promise((done, failed) => {
    const thread = new Worker(new URL('compile.mjs', import.meta.url), { workerData: { folder, args } });
    thread.once('message', done).once('error', failed);
  });
}

/** Throws unless the module keeps to its place in memory. */
function check(bytes, [first, end]) {
  const module = new WebAssembly.Module(bytes);
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
  const imports = { env: { memory, base: 8192 } };
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind === 'function') (imports[from] ??= {})[name] = () => 0;
  }
  void new WebAssembly.Instance(module, imports);
  const filled = new Uint8Array(memory.buffer);
  const [low, high] = [filled.findIndex((b) => b !== 0), filled.findLastIndex((b) => b !== 0)];
  if (high >= 0 && (low < first || high >= end)) {
    throw new Error(`wasm: constants must lie from ${first} to ${end}, they lie from ${low} to ${high}`);
  }
}
