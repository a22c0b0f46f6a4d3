// Compiles the kernels of a package, wasm/*.as with wasm/index.as at the head, into src/wasm/modules.ts: once for every
// processor with SIMD, once with relaxed SIMD, woven into one list. Started in the package's folder. Does nothing when
// sources, compiler and flags are those of the file that is there.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const core = dirname(fileURLToPath(import.meta.url));
const folder = join(process.cwd(), 'wasm');
const own = folder === core;
const target = join(process.cwd(), 'src', 'wasm', 'modules.ts');

/** Constants of the core lie from 1024 on, those of all others from 4096 on: see memory.as. */
const [first, end] = own ? [1024, 4096] : [4096, 8192];
const flags = [
  '-O3',
  ...['--runtime', 'stub', '--noAssert', '--memoryBase', `${first}`],
  // The import of a shared memory; where there are no threads, one byte makes it that of an ordinary one.
  ...['--importMemory', '--sharedMemory', '--maximumMemory', '65536', '--enable', 'simd,threads'],
];
const relaxedFlags = [...flags, '--enable', 'relaxed-simd'];

const sourcesIn = (place) =>
  readdirSync(place)
    .filter((name) => name.endsWith('.as'))
    .sort()
    .map((name) => join(place, name));
const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
const hash = createHash('sha256').update(`${version} ${JSON.stringify(relaxedFlags)}`);
hash.update(readFileSync(fileURLToPath(import.meta.url)));
for (const file of new Set([...sourcesIn(core), ...sourcesIn(folder)])) {
  hash.update(relative(core, file)).update(readFileSync(file));
}
const stamp = `// Made from wasm/*.as, ${hash.digest('hex')}`;

if (!existsSync(target) || !readFileSync(target, 'utf8').startsWith(`${stamp}\n`)) {
  // The compiler takes longer to load than to find out that there is nothing to do.
  const { default: asc } = await import('assemblyscript/asc');
  const plain = await compile(asc, flags);
  // Every Node can load the plain build; the other has the same constants.
  check(plain);
  const parts = weave(hex(plain), hex(await compile(asc, relaxedFlags)));
  const text = parts.map((part) => (typeof part === 'string' ? `'${part}'` : `['${part.join("', '")}']`));
  const type = 'readonly (string | readonly [plain: string, relaxed: string])[]';
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${stamp}\nexport const builds: ${type} = [\n  ${text.join(',\n  ')},\n];\n`);
}

/** In hex gzip finds what repeats; in base64 it does not. */
function hex(bytes) {
  return Buffer.from(bytes).toString('hex');
}

/**
 * Two builds in hex as a list of what they have in common, once, and what differs, as a pair. They are the same code but
 * for some instructions, and lie further apart than gzip looks back.
 */
function weave(plain, relaxed) {
  const [probe, least] = [16, 48]; // digits, two a byte
  const places = new Map();
  for (let j = 0; j + probe <= relaxed.length; j += 2) {
    const key = relaxed.slice(j, j + probe);
    places.set(key, [...(places.get(key) ?? []), j]);
  }
  const parts = [];
  let [i, fromPlain, fromRelaxed] = [0, 0, 0];
  const differ = (toPlain, toRelaxed) => {
    const pair = [plain.slice(fromPlain, toPlain), relaxed.slice(fromRelaxed, toRelaxed)];
    if (pair.some((part) => part !== '')) parts.push(pair);
  };
  while (i + probe <= plain.length) {
    let [length, at] = [0, 0];
    for (const j of places.get(plain.slice(i, i + probe)) ?? []) {
      if (j < fromRelaxed || j > fromRelaxed + 6000) continue;
      let n = probe;
      while (i + n < plain.length && plain.slice(i + n, i + n + 2) === relaxed.slice(j + n, j + n + 2))
        n += 2;
      if (n > length) [length, at] = [n, j];
    }
    if (length < least) {
      i += 2;
      continue;
    }
    differ(i, at);
    parts.push(plain.slice(i, i + length));
    [i, fromPlain, fromRelaxed] = [i + length, i + length, at + length];
  }
  differ(plain.length, relaxed.length);
  return parts;
}

async function compile(asc, args) {
  const files = new Map();
  const { error } = await asc.main(['index.ts', ...args, '--baseDir', folder, '--outFile', 'out.wasm'], {
    // AssemblyScript looks for .ts; here its files are called .as, since the tools for TypeScript cannot read them.
    readFile: (file, base) => {
      const path = join(base, file.replace(/\.ts$/, '.as'));
      return existsSync(path) ? readFileSync(path, 'utf8') : null;
    },
    stderr: process.stderr,
    writeFile: (name, contents) => void files.set(name, contents),
  });
  if (error) throw error;
  return files.get('out.wasm');
}

/** Throws unless the module keeps to its place in memory. */
function check(bytes) {
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
