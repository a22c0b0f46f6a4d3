import { describe, expect, it } from 'vitest';
import { runJobs } from './scheduler.js';
import type { Job } from './scheduler.js';

/** Jobs whose end the test decides. */
function fakeJobs(costs: Record<string, number>): {
  jobs: Job<string>[];
  log: string[];
  finish(name: string): Promise<void>;
  fail(name: string): Promise<void>;
} {
  const log: string[] = [];
  const ends = new Map<string, { resolve(value: string | undefined): void; reject(error: Error): void }>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const jobs = Object.entries(costs).map(([name, cost]) => ({
    name,
    cost,
    start() {
      log.push(`start ${name}`);
      const done = new Promise<string | undefined>((resolve, reject) => ends.set(name, { resolve, reject }));
      return {
        done,
        stop() {
          log.push(`stop ${name}`);
          ends.get(name)!.resolve(undefined);
        },
        kill() {
          log.push(`kill ${name}`);
          ends.get(name)!.reject(new Error('killed'));
        },
      };
    },
  }));
  return {
    jobs,
    log,
    finish(name) {
      ends.get(name)!.resolve(`${name} result`);
      return settle();
    },
    fail(name) {
      ends.get(name)!.reject(new Error(`${name} broke`));
      return settle();
    },
  };
}

describe('runJobs', () => {
  it('runs two at a time, the longest first, and answers in the order given', async () => {
    const { jobs, log, finish } = fakeJobs({ short: 1, long: 9, middle: 5 });
    const all = runJobs(jobs, { concurrency: 2 });
    expect(log).toEqual(['start long', 'start middle']);
    await finish('middle');
    expect(log).toEqual(['start long', 'start middle', 'start short']);
    await finish('short');
    await finish('long');
    expect(await all).toEqual([
      { name: 'short', status: 'done', result: 'short result' },
      { name: 'long', status: 'done', result: 'long result' },
      { name: 'middle', status: 'done', result: 'middle result' },
    ]);
  });

  it('goes on after a failure and reports it', async () => {
    const { jobs, finish, fail } = fakeJobs({ a: 3, b: 2 });
    const ended: string[] = [];
    const all = runJobs(jobs, {
      concurrency: 1,
      onEnd: ({ name, status }) => ended.push(`${name} ${status}`),
    });
    await fail('a');
    await finish('b');
    const [a, b] = await all;
    expect(a).toMatchObject({ name: 'a', status: 'failed', error: new Error('a broke') });
    expect(b).toMatchObject({ status: 'done' });
    expect(ended).toEqual(['a failed', 'b done']);
  });

  it('reports a job that cannot even start', async () => {
    const job: Job<string> = {
      name: 'a',
      cost: 1,
      start() {
        throw new Error('no such program');
      },
    };
    expect(await runJobs([job], { concurrency: 1 })).toMatchObject([{ name: 'a', status: 'failed' }]);
  });

  it('asks running jobs to stop and starts no other', async () => {
    const { jobs, log } = fakeJobs({ a: 3, b: 2, c: 1 });
    const stop = new AbortController();
    const all = runJobs(jobs, { concurrency: 2, stop: stop.signal });
    stop.abort();
    expect(await all).toEqual([
      { name: 'a', status: 'stopped' },
      { name: 'b', status: 'stopped' },
      { name: 'c', status: 'waiting' },
    ]);
    expect(log).toEqual(['start a', 'start b', 'stop a', 'stop b']);
  });

  it('kills what runs when told to', async () => {
    const { jobs, log } = fakeJobs({ a: 3, b: 2 });
    const kill = new AbortController();
    const all = runJobs(jobs, { concurrency: 1, kill: kill.signal });
    kill.abort();
    expect(await all).toMatchObject([{ status: 'failed' }, { status: 'waiting' }]);
    expect(log).toEqual(['start a', 'kill a']);
  });
});
