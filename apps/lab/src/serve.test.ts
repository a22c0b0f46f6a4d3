import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT, LabError } from './errors.js';
import { servePage } from './serve.js';
import type { PageServer } from './serve.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-serve-'));
let server: PageServer;

beforeAll(async () => {
  mkdirSync(join(folder, 'page', 'assets'), { recursive: true });
  writeFileSync(join(folder, 'page', 'index.html'), '<p>the lab</p>');
  writeFileSync(join(folder, 'page', 'assets', 'a.js'), 'export {};');
  writeFileSync(join(folder, 'secret.txt'), 'not for the page');
  server = await servePage(join(folder, 'page'), 0);
});
afterAll(() => server.close());

async function refusal(promise: Promise<unknown>): Promise<LabError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
}

describe('servePage', () => {
  it.each([
    ['', 'text/html; charset=utf-8', '<p>the lab</p>'],
    ['?a=b', 'text/html; charset=utf-8', '<p>the lab</p>'],
    ['assets/a.js', 'text/javascript; charset=utf-8', 'export {};'],
  ])('gives /%s with its type', async (path, type, body) => {
    const response = await fetch(server.url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(await response.text()).toBe(body);
  });

  it('allows scripts of its own and WebAssembly, and nothing inline', async () => {
    for (const path of ['', 'assets/a.js', 'absent']) {
      const { headers } = await fetch(server.url + path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';");
      expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it.each(['absent.js', 'assets', '%2e%2e/secret.txt', '..%2fsecret.txt', 'assets/../../secret.txt'])(
    'has nothing at /%s',
    async (path) => {
      const response = await fetch(server.url + path);
      expect(response.status).toBe(404);
      expect(await response.text()).toBe('There is no such file.\n');
    },
  );

  it('answers HEAD without a body and refuses to be written to', async () => {
    const head = await fetch(server.url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const post = await fetch(server.url, { method: 'POST', body: 'x' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('says what to do about a folder without a page and a port that is taken', async () => {
    const unbuilt = await refusal(servePage(folder, 0));
    expect(unbuilt.exitCode).toBe(EXIT.input);
    expect(unbuilt.message).toContain('Build the lab first');
    const taken = await refusal(servePage(join(folder, 'page'), Number(new URL(server.url).port)));
    expect(taken.exitCode).toBe(EXIT.usage);
    expect(taken.message).toContain('--port must be free');
  });
});
