import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright';
import type { Browser, Page } from 'playwright';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserLaunch } from '../../browser.config.js';
import { servePage } from '../serve.js';
import type { PageServer } from '../serve.js';

// The page as it is built and served, in headless Chromium.

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-page-'));
const browsers: Browser[] = [];
let server: PageServer;

beforeAll(async () => {
  await build({
    configFile: join(import.meta.dirname, '..', '..', 'vite.config.ts'),
    build: { outDir: folder },
    logLevel: 'error',
  });
  server = await servePage(folder, 0);
}, 60_000);

afterAll(async () => {
  await Promise.all(browsers.map((browser) => browser.close()));
  await server.close();
  rmSync(folder, { recursive: true });
});

/** The page in a browser of its own, its form ready, and everything that goes wrong in it. */
async function open(
  skip: (note: string) => void,
  { webgpu }: { webgpu: boolean },
): Promise<{ page: Page; problems: string[] }> {
  const launch = await browserLaunch();
  const without = [...launch.args.filter((arg) => !arg.includes('webgpu')), '--disable-gpu'];
  const browser = await chromium
    .launch({ ...launch, args: webgpu ? launch.args : without })
    .catch((error: Error) => skip(`no browser: ${error.message.split('\n')[0]}`));
  if (!browser) throw new Error('there is no browser');
  browsers.push(browser);
  const page = await browser.newPage({ viewport: { width: 1100, height: 1250 } });
  const problems: string[] = [];
  page.on('console', (m) => void (m.type() === 'error' && problems.push(m.text())));
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(server.url);
  await page.locator('#train:enabled').waitFor();
  return { page, problems };
}

async function fill(page: Page, model: string, steps: number): Promise<void> {
  await page.selectOption('#model', model);
  await page.fill('#steps', String(steps));
}

/** What the page says of its work, as soon as that looks like this. */
async function status(page: Page, pattern: RegExp): Promise<string> {
  await page.locator('#status', { hasText: pattern }).waitFor({ timeout: 60_000 });
  return page.locator('#status').innerText();
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly args: { readonly name?: string };
  /** Microseconds of the thread's own time: what other processes take on a busy machine is not in it. */
  readonly tdur?: number;
}

/** From now on: how long the longest task of the page's main thread took, in milliseconds, and how many there were. */
async function watchTasks(page: Page): Promise<() => Promise<{ longest: number; tasks: number }>> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
  return async () => {
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
      traceEvents: TraceEvent[];
    };
    const main = traceEvents.find(
      ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain',
    )!;
    const times = traceEvents
      .filter(({ name, pid, tid }) => name.endsWith('RunTask') && pid === main.pid && tid === main.tid)
      .map(({ tdur = 0 }) => tdur / 1000);
    return { longest: Math.max(...times), tasks: times.length };
  };
}

const number = async (page: Page, id: string): Promise<number> =>
  Number.parseFloat((await page.locator(`#${id}`).innerText()).replaceAll(',', ''));

describe('the page', () => {
  it('trains on WebGPU: the loss falls, a sample appears', { timeout: 90_000 }, async ({ skip }) => {
    if (process.env['SEQ_GPU'] === 'none') skip('no webgpu: SEQ_GPU is none');
    const { page, problems } = await open(skip, { webgpu: true });
    await fill(page, '2-gram', 30);
    const losses: number[] = [];
    await page.exposeFunction('seen', (text: string) => void losses.push(Number.parseFloat(text)));
    await page.evaluate(() => {
      const { seen } = window as unknown as { seen(text: string): void };
      const loss = document.getElementById('loss')!;
      new MutationObserver(() => seen(loss.textContent)).observe(loss, { childList: true });
    });
    await page.click('#train');
    expect(await status(page, /^(Done|Failed)/)).toMatch(/^Done after 30 steps/);
    if (process.env['SEQ_SCREENSHOTS'])
      await page.screenshot({ path: join(process.env['SEQ_SCREENSHOTS'], 'page.png'), fullPage: true });
    expect(await page.locator('#adapter').innerText()).toMatch(/^WebGPU: ./);
    const seen = losses.filter(Number.isFinite);
    expect(seen[0]).toBeGreaterThan(4);
    expect(seen.at(-1)).toBeLessThan(3.5);
    expect(await number(page, 'validation')).toBeLessThan(3.5);
    expect(await number(page, 'work')).toBeGreaterThan(30);
    expect(await page.locator('#memory').innerText()).toMatch(/^[\d.]+ [KM]iB \(at most [\d.]+ [KM]iB\)$/);
    expect(await page.locator('#sample').innerText()).toMatch(/^The whale[^]{250,}/);
    expect(problems).toEqual([]);
  });

  it(
    'computes on the CPU where there is no WebGPU, says so, never holds the page up, and can be stopped',
    { timeout: 90_000 },
    async ({ skip }) => {
      const { page, problems } = await open(skip, { webgpu: false });
      await fill(page, 'gru', 100_000);
      const watched = await watchTasks(page);
      await page.click('#train');
      await status(page, /^Step \d\d+ of 100,000/);
      const { longest, tasks } = await watched();
      expect(tasks).toBeGreaterThan(20);
      expect(longest).toBeLessThan(50);
      expect(await page.locator('#notice').innerText()).toMatch(/^No WebGPU here, so the CPU computes\./);
      expect(await page.locator('#adapter').innerText()).toBe('the CPU, one thread');
      await page.click('#stop');
      expect(await status(page, /^(Stopped|Failed)/)).toMatch(/^Stopped after/);
      if (process.env['SEQ_SCREENSHOTS'])
        await page.screenshot({ path: join(process.env['SEQ_SCREENSHOTS'], 'stopped.png'), fullPage: true });
      expect((await page.locator('#sample').innerText()).length).toBeGreaterThan(250);

      await page.selectOption('#device', 'cpu');
      await page.fill('#steps', '3');
      await page.click('#train');
      expect(await status(page, /^(Done|Failed)/)).toMatch(/^Done after 3 steps/);
      expect(await page.locator('#notice').isVisible()).toBe(false);
      expect(problems).toEqual([]);
    },
  );
});
