// Compiles the kernels of a package, wasm/*.as with wasm/index.as at the head, into src/wasm/modules.ts: one module for
// engines with SIMD and with relaxed SIMD. Started in the package's folder. Does nothing when sources, compiler and flags
// are those of the file that is there.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withRoom } from './room.mjs';

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
  readdirSync(place)
    .filter((name) => name.endsWith('.as'))
    .sort()
    .map((name) => join(place, name));
const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
const hash = createHash('sha256').update(`${version} ${JSON.stringify(flags)}`);
for (const part of ['build.mjs', 'room.mjs']) hash.update(readFileSync(join(core, part)));
for (const file of new Set([...sourcesIn(core), ...sourcesIn(folder)])) {
  hash.update(relative(core, file)).update(readFileSync(file));
}
const stamp = `// Made from wasm/*.as, ${hash.digest('hex')}`;

if (!existsSync(target) || !readFileSync(target, 'utf8').startsWith(`${stamp}\n`)) {
  // The compiler takes longer to load than to find out that there is nothing to do.
  const { default: asc } = await import('assemblyscript/asc');
  const { bytes, text } = await compile(asc, flags);
  const count = text.match(/relaxed_n?madd/g)?.length ?? 0;
  // Every Node can load the plain build; the other has the same constants.
  check(withRoom(bytes, count, true));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${stamp}\nexport const builds: string =\n  '${packed(withRoom(bytes, count))}';\n`);
}

/**
 * Bytes as letters, as `load.ts` reads them: those that are frequent in modules, 0 to 85, are one letter, the others two.
 * gzip makes less of it than of bytes in hexadecimal, and no tool must escape anything in it.
 */
function packed(bytes) {
  const letters = Array.from({ length: 92 }, (_, i) => String.fromCharCode(35 + i)).filter(
    (letter) => !"$'\\`".includes(letter),
  );
  return Array.from(bytes, (byte) =>
    byte < 86 ? letters[byte] : letters[85 + Math.floor(byte / 86)] + letters[byte % 86],
  ).join('');
}

async function compile(asc, args) {
  const files = new Map();
  const { error } = await asc.main(
    ['index.ts', ...args, '--baseDir', folder, '--outFile', 'out.wasm', '--textFile', 'out.wat'],
    {
      // AssemblyScript looks for .ts; here its files are called .as, since the tools for TypeScript cannot read them.
      readFile: (file, base) => {
        const path = join(base, file.replace(/\.ts$/, '.as'));
        return existsSync(path) ? readFileSync(path, 'utf8') : null;
      },
      stderr: process.stderr,
      writeFile: (name, contents) => void files.set(name, contents),
    },
  );
  if (error) throw error;
  return { bytes: files.get('out.wasm'), text: files.get('out.wat') };
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
