// Compiles the kernels into src/wasm/modules.ts: once for every processor with SIMD, once with relaxed SIMD.
// Does nothing when sources, compiler and flags are those of the file that is there.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const target = join(folder, '..', 'src', 'wasm', 'modules.ts');
const flags = ['-O3', '--runtime', 'stub', '--noAssert', '--importMemory', '--enable', 'simd'];
const builds = { plain: flags, relaxed: [...flags, '--enable', 'relaxed-simd'] };

const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.as'))
  .sort();
const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
const hash = createHash('sha256').update(`${version} ${JSON.stringify(builds)}`);
for (const name of sources) hash.update(name).update(readFileSync(join(folder, name)));
const stamp = `// Made by wasm/build.mjs from wasm/*.as, ${hash.digest('hex')}`;

if (!existsSync(target) || !readFileSync(target, 'utf8').startsWith(`${stamp}\n`)) {
  // The compiler takes longer to load than to find out that there is nothing to do.
  const { default: asc } = await import('assemblyscript/asc');
  let text = `${stamp}\n`;
  for (const [name, args] of Object.entries(builds)) {
    const files = new Map();
    const { error } = await asc.main(['index.ts', ...args, '--baseDir', folder, '--outFile', 'out.wasm'], {
      // AssemblyScript looks for .ts; here its files are called .as, since the tools for TypeScript cannot read them.
      readFile: (file, base) => {
        const path = join(base, file.replace(/\.ts$/, '.as'));
        return existsSync(path) ? readFileSync(path, 'utf8') : null;
      },
      stderr: process.stderr,
      writeFile: (file, contents) => void files.set(file, contents),
    });
    if (error) throw error;
    const base64 = Buffer.from(files.get('out.wasm')).toString('base64');
    text += `export const ${name}: string =\n  '${base64}';\n`;
  }
  writeFileSync(target, text);
}
