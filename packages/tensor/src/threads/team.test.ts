import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { layout as at } from './layout.js';
import type { Start } from './layout.js';
import { Team } from './team.js';

const memory = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const tasks = [0, 1].map((kernel) => ({ module: 0, kernel, args: [] }));

/** A worker that is ready, takes one task and ends without doing it. */
function deserter({ control }: Start): () => void {
  const source = `
    const words = new Int32Array(require('node:worker_threads').workerData);
    Atomics.add(words, ${at.ready}, 1);
    for (;;) {
      const claim = Atomics.load(words, ${at.claim});
      if ((claim & 255) > 0 && Atomics.compareExchange(words, ${at.claim}, claim, claim - 1) === claim) break;
    }`;
  const worker = new Worker(source, { eval: true, workerData: control });
  worker.unref();
  return () => void worker.terminate();
}

test('a worker that ends in the middle of a kernel is an error, and one thread goes on', async () => {
  const team = new Team(memory(), [0], { spawn: deserter, patience: 200 });
  team.start();
  for (let i = 0; team.threads < 2 && i < 2000; i++) await new Promise((done) => setTimeout(done, 5));
  expect(team.threads).toBe(2);
  const done: number[] = [];
  const run = (): void =>
    team.run(tasks, ({ kernel }) => {
      // Until the other task is taken.
      for (const end = performance.now() + 300; performance.now() < end;);
      done.push(kernel);
    });
  expect(run).toThrow(/cpu: a worker must finish its part of a kernel, it did not in 0.2 s/);
  expect(done).toHaveLength(1);
  expect([team.threads, team.refused]).toEqual([1, 'a worker ended in the middle of a kernel']);
});

test('tasks that no worker takes are done here', () => {
  const team = new Team(memory(), [], { patience: 50 });
  const done: number[] = [];
  team.run(tasks, ({ kernel }) => void done.push(kernel));
  expect(new Set(done)).toEqual(new Set([0, 1]));
});
