import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A registry on this machine, empty when it starts, that knows no other registry. */
export interface Registry {
  url: string;
  /** Lines of an .npmrc by which npm and pnpm read from it and publish to it, and ask no other. */
  npmrc: string;
  stop(): Promise<void>;
}

/**
 * Starts Verdaccio on a free port of 127.0.0.1 with a storage of its own.
 *
 * @param tools  the folder whose node_modules has Verdaccio
 * @throws Error  when it does not answer within half a minute
 */
export async function startRegistry(tools: string): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), 'seq-registry-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  mkdirSync(join(folder, 'storage'));
  writeFileSync(join(folder, 'config.yaml'), config(folder));
  const program = join(tools, 'node_modules', 'verdaccio', 'bin', 'verdaccio');
  const args = [program, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`];
  const server = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (chunk: Buffer) => void (said = (said + chunk.toString()).slice(-4000)));
  const ended = new Promise<void>((resolve) => server.on('close', () => resolve()));
  const stop = async (): Promise<void> => {
    server.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  if (!(await answers(`${url}-/ping`, server))) {
    await stop();
    throw new Error(`the registry did not start:\n${said}`);
  }
  const npmrc = `registry=${url}\n@seq:registry=${url}\n//127.0.0.1:${port}/:_authToken=rehearsal\n`;
  return { url, npmrc, stop };
}

/** No uplinks: what is not published here is not found. Everybody may publish: nobody else can reach it. */
function config(folder: string): string {
  return `
storage: ${join(folder, 'storage')}
uplinks: {}
packages:
  '**': { access: $all, publish: $all, unpublish: $all }
web: { enable: false }
log: { type: stdout, format: pretty, level: warn }
`;
}

async function answers(url: string, server: { exitCode: number | null }): Promise<boolean> {
  for (let i = 0; i < 150 && server.exitCode === null; i++) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
