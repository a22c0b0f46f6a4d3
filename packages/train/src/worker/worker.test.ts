import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { SeqError } from '@seq/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobs } from './testkit/jobs.js';
import type { TestJobs } from './testkit/jobs.js';
import { openWorker, serve } from './index.js';
import type { OpenedWorker } from './index.js';

// Sources are TypeScript: the worker reads them through tsx.
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const start = (): Worker =>
  new Worker(new URL('./testkit/worker.ts', import.meta.url), { execArgv: ['--import', tsx] });

/** The same jobs in this thread, at the other end of a channel. */
function inThread(): OpenedWorker<TestJobs> {
  const { port1, port2 } = new MessageChannel();
  serve(jobs, port1);
  return openWorker<TestJobs>(port2);
}

/** What a promise is rejected with. */
const failure = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('a worker of Node', () => {
  let worker: OpenedWorker<TestJobs>;
  beforeAll(() => void (worker = openWorker<TestJobs>(start())));
  afterAll(() => worker.close());

  test('trains: typed events step by step, the result moved here', async () => {
    const run = worker.run('train', { steps: 8 });
    const seen: [number, number][] = [];
    for await (const { step, loss } of run) seen.push([step, loss]);
    const { finished, weights } = await run.result;
    expect(seen.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(seen[7][1]).toBeLessThan(seen[0][1]);
    expect([finished, weights instanceof Float32Array]).toEqual([true, true]);
  });

  test('a signal ends a training between two steps, and nothing is left', async () => {
    const before = await worker.run('held', null).result;
    const stop = new AbortController();
    const run = worker.run('train', { steps: 1_000_000 }, { signal: stop.signal });
    for await (const { step } of run) if (step === 3) stop.abort();
    const { finished, step } = await run.result;
    expect(finished).toBe(false);
    expect(step).toBeGreaterThanOrEqual(3);
    expect(step).toBeLessThan(1000);
    expect(await worker.run('held', null).result).toEqual(before);
  });

  test('leaving the loop cancels', async () => {
    const run = worker.run('train', { steps: 1_000_000 });
    for await (const { step } of run) if (step === 2) break;
    expect((await run.result).finished).toBe(false);
  });

  test('this thread is free while it trains', async () => {
    const run = worker.run('train', { steps: 300 });
    // Milliseconds of this thread's own time between two ticks: what other processes take is not in it.
    const busy: number[] = [];
    let last = process.threadCpuUsage();
    const timer = setInterval(() => {
      const { user, system } = process.threadCpuUsage(last);
      busy.push((user + system) / 1000);
      last = process.threadCpuUsage();
    }, 1);
    const { finished } = await run.result;
    clearInterval(timer);
    expect(finished).toBe(true);
    expect(busy.length).toBeGreaterThan(10);
    expect(Math.max(...busy)).toBeLessThan(50);
  });

  test('close ends what runs, with a code', async () => {
    const own = openWorker<TestJobs>(start());
    const { result } = own.run('forever', null);
    const late = failure(result);
    own.close();
    expect(SeqError.is(await late, 'disposed')).toBe(true);
    expect(SeqError.is(await failure(own.run('held', null).result), 'disposed')).toBe(true);
  });

  test('a worker that dies, and one that cannot be loaded', async () => {
    const error = await failure(openWorker<TestJobs>(start()).run('crash', null).result);
    expect(SeqError.is(error, 'device')).toBe(true);
    expect(String(error)).toMatch(/run of "crash": the worker must stay alive, got: out of the blue/);
    const missing = openWorker<TestJobs>(new URL('./no-such-module.mjs', import.meta.url));
    expect(String(await failure(missing.run('held', null).result))).toMatch(/Cannot find module/);
  });
});

describe('what goes over the line', () => {
  test.each([
    ['lost', 'device-lost', 'DeviceLostError', 'outer: the device must live, got lost. Ask again.'],
    ['plain', undefined, 'RangeError', 'outer'],
  ] as const)('an error keeps name, code, message and cause: %s', async (how, code, name, message) => {
    using worker = inThread();
    const error = (await failure(worker.run('fail', how).result)) as SeqError;
    expect(SeqError.is(error, code)).toBe(code !== undefined);
    expect([error.name, error.message, error.code]).toEqual([name, message, code]);
    expect(SeqError.is(error.cause, 'option')).toBe(true);
    expect((error.cause as Error).message).toBe('inner: n must be 1, got 2. Pass 1.');
    expect(error.stack).toMatch(/testkit.jobs/);
  });

  test('a loop throws what the job throws, anything may be thrown', async () => {
    using worker = inThread();
    const loop = async (): Promise<void> => {
      for await (const _ of worker.run('fail', 'text')) expect.unreachable();
    };
    expect(await failure(loop())).toBe('no error at all');
  });

  test('buffers of the input move when asked to, those of the result always', async () => {
    using worker = inThread();
    const values = Float64Array.of(1, 2, 3);
    const { result } = worker.run('double', { values }, { transfer: [values.buffer] });
    expect([...(await result).values]).toEqual([2, 4, 6]);
    expect(values.length).toBe(0);
  });

  test('a tensor, a handle and an unknown job are refused', async () => {
    using worker = inThread();
    expect(String(await failure(worker.run('tensorResult', null).result))).toMatch(
      /the result of job "tensorResult": must be plain data, got a tensor \[2\]/,
    );
    const bad = { to: (() => 1) as unknown as number };
    expect(SeqError.is(await failure(worker.run('count', bad).result), 'option')).toBe(true);
    expect(String(await failure(worker.run('nothing' as 'count', { to: 1 }).result))).toMatch(
      /the job must be one of train, count, .*, got "nothing"/,
    );
  });

  test('a job that awaits emit never runs far ahead, nor waits when nobody listens', async () => {
    using worker = inThread();
    const run = worker.run('count', { to: 200 });
    let [count, ahead] = [0, 0];
    const { result } = run;
    let done = false;
    void result.then(() => (done = true));
    for await (const n of run) {
      expect(n).toBe(count++);
      if (count === 100) {
        await new Promise((go) => setTimeout(go, 20));
        expect(done).toBe(false);
        ahead = count;
      }
    }
    expect([count, ahead, await result]).toEqual([200, 100, 200]);
    expect(await worker.run('count', { to: 200 }).result).toBe(200);
  });

  test('a signal that was aborted before, and two runs at once', async () => {
    using worker = inThread();
    const signal = AbortSignal.abort();
    const [zero, three] = await Promise.all([
      worker.run('count', { to: 5 }, { signal }).result,
      worker.run('count', { to: 3 }).result,
    ]);
    expect([zero, three]).toEqual([0, 3]);
  });

  test('serve says where it must be called', () => {
    expect(() => serve({})).toThrow(/serve: must be called in a worker, got the main thread/);
  });
});
