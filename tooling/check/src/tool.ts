import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a tool printed and how it ended. */
export interface ToolResult {
  code: number;
  output: string;
}

/** Runs a program and collects what it prints on both streams. */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<ToolResult> {
  return new Promise((resolve) => {
    const { FORCE_COLOR: _, ...inherited } = process.env;
    const child = spawn(program, args, { cwd, env: { ...inherited, NO_COLOR: '1', ...env } });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => void (output += chunk.toString()));
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output: output.trim() }));
  });
}

/** Runs a program of an npm package that is installed at the root or beside this folder. */
export function tool(
  root: string,
  name: string,
  args: readonly string[],
  cwd: string = root,
  bin: string = name,
): Promise<ToolResult> {
  const folder = [join(root, 'node_modules', name), join(root, 'tooling/check/node_modules', name)].find(
    (path) => existsSync(path),
  );
  if (!folder) return Promise.resolve({ code: 127, output: `${name} is not installed` });
  const manifest = join(folder, 'package.json');
  const { bin: bins } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    bin: string | Record<string, string>;
  };
  const file = typeof bins === 'string' ? bins : bins[bin];
  if (file === undefined) return Promise.resolve({ code: 127, output: `${name} has no program ${bin}` });
  return run(process.execPath, [join(dirname(manifest), file), ...args], cwd);
}

/** A tool's output as the finding of a failed check; nothing when it ended well. */
export function finding({ code, output }: ToolResult): string[] {
  return code === 0 ? [] : [output === '' ? `ended with exit code ${code}` : output];
}

/** Maps with at most `limit` calls at a time, results in order. */
export async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  f: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await f(items[index]);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}
