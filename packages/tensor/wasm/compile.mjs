// Compiles one module; a thread of its own, since the compiler puts what it has compiled into what it compiles next.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { main } from 'assemblyscript/asc';

const { folder, args } = workerData;
const files = new Map();
const output = ['--outFile', 'out.wasm', '--textFile', 'out.wat'];
const { error } = await main([...args, '--baseDir', folder, ...output], {
  // AssemblyScript looks for .ts; here its files are called .as, since the tools for TypeScript cannot read them.
  readFile: (file, base) => {
    const path = join(base, file.replace(/\.ts$/, '.as'));
    return existsSync(path) ? readFileSync(path, 'utf8') : null;
  },
  stderr: process.stderr,
  writeFile: (name, contents) => void files.set(name, contents),
});
if (error) throw error;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort.postMessage({ bytes: files.get('out.wasm'), text: files.get('out.wat') });
